"""Questions and answers for seq2seq models, from files of two kinds.

fixed width   lines such as ``16+75  _91  ``, see :mod:`dataset.sequence`: one vocabulary, of which the blank is one
tab           lines ``question<TAB>answer`` of any length: a vocabulary on each side, characters or words; rows are
              padded with -1 (:mod:`common.padding`), and an answer lies between a start and a stop symbol
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from common.checks import as_flag
from common.files import Location
from common.labels import IdError
from common.padding import PAD, pad
from common.text_files import decoded_pieces, quoted, without_blank_end
from dataset import sequence
from dataset.sequence import Ids

START, STOP = "< start >", "< stop >"  # neither characters nor, with spaces inside, words: in nobody's text
MOST_PADDING = 20  # numbers in the padded arrays for each symbol of a file


class Codec(NamedTuple):
    """How texts become ids and ids texts again."""

    questions: dict[str, int]  # ids of the symbols of questions
    answers: dict[str, int]  # and of answers
    start: int
    stop: int | None = None  # None: all answers have one length
    width: int | None = None  # of questions, which spaces fill up; None: they have any length
    words: bool = False  # symbols are words between spaces, not characters
    reversed: bool = False  # questions are read from their end

    def encode(self, questions: Sequence[str]) -> Ids:
        """The questions as ids (N, S). TypeError for one str, and for what is no question.

        ValueError for no questions, and for one that is empty, too long or has an unknown symbol.
        """
        if isinstance(questions, str):
            text = quoted(questions)
            raise TypeError(f"encode: expected a list of questions, not the str {text}: pass [{text}]")
        if not isinstance(questions, Iterable):
            raise TypeError(f"encode: expected a list of questions, not {questions!r:.80}")
        rows = [self._ids(question) for question in questions]
        if not rows:
            raise ValueError("encode: there are no questions, expected one at least")
        return pad(rows)

    def symbols(self, question: str) -> list[str]:
        """The symbols of a question in the order in which people read them. TypeError for what is no str."""
        if not isinstance(question, str):
            raise TypeError(f"a question must be a str, not {question!r:.80}")
        if not question.strip():
            raise ValueError("the question is empty")
        if self.width is None:  # as the sides of a line are read from a file
            return question.split() if self.words else list(question.strip())
        parts = list(question)
        if len(parts) > self.width:
            found = f"{quoted(question)} has {len(parts)} characters"
            raise ValueError(f"{found}, the model reads questions of {self.width}")
        return parts + [" "] * (self.width - len(parts))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of an answer's ids, without start symbol; stop symbol and padding end it. IdError for other ids."""
        answer = list(itertools.takewhile(lambda i: i not in (self.stop, PAD), ids))
        if self.stop is not None:  # else the start symbol is a character like others
            answer = [i for i in answer if i != self.start]
        return (" " if self.words else "").join(_symbols("answers", self.answers, answer))

    def question(self, ids: Iterable[int]) -> str:
        """The text of a question's ids, the right way round. IdError for ids that its vocabulary lacks."""
        symbols = _symbols("questions", self.questions, [i for i in ids if i != PAD])
        return (" " if self.words else "").join(symbols[::-1] if self.reversed else symbols)

    def _ids(self, question: str) -> list[int]:
        symbols = self.symbols(question)
        for place, symbol in enumerate(symbols, start=1):
            if symbol not in self.questions:
                missing = f"the vocabulary of the model has no {quoted(symbol)} (symbol {place})"
                raise ValueError(f"{quoted(question)}: {missing}")
        ids = [self.questions[symbol] for symbol in symbols]
        return ids[::-1] if self.reversed else ids


def _symbols(what: str, vocabulary: dict[str, int], ids: Iterable[int]) -> list[str]:
    """The symbols of the ids."""
    symbol_of = {i: symbol for symbol, i in vocabulary.items()}
    symbols = []
    for i in map(int, ids):
        if i not in symbol_of:
            raise IdError(f"the ids of {what} must lie in 0 … {len(vocabulary) - 1}, got {i}")
        symbols.append(symbol_of[i])
    return symbols


class Pairs(NamedTuple):
    """The n pairs of a file as ids: x (n, S) questions, t (n, T) answers with start symbol, in two parts."""

    x_train: Ids
    t_train: Ids
    x_test: Ids
    t_test: Ids
    codec: Codec


