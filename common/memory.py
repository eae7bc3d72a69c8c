"""How the C library is asked to hand out memory to a training, which frees and takes the same arrays all the time."""

import ctypes

# Of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

LARGEST = 2**25  # bytes: arrays up to this size are kept for re-use; glibc takes no larger number
KEPT = 2**28  # bytes of freed memory that the process keeps at most


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, up to 256 MiB, instead of returning it to the operating system at once.

    An array of some megabytes costs more to get than to fill: its pages come from the system one by one, each filled
    with zeros first. A training iteration takes and frees some dozens of them, which is a twentieth of its time. It
    works with glibc, the C library of most Linux systems; returns whether it did. Nothing else changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # other C libraries, and Windows
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
