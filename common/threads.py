"""Passes over large arrays, shared among as many threads as the BLAS has.

    share(work, parts)      # work(part) for each of the parts

NumPy makes products on all cores, by its BLAS, but everything else on one. It lets go of the interpreter's lock while
it passes over an array, so that threads of our own can use the others, if the parts are of some size: a megabyte each
pays, a step of a recurrent layer does not. The cores must be idle, too. After a product the threads of OpenBLAS wait
for the next one, without sleeping, for 0.1 s if the environment does not say less, as :mod:`common` has it do.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy

from common import config

THREADS = 4  # at most: more take more memory, or wait for it
FEW_PARTS = 4  # for fewer, to start a thread costs more than it saves


@functools.cache
def _blas() -> Any:
    """What tells the numbers of threads of NumPy's BLAS; None if nothing does."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # in an installation older than this dependency
        return None
    return ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """On how many threads the BLAS works. If on one, threads of our own gain nothing, nor do they on the GPU: 1."""
    if config.GPU or _blas() is None:
        return 1
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


def same_warnings() -> Callable[[], AbstractContextManager[Any]]:
    """A context for other threads in which NumPy warns as it does here; each thread has settings of its own."""
    settings: dict[str, Any] = {**numpy.geterr(), "call": numpy.geterrcall()}
    return lambda: numpy.errstate(**settings)


def share(work: Callable[[Any], object], parts: Sequence[Any]) -> None:
    """Call ``work(part)`` for each of the parts, in any order, several at a time.

    The calls must be independent of each other, and make no products, for which threads of ours would wait for each
    other. An error of one of them is raised here, when all threads have ended.
    """
    threads = min(blas_threads(), THREADS) if len(parts) >= FEW_PARTS else 1
    if threads == 1:  # at once: of a small network's iteration, a pool would be a third
        for part in parts:
            work(part)
        return
    warnings, left = same_warnings(), iter(parts)

    def some() -> None:
        with warnings():
            for part in left:  # of all threads: one that gets less of a core takes fewer of them
                work(part)

    with ThreadPoolExecutor(threads - 1) as pool:
        others: list[Any] = []
        with contextlib.suppress(RuntimeError):  # no thread can be started any more, as at the end of the process
            others.extend(pool.submit(some) for _ in range(1, threads))
        some()
    for other in others:
        other.result()
