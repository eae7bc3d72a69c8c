"""Nested plain values and arrays in one file, an .npz archive: each array under its place, such as ``params.lstm.Wh``.

What is around the arrays is the tensor "__state__": JSON, in UTF-8. Reading runs nothing from a file.
"""

import json
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy

from common import weight_files
from common.files import FileFormatError, Location, parse_json
from common.np import to_cpu
from common.tensor_bytes import is_numeric
from common.tensor_names import is_name

_TREE, _ARRAY, _BOOLEANS, _NUMBER, _ITEMS = "__state__", "__array__", "__booleans__", "__number__", "__items__"
_OWN = {_ARRAY, _BOOLEANS, _NUMBER, _ITEMS}  # the keys of what JSON has no form for
_KINDS = map(numpy.dtype, ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
_NUMBERS: dict[str, Any] = {kind.name: kind.type for kind in _KINDS}  # NumPy's


def write(path: Location, state: Mapping[str, Any]) -> Path:
    """Write `state` atomically: dictionaries with text or integers as keys, lists, tuples (read as lists), None, bool,
    int, float, NumPy's numbers, text, and arrays of integers, floats or booleans, from the GPU too.

    Raises TypeError naming the place of anything else; OSError, the previous file staying, as `files.atomic_write`.
    """
    arrays: dict[str, numpy.ndarray] = {}
    tree = json.dumps(_pack(dict(state), "", arrays), ensure_ascii=False)
    # Names of files may have surrogates, for which a backslash and a number are what JSON writes, too.
    tensors = {_TREE: numpy.frombuffer(tree.encode("utf-8", "backslashreplace"), numpy.uint8), **arrays}
    return weight_files.write(path, tensors, allow_nonfinite=True)


def read(path: Location) -> dict[str, Any]:
    """The state that :func:`write` wrote, arrays as NumPy's. Raises FileFormatError naming a damaged file."""
    tensors, _ = weight_files.read(path, allow_nonfinite=True)
    tree = tensors.pop(_TREE, None)
    if tree is None or tree.dtype != numpy.uint8:
        raise FileFormatError(path, f"no checkpoint: it lacks the tensor {_TREE!r}; is it a file of weights?")
    try:
        state = _unpack(parse_json(tree.tobytes()), tensors)
        if not isinstance(state, dict):
            raise ValueError("it holds no dictionary")
        return state
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileFormatError(path, f"a damaged checkpoint: {error}") from error


def check(state: Mapping[str, Any]) -> None:
    """Raise the TypeError of :func:`write` for a state that no file can hold; nothing is written."""
    _pack(dict(state), "", {})


def _pack(value: Any, place: str, arrays: dict[str, numpy.ndarray]) -> Any:
    """`value` as JSON holds it, with the arrays taken out into `arrays`."""
    if isinstance(value, numpy.generic) and value.dtype.name in _NUMBERS:
        return {_NUMBER: [value.dtype.name, value.item()]}  # with Python's own numbers NumPy computes other bits
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_pack(item, f"{place}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        if not all(isinstance(key, (str, Integral)) and key not in _OWN for key in value):
            own = ", ".join(sorted(_OWN))
            raise TypeError(f"state{place}: keys must be text or integers, not {own}, but are {list(value)[:5]}")
        packed = {key: _pack(item, f"{place}.{key}", arrays) for key, item in value.items()}
        if all(isinstance(key, str) for key in value):
            return packed
        return {_ITEMS: [[key if isinstance(key, str) else int(key), item] for key, item in packed.items()]}
    if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, numpy.generic):
        name = place[1:]
        if name in arrays or not is_name(name):  # such as for the keys 1 and "1", or "a b"
            name = f"{_ARRAY}.{len(arrays)}"
        array = to_cpu(value)
        if array.dtype == bool:  # weight files have none
            arrays[name] = array.astype(numpy.uint8)
            return {_BOOLEANS: name}
        if not is_numeric(array.dtype):
            raise TypeError(f"state{place}: an array of {array.dtype} cannot be saved")
        arrays[name] = array
        return {_ARRAY: name}
    raise TypeError(f"state{place}: a {type(value).__name__} cannot be saved, only plain values and arrays")


def _unpack(value: Any, arrays: Mapping[str, numpy.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]]
        if _BOOLEANS in value:
            return arrays[value[_BOOLEANS]].astype(bool)
        if _NUMBER in value:
            name, number = value[_NUMBER]
            if not isinstance(number, (int, float)):
                raise ValueError(f"a {name!r} is no number"[:200])
            kind = _NUMBERS[name]
            if issubclass(kind, numpy.integer) and not numpy.iinfo(kind).min <= number <= numpy.iinfo(kind).max:
                raise ValueError(f"{number} is beyond {name}"[:200])  # older versions of NumPy would wrap it round
            return kind(number)
        if _ITEMS in value:
            items = {key: _unpack(item, arrays) for key, item in value[_ITEMS]}
            if len(items) != len(value[_ITEMS]) or not all(isinstance(key, (str, int)) for key in items):
                raise ValueError(f"keys must be text or integers, each once, but are {list(items)}"[:200])
            return items
        return {key: _unpack(item, arrays) for key, item in value.items()}
    return value
