"""Numbers that users give, or files: checked before anything is computed with them."""

import math
from numbers import Integral, Real
from typing import Any


def as_number(value: Any) -> Any:
    """Python's number for NumPy's, and for an array without axes, as CuPy's arrays give it; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def is_number(value: Any) -> bool:
    """Whether it is a number, NumPy's too, and finite."""
    value = as_number(value)
    return isinstance(value, Real) and math.isfinite(value)


def check_whole(name: str, **numbers: int) -> None:
    """TypeError unless all of these, NumPy's too, are whole numbers: 3.0 is none."""
    for what, number in numbers.items():
        if not isinstance(as_number(number), Integral):
            raise TypeError(f"{name}: {what} must be a whole number, not {number!r}")


def check_counts(name: str, **counts: int) -> None:
    """TypeError unless all of these are whole numbers, and no bool, ValueError unless they are at least 1."""
    check_whole(name, **counts)
    for what, count in counts.items():
        if isinstance(count, bool):
            raise TypeError(f"{name}: {what} must be a whole number, not {count}")
        if count < 1:
            raise ValueError(f"{name}: {what} must be at least 1, not {count}")


def check_positive(name: str, **numbers: float) -> None:
    """ValueError unless all of these are finite numbers above 0."""
    for what, number in numbers.items():
        if not (is_number(number) and number > 0):
            raise ValueError(f"{name}: {what} must be a positive number, not {number!r}")


def check_not_negative(name: str, **numbers: float) -> None:
    """ValueError unless all of these are finite numbers of at least 0."""
    for what, number in numbers.items():
        if not (is_number(number) and number >= 0):
            raise ValueError(f"{name}: {what} must be a number of at least 0, not {number!r}")


def as_flag(name: str, value: Any) -> bool:
    """True or False, for NumPy's as well and for 1 and 0. TypeError for anything else, such as "no", which is true."""
    number = as_number(value)
    if not isinstance(number, Integral) or number not in (0, 1):
        raise TypeError(f"{name} must be True or False, not {value!r:.80}")
    return bool(number)


def check_ratios(name: str, **ratios: float) -> None:
    """ValueError unless all of these, shares that are dropped, are in [0, 1)."""
    for what, ratio in ratios.items():
        if not (is_number(ratio) and 0 <= ratio < 1):
            raise ValueError(f"{name}: {what} must be in [0, 1), not {ratio!r}")


def check_restored_count(name: str, value: Any) -> None:
    """ValueError unless the value, which comes from a file, is an integer of at least 0."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be an integer of at least 0, not {value!r}")


def check_restored_numbers(name: str, values: Any, *, finite: bool = False) -> None:
    """ValueError unless the values, which come from a file, are a list of numbers, finite ones if asked for."""
    if not isinstance(values, list) or not all(isinstance(v, Real) for v in values):
        raise ValueError(f"{name} must be numbers, not {values!r}"[:200])
    if finite and not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must be finite, not {values!r}"[:200])
