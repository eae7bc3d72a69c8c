"""How good are word vectors? Their similarities held against people's, and the analogies that they solve.

The files of the two usual tests are read here: pairs of words with people's scores, such as WordSim-353 (Finkelstein et
al., 2002), and Google's analogies, ``questions-words.txt`` (Mikolov et al., 2013).
"""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from common.files import FileFormatError, Location, regular
from common.text_files import decode
from common.word_vectors import WordVectors

__all__ = [
    "AnalogyAccuracy", "PairCorrelation", "evaluate_analogies", "evaluate_word_pairs",
    "read_analogies", "read_word_pairs",
]  # fmt: skip

WordPair = tuple[str, str, float]
Question = tuple[str, str, str, str]

_SCORES = 1 << 22  # numbers at a time, 16 MiB of float32


class PairCorrelation(NamedTuple):
    """Spearman's rank correlation over the `known` pairs; `unknown` pairs have a word without a vector."""

    spearman: float
    known: int
    unknown: int


class AnalogyAccuracy(NamedTuple):
    """`right` answers to the `known` questions; `unknown` questions have a word without a vector."""

    right: int
    known: int
    unknown: int

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0 without any known question."""
        return self.right / self.known if self.known else 0.0


def read_word_pairs(path: Location) -> list[WordPair]:
    """(word, word, score) of each line of a file with columns separated by tabs or commas; further ones are ignored.

    Lines that are empty or begin with # are left out, and so is the first other one if it holds names of columns.
    Raises FileFormatError naming file and line for one without two words and a number.
    """
    pairs: list[WordPair] = []
    for place, (number, line) in enumerate(row for row in _lines(path) if not row[1].startswith("#")):
        fields = [field.strip() for field in line.split("\t" if "\t" in line else ",")]
        try:
            pairs.append((fields[0], fields[1], float(fields[2])))
        except (IndexError, ValueError):
            if place or len(fields) < 3:
                raise FileFormatError(path, f"line {number} is {line[:60]!r}, expected two words and a score") from None
    if not pairs:
        raise FileFormatError(path, "it holds no pair of words")
    return pairs


def read_analogies(path: Location) -> dict[str, list[Question]]:
    """The questions of each section: a line ": section", then lines of four words, a is to b as c is to d.

    Raises FileFormatError naming file and line for a line of another kind.
    """
    sections: dict[str, list[Question]] = {}
    for number, line in _lines(path):
        if line.startswith(":"):
            questions = sections.setdefault(line[1:].strip(), [])
            continue
        words = line.split()
        if len(words) != 4 or not sections:
            raise FileFormatError(path, f"line {number} is {line[:60]!r}, expected ': section', or four words below")
        questions.append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise FileFormatError(path, "it holds no question")
    return sections


def evaluate_word_pairs(vectors: WordVectors, pairs: Iterable[WordPair]) -> PairCorrelation:
    """The rank correlation of the pairs' cosines with their scores, 1 if both order the pairs alike.

    A word is looked up as it is and in lower case. The correlation is NaN when all cosines or scores are equal. Raises
    ValueError when fewer than two pairs are known, and TypeError for what are no pairs, such as the name of a file.
    """
    pairs = _rows("evaluate_word_pairs", pairs, 3, "pairs (word, word, score), as of read_word_pairs")
    from scipy import stats  # half a second, which all else here can do without

    ids = _ids(vectors, [pair[:2] for pair in pairs])
    known = (ids >= 0).all(axis=1)
    if known.sum() < 2:
        raise ValueError(f"evaluate_word_pairs: {known.sum()} of {len(pairs)} pairs are known, expected two at least")
    unit = vectors.unit_vectors()
    cosines = (unit[ids[known, 0]] * unit[ids[known, 1]]).sum(axis=1)
    scores = numpy.array([pair[2] for pair in pairs])[known]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        correlation = float(stats.spearmanr(cosines, scores)[0])
    return PairCorrelation(correlation, int(known.sum()), int((~known).sum()))


def evaluate_analogies(
    vectors: WordVectors, sections: Mapping[str, Sequence[Question]]
) -> tuple[AnalogyAccuracy, dict[str, AnalogyAccuracy]]:
    """How many questions a : b = c : d the vectors answer with d, in all and by section.

    The answer is the word with the highest cosine to b - a + c, all of length 1, that is none of the three. A word is
    looked up as it is and in lower case. Raises TypeError for what are no sections of questions.
    """
    if not isinstance(sections, Mapping):
        found = type(sections).__name__
        raise TypeError(f"evaluate_analogies: expected sections {{name: questions}}, as of read_analogies, not {found}")
    expected = "questions (word, word, word, word)"
    sections = {name: _rows("evaluate_analogies", rows, 4, expected) for name, rows in sections.items()}
    unit = vectors.unit_vectors()
    scores = {name: _solve(unit, _ids(vectors, questions)) for name, questions in sections.items()}
    total = AnalogyAccuracy(*(sum(score[i] for score in scores.values()) for i in range(3)))
    return total, scores


def _solve(unit: numpy.ndarray, ids: numpy.ndarray) -> AnalogyAccuracy:
    """Answer the questions ids (n, 4), with -1 for unknown words, by vectors unit (V, D) of length 1."""
    known = ids[(ids >= 0).all(axis=1)]
    right, size = 0, max(1, _SCORES // len(unit))
    for start in range(0, len(known), size):
        a, b, c, d = known[start : start + size].T
        # The query's own length does not matter to the order of the cosines.
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
        numpy.put_along_axis(cosines, numpy.stack([a, b, c], axis=1), -numpy.inf, axis=1)
        right += int((cosines.argmax(axis=1) == d).sum())
    return AnalogyAccuracy(right, len(known), len(ids) - len(known))


def _rows(name: str, rows: Any, width: int, expected: str) -> list[Any]:
    """The rows as a list; TypeError, naming the first that is not, unless all are of `width`. A str is no row."""
    rows = [rows] if isinstance(rows, (str, os.PathLike)) else list(rows)
    for row in rows:
        if isinstance(row, (str, os.PathLike)) or len(row) != width:
            raise TypeError(f"{name}: expected {expected}, got {row!r}")
    return rows


def _ids(vectors: WordVectors, rows: Sequence[Sequence[str]]) -> numpy.ndarray:
    """The ids of words, -1 for an unknown one: int64 (rows, words a row)."""
    known = vectors.key_to_index
    ids = [[known.get(word, known.get(word.lower(), -1)) for word in row] for row in rows]
    return numpy.array(ids, numpy.int64).reshape(len(rows), -1 if rows else 4)


def _lines(path: Location) -> list[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers."""
    try:
        text = decode(regular(path).read_bytes(), path)
    except ValueError as error:
        raise FileFormatError(path, str(error).removeprefix(f"{path}: ")) from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
