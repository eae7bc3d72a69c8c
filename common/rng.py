"""Randomness: every random number comes from a generator that somebody passed in or seeded.

One seed gives a program several independent streams, one for each purpose, so that drawing more dropout masks does
not change the order in which the data are shuffled.
"""

import zlib
from typing import Any, TypeAlias

import numpy

Seed: TypeAlias = int | numpy.random.Generator | None


def generator(seed: Seed = None) -> numpy.random.Generator:
    """The generator that `seed` stands for.

    A generator is returned as it is, an integer seeds a new one. ``None`` seeds a new one from NumPy's global
    generator, so that a script which only ever calls ``numpy.random.seed(0)`` is repeatable too.

    Raises ValueError or TypeError naming a seed that is no integer of at least 0.
    """
    if isinstance(seed, numpy.random.Generator):
        return seed
    if seed is None:
        return numpy.random.default_rng(numpy.random.randint(0, 2**32, size=4, dtype=numpy.uint32))  # noqa: NPY002
    return _seeded(seed, seed)


def stream(seed: int | None, purpose: str) -> numpy.random.Generator:
    """The stream of random numbers that `seed` gives for one purpose, such as ``"weights"`` or ``"shuffle"``.

    Streams of different purposes are independent; the same pair always gives the same numbers. Errors as of
    :func:`generator`.
    """
    if seed is None:
        return generator(None)
    return _seeded([seed, zlib.crc32(purpose.encode("utf-8"))], seed)


def _seeded(entropy: Any, seed: Any) -> numpy.random.Generator:
    """A new generator; an error names the seed that the caller gave."""
    try:
        return numpy.random.default_rng(entropy)
    except (TypeError, ValueError) as error:
        raise type(error)(f"seed must be a non-negative integer, not {seed!r}") from error
