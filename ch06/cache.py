"""The continuous cache: a language model that, while it is tested, also remembers what it has just read.

Each state h_i of the last recurrent layer is kept together with the word x_{i+1} that followed it. Of the next word,

    p(w) = (1 - lambda) p_model(w) + lambda p_cache(w),
    p_cache(w) = sum of exp(theta h_t . h_i) over the i with x_{i+1} = w  /  sum of exp(theta h_t . h_i) over all i,

where i runs over the last `window` positions before t. Nothing is trained; theta and lambda are chosen on a validation
text. Source: E. Grave, A. Joulin, N. Usunier, "Improving Neural Language Models with a Continuous Cache", ICLR 2017.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from common.checks import check_counts, is_number
from common.evaluation import check_has_next_word, perplexity_of
from common.kernels import row_blocks
from common.labels import checked_corpus
from common.language_model import LanguageModel, vocab_size
from common.model_tree import evaluation_mode
from common.np import np
from common.progress import progress

WINDOW = 500
THETAS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)  # narrow models need the large ones
LAMBDAS = tuple(k / 50 for k in range(50))  # 0, the model without a cache, is among them

BLOCK = 500  # positions whose scores are one matrix product


class Reading(NamedTuple):
    """What a model made of a text: before each word, its state hs (n, H) and p (n,) of that word; words (n,)."""

    hs: Any
    p: Any
    words: Any


class Tuned(NamedTuple):
    """The best parameters of the cache for a text, and its perplexity."""

    theta: float
    lam: float
    perplexity: float


def read(model: LanguageModel, corpus: Any, time_size: int = 200) -> Reading:
    """Let the model read the corpus (n + 1,) ids from a zero state to the end, without dropout, as a single row.

    Its own state is put back. Raises ValueError for less than two words, IdError for ids that the model does not know.
    """
    corpus = checked_corpus("cache", corpus, vocab_size(model))
    check_has_next_word("cache", corpus)
    xs, words = corpus[:-1], corpus[1:]
    hs, p = [], []
    with evaluation_mode(model):
        for start in progress(range(0, len(xs), time_size), "reading"):
            h = xs[None, start : start + time_size]
            for layer in model.layers[:-1]:
                h = layer.forward(h)
            hs.append(h[0])
            p.append(_probability_of(model.layers[-1].forward(h[0]), words[start : start + time_size]))
    return Reading(np.concatenate(hs), np.concatenate(p), words)


def cache_probability(hs: Any, words: Any, thetas: Sequence[float], window: int = WINDOW) -> Any:
    """p_cache of each word, (thetas, n): row k for thetas[k]. It is 0 for the first word, when nothing is kept yet.

    hs (n, H) states, words (n,) what followed each. Raises ValueError for a window below 1, and a theta below 0 or not
    finite; TypeError for a window that is no whole number.
    """
    check_counts("cache", window=window)
    if not all(is_number(theta) and theta >= 0 for theta in thetas):
        raise ValueError(f"cache: theta must be a number of at least 0, not {list(thetas)}")
    n = len(words)
    p = np.zeros((len(thetas), n), hs.dtype)
    for start in progress(range(1, n, BLOCK), "cache"):
        stop = min(start + BLOCK, n)
        first = max(0, start - window)
        t, i = np.arange(start, stop)[:, None], np.arange(first, stop - 1)
        kept = (i < t) & (i >= t - window)
        products = np.where(kept, hs[start:stop] @ hs[first : stop - 1].T, -np.inf)  # (t, i)
        products -= products.max(axis=1, keepdims=True)
        same = (words[start:stop, None] == words[first : stop - 1]).astype(hs.dtype)
        for k, theta in enumerate(thetas):
            # theta = 0 makes 0 times -inf of what is not kept, so that is left out once more.
            weights = np.exp(float(theta) * products) if theta else kept.astype(hs.dtype)
            p[k, start:stop] = (weights * same).sum(axis=1) / weights.sum(axis=1)
    return p


def perplexity(p_model: Any, p_cache: Any, lam: float) -> float:
    """exp of the mean of -log((1 - lam) p_model + lam p_cache) over all words; the first one has the model alone.

    ValueError unless 0 <= lam < 1, FloatingPointError for a word whose probability is 0 or NaN.
    """
    if not (is_number(lam) and 0 <= lam < 1):
        raise ValueError(f"cache: lambda must be a number in [0, 1), not {lam!r}")
    p = (1 - lam) * p_model.astype("d") + lam * p_cache.astype("d")
    p[0] = p_model[0]
    if not bool((p > 0).all()):
        raise FloatingPointError(f"cache: the probability of a word is {float(p.min())}, so there is no perplexity")
    return perplexity_of(-float(np.log(p).mean()))


def tune(
    reading: Reading, thetas: Sequence[float] = THETAS, lambdas: Sequence[float] = LAMBDAS, window: int = WINDOW
) -> Tuned:
    """Of all pairs of a theta and a lambda, the one with the lowest perplexity. ValueError for no pair."""
    if not (len(thetas) and len(lambdas)):
        raise ValueError(f"cache: expected one theta and one lambda at least, got {thetas} and {lambdas}")
    p_cache = cache_probability(reading.hs, reading.words, thetas, window)
    tried = [
        Tuned(theta, lam, perplexity(reading.p, p_cache[k], lam)) for k, theta in enumerate(thetas) for lam in lambdas
    ]
    return min(tried, key=lambda tuned: tuned.perplexity)


def cache_perplexity(
    model: LanguageModel, corpus: Any, theta: float, lam: float, window: int = WINDOW
) -> float:
    """The perplexity of the model with a cache on a corpus (n,); every word but the first counts."""
    reading = read(model, corpus)
    return perplexity(reading.p, cache_probability(reading.hs, reading.words, [theta], window)[0], lam)


def _probability_of(scores: Any, words: Any) -> Any:
    """softmax(scores) (n, V) of one word in each row, (n,) float64. The scores are overwritten."""
    p = np.empty(len(scores), "d")
    for rows in row_blocks(len(scores), scores[:1].nbytes):
        x = scores[rows]
        x -= x.max(axis=1, keepdims=True)
        wanted = x[np.arange(len(x)), words[rows]].astype("d")  # float32's exp is 0 below -103
        np.exp(x, out=x)
        p[rows] = np.exp(wanted) / x.sum(axis=1)
    return p
