"""What keeps a large language model from learning its training text by heart.

Dropout in its variational form and of whole words, and penalties on the activations. For dropout inside the recurrence
see :class:`common.recurrent.TimeRecurrent`.
"""

from typing import Any

from common.checks import check_not_negative
from common.kernels import take_rows
from common.layer import Layer
from common.np import Array, np
from common.rng import Seed
from common.time_layers import TimeDropout, TimeEmbedding

__all__ = ["EmbeddingDropout", "Penalized", "SizePenalty", "SlownessPenalty", "VariationalDropout"]


class VariationalDropout(TimeDropout):
    """Dropout of xs (N, T, D) by one mask (N, 1, D) for all time steps (Gal & Ghahramani 2016)."""

    def forward(self, xs: Array, train_flg: bool = True) -> Array:
        return super().forward(self.check_input(xs, "N", "T", "D"), train_flg)

    def draw_mask(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return super().draw_mask((shape[0], 1, shape[2]), dtype)


class EmbeddingDropout(TimeEmbedding):
    """An embedding that drops words: a dropped one is the zero vector wherever it stands (Gal & Ghahramani 2016).

    The vectors of the other words are divided by 1 - dropout_ratio. W (V, D), and one mask (V, 1) for all of a forward;
    the attribute `train_flg` switches it off. Raises ValueError unless 0 <= dropout_ratio < 1, and as Embedding.
    """

    train_flg = True

    def __init__(self, W: Array, dropout_ratio: float = 0.1, *, rng: Seed = None) -> None:
        super().__init__(W)
        self._dropout = TimeDropout(dropout_ratio, rng=rng)
        self._mask: Any = None

    def forward(self, idx: Array) -> Array:
        rows = super().forward(idx)
        self._mask = None
        if self.train_flg and self._dropout.dropout_ratio:
            mask = self._dropout.draw_mask((len(self.params[0]), 1), rows.dtype)
            self._mask = take_rows(mask, self._cached())
            rows *= self._mask
        return rows

    def backward(self, dout: Array) -> None:
        if self._mask is not None:
            dout = self.check_gradient(dout, (*self._mask.shape[:-1], self.params[0].shape[1])) * self._mask
        super().backward(dout)


class Penalty(Layer):
    """The identity, which adds `penalty`, a function of its input, to the loss while `train_flg` is set.

    weight     what the penalty is multiplied by
    penalty    the value of the last forward, 0.0 when not training

    The model adds `penalty` to its loss. Backward adds the gradient of `penalty`, times `loss_gradient`, to its
    argument: the model sets that to what its own backward gets, the gradient of what is minimised with respect to the
    loss.
    """

    train_flg = True
    loss_gradient = 1.0

    def __init__(self, weight: float) -> None:
        check_not_negative(self.name, weight=weight)
        super().__init__()
        self.weight, self.penalty = weight, 0.0

    def forward(self, xs: Array) -> Array:
        active = self.train_flg and self.weight
        xs = np.asarray(xs)
        # Neither a sum in float16 nor the squares of small integers have room for what they are.
        wide = np.result_type(xs.dtype, "f4")
        self.penalty, gradient = self._value(xs.astype(wide, copy=False)) if active else (0.0, None)
        gradient = gradient if gradient is None or xs.dtype.kind != "f" else gradient.astype(xs.dtype, copy=False)
        self._cache = xs.shape, gradient
        return xs

    def backward(self, dout: Array) -> Array:
        shape, gradient = self._cached()
        dout = self.check_gradient(dout, shape)
        return dout if gradient is None else dout + gradient * self.loss_gradient

    def _value(self, xs: Array) -> tuple[float, Array]:
        """The penalty and its gradient."""
        raise NotImplementedError


class Penalized:
    """A second base of models that add the penalties of their layers to the loss. Trainers report the loss without."""

    penalties: Any


class SizePenalty(Penalty):
    """weight · mean(x²): activation regularisation, AR (Merity et al. 2017)."""

    def _value(self, xs: Array) -> tuple[float, Array]:
        flat = xs.reshape(-1)
        return self.weight / xs.size * float(np.vdot(flat, flat)), xs * (2 * self.weight / xs.size)


class SlownessPenalty(Penalty):
    """weight · mean((x_{t+1} - x_t)²) of xs (N, T, D): temporal activation regularisation, TAR (Merity et al. 2017)."""

    def _value(self, xs: Array) -> tuple[float, Array]:
        gradient = np.zeros_like(xs)
        if xs.shape[1] < 2:
            return 0.0, gradient
        step = xs[:, 1:] - xs[:, :-1]
        value = self.weight / step.size * float((step * step).sum())
        step *= 2 * self.weight / step.size
        gradient[:, 1:] = step
        gradient[:, :-1] -= step
        return value, gradient
