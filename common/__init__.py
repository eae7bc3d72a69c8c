"""Layers, optimizers, trainers and utilities: the deep-learning library that the chapters are written with."""

import os
import sys

# OpenBLAS reads this when NumPy is first imported, as by any module here but this one. Its threads then wait for the
# next product for 2^21 cycles of the clock, about a millisecond, instead of 2^28, and leave their cores to others after
# that. Where NumPy was imported before, everything is as correct, but slower. For common.threads, `openblas_timeout` is
# what it has read, unless a program has set the variable after it imported NumPy.
openblas_timeout = os.environ.get("OPENBLAS_THREAD_TIMEOUT", "28" if "numpy" in sys.modules else "21")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "21")
