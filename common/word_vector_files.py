"""Word vectors on disk, in formats that other tools read and write. Every function deals in (vectors (V, D), words).

word2vec text     a line "V D", then a line "word x1 … xD" for each word; GloVe's files lack the first line
word2vec binary   a line "V D", then for each word the word, a blank, D float32 numbers (little endian) and a line end
.npz              the tensors "vectors" and "words", the latter UTF-8 with a zero byte between words (common.npz_file)
projector         vectors.tsv and metadata.tsv, for https://projector.tensorflow.org

The first two are the formats of Mikolov's word2vec tool and of gensim. The readers believe no header: sizes are held
against the file's before memory is asked for, and a file with too few or too many numbers or words is refused, and so
is text whose last line has no end, for its last number may have lost digits.

Readers raise FileFormatError naming the file, writers ValueError for words that a format cannot hold, and both OSError
as `open` does; a writer that fails leaves the old file as it was.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy

from common import weight_files
from common.files import FileFormatError, Location, atomic_write
from common.tensor_bytes import check_finite

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"

Content = tuple[numpy.ndarray, list[str]]

_HEADER = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15})\s*")
_LONGEST_WORD = 10_000  # bytes


def write_text(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """word2vec text, with nine digits, which give every float32 back exactly."""
    _check_words(words, r"\S+", "text files part words by blanks")
    with atomic_write(path) as file:
        file.write(b"%d %d\n" % vectors.shape)
        _write_rows(file, vectors, " ", words)


def read_text(path: Location) -> Content:
    """word2vec text, float32, with its first line or, as GloVe writes it, without."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        first = file.readline()
        shape = _shape(path, first) if len(first.split()) <= 2 else None
        if shape is None:
            file.seek(0)
            width = len(first.split()) - 1
        else:
            count, width = shape
            if count * 2 * (width + 1) > size:  # a digit and a blank
                raise FileFormatError(path, f"{size} bytes are too few for {count} words with {width} numbers each")
        rows: list[numpy.ndarray] = []
        words: list[str] = []
        for line in _ended(path, file):
            word, *numbers = line.rstrip(b"\r\n ").split(b" ")
            if len(numbers) != width:
                raise FileFormatError(path, f"word {len(words) + 1} has {len(numbers)} numbers, expected {width}")
            words.append(_decode(path, word))
            rows.append(_row(path, numbers, f"word {len(words)}"))
    if shape and len(words) != shape[0]:
        raise FileFormatError(path, f"{len(words)} words, its first line announces {shape[0]}")
    return _finite(path, numpy.array(rows, numpy.float32)), words


