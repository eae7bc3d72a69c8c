"""Passes over large arrays, shared among as many threads as the BLAS has, and products in pieces, on two.

    share(work, parts)              # work(part) for each of the parts

    with side_by_side() as both:
        both(one, other)            # one() here and other() on a second thread

NumPy makes products on all cores, by its BLAS, but everything else on one. It lets go of the interpreter's lock while
it passes over an array, so that threads of our own can use the others, if the parts are of some size: a megabyte each
pays, what the gates of a step of a recurrent layer need does not. The cores must be idle, too. After a product the
threads of OpenBLAS wait for the next one, without sleeping, for 0.1 s if the environment does not say less, as
:mod:`common` has it do.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any

import numpy

from common import config

Work = Callable[[], object]
Both = Callable[[Work, Work], None]

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


@functools.cache
def blas_architectures() -> set[str]:
    """The kinds of CPU whose routines OpenBLAS uses here, by its names; none for another BLAS, which does not say."""
    libraries = [] if _blas() is None else _blas().info()
    return {library["architecture"] for library in libraries if library["internal_api"] == "openblas"}


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


@contextlib.contextmanager
def side_by_side() -> Iterator[Both]:
    """A function ``both(one, other)``, which calls both of them, `other` on a second thread, and returns after both.

    The thread, which begins with the first call, waits for the next one until the context ends. It is woken in 10 us,
    if there is an idle core. If the BLAS has one thread only, there is none, and ``one(); other()`` it is. Where both
    raise, the error is that of `one`.
    """
    second = _Second()
    try:
        yield second.both
    finally:
        second.stop()


def _error_of(work: Work) -> BaseException | None:
    try:
        work()
    except BaseException as error:
        return error
    return None


class _Second:
    """A thread that does one thing after the other, from the first call of :meth:`both` until :meth:`stop`."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._errors: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._alone = False

    def both(self, one: Work, other: Work) -> None:
        if self._thread is None and not self._alone:
            self._start()
        if self._alone:
            one()
            other()
            return
        self._work.put(other)
        try:
            one()
        finally:
            error = self._errors.get()
        if error is not None:
            try:
                raise error
            finally:
                del error  # whose traceback holds this frame, which would keep the caller's arrays

    def _start(self) -> None:
        self._alone = blas_threads() == 1
        if not self._alone:
            # A daemon, so that the process can end if a second Ctrl-C interrupts :meth:`stop`.
            self._thread = threading.Thread(target=self._run, args=(same_warnings(),), daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread can be started any more
                self._alone = True

    def _run(self, warnings: Callable[[], AbstractContextManager[Any]]) -> None:
        with warnings():
            while (work := self._work.get()) is not None:
                self._errors.put(_error_of(work))

    def stop(self) -> None:
        self._work.put(None)
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
