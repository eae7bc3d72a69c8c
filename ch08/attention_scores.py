"""How well a state of the decoder matches one of the encoder: the scores that attention makes its weights of.

    DotScore       s = h_dec · h_enc                             (Luong et al. 2015)
    ScaledScore    s = h_dec · h_enc / sqrt(H)                   (Vaswani et al. 2017)
    AdditiveScore  s = v · tanh(h_enc We + h_dec Wd)             (Bahdanau et al. 2015)

All take hs_enc (N, S, H) and hs_dec (N, T, H) and give (N, T, S).
"""

import math
from typing import Any

from common.initial import normal
from common.layer import Layer
from common.np import Array, np
from common.rng import Seed, generator


class DotScore(Layer):
    """s = h_dec · h_enc, as one product of matrices for each example."""

    def forward(self, hs_enc: Array, hs_dec: Array) -> Array:
        self._cache = hs_enc, hs_dec
        return hs_dec @ hs_enc.swapaxes(1, 2)

    def backward(self, ds: Array) -> tuple[Array, Array]:
        """(dhs_enc, dhs_dec) from ds (N, T, S)."""
        hs_enc, hs_dec = self._cached()
        ds = self.check_gradient(ds, (*hs_dec.shape[:2], hs_enc.shape[1]))
        return ds.swapaxes(1, 2) @ hs_dec, ds @ hs_enc


class ScaledScore(DotScore):
    """s = h_dec · h_enc / sqrt(H): its size does not grow with H, so that the softmax does not saturate."""

    def forward(self, hs_enc: Array, hs_dec: Array) -> Array:
        return super().forward(hs_enc, hs_dec) / math.sqrt(hs_enc.shape[2])

    def backward(self, ds: Array) -> tuple[Array, Array]:
        return super().backward(ds / math.sqrt(self._cached()[0].shape[2]))


class AdditiveScore(Layer):
    """s = v · tanh(h_enc We + h_dec Wd), a network with one hidden layer. We (H, A), Wd (H, A), v (A,)."""

    names = ("We", "Wd", "v")

    def __init__(self, We: Any, Wd: Any, v: Any) -> None:
        self.check_weights(We=(We, ("H", "A")), Wd=(Wd, ("H", "A")), v=(v, ("A",)))
        super().__init__(We, Wd, v)

    def forward(self, hs_enc: Array, hs_dec: Array) -> Array:
        We, Wd, v = self.params
        hs_enc, hs_dec = (self.check_input(hs, "N", "steps", len(We)) for hs in (hs_enc, hs_dec))
        enc, dec = _times(hs_enc, We), _times(hs_dec, Wd)
        # The hidden layer of all steps, (N, T, S, A) numbers, is kept for the backward, but no second array of its size
        # is needed on the way.
        hidden = [np.tanh(enc + dec[:, t, None]) for t in range(dec.shape[1])]
        self._cache = hs_enc, hs_dec, hidden
        return np.stack([_times(y, v) for y in hidden], axis=1)

    def backward(self, ds: Array) -> tuple[Array, Array]:
        """(dhs_enc, dhs_dec) from ds (N, T, S)."""
        hs_enc, hs_dec, hidden = self._cached()
        ds = self.check_gradient(ds, (*hs_dec.shape[:2], hs_enc.shape[1]))
        We, Wd, v = self.params
        dWe, dWd, dv = self.grads
        denc, ddec = np.zeros_like(hidden[0]), np.empty((*hs_dec.shape[:2], len(v)), v.dtype)
        dv.fill(0)
        for t, y in enumerate(hidden):
            dv += ds[:, t].reshape(-1) @ y.reshape(-1, len(v))
            dA = (1 - y * y) * v
            dA *= ds[:, t, :, None]
            denc += dA
            ddec[:, t] = dA.sum(axis=1)
        dWe[...] = hs_enc.reshape(-1, len(We)).T @ denc.reshape(-1, len(v))
        dWd[...] = hs_dec.reshape(-1, len(Wd)).T @ ddec.reshape(-1, len(v))
        return _times(denc, We.T), _times(ddec, Wd.T)


def _times(x: Array, W: Array) -> Array:
    """x W for x (N, S, H), as one product: NumPy and CuPy would make one for each of the N."""
    return (x.reshape(-1, x.shape[2]) @ W).reshape(*x.shape[:2], *W.shape[1:])


def new_score(kind: str, hidden_size: int, rng: Seed = None, dtype: Any = "f") -> Any:
    """The score "dot", "scaled" or "additive", the last with fresh weights and A = H. ValueError for another kind."""
    if kind == "dot":
        return DotScore()
    if kind == "scaled":
        return ScaledScore()
    if kind == "additive":
        rng, H, scale = generator(rng), hidden_size, hidden_size**-0.5
        We, Wd = normal(H, H, scale, rng, dtype), normal(H, H, scale, rng, dtype)
        return AdditiveScore(We, Wd, normal(1, H, scale, rng, dtype)[0])
    raise ValueError(f"attention score must be 'dot', 'scaled' or 'additive', not {kind!r}")
