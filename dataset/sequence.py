"""Pairs of character sequences of fixed width: sums (``addition.txt``) and dates (``date.txt``).

Each line of a file is a question padded with blanks, then ``_`` and the padded answer; the ``_`` is the first
character of the answer, the signal to begin. ``dataset/generate_sequences.py`` made the two files.
"""

import os
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy
from numpy.typing import NDArray

from dataset.text import decode

Ids: TypeAlias = NDArray[numpy.int64]
Vocabulary: TypeAlias = tuple[dict[str, int], dict[int, str]]

FOLDER = Path(__file__).resolve().parent
START = "_"


class Sequences(NamedTuple):
    """A file of n lines as ids: x (n, Tx) int64 questions, t (n, Tt) int64 answers, in two parts."""

    x_train: Ids
    t_train: Ids
    x_test: Ids
    t_test: Ids
    char_to_id: dict[str, int]
    id_to_char: dict[int, str]


def load(file_name: str | os.PathLike[str] = "addition.txt", seed: int = 1984) -> Sequences:
    """Read a file, number its characters, shuffle its lines and set the last tenth of them aside as test part.

    `file_name` is looked up in this package's folder, then as a path. Characters are numbered by first appearance,
    question before answer, line by line. ``RandomState(seed)`` shuffles the line numbers; of n lines the last
    n // 10 are the test part, so a file of fewer than ten lines has none.

    Raises FileNotFoundError, naming the places searched, and ValueError, naming the line, when the file is empty, not
    UTF-8, or has a line that does not divide into question and answer like the first one.
    """
    path = find(file_name)
    lines = decode(path.read_bytes(), path).removesuffix("\n").split("\n")
    question = _question_width(lines, path)
    text = "".join(lines)

    char_to_id = {char: i for i, char in enumerate(dict.fromkeys(text))}
    codes = numpy.frombuffer(text.encode("utf-32-le"), dtype="<u4").reshape(len(lines), -1)
    id_of_code = numpy.zeros(int(codes.max()) + 1, dtype=numpy.int64)
    id_of_code[[ord(char) for char in char_to_id]] = list(char_to_id.values())

    order = numpy.arange(len(lines))
    numpy.random.RandomState(seed).shuffle(order)
    ids = id_of_code[codes[order]]
    train, test = numpy.split(ids, [len(ids) - len(ids) // 10])
    return Sequences(
        # Copies, because a slice of columns is strided and keeps the other columns in memory.
        x_train=train[:, :question].copy(),
        t_train=train[:, question:].copy(),
        x_test=test[:, :question].copy(),
        t_test=test[:, question:].copy(),
        char_to_id=char_to_id,
        id_to_char={i: char for char, i in char_to_id.items()},
    )


def find(file_name: str | os.PathLike[str]) -> Path:
    """The file of that name in this package's folder, or else at that path."""
    places = [FOLDER / file_name, Path.cwd() / file_name]
    for path in places:
        if path.is_file():
            return path
    searched = " nor ".join(str(path) for path in dict.fromkeys(places))
    raise FileNotFoundError(f"no sequence file at {searched}; the library brings addition.txt and date.txt")


def _question_width(lines: list[str], path: Path) -> int:
    """The number of characters before ``_``; checks that it and the length are the same in all lines."""
    if lines == [""]:
        raise ValueError(f"{path} is empty: expected lines such as '16+75  _91  '")
    width, question = len(lines[0]), lines[0].find(START)
    for number, line in enumerate(lines, start=1):
        at = line.find(START)
        if not 0 < at < len(line) - 1:
            raise ValueError(f"{path}, line {number}: expected a question, '{START}' and an answer, got {line!r}")
        if at != question or len(line) != width:
            raise ValueError(
                f"{path}, line {number}: question of {at} and answer of {len(line) - at} characters, but those of "
                f"line 1 have {question} and {width - question}; pad them with blanks: {line!r}"
            )
    return question


_last_vocabulary: Vocabulary | None = None


def load_data(
    file_name: str | os.PathLike[str] = "addition.txt", seed: int = 1984
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
