"""From text to ids, and from ids to the examples that word2vec learns from."""

import re
from typing import Any

import numpy

from common.np import np

__all__ = ["convert_one_hot", "create_contexts_target", "preprocess"]

# A mark that ends a sentence or a part of one is a word of its own, in Latin script and in Chinese and Japanese.
MARKS = ".,;:!?。、，！？"
_WORD = re.compile(f"[{MARKS}]|[^\\s{MARKS}]+")


def preprocess(text: str) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """``(corpus, word_to_id, id_to_word)`` of a text in any language that parts words by blanks.

    The text is put in lower case; blanks of any kind and number part words; each full stop, comma, colon, semicolon,
    question or exclamation mark is a word of its own: "Hello, you." gives hello , you . in this order. corpus is int64
    (words,), with ids by first appearance.

    Raises TypeError when text is no string, and ValueError when there is no word in it.
    """
    if not isinstance(text, str):
        raise TypeError(f"preprocess: expected text as one string, got {type(text).__name__}")
    words = _WORD.findall(text.lower())
    if not words:
        raise ValueError("preprocess: the text is empty, expected one word at least")
    id_to_word = dict(enumerate(dict.fromkeys(words)))
    word_to_id = {word: i for i, word in id_to_word.items()}
    return numpy.fromiter(map(word_to_id.__getitem__, words), numpy.int64, len(words)), word_to_id, id_to_word


def create_contexts_target(corpus: Any, window_size: int = 1) -> tuple[Any, Any]:
    """The words around each word, and that word: contexts (M, 2 w) and target (M,), for a window of w words a side.

    contexts[m] holds, from left to right, the w words before and the w words after target[m]. As every target needs a
    full window, the first and last w words of the corpus are none: M = len(corpus) - 2 w. Ids keep their dtype.

    Raises ValueError for a window below 1, a corpus shorter than one full window, or not of ids (n,).
    """
    ids = check_ids("create_contexts_target: corpus", corpus)
    check_window("create_contexts_target", window_size)
    count = len(ids) - 2 * window_size
    if count < 1:
        raise ValueError(
            f"create_contexts_target: window_size {window_size} takes {2 * window_size + 1} words or more, "
            f"the corpus has {len(ids)}"
        )
    offsets = [offset for offset in range(2 * window_size + 1) if offset != window_size]
    contexts = np.stack([ids[offset : offset + count] for offset in offsets], axis=1)
    return contexts, ids[window_size : window_size + count].copy()


def convert_one_hot(corpus: Any, vocab_size: int) -> Any:
    """Ids of any shape (...) as one-hot vectors (..., vocab_size), int32.

    Raises ValueError for an id outside 0 … vocab_size - 1, and for ids that are no integers.
    """
    ids = check_ids("convert_one_hot: corpus", corpus, vocab_size, ndim=None)
    one_hot = np.zeros((ids.size, vocab_size), "int32")
    one_hot[np.arange(ids.size), ids.reshape(-1)] = 1
    return one_hot.reshape(*ids.shape, vocab_size)


def check_ids(name: str, ids: Any, vocab_size: int | None = None, ndim: int | None = 1) -> Any:
    """`ids` as an array of the active module; ValueError, naming them, when they cannot be what they should be.

    They must be integers in `ndim` dimensions, one at least, and of a vocabulary of `vocab_size` words.
    """
    ids = np.asarray(ids)
    if ids.size == 0:
        raise ValueError(f"{name} is empty, expected one id at least")
    if ids.dtype.kind not in "iu" or (ndim is not None and ids.ndim != ndim):
        expected = "" if ndim is None else f" in {ndim} dimension{'s' * (ndim > 1)}"
        raise ValueError(f"{name}: expected integer ids{expected}, got {ids.dtype} {ids.shape}")
    if vocab_size is not None and not 0 <= (low := int(ids.min())) <= (high := int(ids.max())) < vocab_size:
        wrong = low if low < 0 else high
        raise ValueError(f"{name} has the id {wrong}, expected ids from 0 to {vocab_size - 1} (vocab_size - 1)")
    return ids


def check_window(name: str, window_size: int) -> None:
    """ValueError for a window that reaches no word."""
    if window_size < 1:
        raise ValueError(f"{name}: window_size must be at least 1, not {window_size}")
