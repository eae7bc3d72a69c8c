"""Named tensors in the .safetensors format, in plain NumPy.

A file is: the header's length (8 bytes, little endian), the header (JSON: name -> dtype, shape, place of the data, and
"__metadata__", a map of strings), the tensors' bytes without gaps. Specification: huggingface.co/docs/safetensors.
The format has no checksum; files written here carry one in their metadata, and reading verifies it where there is one.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy

from common.files import Location, parse_json
from common.tensor_bytes import HEADER_LIMIT, check_size, fill, raw
from common.tensor_names import METADATA

CHECKSUM = "nlp-from-scratch.sha256"  # this metadata entry is the format's own, not the caller's
_SIGN = "sha256:"  # starts its value too: should the name be damaged, the checksum is still missed

_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
           "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"}
_CODES = {numpy.dtype(value): key for key, value in _DTYPES.items()}


def write(file: BinaryIO, tensors: Mapping[str, numpy.ndarray], metadata: Mapping[str, str]) -> None:
    """Write C-ordered, little-endian `tensors` and `metadata`. Same input, same bytes."""
    if CHECKSUM in metadata or any(value.startswith(_SIGN) for value in metadata.values()):
        raise ValueError(f"the metadata name {CHECKSUM!r} and values that start with {_SIGN!r} are the checksum's")
    # Wide elements first, so that every tensor starts at a multiple of its element size.
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)
    ends = numpy.cumsum([tensors[name].nbytes for name in order], dtype=numpy.int64).tolist()
    place = {name: [end - tensors[name].nbytes, end] for name, end in zip(order, ends, strict=True)}
    header: dict[str, Any] = {METADATA: {**metadata, CHECKSUM: _digest(tensors, metadata)}}
    for name, array in tensors.items():
        header[name] = {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": place[name]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise ValueError(f"names and metadata take {len(text)} bytes, at most {HEADER_LIMIT} are read again")
    file.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        file.write(raw(tensors[name]))


def read(path: Location) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The tensors, in the header's order, and the metadata without the checksum.

    Memory stays below the file's size and a few MiB. Raises ValueError saying what does not fit in a damaged file.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size - 8
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size, HEADER_LIMIT):
            raise ValueError(f"a header of {length} bytes is announced, {max(size, 0)} bytes follow")
        header = parse_json(file.read(length))
        metadata = header.pop(METADATA, {})
        places = {name: _place(name, entry) for name, entry in header.items()}
        end = 0
        for name, (start, stop, _, _) in sorted(places.items(), key=lambda item: item[1][:2]):
            if start != end:
                raise ValueError(f"tensor {name[:100]!r} leaves a gap or overlaps another one")
            end = stop
        if end != size - length:
            raise ValueError(f"the tensors take {end} bytes, the file holds {size - length}")
        tensors = {}
        for name, (start, _, dtype, shape) in places.items():
            tensors[name] = numpy.empty(shape, dtype)
            file.seek(8 + length + start)
            fill(tensors[name], file.read)
    if not isinstance(metadata, dict):
        raise ValueError("the metadata is no map")
    sealed = CHECKSUM in metadata or any(isinstance(v, str) and v.startswith(_SIGN) for v in metadata.values())
    if sealed and metadata.pop(CHECKSUM, None) != _digest(tensors, metadata):
        raise ValueError("its SHA-256 differs, the file is damaged")
    return tensors, metadata


def _place(name: str, entry: Any) -> tuple[int, int, "numpy.dtype[Any]", tuple[int, ...]]:
    """(start, stop, dtype, shape) of a header entry whose size fits its shape; ValueError for any other."""
    match entry:
        case {"dtype": str(code), "shape": list(shape), "data_offsets": [int(start), int(stop)]} if len(entry) == 3:
            if code not in _DTYPES:
                raise ValueError(f"tensor {name[:100]!r} has dtype {code[:20]!r}, known are {', '.join(_DTYPES)}")
            dtype = numpy.dtype(_DTYPES[code])
            check_size(tuple(shape), dtype, stop - start)
            return start, stop, dtype, tuple(shape)
    raise ValueError(f"the entry of tensor {name[:100]!r} is not a dtype, a shape and a place")


def _digest(tensors: Mapping[str, numpy.ndarray], metadata: Mapping[str, Any]) -> str:
    """SHA-256 over names, dtypes, shapes, values and metadata, whatever their order in the file."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(raw(array))
    return _SIGN + digest.hexdigest()
