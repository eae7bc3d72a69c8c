"""A corpus without a download: sentences drawn from a grammar of our own, whose true entropy is known.

Sentences such as "yesterday the noble queens who lived near a castle guarded their crown" are drawn independently of
one another. So no model of whatever kind can have a lower perplexity, in the long run, than that of the grammar::

    entropy per token = H(sentence) / E[tokens of a sentence],    perplexity = exp(entropy per token),

both computed exactly. On a text of limited length the grammar itself is a little better or worse than that:
``perplexity(corpus)`` is its perplexity on the very words that a model is tested on.

The words know number, gender and tense: :func:`analogies` and :func:`word_classes` list what word vectors should find.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import numpy
from numpy.typing import NDArray

from common.rng import stream
from common.text import EOS
from dataset.mini_grammar import grammar
from dataset.mini_lexicon import analogies, word_classes

__all__ = ["analogies", "entropy", "load_data", "load_vocab", "log_probability", "perplexity", "word_classes"]

SEED = 1984
SIZES = {"train": 500_000, "test": 15_000, "valid": 15_000, "val": 15_000}


def load_data(
    split: str = "train", *, size: int | None = None, seed: int = SEED
) -> tuple[NDArray[numpy.int64], dict[str, int], dict[int, str]]:
    """``(corpus, word_to_id, id_to_word)`` of ``"train"``, ``"test"``, ``"valid"`` or ``"val"`` (the same).

    corpus is int64 (tokens,): as many whole sentences, each closed by ``<eos>``, as it takes to have `size` tokens
    (500,000 to train, 15,000 otherwise). The splits are independent draws; another `seed` gives other sentences. Words
    are numbered by first appearance in the default training text, whatever split, size and seed.

    Raises ValueError for another split, a size below 1, and a seed below 0.
    """
    if split not in SIZES:
        raise ValueError(f"mini.load_data: no split {split!r}, expected one of {', '.join(map(repr, SIZES))}")
    if size is None:
        size = SIZES[split]
    if size < 1:
        raise ValueError(f"mini.load_data: size is {size}, expected 1 token at least")
    # Drawing 500,000 words takes more than a second. What is no number, as None, gives other sentences each time.
    ids = _kept_ids(split, size, seed).copy() if isinstance(seed, int) else _ids(split, size, seed)
    return ids, *load_vocab()


def load_vocab() -> tuple[dict[str, int], dict[int, str]]:
    """``(word_to_id, id_to_word)`` of all words of the grammar."""
    id_to_word = dict(enumerate(_vocabulary()))
    return {word: i for i, word in id_to_word.items()}, id_to_word


def entropy() -> float:
    """The entropy of the corpus in nats per token, ``<eos>`` counted: the limit for every language model."""
    return grammar().entropy() / grammar().mean_length()


def perplexity(tokens: Iterable[str | int] | None = None) -> float:
    """The perplexity of the true model: exp(entropy) in the long run, or that on `tokens`, exp(-ln p(tokens) / count).

    Raises ValueError when there are no tokens, and what :func:`log_probability` raises.
    """
    if tokens is None:
        return math.exp(entropy())
    words = _as_words(tokens)
    if not words:
        raise ValueError("mini.perplexity: no tokens, expected one at least")
    return math.exp(-log_probability(words) / len(words))


def log_probability(tokens: Iterable[str | int]) -> float:
    """ln p in nats, under the true model, that a text which begins with a sentence begins with `tokens`.

    tokens are words or their ids, with ``<eos>`` at the end of each sentence; the last one may be unfinished. The
    result is ``-inf`` when a sentence is not of the grammar.

    Raises ValueError for a word or an id that is not in the vocabulary, and for an array that is not one-dimensional.
    """
    words = _as_words(tokens)
    ends = [i for i, word in enumerate(words, start=1) if word == EOS]
    total = 0.0
    for start, end in itertools.pairwise([0, *ends, len(words)]):
        sentence = words[start:end]
        p = grammar().inside(sentence, prefix=EOS not in sentence).probability
        total += math.log(p) if p else -math.inf
    return total


def _as_words(tokens: Iterable[str | int]) -> list[str]:
    """The words that words or ids stand for."""
    word_to_id, id_to_word = load_vocab()
    words = []
    if isinstance(tokens, numpy.ndarray):
        if tokens.ndim != 1:
            raise ValueError(f"mini: tokens have the shape {tokens.shape}, expected one dimension")
        tokens = tokens.tolist()
    for token in tokens:
        if isinstance(token, str):
            if token not in word_to_id:
                near = ", ".join(get_close_matches(token, word_to_id)) or "none"
                raise ValueError(f"mini: {token!r} is not a word of the grammar; similar words: {near}")
            words.append(token)
        else:
            if token not in id_to_word:
                raise ValueError(f"mini: no word has the id {token!r}, expected 0 to {len(id_to_word) - 1}")
            words.append(id_to_word[token])
    return words


def _ids(split: str, size: int, seed: int) -> NDArray[numpy.int64]:
    """The text as ids."""
    word_to_id = load_vocab()[0]
    ids: list[int] = []
    for sentence in _sentences(split, seed):
        ids.extend(map(word_to_id.__getitem__, sentence))
        if len(ids) >= size:
            break
    return numpy.array(ids, numpy.int64)


_kept_ids = functools.lru_cache(maxsize=8, typed=True)(_ids)


def _sentences(split: str, seed: int) -> Iterator[list[str]]:
    """Sentences without end."""
    return grammar().sentences(stream(seed, f"mini {'valid' if split == 'val' else split}"))


@functools.cache
def _vocabulary() -> tuple[str, ...]:
    """All words of the grammar, by first appearance in the default training text."""
    found: dict[str, None] = {}
    sentences, size = _sentences("train", SEED), len(grammar().words)
    while len(found) < size:
        found |= dict.fromkeys(next(sentences))
    return tuple(found)
