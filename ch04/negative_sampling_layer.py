"""Negative sampling: a word is told from a few random ones, instead of from the whole vocabulary (book, section 4.2).

Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.
"""

from typing import Any

import numpy

from common.checks import check_counts, is_number
from common.kernels import choice, take_rows
from common.labels import checked_corpus, checked_ids
from common.layer import Layer
from common.losses import SigmoidWithLoss
from common.np import Array, np, random, to_cpu
from common.rng import Seed, generator
from common.sparse_gradient import RowGradient, assign_rows

__all__ = ["EmbeddingDot", "NegativeSamplingLoss", "UnigramSampler"]


class EmbeddingDot(Layer):
    """h · W[id]: the scores that only a few words would have had in the product of h with all of them.

    W (V, H), h (N, H), idx (N,) or (N, K) ids -> scores (N,) or (N, K). backward returns dh (N, H). With `sparse` dW is
    a RowGradient. Raises IdError for ids outside 0 … V - 1 and ValueError for shapes that do not fit.
    """

    names = ("W",)

    def __init__(self, W: Array, sparse: bool = False) -> None:
        self.check_weights(W=(W, ("V", "H")))
        super().__init__(W)
        if sparse:
            self.grads = [RowGradient(W.shape, W.dtype)]

    def forward(self, h: Array, idx: Array) -> Array:
        W = self.params[0]
        h = self.check_input(h, "N", W.shape[1])
        idx = checked_ids(self.name, idx, len(W))
        if idx.ndim not in (1, 2) or len(idx) != len(h):
            raise ValueError(f"{self.name}: h {h.shape} needs ids ({len(h)},) or ({len(h)}, K), got {idx.shape}")
        rows = take_rows(W, idx[:, None] if idx.ndim == 1 else idx)  # (N, K, H)
        self._cache = h, idx, rows
        return (rows @ h[:, :, None]).reshape(idx.shape)

    def backward(self, dout: Array) -> Array:
        h, idx, rows = self._cached()
        dout = self.check_gradient(dout, idx.shape).reshape(*rows.shape[:2], 1)
        assign_rows(self.grads[0], idx.reshape(-1), (dout * h[:, None]).reshape(-1, h.shape[1]))
        return (dout * rows).sum(axis=1)


def word_counts(name: str, corpus: Any, vocab_size: int | None = None) -> numpy.ndarray:
    """How often each word occurs in a corpus (n,) of ids: (V,), V being the highest id plus 1 without `vocab_size`.

    Errors for what is no corpus, or of more words, begin with `name`.
    """
    ids = to_cpu(checked_corpus(name, corpus, vocab_size))
    return numpy.bincount(ids.astype(numpy.int64, copy=False), minlength=vocab_size or 0)


