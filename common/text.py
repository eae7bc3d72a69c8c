"""From text to ids, and from ids to the examples that word2vec learns from."""

import re
from typing import Any

import numpy

from common.checks import check_counts
from common.labels import checked_corpus
from common.np import np

__all__ = ["convert_one_hot", "create_contexts_target", "preprocess"]

EOS = "<eos>"  # the word that ends a sentence
UNK = "<unk>"  # the word in the place of all that the vocabulary lacks
# A mark that ends a sentence or a part of one is a word of its own: in Latin, Chinese, Japanese and Arabic script.
MARKS = ".,;:!?。、，；：！？،؛؟"
WORD = re.compile(f"[{MARKS}]|[^\\s{MARKS}]+")


def preprocess(text: str) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """``(corpus, word_to_id, id_to_word)`` of a text in any language that writes spaces between words.

    The text is put in lower case; white space of any kind separates words; each full stop, comma, colon, semicolon,
    question or exclamation mark is a word of its own: "Hello, you." gives hello , you . in this order. A byte-order
    mark before the text, as some editors write it, is dropped. corpus is int64 (words,), with ids by first appearance.

    Raises TypeError when text is no string, and ValueError when there is no word in it.
    """
    if not isinstance(text, str):
        raise TypeError(f"preprocess: expected text as one string, got {type(text).__name__}")
    words = WORD.findall(text.removeprefix("\ufeff").lower())
    if not words:
        raise ValueError("preprocess: the text is empty, expected one word at least")
    id_to_word = dict(enumerate(dict.fromkeys(words)))
    word_to_id = {word: i for i, word in id_to_word.items()}
    return numpy.fromiter(map(word_to_id.__getitem__, words), numpy.int64, len(words)), word_to_id, id_to_word


def create_contexts_target(corpus: Any, window_size: int = 1) -> tuple[Any, Any]:
    """The words around each word, and that word: contexts (M, 2 w) and target (M,), for a window of w words a side.

    contexts[m] holds, from left to right, the w words before and the w words after target[m]. As every target needs a
    full window, the first and last w words of the corpus are none: M = len(corpus) - 2 w. Ids keep their dtype.

    Raises ValueError for a window below 1 and a corpus shorter than one full window or not (n,), TypeError for ids that
    are no integers.
    """
    ids = checked_corpus("create_contexts_target", corpus)
    check_counts("create_contexts_target", window_size=window_size)
    window_size = int(window_size)
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

    Raises IdError for an id outside 0 … vocab_size - 1, TypeError for ids that are no integers, ValueError for none.
    """
    corpus = np.asarray(corpus)
    ids = checked_corpus("convert_one_hot", corpus.reshape(-1), vocab_size)
    one_hot = np.zeros((ids.size, vocab_size), "int32")
    one_hot[np.arange(ids.size), ids] = 1
    return one_hot.reshape(*corpus.shape, vocab_size)
