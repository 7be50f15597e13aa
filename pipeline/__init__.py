"""The stages of the pipeline and its command line; the only package that touches files."""

from pipeline.project import numerics as numerics