class UnigramSampler:
    """Draws words with probability p(w) = count(w)^power / sum over all words, where w is not the target.

    A power below 1 gives rare words more than their share. Draws are independent of one another, on every device alike,
    so a word may come twice; a target never comes among its own negatives.

    corpus (n,) ids. vocab_size: by default the highest id in the corpus plus 1; words that do not occur there are never
    drawn. ``UnigramSampler.from_counts(counts, ...)`` takes how often each word occurs instead. `word_p` (V,) float64
    holds p. Raises ValueError when fewer than two different words occur, and for a power that is not finite.
    """

    def __init__(
        self, corpus: Any, power: float, sample_size: int, *, vocab_size: int | None = None, rng: Seed = None
    ) -> None:
        self._prepare(word_counts("UnigramSampler", corpus, vocab_size), power, sample_size, rng)

    @classmethod
    def from_counts(cls, counts: Any, power: float, sample_size: int, *, rng: Seed = None) -> "UnigramSampler":
        """The sampler of a corpus in which word i occurs counts[i] times: counts (V,) integers, none below 0."""
        counts = numpy.asarray(to_cpu(counts))
        if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError("UnigramSampler: counts must be integers (V,), none of them below 0")
        sampler = cls.__new__(cls)
        sampler._prepare(counts, power, sample_size, rng)
        return sampler

    def _prepare(self, counts: numpy.ndarray, power: float, sample_size: int, rng: Seed) -> None:
        check_counts("UnigramSampler", sample_size=sample_size)
        if not is_number(power):
            raise ValueError(f"UnigramSampler: power must be a finite number, not {power!r}")
        if numpy.count_nonzero(counts) < 2:
            raise ValueError("UnigramSampler: the corpus has one word only, there are no others to draw")
        # In units of the largest weight, so that no power overflows.
        largest = counts.max() if power > 0 else counts[counts > 0].min()
        weights = numpy.where(counts > 0, numpy.power(numpy.maximum(counts, 1) / largest, float(power)), 0)
        p = weights / weights.sum()
        self.sample_size, self.vocab_size, self.rng = sample_size, len(counts), generator(rng)
        self.word_p = np.asarray(p)
        # Each word has an interval [start, end) as long as it is likely; end - start is exactly what was added.
        ends = numpy.cumsum(p)
        self._starts, self._ends = np.asarray(numpy.append(0.0, ends[:-1])), np.asarray(ends)
        self._total = float(ends[-1])
        self._second, self._likeliest = numpy.argsort(numpy.where(counts > 0, weights, -1))[-2:].tolist()

    def get_negative_sample(self, target: Array) -> Array:
        """Ids (..., sample_size) for the targets (...), none of which is its own target."""
        target = checked_ids("UnigramSampler", target, self.vocab_size, "targets")[..., None]
        start, end, total = self._starts[target], self._ends[target], self._total
        # A random place outside the target's interval: one in what is left without it, moved past the gap. The last
        # factor keeps rounding from reaching the very end.
        place = random((*target.shape[:-1], self.sample_size), self.rng, "d") * (total - (end - start)) * (1 - 2**-40)
        place = np.where(place < start, place, np.maximum(place + (end - start), end))
        drawn = np.searchsorted(self._ends, place, side="right")
        # Beside a target with almost all of p, rounding leaves nothing of the others: then the likeliest of them it is.
        lost = (drawn == target) | (drawn >= self.vocab_size)
        return np.where(lost, np.where(target == self._likeliest, self._second, self._likeliest), drawn)

    def draw(self, shape: int | tuple[int, ...]) -> Any:
        """Ids of that shape, any word of the corpus."""
        return choice(self._ends, shape, self.rng)


class NegativeSamplingLoss(Layer):
    """-log sigmoid(h · w_t) - sum over the negatives k of log sigmoid(-h · w_k), the mean over the batch.

    W (V, H) holds a vector w for each word; h (N, H); target (N,) ids, or (N, C) for C targets of each h, whose losses
    are summed. Every target has `sample_size` negatives of its own, drawn from the words of the corpus in proportion to
    count^power. backward returns dh (N, H). With `sparse` dW is a RowGradient.
    """

    def __init__(
        self,
        W: Array,
        corpus: Any,
        power: float = 0.75,
        sample_size: int = 5,
        *,
        sparse: bool = False,
        rng: Seed = None,
    ) -> None:
        self._build(W, UnigramSampler(corpus, power, sample_size, vocab_size=len(W), rng=rng), sparse)

    @classmethod
    def from_sampler(cls, W: Array, sampler: UnigramSampler, *, sparse: bool = False) -> "NegativeSamplingLoss":
        """The loss with a sampler of your own making. ValueError for one that has other words than W (V, H)."""
        if sampler.vocab_size != len(W):
            raise ValueError(f"{cls.__name__}: W has {len(W)} words, the sampler {sampler.vocab_size}")
        loss = cls.__new__(cls)
        loss._build(W, sampler, sparse)
        return loss

    def _build(self, W: Array, sampler: UnigramSampler, sparse: bool) -> None:
        self.embed_dot, self.sampler, self.loss = EmbeddingDot(W, sparse), sampler, SigmoidWithLoss()
        self.params, self.grads = self.embed_dot.params, self.embed_dot.grads

    def forward(self, h: Array, target: Array) -> float:
        target = checked_ids(self.name, target, len(self.params[0]), "targets")
        if target.size == 0:
            raise ValueError(f"{self.name}: expected targets (N,) or (N, C), one at least, got {target.shape}")
        # One look-up for the positive, at place 0, and the negatives of all targets. NumPy would promote uint64 targets
        # and int64 negatives to floats.
        negatives = self.sampler.get_negative_sample(target)
        ids = np.concatenate((target[..., None].astype(negatives.dtype), negatives), axis=-1)
        labels = np.zeros(ids.shape, "int8")
        labels[..., 0] = 1
        ids = ids.reshape(len(ids), -1)
        return self.loss.forward(self.embed_dot.forward(h, ids), labels.reshape(ids.shape))

    def backward(self, dout: Any = 1) -> Array:
        return self.embed_dot.backward(self.loss.backward(dout))
