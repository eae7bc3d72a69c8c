"""Word vectors on disk, in formats that other tools read and write. Every function deals in (vectors (V, D), words).

word2vec text     a line "V D", then a line "word x1 … xD" for each word; GloVe's files lack the first line
word2vec binary   a line "V D", then for each word the word, a space, D float32 numbers (little endian) and a line end
.npz              the tensors "vectors" and "words", the latter UTF-8 with a zero byte between words (common.npz_file)
projector         vectors.tsv and metadata.tsv, for https://projector.tensorflow.org

The first two are the formats of Mikolov's word2vec tool and of gensim. Text may begin with a byte-order mark. The
readers believe no header: sizes are held against the file's before memory is asked for, and a file with too few or too
many numbers or words is refused, and so is text whose last line has no end, for its last number may have lost digits.
They take at most twice the memory of the file, or of the vectors and words if that is more, and 4 MiB: numbers go
straight into their array, and words become Python objects when everything else has been found right.

Readers raise FileFormatError naming the file, writers ValueError for words that a format cannot hold, and both OSError
as `open` does; a writer that fails leaves the old file as it was.
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy

from common import weight_files, word_vector_pickle
from common.files import PIECE, FileFormatError, Location, atomic_write, pieces, regular
from common.tensor_bytes import check_finite

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"

Content = tuple[numpy.ndarray, list[str]]

_HEADER = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15})\s*")
_BLANKS = b"\r\n "  # at the end of a line
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_WORD = 10_000  # bytes
_LONGEST_LINE = 1 << 20  # bytes, where no first line tells the number of dimensions; 60,000 of them fit


def write_text(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """word2vec text, with nine digits, which give every float32 back exactly."""
    _check_words(words, r"\S+", "text files separate words by spaces")
    with atomic_write(path) as file:
        file.write(b"%d %d\n" % vectors.shape)
        _write_rows(file, vectors, " ", words)


def read_text(path: Location) -> Content:
    """word2vec text, float32, with its first line or, as GloVe writes it, without."""
    words = bytearray()
    with regular(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0
        file.seek(start)
        first = file.readline(_LONGEST_LINE)
        if len(first.split(maxsplit=2)) <= 2:
            count, width = _shape(path, first)
            if count * 2 * (width + 1) > size:  # a digit and a space
                raise FileFormatError(path, f"{size} bytes are too few for {count} words with {width} numbers each")
        else:
            file.seek(start)
            count = sum(chunk.count(b"\n") for chunk in iter(partial(file.read, PIECE), b""))
            width = first.rstrip(_BLANKS).count(b" ")
            if not width:
                raise FileFormatError(path, f"its first line has no numbers behind spaces: {first[:40]!r}")
            file.seek(start)
        vectors = _read_rows(path, file, (count, width), b" ", "word", "its first line announces", words)
    return vectors, _words(path, words, b" ")


def write_binary(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """word2vec binary; the vectors are rounded to float32."""
    _check_words(words, r"\S+", "word2vec files separate words by spaces")
    if (longest := max(len(word.encode()) for word in words)) > _LONGEST_WORD:
        raise ValueError(f"a word of {longest} bytes cannot be written: in .bin files it has {_LONGEST_WORD} at most")
    ready = _float32(vectors)
    with atomic_write(path) as file:
        file.write(b"%d %d\n" % ready.shape)
        for word, vector in zip(words, ready.astype("<f4"), strict=True):
            file.write(word.encode() + b" " + vector.tobytes() + b"\n")


def read_binary(path: Location) -> Content:
    """word2vec binary, float32, with line ends between the words, as word2vec writes it, or without, as gensim does."""
    words, buffer, start = bytearray(), b"", 0
    with regular(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        count, width = _shape(path, file.readline(100))
        header, step = file.tell(), 4 * width
        lines = [file.readline(_LONGEST_WORD + 64 * width) for _ in range(min(count, 2))]
        if all(_is_text(line, width) for line in lines):
            raise FileFormatError(path, f"its numbers are text, which belongs in .txt or .vec: {lines[0][:40]!r}")
        file.seek(header)
        if header + count * (step + 2) > size:
            raise FileFormatError(path, f"{size} bytes are too few for {count} words with {width} numbers each")
        longest = 2 + _LONGEST_WORD + step  # with the line end before it and the space behind the word
        vectors = numpy.empty((count, width), numpy.float32)
        for number, vector in enumerate(vectors, start=1):
            if len(buffer) - start < longest:
                buffer = buffer[start:]
                buffer, start = buffer + file.read(max(PIECE, longest)), 0
            start += buffer[start : start + 1] == b"\n"
            end = buffer.find(b" ", start, start + _LONGEST_WORD + 1) + 1
            if not end or end + step > len(buffer):
                raise FileFormatError(path, f"it ends or is damaged at word {number} of {count}")
            words += buffer[start:end]
            start = end + step
            vector[:] = numpy.frombuffer(buffer, "<f4", width, end)
        if buffer[start:].strip() or file.read(1):
            raise FileFormatError(path, f"more bytes follow the {count} words that its first line announces")
    return _finite(path, vectors), _words(path, words, b" ")


def write_npz(path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """The project's own format, which keeps the dtype and any word without a zero byte."""
    _check_words(words, "[^\0]+", "a zero byte separates the words")
    weight_files.write(path, {"vectors": vectors, "words": numpy.frombuffer("\0".join(words).encode(), numpy.uint8)})


def read_npz(path: Location) -> Content:
    """The project's own format."""
    tensors, _ = weight_files.read(path)
    if tensors.keys() != {"vectors", "words"} or tensors["words"].dtype != numpy.uint8 or tensors["words"].ndim != 1:
        raise FileFormatError(path, f"no word vectors: expected tensors vectors and words, got {', '.join(tensors)}")
    words = bytearray(tensors.pop("words").data)
    words += b"\0"
    return tensors["vectors"], _words(path, words, b"\0")


