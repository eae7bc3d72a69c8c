"""Pairs of character sequences of fixed width: sums (``addition.txt``) and dates (``date.txt``).

Each line of a file is a question padded with spaces, then ``_`` and the padded answer; the ``_`` is the first
character of the answer, the signal to begin. ``dataset/generate_sequences.py`` made the two files.
"""

import os
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy
from numpy.typing import NDArray

from common.files import Location
from common.text_files import decoded_pieces, quoted, without_blank_end

Ids: TypeAlias = NDArray[numpy.int64]
Vocabulary: TypeAlias = tuple[dict[str, int], dict[int, str]]

FOLDER = Path(__file__).resolve().parent
START = "_"
EMPTY = 5  # bytes at most of a file without a line: a byte-order mark of 3 and a line end of 2


class Sequences(NamedTuple):
    """A file of n lines as ids: x (n, Tx) int64 questions, t (n, Tt) int64 answers, in two parts."""

    x_train: Ids
    t_train: Ids
    x_test: Ids
    t_test: Ids
    char_to_id: dict[str, int]
    id_to_char: dict[int, str]


def load(file_name: Location = "addition.txt", seed: int = 1984) -> Sequences:
    """Read a file, number its characters, shuffle its lines and set the last tenth of them aside as test part.

    `file_name` is a path; a bare name such as ``"date.txt"`` that the current folder does not have is looked up in this
    package's. Blank lines at the end of the file are left out. Characters are numbered by first appearance, question
    before answer, line by line. ``RandomState(seed)`` shuffles the line numbers; of n lines the last n // 10 are the
    test part, so a file of fewer than ten lines has none.

    Raises FileNotFoundError, naming the places searched, and ValueError for a folder or a pipe, and, naming the line,
    when the file is empty, not UTF-8, or has a line that does not divide into question and answer like the first one,
    or where one is blank; TypeError for what is no path, and TypeError or ValueError for a seed that RandomState does
    not take.
    """
    path = find(file_name)
    check_seed(seed)
    data = without_blank_end(path.read_bytes())
    count, question, width = _sizes(data, path)
    # The checks above ran piece by piece; the arrays below take several times the file's size, so they are made last.
    char_to_id: dict[str, int] = {}
    for text in decoded_pieces(data, path):
        if set(text) - char_to_id.keys() - {"\n"}:  # most pieces have no new character
            for char in dict.fromkeys(text.replace("\n", "")):
                char_to_id.setdefault(char, len(char_to_id))
    id_of_code = numpy.zeros(max(map(ord, char_to_id)) + 1, dtype=numpy.int32)
    id_of_code[[ord(char) for char in char_to_id]] = list(char_to_id.values())

    row_of_line = shuffled(count, seed)
    x, t = (numpy.empty((count, size), dtype=numpy.int64) for size in (question, width - question))
    start = 0
    for text in decoded_pieces(data, path):
        # UTF-32 has one number of 4 bytes for each character, so a line, with its end, becomes a row of codes.
        codes = numpy.frombuffer(text.encode("utf-32-le"), dtype="<u4").reshape(-1, width + 1)
        ids, rows = id_of_code[codes], row_of_line[start : start + len(codes)]
        x[rows], t[rows] = ids[:, :question], ids[:, question:width]
        start += len(codes)
    cut = count - count // 10
    return Sequences(x[:cut], t[:cut], x[cut:], t[cut:], char_to_id, {i: char for char, i in char_to_id.items()})


def check_seed(seed: int) -> None:
    """TypeError or ValueError, naming it, for a seed that RandomState does not take."""
    try:
        numpy.random.RandomState(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"seed must be a whole number from 0 to 2**32 - 1, not {seed!r:.80}") from error


def shuffled(count: int, seed: int) -> Ids:
    """The row that each of `count` lines gets: ``RandomState(seed)`` shuffles the line numbers."""
    order = numpy.arange(count)
    numpy.random.RandomState(seed).shuffle(order)
    rows = numpy.empty_like(order)
    rows[order] = numpy.arange(count)
    return rows


def find(file_name: Location) -> Path:
    """The file at that path, or else, for a name without a folder, the one in this package's folder."""
    if not isinstance(file_name, (str, os.PathLike)):
        raise TypeError(f"a sequence file must be given by its path, not {file_name!r:.80}")
    places = [Path.cwd() / file_name]
    if os.fspath(file_name) == Path(file_name).name:  # which "./date.txt" is not
        places.append(FOLDER / file_name)
    for path in places:
        if path.is_file():
            return path
    if os.fspath(file_name) and places[0].exists():
        raise ValueError(f"{places[0]}: expected a file of sequences, this is {_kind(places[0])}")
    searched = " nor ".join(map(str, places))
    raise FileNotFoundError(f"no sequence file at {searched}; the library brings addition.txt and date.txt")


def _kind(path: Path) -> str:
    """What there is at the path, which is no file."""
    return "a folder" if path.is_dir() else "a pipe, which can be read only once" if path.is_fifo() else "a device"


def _sizes(data: bytes, path: Path) -> tuple[int, int, int]:
    """The number of lines, of the characters before ``_``, and of all in a line, which must be the same in each."""
    number = question = width = 0
    for text in decoded_pieces(data, path):
        lines = text[:-1].split("\n")
        if number == 0:
            if lines == [""] and len(data) <= EMPTY:
                break
            width, question = len(lines[0]), lines[0].find(START)
        for line in lines:
            number += 1
            at = line.find(START)
            if at < 0 or not line[:at].strip() or not line[at + 1 :].strip():
                raise ValueError(
                    f"{path}, line {number}: expected a question, '{START}' and an answer, got {quoted(line)}"
                )
            if at != question or len(line) != width:
                raise ValueError(
                    f"{path}, line {number}: question of {at} and answer of {len(line) - at} characters, but those of "
                    f"line 1 have {question} and {width - question}; pad them with spaces: {quoted(line)}"
                )
    if number == 0:
        raise ValueError(f"{path} is empty: expected lines such as '16+75  _91  '")
    return number, question, width


_last_vocabulary: Vocabulary | None = None


def load_data(
    file_name: Location = "addition.txt", seed: int = 1984
) -> tuple[tuple[Ids, Ids], tuple[Ids, Ids]]:
    """``(x_train, t_train), (x_test, t_test)`` of a file, as in :func:`load`; sets what :func:`get_vocab` gives."""
    global _last_vocabulary
    data = load(file_name, seed)
    _last_vocabulary = data.char_to_id, data.id_to_char
    return (data.x_train, data.t_train), (data.x_test, data.t_test)


def get_vocab() -> Vocabulary:
    """``(char_to_id, id_to_char)`` of the file that :func:`load_data` read last; RuntimeError when there is none."""
    if _last_vocabulary is None:
        raise RuntimeError("sequence.get_vocab: no file has been read yet, call sequence.load_data first")
    char_to_id, id_to_char = _last_vocabulary
    return dict(char_to_id), dict(id_to_char)
