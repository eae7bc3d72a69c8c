"""Numbers that users give: checked before anything is computed with them."""

import math
from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether it is a number, NumPy's too, and finite."""
    return isinstance(value, Real) and math.isfinite(value)


def check_whole(name: str, **numbers: int) -> None:
    """TypeError unless all of these, NumPy's too, are whole numbers: 3.0 is none."""
    for what, number in numbers.items():
        if not isinstance(number, Integral):
            raise TypeError(f"{name}: {what} must be a whole number, not {number!r}")


def check_counts(name: str, **counts: int) -> None:
    """TypeError unless all of these are whole numbers, ValueError unless they are at least 1."""
    check_whole(name, **counts)
    for what, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}: {what} must be at least 1, not {count}")
