"""How much memory a call takes."""

import tracemalloc
from collections.abc import Callable
from typing import Any


def peak(function: Callable[..., Any], *args: Any) -> tuple[int, Any]:
    """(bytes that the call allocated at its worst, what it returned, or the ValueError that it raised)."""
    tracemalloc.start()
    try:
        result = function(*args)
    except ValueError as error:
        result = error
    finally:
        worst = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return worst, result
