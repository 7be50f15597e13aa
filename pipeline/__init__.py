"""The stages of the pipeline and its command line; the only package that touches files.

The numerical libraries read these settings when they are first imported, so they are made here, before any
stage imports numpy: one thread each (results must not depend on the number of cores) and one set of processor
kernels (AVX-512 changes the last bits of a sum).
"""

import os
import platform

_SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
if platform.machine() in {"x86_64", "AMD64"}:
    _SETTINGS |= {
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    }
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
