"""Named tensors on disk; the file's ending chooses the format.

.npz          NumPy's archive, which a name with none of these endings gets, CRC-32 per tensor
.safetensors  the format of other deep learning libraries, with a SHA-256 in its metadata
.pkl          the book's layout: a list of float16 arrays without names, with a SHA-256 after the pickle
"""

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from common import npz_file, safe_pickle, safetensors_file
from common.files import FileFormatError, Location, atomic_write, regular
from common.tensor_bytes import check_finite, is_numeric, to_float16
from common.tensor_names import is_name

SUFFIXES = (".npz", ".safetensors", ".pkl")

_DAMAGE = (ValueError, EOFError, NotImplementedError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


def write(path: Location, tensors: Mapping[str, numpy.ndarray], *, half: bool = False,
          metadata: Mapping[str, str] | None = None, allow_nonfinite: bool = False) -> Path:
    """Write `tensors` in their own dtypes atomically and return the path.

    The path gains ".npz" unless it ends in one of SUFFIXES.

    half: floating tensors as float16, with a range check (.pkl always does). metadata: text by name, at most 1 MiB.
    The same tensors and metadata give the same bytes.

    Raises ValueError, and leaves any previous file as it is, naming the tensor that has an unfit name or dtype, holds
    NaN or infinity (unless `allow_nonfinite`; float16 never does), or exceeds float16; or for metadata in a .pkl file.
    Raises OSError as `common.files.atomic_write` does.
    """
    target, metadata = with_suffix(path), dict(metadata or {})
    _check_metadata(metadata)
    ready = {name: _ready(name, array, half, allow_nonfinite) for name, array in tensors.items()}
    if holds_list(target):
        if metadata:
            raise ValueError(f"{target}: a .pkl file has no place for metadata, use .npz or .safetensors")
        safe_pickle.write_list(target, ready.values())
        return target
    write_format = npz_file.write if target.suffix.lower() == ".npz" else safetensors_file.write
    with atomic_write(target) as file:
        write_format(file, ready, metadata)
    return target


def read(path: Location, *, allow_nonfinite: bool = False) -> tuple[dict[str, numpy.ndarray], dict[str, str]]:
    """(tensors by name, metadata) of a weight file; the tensors of a .pkl file are named "0", "1", ….

    Reading runs nothing from the file and takes at most twice its size of memory and 32 MiB.

    Raises FileFormatError naming the file for one that is damaged, of another kind, or holds NaN or infinity (unless
    `allow_nonfinite`); ValueError for an unknown ending; FileNotFoundError and other OSErrors as `open` does.
    """
    source = regular(with_suffix(path))
    if source != Path(path) and Path(path).suffix and Path(path).is_file() and not source.exists():
        raise ValueError(f"{path}: weight files end in {', '.join(SUFFIXES)}, not in {Path(path).suffix}")
    suffix = source.suffix.lower()
    try:
        if suffix == ".pkl":
            tensors, metadata = _numbered(safe_pickle.read(source)), {}
        else:
            tensors, metadata = (npz_file if suffix == ".npz" else safetensors_file).read(source)
            _check_metadata(metadata)
        for name, array in tensors.items():
            _check_name(name)
            if not allow_nonfinite:
                check_finite(array, name)
    except _DAMAGE as error:
        reason = error.reason if isinstance(error, FileFormatError) else f"not a sound {suffix} file: {error}"
        raise FileFormatError(source, reason + _other_kind(source)) from error
    return tensors, metadata


def with_suffix(path: Location) -> Path:
    """`path` as it will be on disk: with ".npz" added unless it ends in one of SUFFIXES.

    What stands behind the last dot of ``best_75.76`` is no ending, and weights that hours of training have led to
    are not refused for the name of their file.
    """
    path = Path(path)
    return path if path.suffix.lower() in SUFFIXES else path.with_name(f"{path.name}.npz")


def holds_list(path: Location) -> bool:
    """Whether a file of this name holds tensors without names: a list, the book's .pkl."""
    return Path(path).suffix.lower() == ".pkl"


def is_list(tensors: Mapping[str, Any]) -> bool:
    """Whether the tensors that :func:`read` found have no names but their places, as those of a list."""
    return list(tensors) == [str(place) for place in range(len(tensors))]


def _ready(name: str, array: Any, half: bool, allow_nonfinite: bool) -> numpy.ndarray:
    """`array` as files hold it: checked, C-ordered, little endian."""
    _check_name(name)
    array = numpy.asarray(array)
    if not is_numeric(array.dtype):
        raise ValueError(f"tensor {name} has dtype {array.dtype}, files hold floats and integers of 1 to 8 bytes")
    if half and array.dtype.kind == "f":
        array = to_float16(array, name)
    elif not allow_nonfinite:
        check_finite(array, name)
    return numpy.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _check_name(name: Any) -> None:
    if not is_name(name):
        raise ValueError(f"{str(name)[:100]!r} is no name of a tensor: letters, digits, '_', '.' and '-' make one")


def _check_metadata(metadata: Mapping[Any, Any]) -> None:
    if not all(isinstance(text, str) for item in metadata.items() for text in item):
        raise ValueError("metadata must be text by name")


def _numbered(value: Any) -> dict[str, numpy.ndarray]:
    if isinstance(value, dict) and "word_vecs" in value:
        raise ValueError("a dictionary of word vectors, which common.word_vector_pickle reads")
    if not isinstance(value, list) or not all(isinstance(array, numpy.ndarray) for array in value):
        raise ValueError("not a list of arrays")
    return {str(index): array for index, array in enumerate(value)}


def _other_kind(path: Path) -> str:
    """A hint if the first bytes are those of another format."""
    with path.open("rb") as file:
        head = file.read(9)
    known = {".npz": head[:2] == b"PK", ".safetensors": head[8:] == b"{", ".pkl": head[:1] == b"\x80"}
    kind = next((suffix for suffix, found in known.items() if found), "")
    return f" (its first bytes look like {kind})" if kind and kind != path.suffix.lower() else ""
