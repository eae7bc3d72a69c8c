"""How alike two words are: the cosine of the angle between their vectors, and what follows from it.

``most_similar`` and ``analogy`` print what they find as the book does and return it as well. What does not print, and
knows more, is :class:`common.word_vectors.WordVectors`.
"""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

import numpy

from common.checks import check_whole
from common.np import np, to_cpu
from common.progress import print_line

__all__ = ["analogy", "cos_similarity", "most_similar", "normalize"]

Pairs = list[tuple[str, float]]


def normalize(x: Any, eps: float = 1e-8) -> Any:
    """The rows of x (..., D), or the vector x (D,), with length 1: x / (|x| + eps). A vector of zeros stays one.

    Returns a new array in the dtype of x; float16, in which eps would be 0, as float32, and integers as float64.
    """
    x = _as_real(x)
    return x / (np.sqrt((x * x).sum(axis=-1, keepdims=True)) + eps)


def cosines(X: Any, y: Any) -> Any:
    """The cosine of each row of X (V, D) with y (D,), X y / ((|X| + 1e-8) (|y| + 1e-8)): (V,), without a copy of X."""
    X = _as_real(X)
    return X @ normalize(y) / (np.sqrt(np.einsum("vd,vd->v", X, X)) + 1e-8)


def _as_real(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, "f4" if x.dtype.kind == "f" else "f8"), copy=False)


def cos_similarity(x: Any, y: Any, eps: float = 1e-8) -> Any:
    """x y / ((|x| + eps) (|y| + eps)), between -1 and 1; 0 when x or y is all zeros. A scalar.

    Raises ValueError unless x and y are vectors of the same length.
    """
    x, y = normalize(x, eps), normalize(y, eps)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"cos_similarity: expected two vectors of the same length, got {x.shape} and {y.shape}")
    return x @ y


def most_similar(
    query: str, word_to_id: Mapping[str, int], id_to_word: Mapping[int, str], word_matrix: Any, top: int = 5
) -> Pairs:
    """The `top` words whose vectors have the highest cosine with the query's, without the query, and their cosines.

    word_matrix (V, D): the vector of word i in row i. Words without a row, as those that a part of a corpus lacks, and
    rows without a word are left out. Prints the list. For an unknown query it prints a message with the nearest known
    words instead, and returns an empty list.

    Raises TypeError for a query that is no str, ValueError when word_matrix is no matrix or has no row for the query,
    and for a negative `top`, TypeError for one that is no whole number.
    """
    word_matrix = _check("most_similar", word_matrix, top, [query], word_to_id)
    if not _all_known([query], word_to_id):
        return []
    print_line(f"\n[query] {query}")
    number = word_to_id[query]
    return _print(best(to_cpu(cosines(word_matrix, word_matrix[number])), id_to_word, top, without=[number]))


def analogy(
    a: str, b: str, c: str, word_to_id: Mapping[str, int], id_to_word: Mapping[int, str], word_matrix: Any,
    top: int = 5, answer: str | None = None,
) -> Pairs:
    """a is to b as c is to what? The `top` words whose vectors have the highest cosine with b - a + c, and the cosines.

    The vectors of a, b and c, the rows of word_matrix (V, D), are brought to length 1 first, and the three words are
    no answers. Prints the list, above it the cosine of `answer` if one is given. Unknown words and errors are treated
    as in :func:`most_similar`.
    """
    word_matrix = _check("analogy", word_matrix, top, [a, b, c, *([] if answer is None else [answer])], word_to_id)
    if not _all_known([a, b, c], word_to_id):
        return []
    print_line(f"\n[analogy] {a}:{b} = {c}:?")
    ids = [word_to_id[word] for word in (a, b, c)]
    unit_a, unit_b, unit_c = normalize(word_matrix[ids])
    scores = to_cpu(cosines(word_matrix, unit_b - unit_a + unit_c))
    if answer is not None and _all_known([answer], word_to_id):
        print_line(f"==>{answer}:{scores[word_to_id[answer]]}")
    return _print(best(scores, id_to_word, top, without=ids))


def best(
    scores: numpy.ndarray, words: Any, top: int, without: Collection[int] = ()
) -> list[tuple[str, numpy.floating[Any]]]:
    """The `top` words with the highest scores (V,), highest first, lower ids first among equals; none of `without`."""
    known = words if isinstance(words, Mapping) else range(len(words))

    def ranked(ids: numpy.ndarray) -> list[tuple[str, numpy.floating[Any]]]:
        order = (int(i) for i in ids[numpy.argsort(-scores[ids], kind="stable")])
        return list(islice(((words[i], scores[i]) for i in order if i not in without and i in known), top))

    enough = top + len(without)
    if 0 < enough < len(scores):  # to sort those that may come is enough, if all of them have a word
        last = numpy.partition(-scores, enough - 1)[enough - 1]
        found = ranked(numpy.flatnonzero(-scores <= last))
        if len(found) == top:
            return found
    return ranked(numpy.arange(len(scores)))


def unknown(word: str, known: Iterable[str]) -> str:
    """A message that a word is not known, which names the known words nearest to it."""
    near = get_close_matches(word, known, n=3)
    return f"{word} is not found" + (f", the nearest known words are: {', '.join(near)}" if near else "")


def _all_known(words: Iterable[str], word_to_id: Mapping[str, int]) -> bool:
    """Whether all words are known; prints a message for the first one that is not."""
    for word in words:
        if word not in word_to_id:
            print_line(unknown(word, word_to_id))
            return False
    return True


def _print(found: list[tuple[str, numpy.floating[Any]]]) -> Pairs:
    """Print the pairs as NumPy writes their numbers, a float32 with eight digits, and return plain floats."""
    for word, score in found:
        print_line(f" {word}: {score}")
    return [(word, float(score)) for word, score in found]


def _check(name: str, word_matrix: Any, top: int, asked: Iterable[str], word_to_id: Mapping[str, int]) -> Any:
    """word_matrix as an array, with a row for each of the words `asked` that is known."""
    check_whole(name, top=top)
    word_matrix = np.asarray(word_matrix)
    if word_matrix.ndim != 2:
        raise ValueError(f"{name}: word_matrix must have a row for each word, (V, D), it is {word_matrix.shape}")
    for word in asked:
        if not isinstance(word, str):
            raise TypeError(f"{name}: expected a word, a str, not {word!r}")
        if word in word_to_id and not 0 <= word_to_id[word] < len(word_matrix):
            raise ValueError(f"{name}: word_matrix {word_matrix.shape} has no row {word_to_id[word]}, that of {word!r}")
    if top < 0:
        raise ValueError(f"{name}: top must not be negative, it is {top}")
    return word_matrix
