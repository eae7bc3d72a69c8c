"""Frequent and rare words: which to keep, and how often.

Rare words have too few windows to learn from, and frequent ones far more than they need (Mikolov et al. 2013).
"""

from collections.abc import Mapping
from typing import Any

import numpy

from ch04.negative_sampling_layer import word_counts
from common.checks import check_whole
from common.labels import checked_corpus
from common.np import to_cpu
from common.word_vectors import WordVectors


def keep_frequent(
    corpus: Any, word_to_id: Mapping[str, int], min_count: int
) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """``(corpus, word_to_id, id_to_word)`` of the words that occur `min_count` times or more; the others are left out.

    Words keep their order and are numbered anew. Raises ValueError when no word is left, or the ids do not fit, and
    TypeError for a min_count that is no whole number.
    """
    check_whole("keep_frequent", min_count=min_count)
    corpus = to_cpu(checked_corpus("keep_frequent", corpus, len(word_to_id)))
    kept = word_counts("keep_frequent", corpus, len(word_to_id)) >= min_count
    if not kept.any():
        raise ValueError(f"keep_frequent: no word occurs min_count = {min_count} times")
    words = (word for word, i in sorted(word_to_id.items(), key=lambda item: item[1]) if kept[i])
    id_to_word = dict(enumerate(words))
    new_ids = numpy.cumsum(kept, dtype=numpy.int64) - 1
    return new_ids[corpus[kept[corpus]]], {word: i for i, word in id_to_word.items()}, id_to_word


def most_frequent_first(vectors: numpy.ndarray, corpus: Any, id_to_word: Mapping[int, str]) -> WordVectors:
    """The vectors (V, D) and their words, in the order of how often these occur in the corpus (n,) of ids."""
    order = numpy.argsort(-word_counts("most_frequent_first", corpus, len(vectors)), kind="stable").tolist()
    return WordVectors(vectors[order], [id_to_word[i] for i in order])


def keep_probability(counts: Any, sample: float | None) -> numpy.ndarray:
    """How likely an occurrence of each word is to be kept: sqrt(s / f) + s / f, at most 1, for words of frequency f.

    counts (V,) occurrences, sample the threshold s, usually 1e-3 to 1e-5, or None to keep all. As in word2vec and
    gensim. Raises ValueError for a threshold that is not positive.
    """
    if sample is None:
        return numpy.ones(len(counts))
    if not sample > 0:
        raise ValueError(f"sample must be positive, or None to keep all words, not {sample}")
    counts = to_cpu(counts)
    ratio = sample * counts.sum() / numpy.maximum(counts, 1)
    return numpy.minimum(numpy.sqrt(ratio) + ratio, 1.0)
