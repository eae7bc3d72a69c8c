"""Passes over large arrays, shared among as many threads as the BLAS has, and products, on two threads of ours.

    share(work, parts)              # work(part) for each of the parts

    with side_by_side() as both:
        both(one, other)            # one() here and other() on a second thread

    in_halves(work, rows)           # work(part, turn) for each half of the rows, with products and passes in turn

NumPy makes products on all cores, by its BLAS, but everything else on one. It lets go of the interpreter's lock while
it passes over an array, so that threads of our own can use the others, if the parts are of some size: a megabyte each
pays, what the gates of a step of a recurrent layer need does not. The cores must be idle, too. After a product the
threads of OpenBLAS wait for the next one, without sleeping, for 0.1 s if the environment does not say less, as
:mod:`common` has it do. Where they wait long, mostly because NumPy was imported first, there are no threads of ours.
"""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, ClassVar

import numpy

from common import config, openblas_timeout

Work = Callable[[], object]
Both = Callable[[Work, Work], None]
Turn = AbstractContextManager[Any]

THREADS = 4  # at most: more take more memory, or wait for it
FEW_PARTS = 4  # for fewer, to start a thread costs more than it saves
LONGEST_WAIT = 22  # of OpenBLAS's threads, for ours to find an idle core; the default of 28 is too long

_holding = threading.Lock()  # held by the one that holds the BLAS to one thread
_usual: list[tuple[Any, int]] = []  # its libraries and their numbers of threads before


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
    if _usual and not _holding.locked():  # left so by an interrupt
        _restore_blas()
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


def cores_are_idle() -> bool:
    """Whether the BLAS leaves its cores to threads of ours soon after a product."""
    return not blas_architectures() or (openblas_timeout.isdecimal() and 0 < int(openblas_timeout) <= LONGEST_WAIT)


def spare_threads() -> int:
    """As many threads as the BLAS has, if those of ours find idle cores, else 1."""
    count = blas_threads()
    return count if count == 1 or cores_are_idle() else 1


@contextlib.contextmanager
def blas_on_one_thread() -> Iterator[bool]:
    """Hold the BLAS to one thread for each thread of ours that calls it, until the context ends.

    False if another context does so already, in any thread, or if nothing tells the number: then nothing changes. Of
    two contexts at once, the first to end would give the other's number back as the usual one.
    """
    holding, held = _holding, False  # the lock that a fork meanwhile replaces in the child
    try:
        held = _blas() is not None and holding.acquire(blocking=False)
        if held:
            for library in _blas().lib_controllers:
                _usual.append((library, library.num_threads))
                library.set_num_threads(1)
        yield held
    finally:
        if held:
            try:
                _restore_blas()
            finally:
                holding.release()


def _restore_blas() -> None:
    for library, count in reversed(_usual):  # the first number of each is the usual one
        library.set_num_threads(count)
    _usual.clear()  # not before, for an interrupt


def _in_forked_child() -> None:
    """Undo what a thread of the parent's, which the child has not, would have undone at its end."""
    global _holding
    if _holding.locked():
        _holding = threading.Lock()
        _restore_blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


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
    threads = min(spare_threads(), THREADS) if len(parts) >= FEW_PARTS else 1
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

    To wake that thread takes 10 to 70 us. If there is no spare thread, ``one(); other()`` it is. Where both raise, the
    error is that of `one`. Calls are not to be nested.
    """
    second: _Second | None = None
    alone: bool | None = None  # not known before the first call, as many have none

    def both(one: Work, other: Work) -> None:
        nonlocal second, alone
        if alone is None:
            second = _Second.take() if spare_threads() > 1 else None
            alone = second is None
        if second is None:
            one()
            other()
        else:
            second.both(one, other)

    try:
        yield both
    finally:
        left, second, alone = second, None, True
        if left is not None:
            left.leave()


def in_halves(work: Callable[[slice, Turn], object], rows: int) -> None:
    """Call ``work(part, turn)`` for each half of the rows, on two threads if the BLAS has just two, else for all.

    This is for work that makes a product and then passes over its result, again and again, all of it row by row: each
    thread has its rows in the cache of its core, and the two wait for each other at the end only. The BLAS is held to
    one thread for each meanwhile. With more threads it has not been measured.

    ``with turn:`` should be around most of the passes, which then take turns: while one thread is at its passes, the
    other multiplies. Two threads that pass over small arrays at once get in each other's way, since each needs the
    interpreter's lock again after every pass, and to be woken for it takes longer than a pass.
    """
    if spare_threads() == 2:
        with blas_on_one_thread() as held:
            second = _Second.take() if held else None
            if second is not None:
                turn, middle = threading.Lock(), rows // 2
                try:
                    second.both(lambda: work(slice(middle), turn), lambda: work(slice(middle, rows), turn))
                finally:
                    second.leave()
                return
    work(slice(rows), contextlib.nullcontext())


def _error_of(work: Work) -> BaseException | None:
    try:
        work()
    except BaseException as error:
        return error
    return None


class _Second:
    """A thread that does one thing after the other for whoever has taken it, and then waits for the next.

    To start one for each forward would take 0.3 to 1 ms while the threads of the BLAS keep the cores busy.
    """

    _idle: ClassVar[list["_Second"]] = []

    def __init__(self) -> None:
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._errors: SimpleQueue[BaseException | None] = SimpleQueue()
        self._busy = False
        # A daemon, for the process to end while it waits.
        self._thread = threading.Thread(target=self._run, name="second of common.threads", daemon=True)

    @classmethod
    def take(cls) -> "_Second | None":
        """One that nobody else has; None if no thread can be started any more, as at the end of the process."""
        if sys.is_finalizing():  # the threads are still there, but get no turn any more
            return None
        with contextlib.suppress(IndexError):
            while not (second := cls._idle.pop()).is_alive():
                pass
            return second
        second = cls()
        try:
            second._thread.start()
        except BaseException as error:
            second._end()
            # In the wait for the thread to begin, an interrupt may make a lock raise a RuntimeError in its place.
            if isinstance(error, RuntimeError) and not isinstance(error.__context__, KeyboardInterrupt):
                return None
            raise
        return second

    def leave(self) -> None:
        """Give it back, or let it end if an interrupt has kept :meth:`both` from waiting for it."""
        if self._busy:
            self._end()
        else:
            self._idle.append(self)

    def is_alive(self) -> bool:
        """Not so in a forked child, which has none of the threads that its parent had before."""
        return self._thread.is_alive()

    def both(self, one: Work, other: Work) -> None:
        if not self.is_alive():
            one()
            other()
            return
        warnings = same_warnings()

        def with_warnings() -> None:
            with warnings():
                other()

        self._busy = True
        self._work.put(with_warnings)
        try:
            one()
        finally:
            error = self._errors.get()
            self._busy = False
        if error is not None:
            try:
                raise error
            finally:
                del error  # whose traceback holds this frame, which would keep the caller's arrays

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            error = _error_of(work)
            del work  # and what it holds, before the others go on
            self._errors.put(error)
            del error

    def _end(self) -> None:
        self._work.put(None)
        if self.is_alive():
            self._thread.join()
