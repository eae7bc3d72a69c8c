"""Layers, optimizers, trainers and utilities: the deep-learning library that the chapters are written with."""

import os

# OpenBLAS reads this when NumPy is first imported, as by any module here but this one. Its threads then wait for the
# next product for 2^21 cycles of the clock, about a millisecond, instead of 0.1 s, and leave their cores to others
# after that. Where NumPy was imported before, everything is as correct, but slower.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "21")
