"""Numeric arrays as raw bytes: what every weight file stores, and the checks that come before memory is asked for."""

import math
from collections.abc import Callable
from typing import Any

import numpy

FLOAT16_MAX = 65504.0
CHUNK = 1 << 18  # bytes read at a time, so that a reader needs no second copy of a tensor
HEADER_LIMIT = 1 << 20  # bytes of names, shapes and metadata that are read and written; Python objects are larger


def is_numeric(dtype: numpy.dtype[Any]) -> bool:
    """Whether files may hold `dtype`: floats and integers of 1 to 8 bytes (no objects, text, dates or booleans)."""
    return dtype.kind in "iuf" and dtype.itemsize <= 8


def check_size(shape: tuple[int, ...], dtype: numpy.dtype[Any], size: int) -> None:
    """Raise ValueError unless an array of `shape` and `dtype` takes exactly the `size` bytes that are really there."""
    if not is_numeric(dtype):
        raise ValueError(f"dtype {dtype} is not allowed, only floats and integers of 1 to 8 bytes are")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise ValueError("a shape is not a few non-negative integers")
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"shape {shape} of {dtype} does not fit {size} bytes")


def raw(array: numpy.ndarray) -> memoryview:
    """The bytes of a C-ordered array, without a copy."""
    return array.reshape(-1).view(numpy.uint8).data


def fill(array: numpy.ndarray, read: Callable[[int], bytes]) -> None:
    """Fill a C-ordered array from `read(count)`, chunk by chunk; ValueError when the source ends early."""
    target = raw(array)
    for start in range(0, len(target), CHUNK):
        part = target[start : start + CHUNK]
        data = read(len(part))
        if len(data) != len(part):
            raise ValueError("the file ends too early")
        part[:] = data


def check_finite(array: numpy.ndarray, name: str) -> None:
    """Raise ValueError naming the tensor if it holds a NaN or an infinity."""
    if not math.isfinite(_largest(array)):
        raise ValueError(f"tensor {name} {array.shape} holds values that are not finite")


def to_float16(array: numpy.ndarray, name: str) -> numpy.ndarray:
    """`array` rounded to float16; ValueError naming the tensor if a value lies beyond the range or is not finite."""
    largest = _largest(array)
    if not largest <= FLOAT16_MAX:
        raise ValueError(f"tensor {name} {array.shape} does not fit float16: it reaches {largest:g}, "
                         f"the range ends at {FLOAT16_MAX:g}")
    return array.astype(numpy.float16)


def _largest(array: numpy.ndarray) -> float:
    """max |x|, NaN if there is one, without a temporary of the array's size."""
    if array.size == 0:
        return 0.0
    if array.dtype == numpy.float16 and array.flags.c_contiguous:
        # Without their signs, float16 numbers are ordered like their bits, NaN last, which NumPy compares faster.
        bits = array.reshape(-1).view(numpy.uint16)
        largest = max((bits[i : i + CHUNK] & 0x7FFF).max() for i in range(0, len(bits), CHUNK))
        return float(largest.view(numpy.float16))
    with numpy.errstate(invalid="ignore"):
        low, high = float(array.min()), float(array.max())
    return max(-low, high) if low == low else low
