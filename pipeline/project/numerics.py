"""How the numerical libraries compute: one thread each, and one set of processor kernels.

Results must not depend on the number of cores, and AVX-512 changes the last bits of a sum. The libraries read
these settings when they are first imported, so they are made before any stage imports numpy.
"""

import os
import platform

_SETTINGS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
if platform.machine() in {"x86_64", "AMD64"}:
    _SETTINGS |= {
        "OPENBLAS_CORETYPE": "Haswell",
        # Their blocks for a cache of 1 MiB end the process in the OpenBLAS of numpy 2.5 (0.3.34).
        # Their size changes no bit.
        "OPENBLAS_L2_SIZE": "512",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    }
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
