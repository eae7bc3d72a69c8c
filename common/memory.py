"""How the C library is asked to hand out memory to a training, which frees and takes the same arrays all the time."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4

KEPT = 2**30  # bytes of freed memory that the process keeps at most
# Set again at the end: the default of M_MMAP_MAX, and the largest values that glibc gives the two thresholds by itself,
# which it does no longer once a program has set any of the three.
USUAL = {M_MMAP_THRESHOLD: 2**25, M_TRIM_THRESHOLD: 2**26, M_MMAP_MAX: 65536}

_lock = threading.Lock()
_running: set[object] = set()  # one for each context that has not ended


@contextmanager
def keep_freed_memory() -> Iterator[bool]:
    """Let the process keep what it frees inside, up to 1 GiB, instead of returning it to the operating system at once.

    An array of some megabytes costs more to get than to fill: its pages come from the system one by one, each filled
    with zeros first, and a virtual machine may have to get them from its host. A training iteration takes and frees
    some dozens of them, which is a twentieth of its time, or with scores (1400, 10000) up to a half. glibc, the C
    library of most Linux systems, maps each array of over 32 MiB anew unless it is to map none at all.

    When the last of several contexts ends, in whatever thread, all that is free is returned, and from then on an array
    of 32 MiB or more is again mapped by itself, and returned as soon as it is freed. The context gives whether the C
    library, glibc, has agreed; with another one nothing changes.
    """
    library, this = _glibc(), object()
    if library is None:
        yield False
        return
    try:
        with _lock:
            _running.add(this)
            kept = bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, KEPT))
        yield kept
    finally:
        with _lock:
            _running.discard(this)
            if not _running:
                _set_usual(library)
                library.malloc_trim(0)


def _set_usual(library: Any) -> None:
    for name, value in USUAL.items():
        library.mallopt(name, value)


def _in_forked_child() -> None:
    """None of the contexts that other threads of the parent are in will end here, and one of them may hold the lock."""
    global _lock
    _lock = threading.Lock()
    if _running and (library := _glibc()):
        _set_usual(library)
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def _glibc() -> Any:
    """The C library of this process, None if it is another one."""
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (AttributeError, OSError, TypeError):  # other C libraries, and Windows
        return None
