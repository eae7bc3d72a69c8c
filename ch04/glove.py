"""GloVe: vectors whose products are the logarithms of counts, trained in batches as word2vec is.

Pennington, Socher & Manning, "GloVe: Global Vectors for Word Representation", 2014.
"""

from typing import Any

import numpy

from common.base_model import BaseModel
from common.checks import check_counts, check_not_negative, check_positive
from common.counts import sum_over_pairs
from common.labels import checked_ids
from common.layers import Embedding
from common.np import np
from common.rng import Seed, generator


def weighted_counts(corpus: Any, vocab_size: int, window_size: int = 10) -> tuple[numpy.ndarray, numpy.ndarray]:
    """How often words stand near each other, where a pair at the distance d counts 1/d.

    Returns pairs (n, 2) of ids, both (i, j) and (j, i), in the smallest dtype that holds them, which is sorted fastest,
    and their counts (n,) float64; pairs that never meet are not among them. Raises ValueError as
    `common.counts.co_occurrences` does.
    """
    counts = sum_over_pairs("weighted_counts", corpus, vocab_size, window_size, lambda distance: 1 / distance).tocoo()
    return numpy.stack([counts.row, counts.col], axis=1).astype(numpy.min_scalar_type(vocab_size - 1)), counts.data


class GloVe(BaseModel):
    """J = sum over pairs of f(X_ij) (w_i · v_j + b_i + c_j - log X_ij)², divided by the number of pairs in a batch::

        f(X) = (X / x_max)^alpha below x_max, else 1

    pairs (N, 2) ids i, j and their counts X (N,), all above 0, as `weighted_counts` gives them. The params are two
    tables (V, H + 1): of words, with w and in the last column b, and of contexts, with v and c. They start uniform in
    ±0.5/H, biases at 0. Gradients are RowGradients.

    Raises ValueError for sizes below 1, an alpha below 0, an x_max or counts that are not positive, and for any of them
    that is not finite; for shapes that do not fit, and for a batch without a pair.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        *,
        x_max: float = 100.0,
        alpha: float = 0.75,
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        check_counts(type(self).__name__, vocab_size=vocab_size, hidden_size=hidden_size)
        check_positive("GloVe", x_max=x_max)
        check_not_negative("GloVe", alpha=alpha)
        vocab_size, hidden_size = int(vocab_size), int(hidden_size)  # NumPy's may have few bits
        rng = generator(rng)
        self.x_max, self.alpha, self.width = x_max, alpha, hidden_size

        def embedding() -> Embedding:
            table = (rng.random((vocab_size, hidden_size + 1)) - 0.5) / hidden_size
            table[:, -1] = 0
            return Embedding(np.asarray(table.astype(dtype)), sparse=True)

        self.word_layer, self.context_layer = embedding(), embedding()
        self.params = self.word_layer.params + self.context_layer.params
        self.grads = self.word_layer.grads + self.context_layer.grads
        self._cache: Any = None

    @property
    def word_vecs(self) -> Any:
        """w + v (V, H): i and j have equal roles, so both are vectors of the words, and their sum is less noisy."""
        return (self.params[0] + self.params[1])[:, : self.width]

    def forward(self, pairs: Any, counts: Any) -> float:
        """The mean weighted squared error over the batch."""
        pairs, counts = checked_ids("GloVe", pairs, len(self.params[0]), "pairs"), np.asarray(counts)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.size == 0 or counts.shape != pairs.shape[:1]:
            raise ValueError(
                f"GloVe: expected pairs (N, 2), counts (N,), one at least, got {pairs.shape}, {counts.shape}"
            )
        if not bool(((counts > 0) & np.isfinite(counts)).all()):
            raise ValueError("GloVe: counts must be positive and finite, words that never meet are no pair")
        w, v = self.word_layer.forward(pairs[:, 0]), self.context_layer.forward(pairs[:, 1])
        score = np.einsum("nh,nh->n", w[:, :-1], v[:, :-1]) + w[:, -1] + v[:, -1]
        error = score - np.log(counts).astype(w.dtype)
        weight = (np.minimum(counts / self.x_max, 1) ** self.alpha).astype(w.dtype) / len(pairs)
        self._cache = w, v, 2 * weight * error
        return float((weight * error**2).sum())

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        if self._cache is None:
            raise RuntimeError("GloVe: backward needs a forward before it")
        w, v, dscore = self._cache
        dscore = dscore * float(dout)
        dw, dv = dscore[:, None] * v, dscore[:, None] * w
        dw[:, -1] = dv[:, -1] = dscore  # of the biases
        self.word_layer.backward(dw)
        self.context_layer.backward(dv)
