"""Questions and answers for seq2seq models, from files of two kinds.

fixed width   lines such as ``16+75  _91  ``, see :mod:`dataset.sequence`: one vocabulary, of which the blank is one
tab           lines ``question<TAB>answer`` of any length: a vocabulary on each side, characters or words; rows are
              padded with -1 (:mod:`common.padding`), and an answer lies between a start and a stop symbol
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from common.padding import PAD, pad
from dataset import sequence
from dataset.sequence import Ids
from dataset.text import decode

START, STOP = "<start>", "<stop>"  # no characters, hence in nobody's text
MOST_PADDING = 20  # numbers in the padded arrays for each symbol of a file


class Codec(NamedTuple):
    """How texts become ids and ids texts again."""

    questions: dict[str, int]  # ids of the symbols of questions
    answers: dict[str, int]  # and of answers
    start: int
    stop: int | None = None  # None: all answers have one length
    width: int | None = None  # of questions, which blanks fill up; None: they have any length
    words: bool = False  # symbols are words between blanks, not characters
    reversed: bool = False  # questions are read from their end

    def encode(self, questions: Sequence[str]) -> Ids:
        """The questions as ids (N, S). ValueError for one that is empty, too long or has an unknown symbol."""
        return pad([self._ids(question) for question in questions])

    def symbols(self, question: str) -> list[str]:
        """The symbols of a question in the order in which people read them."""
        parts: list[str] = question.split() if self.words else list(question)
        if not parts:
            raise ValueError("the question is empty")
        if self.width is None:
            return parts
        if len(parts) > self.width:
            raise ValueError(f"{question!r} has {len(parts)} characters, the model reads questions of {self.width}")
        return parts + [" "] * (self.width - len(parts))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of an answer's ids, without start symbol; stop symbol and padding end it."""
        symbol_of = {i: symbol for symbol, i in self.answers.items()}
        symbols = []
        for i in ids:
            if i in (self.stop, PAD):
                break
            symbols.append(symbol_of[int(i)])
        return (" " if self.words else "").join(symbols)

    def question(self, ids: Iterable[int]) -> str:
        """The text of a question's ids, the right way round."""
        symbol_of = {i: symbol for symbol, i in self.questions.items()}
        symbols = [symbol_of[int(i)] for i in ids if i != PAD]
        return (" " if self.words else "").join(symbols[::-1] if self.reversed else symbols)

    def _ids(self, question: str) -> list[int]:
        symbols = self.symbols(question)
        for place, symbol in enumerate(symbols, start=1):
            if symbol not in self.questions:
                raise ValueError(f"{question!r}: the vocabulary of the model has no {symbol!r} (symbol {place})")
        ids = [self.questions[symbol] for symbol in symbols]
        return ids[::-1] if self.reversed else ids


class Pairs(NamedTuple):
    """The n pairs of a file as ids: x (n, S) questions, t (n, T) answers with start symbol, in two parts."""

    x_train: Ids
    t_train: Ids
    x_test: Ids
    t_test: Ids
    codec: Codec


def load(
    file_name: str | os.PathLike[str], *, reversed: bool = False, words: bool = False, seed: int = 1984
) -> Pairs:
    """Read a file of either kind: one with a tab in its first line is of the second.

    reversed: the order of the symbols of all questions (Sutskever et al. 2014). words: in a file with tabs, the symbols
    are words, not characters. The last n // 10 lines, after the shuffling by ``RandomState(seed)``, are the test part.

    Raises FileNotFoundError, and ValueError naming the line, for an empty file, one that is not UTF-8, a line without
    tab or ``_`` or without a question or an answer, lines of unequal width in a file of fixed width, and a line so much
    longer than the others that padding them to its length would take many times the file's size.
    """
    path = sequence.find(file_name)
    with path.open("rb") as file:
        tabbed = b"\t" in file.readline()
    if tabbed:
        return _load_tabbed(path, reversed, words, seed)
    if words:
        raise ValueError(f"{path}: the symbols of a file of fixed width, one without tabs, are characters, not words")
    data = sequence.load(path, seed)
    x_train, x_test = (x[:, ::-1].copy() if reversed else x for x in (data.x_train, data.x_test))
    start, width = data.char_to_id[sequence.START], x_train.shape[1]
    codec = Codec(data.char_to_id, data.char_to_id, start, width=width, reversed=reversed)
    return Pairs(x_train, data.t_train, x_test, data.t_test, codec)


def _load_tabbed(path: Path, reversed: bool, words: bool, seed: int) -> Pairs:
    lines = decode(path.read_bytes(), path).removesuffix("\n").split("\n")
    pairs = []
    for number, line in enumerate(lines, start=1):
        sides = [side.strip() for side in line.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise ValueError(f"{path}, line {number}: expected a question, a tab and an answer, got {line!r}")
        pairs.append([side.split() if words else list(side) for side in sides])
    _check_widths(path, pairs)
    questions: dict[str, int] = {}
    answers = {START: 0, STOP: 1}
    for question, answer in pairs:
        for symbol in question:
            questions.setdefault(symbol, len(questions))
        for symbol in answer:
            answers.setdefault(symbol, len(answers))
    read = -1 if reversed else 1  # the direction
    x = pad([[questions[symbol] for symbol in question[::read]] for question, _ in pairs])
    t = pad([[0, *(answers[symbol] for symbol in answer), 1] for _, answer in pairs])
    order = numpy.arange(len(pairs))
    numpy.random.RandomState(seed).shuffle(order)
    train, test = numpy.split(order, [len(order) - len(order) // 10])
    codec = Codec(questions, answers, start=0, stop=1, words=words, reversed=reversed)
    return Pairs(x[train], t[train], x[test], t[test], codec)


def _check_widths(path: Path, pairs: list[list[list[str]]]) -> None:
    """ValueError for a line to whose length the others cannot be padded in reasonable memory."""
    for side, what in enumerate(("question", "answer")):
        lengths = [len(pair[side]) for pair in pairs]
        longest = max(lengths)
        if longest * len(lengths) > MOST_PADDING * sum(lengths) + 10_000_000:
            raise ValueError(
                f"{path}, line {lengths.index(longest) + 1}: a {what} of {longest} symbols, where the mean is "
                f"{sum(lengths) / len(lengths):.0f}; have lines run together?"
            )
