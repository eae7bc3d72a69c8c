"""How the C library is asked to hand out memory to a training, which frees and takes the same arrays all the time."""

import ctypes

# Of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4

KEPT = 2**30  # bytes of freed memory that the process keeps at most


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, up to 1 GiB, instead of returning it to the operating system at once.

    An array of some megabytes costs more to get than to fill: its pages come from the system one by one, each filled
    with zeros first, and a virtual machine may have to get them from its host. A training iteration takes and frees
    some dozens of them, which is a twentieth of its time, or with scores (1400, 10000) up to a half. glibc, the C
    library of most Linux systems, maps each array of over 32 MiB anew unless it is to map none at all. Returns whether
    the C library is glibc; nothing else changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # other C libraries, and Windows
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
