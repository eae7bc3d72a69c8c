"""Attention: which states of the encoder matter for a state of the decoder (book, section 8.1).

    s = hs h            scores, by default inner products          (N, S)
    a = softmax(s)      weights, positive, with the sum 1          (N, S)
    c = sum_s a_s hs_s  the context, the encoder's states weighed  (N, H)

WeightSum, AttentionWeight and Attention do this for one step of the decoder, as the book develops it. TimeAttention
does it for all steps of a sequence with the same results, as products of matrices.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ch08.attention_scores import DotScore
from common.functions import softmax, softmax_gradient
from common.layer import Layer
from common.np import Array, np
from common.padding import checked_lengths


class WeightSum(Layer):
    """c = sum_s a_s hs_s: hs (N, S, H), a (N, S) -> c (N, H).

    Raises ValueError for inputs and gradients that do not fit each other.
    """

    def forward(self, hs: Array, a: Array) -> Array:
        hs, a = np.asarray(hs), np.asarray(a)
        if hs.ndim != 3 or a.shape != hs.shape[:2]:
            raise ValueError(f"{self.name}: expected hs (N, S, H) and a (N, S), got {hs.shape} and {a.shape}")
        self._cache = hs, a
        return (a[:, None] @ hs)[:, 0]

    def backward(self, dc: Array) -> tuple[Array, Array]:
        """(dhs, da) from dc (N, H): dhs_s = a_s dc and da_s = hs_s · dc."""
        hs, a = self._cached()
        dc = self.check_gradient(dc, (len(hs), hs.shape[2]))
        return a[:, :, None] * dc[:, None], (hs @ dc[:, :, None])[:, :, 0]


class AttentionWeight(Layer):
    """a = softmax(hs h) over the steps: hs (N, S, H), h (N, H) -> a (N, S).

    Raises ValueError for inputs and gradients that do not fit each other.
    """

    def forward(self, hs: Array, h: Array) -> Array:
        hs, h = np.asarray(hs), np.asarray(h)
        if hs.ndim != 3 or h.shape != (hs.shape[0], hs.shape[2]):
            raise ValueError(f"{self.name}: expected hs (N, S, H) and h (N, H), got {hs.shape} and {h.shape}")
        a = softmax((hs @ h[:, :, None])[:, :, 0])
        self._cache = hs, h, a
        return a.copy()

    def backward(self, da: Array) -> tuple[Array, Array]:
        """(dhs, dh) from da (N, S)."""
        hs, h, a = self._cached()
        ds = softmax_gradient(a, self.check_gradient(da, a.shape))
        return ds[:, :, None] * h[:, None], (ds[:, None] @ hs)[:, 0]


class Attention(Layer):
    """The context of one step: hs (N, S, H), h (N, H) -> c (N, H).

    attention_weight   the weights a (N, S) of the last forward
    """

    def __init__(self) -> None:
        super().__init__()
        self.attention_weight_layer = AttentionWeight()
        self.weight_sum_layer = WeightSum()
        self.attention_weight: Any = None

    def forward(self, hs: Array, h: Array) -> Array:
        self.attention_weight = self.attention_weight_layer.forward(hs, h)
        return self.weight_sum_layer.forward(hs, self.attention_weight)

    def backward(self, dc: Array) -> tuple[Array, Array]:
        """(dhs, dh) from dc (N, H). hs is used twice, so its gradient is a sum."""
        dhs, da = self.weight_sum_layer.backward(dc)
        dhs_of_weights, dh = self.attention_weight_layer.backward(da)
        return dhs + dhs_of_weights, dh


class TimeAttention(Layer):
    """The contexts of all steps: hs_enc (N, S, H), hs_dec (N, T, H) -> (N, T, H).

    score               how well two states match, one of :mod:`ch08.attention_scores`
    weights             of the last forward, (N, T, S)
    attention_weights   the same as a list of arrays (N, S), one for each step of the decoder

    With `lengths` (N,), as many states of the encoder take part; the weights of the padded ones are exactly 0. Raises
    ValueError for lengths of another shape, or that are no whole numbers in 1 … S; TypeError for what is no score.
    """

    weights: Any = None
    attention_weights: Sequence[Array] = ()

    def __init__(self, score: Any = None) -> None:
        super().__init__()
        if score is not None:
            if not hasattr(score, "params"):
                wanted = "a score such as ScaledScore() of ch08.attention_scores"
                raise TypeError(f"{self.name}: score must be {wanted}, not {score!r:.80}")
            self.score = score
        self.params, self.grads = self.score.params, self.score.grads

    @cached_property
    def score(self) -> Any:
        """The score. Made when it is needed: the __init__ of a subclass may set the book's attributes alone."""
        return DotScore()

    def forward(self, hs_enc: Array, hs_dec: Array, lengths: Array | None = None) -> Array:
        hs_enc = np.asarray(hs_enc)
        if hs_enc.ndim == 3:  # attend refuses other states
            lengths = checked_lengths(self.name, lengths, hs_enc.shape)
        context, self.weights = self.attend(hs_enc, hs_dec, lengths)
        self.attention_weights = list(self.weights.swapaxes(0, 1))
        self._cache = hs_enc, self.weights
        return context

    def attend(self, hs_enc: Array, hs_dec: Array, lengths: Array | None = None) -> tuple[Array, Array]:
        """(contexts (N, T, H), weights (N, T, S)), without a trace in `weights`."""
        hs_enc, hs_dec = np.asarray(hs_enc), np.asarray(hs_dec)
        if hs_enc.ndim != 3 or hs_dec.ndim != 3 or hs_enc.shape[::2] != hs_dec.shape[::2]:
            raise ValueError(
                f"{self.name}: expected hs_enc (N, S, H) and hs_dec (N, T, H), got {hs_enc.shape} and {hs_dec.shape}"
            )
        if hs_enc.size == 0 or hs_dec.size == 0:
            raise ValueError(f"{self.name}: expected one step at least, got {hs_enc.shape} and {hs_dec.shape}")
        scores = self.score.forward(hs_enc, hs_dec)
        if lengths is not None:
            scores = np.where(np.arange(hs_enc.shape[1]) < np.asarray(lengths)[:, None, None], scores, -np.inf)
        weights = softmax(scores)
        return weights @ hs_enc, weights

    def backward(self, dcs: Array) -> tuple[Array, Array]:
        """(dhs_enc (N, S, H), dhs_dec (N, T, H)) from dcs (N, T, H)."""
        hs_enc, weights = self._cached()
        dcs = self.check_gradient(dcs, (*weights.shape[:2], hs_enc.shape[2]))
        dscores = softmax_gradient(weights, dcs @ hs_enc.swapaxes(1, 2))
        dhs_enc, dhs_dec = self.score.backward(dscores)
        dhs_enc += weights.swapaxes(1, 2) @ dcs
        return dhs_enc, dhs_dec
