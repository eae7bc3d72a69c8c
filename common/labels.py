"""Ids of words and classes: checked before anything is looked up with them."""

import operator
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy

from common.checks import check_counts
from common.np import extremes, np


class IdError(IndexError, ValueError):
    """An id outside the rows of a table, or a label outside the classes of the scores."""


def checked_ids(name: str, ids: Any, size: int | None, what: str = "ids") -> Any:
    """`ids`, integers of any shape, as an array of the active module.

    Raises TypeError for other dtypes and IdError unless ``0 <= ids < size``: NumPy would take a negative id for one
    counted from the end, and CuPy never refuses one, but wraps it, so that nothing else protects from it. Without a
    size, any integers pass. An empty list, which has no dtype, is one of integers.
    """
    given, ids = ids, _array(ids)
    if not ids.size and not hasattr(given, "dtype"):
        ids = ids.astype(int)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{name}: {what} must be integers, not {ids.dtype} {ids.shape}")
    if ids.size and size is not None:
        low, high = extremes(ids)
        if low < 0 or high >= size:
            raise IdError(f"{name}: {what} must lie in 0 … {size - 1}, got {low if low < 0 else high}")
    return ids


def checked_integers(name: str, ids: Iterable[Any], what: str = "ids") -> list[int]:
    """The ids as Python's integers; TypeError for what are none."""
    try:
        return [operator.index(i) for i in ids]
    except TypeError as error:
        raise TypeError(f"{name}: {what} must be ids, integers, not {ids!r:.80}") from error


def checked_corpus(name: str, corpus: Any, vocab_size: int | None = None) -> Any:
    """A text: its ids (n,), one at least. Raises ValueError for another shape, otherwise as :func:`checked_ids`.

    vocab_size: None, or a whole number, else TypeError, of at least 1.
    """
    if vocab_size is not None:
        check_counts(name, vocab_size=vocab_size)
    corpus = _array(corpus)
    if corpus.size == 0:
        raise ValueError(f"{name}: corpus is empty, expected one id at least")
    if corpus.ndim != 1:
        raise ValueError(f"{name}: corpus must be ids (n,), got {corpus.shape}")
    return checked_ids(name, corpus, vocab_size, "ids of the corpus")


def class_ids(name: str, t: Any, shape: tuple[int, ...], ignore: int | None = None) -> Any:
    """Class ids shape[:-1] from the labels `t` of scores of that `shape` (..., K).

    t holds ids shape[:-1], of which those equal to `ignore` are not looked at, or is one-hot, of the very shape of the
    scores. Raises ValueError for another shape or for rows that are not one-hot, IdError for an id that is no class,
    TypeError for ids that are no integers.
    """
    t = _array(t)
    if t.shape == shape:
        hot = t == 1
        if not bool((hot.sum(axis=-1) == 1).all()) or int((t != 0).sum()) != t.size // shape[-1]:
            raise ValueError(f"{name}: labels {t.shape} like the scores must be one-hot, a single 1 in each row of 0s")
        return hot.argmax(axis=-1)
    if t.shape != shape[:-1]:
        raise ValueError(f"{name}: scores {shape} need class ids {shape[:-1]} or one-hot labels {shape}, got {t.shape}")
    if ignore is not None:
        checked_ids(name, np.where(t == ignore, 0, t), shape[-1], "labels")
        return t
    return checked_ids(name, t, shape[-1], "labels")


def _array(ids: Any) -> Any:
    """`ids` as an array of the active module; text and objects, of which CuPy has no arrays, as NumPy's."""
    with suppress(ValueError):
        return np.asarray(ids)
    return numpy.asarray(ids)
