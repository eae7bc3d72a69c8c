"""Named tensors on disk; the file's ending chooses the format.

.npz          NumPy's archive, which a name with none of these endings gets, CRC-32 per tensor
.safetensors  the format of other deep learning libraries, with a SHA-256 in its metadata
.pkl          the book's layout: a list of float16 arrays without names, with a SHA-256 after the pickle
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy

from common import npz_file, safe_pickle, safetensors_file
from common.files import FileFormatError, Location, atomic_write, regular
from common.tensor_bytes import check_finite, is_numeric, to_float16

SUFFIXES = (".npz", ".safetensors", ".pkl")

_WORD_VECTORS = ("word_vecs", "word_to_id", "id_to_word")
_NAME = re.compile(r"\w[\w.\-]*")  # not a path
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
    if target.suffix.lower() == ".pkl":
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


def write_word_vectors(path: Location, word_vecs: numpy.ndarray, word_to_id: Mapping[str, int],
                       id_to_word: Mapping[int, str]) -> None:
    """The book's file of word vectors: a pickled dict of the matrix (V, H) as float16 and the two dictionaries.

    Raises ValueError, and writes nothing, if they do not fit each other, a value exceeds float16, or a word has a lone
    surrogate.
    """
    content = _word_vectors(word_vecs, dict(word_to_id), dict(id_to_word))
    check_encodable(word_to_id)
    safe_pickle.write(path, dict(zip(_WORD_VECTORS, (to_float16(content[0], "word_vecs"), *content[1:]), strict=True)))


def read_word_vectors(path: Location) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """(word_vecs (V, H), word_to_id, id_to_word) of the book's file, checked against each other; ids are Python ints.

    Raises FileFormatError naming the file, and OSErrors as `open` does.
    """
    match safe_pickle.read(path):
        case {"word_vecs": word_vecs, "word_to_id": dict(word_to_id), "id_to_word": dict(id_to_word)}:
            try:
                return _word_vectors(word_vecs, word_to_id, id_to_word)
            except ValueError as error:
                raise FileFormatError(path, str(error)) from error
    raise FileFormatError(path, f"no word vectors: expected a dictionary with {', '.join(_WORD_VECTORS)}")


def check_encodable(words: Iterable[str]) -> None:
    """ValueError for a word with a lone surrogate, which UTF-8 does not have."""
    try:
        for word in words:
            word.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the word {error.object!r} cannot be written: UTF-8 has no surrogates") from None


def with_suffix(path: Location) -> Path:
    """`path` as it will be on disk: with ".npz" added unless it ends in one of SUFFIXES.

    What stands behind the last dot of ``best_75.76`` is no ending, and weights that hours of training have led to
    are not refused for the name of their file.
    """
    path = Path(path)
    return path if path.suffix.lower() in SUFFIXES else path.with_name(f"{path.name}.npz")


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


def is_name(name: Any) -> bool:
    """Whether a tensor may have this name."""
    return isinstance(name, str) and len(name) <= 1000 and bool(_NAME.fullmatch(name)) and name != npz_file.METADATA


def _check_name(name: Any) -> None:
    if not is_name(name):
        raise ValueError(f"{str(name)[:100]!r} is no name of a tensor: letters, digits, '_', '.' and '-' make one")


def _check_metadata(metadata: Mapping[Any, Any]) -> None:
    if not all(isinstance(text, str) for item in metadata.items() for text in item):
        raise ValueError("metadata must be text by name")


def _numbered(value: Any) -> dict[str, numpy.ndarray]:
    if isinstance(value, dict) and "word_vecs" in value:
        raise ValueError("a dictionary of word vectors, which weight_files.read_word_vectors reads")
    if not isinstance(value, list) or not all(isinstance(array, numpy.ndarray) for array in value):
        raise ValueError("not a list of arrays")
    return {str(index): array for index, array in enumerate(value)}


def _word_vectors(word_vecs: Any, word_to_id: dict[Any, Any],
                  id_to_word: dict[Any, Any]) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """The three with plain int ids; ValueError unless they are a matrix and the same V words both ways."""
    if not isinstance(word_vecs, numpy.ndarray) or word_vecs.ndim != 2 or word_vecs.dtype.kind != "f":
        raise ValueError("word_vecs is no matrix of floats")
    check_finite(word_vecs, "word_vecs")
    count = len(word_vecs)
    if not len(word_to_id) == len(id_to_word) == count:
        raise ValueError(f"word_vecs {word_vecs.shape}, word_to_id of {len(word_to_id)} and id_to_word of "
                         f"{len(id_to_word)} words do not fit each other")
    for word, number in word_to_id.items():
        if not isinstance(word, str) or not isinstance(number, (int, numpy.integer)) or not 0 <= number < count:
            raise ValueError(f"word_to_id maps {word!r} to {number!r}, expected a word and an id below {count}"[:300])
        if not isinstance(back := id_to_word.get(number), str) or back != word:
            raise ValueError(f"word_to_id has {word!r} as {number}, id_to_word has {back!r} there"[:300])
        word_to_id[word] = int(number)
    return word_vecs, word_to_id, {int(number): word for number, word in id_to_word.items()}


def _other_kind(path: Path) -> str:
    """A hint if the first bytes are those of another format."""
    with path.open("rb") as file:
        head = file.read(9)
    known = {".npz": head[:2] == b"PK", ".safetensors": head[8:] == b"{", ".pkl": head[:1] == b"\x80"}
    kind = next((suffix for suffix, found in known.items() if found), "")
    return f" (its first bytes look like {kind})" if kind and kind != path.suffix.lower() else ""