def write_binary(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """word2vec binary; the vectors are rounded to float32."""
    _check_words(words, r"\S+", "word2vec files part words by blanks")
    ready = _float32(vectors)
    with atomic_write(path) as file:
        file.write(b"%d %d\n" % ready.shape)
        for word, vector in zip(words, ready.astype("<f4"), strict=True):
            file.write(word.encode() + b" " + vector.tobytes() + b"\n")


def read_binary(path: Location) -> Content:
    """word2vec binary, float32, with line ends between the words, as word2vec writes it, or without, as gensim does."""
    data = Path(path).read_bytes()
    start = data.find(b"\n", 0, 100) + 1
    count, width = _shape(path, data[:start])
    step = 4 * width
    if start + count * (step + 2) > len(data):
        raise FileFormatError(path, f"{len(data)} bytes are too few for {count} words with {width} numbers each")
    words: list[str] = []
    vectors = numpy.empty((count, width), numpy.float32)
    for vector in vectors:
        start += data[start : start + 1] == b"\n"
        end = data.find(b" ", start, start + _LONGEST_WORD)
        if end < 0 or end + 1 + step > len(data):
            raise FileFormatError(path, f"it ends or is damaged at word {len(words) + 1} of {count}")
        words.append(_decode(path, data[start:end]))
        vector[:] = numpy.frombuffer(data, "<f4", width, end + 1)
        start = end + 1 + step
    if data[start:].strip():
        raise FileFormatError(path, f"{len(data) - start} bytes follow the {count} words that its first line announces")
    return _finite(path, vectors), words


def write_npz(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """The project's own format, which keeps the dtype and any word without a zero byte."""
    _check_words(words, "[^\0]+", "a zero byte parts the words")
    weight_files.write(path, {"vectors": vectors, "words": numpy.frombuffer("\0".join(words).encode(), numpy.uint8)})


def read_npz(path: Location) -> Content:
    """The project's own format."""
    tensors, _ = weight_files.read(path)
    if tensors.keys() != {"vectors", "words"} or tensors["words"].dtype != numpy.uint8:
        raise FileFormatError(path, f"no word vectors: expected tensors vectors and words, got {', '.join(tensors)}")
    return tensors["vectors"], _decode(path, tensors["words"].tobytes()).split("\0")


def write_projector(folder: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """The pair of files that the embedding projector loads, into an existing folder."""
    _check_words(words, "[^\t\r\n]+", "the projector's files part words by line ends")
    with atomic_write(Path(folder, VECTORS)) as file:
        _write_rows(file, vectors, "\t")
    with atomic_write(Path(folder, METADATA)) as file:
        file.write("".join(f"{word}\n" for word in words).encode())


def read_projector(folder: Location) -> Content:
    """The pair of files, as :func:`write_projector` leaves it: the words in one column, without a heading."""
    metadata, path = Path(folder, METADATA), Path(folder, VECTORS)
    with metadata.open("rb") as file:
        words = [_decode(metadata, line.rstrip(b"\r\n")) for line in _ended(metadata, file)]
    with path.open("rb") as file:
        rows = [_row(path, line.split(b"\t"), f"line {i}") for i, line in enumerate(_ended(path, file), start=1)]
    if not rows or len(rows) != len(words) or any(len(row) != len(rows[0]) for row in rows):
        raise FileFormatError(path, f"its {len(rows)} lines are no vectors of equal length for the {len(words)} words")
    return _finite(path, numpy.array(rows, numpy.float32)), words


def _write_rows(file: BinaryIO, vectors: numpy.ndarray, separator: str, words: Sequence[str] = ()) -> None:
    """A line for each vector, as float32, behind its word if there are words."""
    row = separator.join(["%.9g"] * vectors.shape[1]) + "\n"
    for i, vector in enumerate(_float32(vectors).tolist()):
        head = words[i] + separator if words else ""
        file.write((head + row % tuple(vector)).encode())


def _ended(path: Location, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file; FileFormatError unless all of them have an end."""
    for line in lines:
        if not line.endswith(b"\n"):
            raise FileFormatError(path, f"its last line has no end, it is cut short: {line[-40:]!r}")
        yield line


def _row(path: Location, numbers: Iterable[bytes], where: str) -> numpy.ndarray:
    try:
        with numpy.errstate(over="ignore"):  # infinity, which _finite refuses
            return numpy.array(list(map(float, numbers)), numpy.float32)
    except ValueError as error:
        raise FileFormatError(path, f"{where}: {error}") from error


def _shape(path: Location, header: bytes) -> tuple[int, int]:
    """(V, D) of a file's first line."""
    match = _HEADER.fullmatch(header)
    if not match or not int(match[1]) or not int(match[2]):
        raise FileFormatError(path, f"it begins with {header[:40]!r}, expected the numbers of words and of dimensions")
    return int(match[1]), int(match[2])


def _decode(path: Location, text: bytes) -> str:
    if not text:
        raise FileFormatError(path, "a word is empty")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise FileFormatError(path, f"a word is not UTF-8: {error}") from error


def _finite(path: Location, vectors: numpy.ndarray) -> numpy.ndarray:
    try:
        check_finite(vectors, "vectors")
    except ValueError as error:
        raise FileFormatError(path, str(error)) from error
    return vectors


def _float32(vectors: numpy.ndarray) -> numpy.ndarray:
    with numpy.errstate(over="ignore"):
        ready = vectors.astype(numpy.float32)
    check_finite(ready, "vectors, rounded to float32,")
    return ready


def _check_words(words: Iterable[str], pattern: str, reason: str) -> None:
    for word in words:
        if not re.fullmatch(pattern, word):
            raise ValueError(f"the word {word!r} cannot be written: {reason}")