def load(
    file_name: Location, *, reversed: bool = False, words: bool = False, seed: int = 1984
) -> Pairs:
    """Read a file of either kind: one with a tab in its first line is of the second.

    reversed: the order of the symbols of all questions (Sutskever et al. 2014). words: in a file with tabs, the symbols
    are words, not characters. The last n // 10 lines, after the shuffling by ``RandomState(seed)``, are the test part.
    Names of files and blank lines at their end are as in :func:`dataset.sequence.load`.

    Raises FileNotFoundError, and ValueError naming the line, for an empty file, one that is not UTF-8, a line without
    tab or ``_`` or without a question or an answer, lines of unequal width in a file of fixed width, and a line so much
    longer than the others that padding them to its length would take many times the file's size. A seed is checked as
    in :func:`dataset.sequence.load`; TypeError for a flag that is neither True nor False.
    """
    path = sequence.find(file_name)
    sequence.check_seed(seed)
    reversed, words = as_flag("reversed", reversed), as_flag("words", words)
    with path.open("rb") as file:
        tabbed = b"\t" in file.readline()
    if tabbed:
        return _load_tabbed(path, reversed, words, seed)
    if words:
        raise ValueError(f"{path}: the symbols of a file of fixed width, one without tabs, are characters, not words")
    try:
        data = sequence.load(path, seed)
    except ValueError as error:
        kinds = "lines of fixed width with '_' before the answer, or, with a tab in line 1, question, tab and answer"
        raise ValueError(f"{error} (a file has {kinds})") from error
    x_train, x_test = (x[:, ::-1].copy() if reversed else x for x in (data.x_train, data.x_test))
    start, width = data.char_to_id[sequence.START], x_train.shape[1]
    codec = Codec(data.char_to_id, data.char_to_id, start, width=width, reversed=reversed)
    return Pairs(x_train, data.t_train, x_test, data.t_test, codec)


def _load_tabbed(path: Path, reversed: bool, words: bool, seed: int) -> Pairs:
    data = without_blank_end(path.read_bytes())
    count, longest_question, longest_answer = _sizes(data, path, words)
    # A symbol gets the next id when it is first looked up.
    questions: dict[str, int] = defaultdict(itertools.count().__next__)
    answers: dict[str, int] = defaultdict(itertools.count().__next__)
    start, stop = answers[START], answers[STOP]
    x = numpy.full((count, longest_question), PAD, numpy.int64)
    t = numpy.full((count, longest_answer + 2), PAD, numpy.int64)
    for row, (question, answer) in zip(sequence.shuffled(count, seed).tolist(), _sides(data, path, words), strict=True):
        ids = [questions[symbol] for symbol in question]
        x[row, : len(ids)] = ids[::-1] if reversed else ids
        t[row, : len(answer) + 2] = [start, *(answers[symbol] for symbol in answer), stop]
    cut = count - count // 10
    codec = Codec(dict(questions), dict(answers), start, stop, words=words, reversed=reversed)
    return Pairs(x[:cut], t[:cut], x[cut:], t[cut:], codec)


def _sides(data: bytes, path: Path, words: bool) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """The symbols of the question and of the answer of each line."""
    number = 0
    for text in decoded_pieces(data, path):
        for line in text[:-1].split("\n"):
            number += 1
            sides = [side.strip() for side in line.split("\t")]
            if len(sides) != 2 or not all(sides):
                raise ValueError(
                    f"{path}, line {number}: expected a question, a tab and an answer, got {quoted(line)}"
                )
            question, answer = sides
            yield (question.split(), answer.split()) if words else (question, answer)


def _sizes(data: bytes, path: Path, words: bool) -> tuple[int, int, int]:
    """The number of pairs, and of the symbols of the longest question and of the longest answer.

    ValueError for a line to whose length the others cannot be padded in reasonable memory.
    """
    count, longest, line_of, total = 0, [0, 0], [0, 0], [0, 0]
    for count, pair in enumerate(_sides(data, path, words), start=1):
        for side, symbols in enumerate(pair):
            length = len(symbols)
            total[side] += length
            if length > longest[side]:
                longest[side], line_of[side] = length, count
    for side, what in enumerate(("question", "answer")):
        if longest[side] * count > MOST_PADDING * total[side] + 10_000_000:
            raise ValueError(
                f"{path}, line {line_of[side]}: a {what} of {longest[side]} symbols, where the mean is "
                f"{total[side] / count:.0f}; have lines run together?"
            )
    return count, longest[0], longest[1]
