"""Nested plain values and arrays in one file, an .npz archive: each array under its place, such as ``params.lstm.Wh``.

What is around the arrays is the tensor "__state__": JSON, in UTF-8. Reading runs nothing from a file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from common import weight_files
from common.files import FileFormatError, Location, parse_json
from common.np import to_cpu

_TREE, _ARRAY = "__state__", "__array__"


def write(path: Location, state: Mapping[str, Any]) -> Path:
    """Write `state` atomically: dictionaries with text as keys, lists, tuples (read as lists), None, bool, int, float,
    text, and numeric arrays, from the GPU too.

    Raises TypeError naming the place of anything else; OSError, the previous file staying, as `files.atomic_write`.
    """
    arrays: dict[str, numpy.ndarray] = {}
    tree = json.dumps(_pack(dict(state), "", arrays), ensure_ascii=False)
    tensors = {_TREE: numpy.frombuffer(tree.encode(), numpy.uint8), **arrays}
    return weight_files.write(path, tensors, allow_nonfinite=True)


def read(path: Location) -> dict[str, Any]:
    """The state that :func:`write` wrote, arrays as NumPy's. Raises FileFormatError naming a damaged file."""
    tensors, _ = weight_files.read(path, allow_nonfinite=True)
    tree = tensors.pop(_TREE, None)
    if tree is None or tree.dtype != numpy.uint8:
        raise FileFormatError(path, f"no checkpoint: it lacks the tensor {_TREE!r}; is it a file of weights?")
    try:
        return {key: _unpack(value, tensors) for key, value in parse_json(tree.tobytes()).items()}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FileFormatError(path, f"a damaged checkpoint: {error}") from error


def check(state: Mapping[str, Any]) -> None:
    """Raise the TypeError of :func:`write` for a state that no file can hold; nothing is written."""
    _pack(dict(state), "", {})


def _pack(value: Any, place: str, arrays: dict[str, numpy.ndarray]) -> Any:
    """`value` as JSON holds it, with the arrays taken out into `arrays`."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_pack(item, f"{place}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and key != _ARRAY for key in value):
            raise TypeError(f"state{place}: keys must be text, and not {_ARRAY}, but are {list(value)[:5]}")
        return {key: _pack(item, f"{place}.{key}", arrays) for key, item in value.items()}
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        arrays[place[1:]] = to_cpu(value)
        return {_ARRAY: place[1:]}
    raise TypeError(f"state{place}: a {type(value).__name__} cannot be saved, only plain values and arrays")


def _unpack(value: Any, arrays: Mapping[str, numpy.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]]
        return {key: _unpack(item, arrays) for key, item in value.items()}
    return value