def write_projector(folder: Location, vectors: numpy.ndarray, words: Sequence[str]) -> None:
    """The pair of files that the embedding projector loads, into an existing folder."""
    _check_words(words, "[^\t\r\n]+", "the projector's files separate words by line ends")
    with atomic_write(Path(folder, VECTORS)) as file:
        _write_rows(file, vectors, "\t")
    with atomic_write(Path(folder, METADATA)) as file:
        file.write("".join(f"{word}\n" for word in words).encode())


def read_projector(folder: Location) -> Content:
    """The pair of files, as :func:`write_projector` leaves it: the words in one column, without a heading."""
    metadata, path = Path(folder, METADATA), Path(folder, VECTORS)
    words = regular(metadata).read_bytes().replace(b"\r\n", b"\n")
    if not words.endswith(b"\n"):
        raise _cut_short(metadata, words)
    with regular(path).open("rb") as file:
        width = file.readline(_LONGEST_LINE).count(b"\t") + 1
        file.seek(0)
        vectors = _read_rows(path, file, (words.count(b"\n"), width), b"\t", "line", f"{METADATA} has")
    return vectors, _words(metadata, words, b"\n")


def _write_rows(file: BinaryIO, vectors: numpy.ndarray, separator: str, words: Sequence[str] = ()) -> None:
    """A line for each vector, as float32, behind its word if there are words."""
    row = separator.join(["%.9g"] * vectors.shape[1]) + "\n"
    for i, vector in enumerate(_float32(vectors)):  # all numbers as Python's would take nine times the memory
        head = words[i] + separator if words else ""
        file.write((head + row % tuple(vector.tolist())).encode())


def _read_rows(
    path: Location,
    file: BinaryIO,
    shape: tuple[int, int],
    separator: bytes,
    unit: str,
    source: str,
    words: bytearray | None = None,
) -> numpy.ndarray:
    """The vectors of the lines that follow; with `words`, each line begins with a word, which is added to them.

    unit, source: what errors call a line, and whatever tells their number, such as "word", "its first line announces".
    """
    count, width = shape
    longest = max(_LONGEST_LINE, _LONGEST_WORD + 64 * width)
    # Lines that are too short are found before the room for sound ones, of a digit and a space a number, ends.
    vectors = numpy.empty((min(count, os.fstat(file.fileno()).st_size // (2 * width)), width), numpy.float32)
    lines = 0
    with numpy.errstate(over="ignore"):  # infinity, which _finite refuses
        for lines, line in enumerate(iter(partial(file.readline, longest), b""), start=1):
            if len(line) == longest:
                raise FileFormatError(path, f"{unit} {lines} has more than {longest} bytes")
            if not line.endswith(b"\n"):
                raise _cut_short(path, line)
            row = line.rstrip(_BLANKS)
            if words is not None:
                word, _, row = row.partition(separator)
                words += word + separator
            found = row.count(separator) + 1 if row else 0
            if found != width:
                raise FileFormatError(path, f"{unit} {lines} has {found} numbers, expected {width}")
            if lines > count:
                break
            try:
                vectors[lines - 1] = numpy.fromiter(_numbers(row, separator), numpy.float32, width)
            except ValueError as error:
                raise FileFormatError(path, f"{unit} {lines}: {error}") from error
    if lines != count:
        raise FileFormatError(path, f"it has {'more' if lines > count else lines} {unit}s, {source} {count}")
    return _finite(path, vectors)


def _is_text(line: bytes, width: int) -> bool:
    """Whether it is a word with `width` numbers in digits: binary ones have hardly such bytes up to a line end."""
    _, _, row = line.rstrip(_BLANKS).partition(b" ")
    return row != b"" and row.count(b" ") + 1 == width and not row.translate(None, b"0123456789+-.eE ")


def _numbers(row: bytes, separator: bytes) -> Iterator[float]:
    if len(row) <= PIECE:
        return map(float, row.split(separator))
    parts = (piece.removesuffix(separator).split(separator) for piece in pieces(row, separator))
    return (float(number) for part in parts for number in part)


def _words(path: Location, text: bytes | bytearray, end: bytes) -> list[str]:
    """The words of a text in which each is followed by `end`. None are made before the text has been found sound."""
    for piece in pieces(text, end):
        ends = numpy.frombuffer(piece, numpy.uint8) == ord(end)
        if ends[0] or bool((ends[1:] & ends[:-1]).any()):
            raise FileFormatError(path, "a word is empty")
        try:
            piece.decode()
        except UnicodeDecodeError as error:
            raise FileFormatError(path, f"a word is not UTF-8: {error}") from error
    words: list[str] = []
    for piece in pieces(text, end):
        words += piece.decode().removesuffix(end.decode()).split(end.decode())
    return words


def _cut_short(path: Location, line: bytes) -> FileFormatError:
    return FileFormatError(path, f"its last line has no end, it is cut short: {line[-40:]!r}")


def _shape(path: Location, header: bytes) -> tuple[int, int]:
    """(V, D) of a file's first line."""
    match = _HEADER.fullmatch(header)
    if not match or not int(match[1]) or not int(match[2]):
        raise FileFormatError(path, f"it begins with {header[:40]!r}, expected the numbers of words and of dimensions")
    return int(match[1]), int(match[2])


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


def _check_words(words: Sequence[str], pattern: str, reason: str) -> None:
    for word in words:
        if not re.fullmatch(pattern, word):
            raise ValueError(f"the word {word!r} cannot be written: {reason}")
    word_vector_pickle.check_encodable(words)
