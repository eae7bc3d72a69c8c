"""Layers without a time axis (their inputs may have any number of leading axes where that makes sense)."""

from functools import cached_property
from typing import Any

from common.checks import check_ratios
from common.functions import affine, as_float, cross_entropy_error, relu, sigmoid, softmax, softmax_gradient
from common.kernels import random_at_least, take_rows
from common.labels import checked_ids
from common.layer import Layer
from common.losses import SigmoidWithLoss, SoftmaxWithLoss
from common.np import GPU, Array, np
from common.rng import Seed, generator
from common.sparse_gradient import RowGradient, assign_rows

__all__ = [
    "GPU",
    "Affine",
    "Dropout",
    "Embedding",
    "MatMul",
    "Sigmoid",
    "SigmoidWithLoss",
    "Softmax",
    "SoftmaxWithLoss",
    "cross_entropy_error",
    "np",
    "relu",
    "sigmoid",
    "softmax",
]


class MatMul(Layer):
    """y = x W over the last axis: x (..., D), W (D, M) -> y (..., M).

    dx = dy Wᵀ and dW = xᵀ dy, summed over the leading axes. Raises ValueError for weights, inputs and gradients that
    do not fit each other.
    """

    names: tuple[str, ...] = ("W",)

    def __init__(self, W: Array) -> None:
        self.check_weights(W=(W, ("D", "M")))
        super().__init__(W)

    def forward(self, x: Array) -> Array:
        W = self.params[0]
        x = self.cast(x)
        if x.ndim == 0 or x.shape[-1] != W.shape[0]:
            raise ValueError(f"{self.name}: an input {x.shape} does not fit W {W.shape}")
        self._cache = x
        return (x.reshape(-1, W.shape[0]) @ W).reshape(*x.shape[:-1], W.shape[1])

    def backward(self, dout: Array) -> Array:
        W, x = self.params[0], self._cached()
        dout = self.check_gradient(dout, (*x.shape[:-1], W.shape[1])).reshape(-1, W.shape[1])
        np.matmul(x.reshape(-1, W.shape[0]).T, dout, out=self.grads[0])
        return (dout @ W.T).reshape(x.shape)


class Affine(Layer):
    """y = x W + b over the last axis: x (..., D), W (D, M), b (M,) -> y (..., M).

    dx = dy Wᵀ, dW = xᵀ dy and db = dy, the last two summed over the leading axes. W may be a transposed view of another
    layer's weight. Raises ValueError for weights, inputs and gradients that do not fit each other.
    """

    names: tuple[str, ...] = ("W", "b")

    def __init__(self, W: Array, b: Array) -> None:
        self.check_weights(W=(W, ("D", "M")), b=(b, ("M",)))
        super().__init__(W, b)

    def forward(self, x: Array) -> Array:
        W, b = self.params
        D, M = W.shape
        x = self.cast(x)
        if x.ndim == 0 or x.shape[-1] != D:
            raise ValueError(f"{self.name}: an input {x.shape} does not fit W {W.shape}")
        self._cache = x
        return affine(x.reshape(-1, D), W, b).reshape(*x.shape[:-1], M)

    def backward(self, dout: Array) -> Array:
        W, (dW, db), x = self.params[0], self.grads, self._cached()
        D, M = W.shape
        dout = self.check_gradient(dout, (*x.shape[:-1], M)).reshape(-1, M)
        np.matmul(x.reshape(-1, D).T, dout, out=dW)
        # The sum of the rows as a product, which BLAS does several times faster than sum(axis=0).
        db[...] = np.ones(len(dout), dout.dtype) @ dout
        return (dout @ W.T).reshape(x.shape)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)), element by element; dx = dy y (1 - y)."""

    def forward(self, x: Array) -> Array:
        self._cache = sigmoid(x)
        return self._cache.copy()

    def backward(self, dout: Array) -> Array:
        y = self._cached()
        return self.check_gradient(dout, y.shape).astype(y.dtype) * y * (1 - y)


class Softmax(Layer):
    """y_k = exp(x_k) / sum_j exp(x_j) over the last axis; dx = y (dy - sum_j dy_j y_j)."""

    def forward(self, x: Array) -> Array:
        self._cache = softmax(x)
        return self._cache.copy()

    def backward(self, dout: Array) -> Array:
        y = self._cached()
        return softmax_gradient(y, self.check_gradient(dout, y.shape).astype(y.dtype))


class Dropout(Layer):
    """Each number is dropped with probability `dropout_ratio`, the others are divided by 1 - dropout_ratio.

    So the mean stays as it is. If the argument or the attribute `train_flg` is False, the layer is the identity
    (Srivastava et al. 2014, in the "inverted" form). Raises ValueError unless 0 <= dropout_ratio < 1.
    """

    train_flg = True

    def __init__(self, dropout_ratio: float = 0.5, *, rng: Seed = None) -> None:
        check_ratios(self.name, dropout_ratio=dropout_ratio)
        super().__init__()
        self.dropout_ratio = dropout_ratio
        if rng is not None:
            self.rng = generator(rng)

    @cached_property
    def rng(self) -> Any:
        """The generator that draws the masks; may be set. Without one, the first forward makes one."""
        return generator()

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        x = as_float(x)
        active = train_flg and self.train_flg and self.dropout_ratio != 0
        mask = self.draw_mask(x.shape, x.dtype) if active else None
        self._cache = x.shape, x.dtype, mask
        return x if mask is None else x * mask

    def draw_mask(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new mask for an array of that shape: 0 where it is dropped, 1 / (1 - dropout_ratio) elsewhere."""
        check_ratios(self.name, dropout_ratio=self.dropout_ratio)  # which may have been set since
        mask = random_at_least(float(self.dropout_ratio), shape, self.rng).astype(dtype)
        mask *= 1 / (1 - self.dropout_ratio)
        return mask

    def backward(self, dout: Array) -> Array:
        shape, dtype, mask = self._cached()
        dout = self.check_gradient(dout, shape).astype(dtype, copy=False)
        return dout if mask is None else dout * mask


class Embedding(Layer):
    """The rows of W (V, D) that belong to ids: idx (...) integers -> (..., D).

    dW holds in row v the sum of the gradients of all places where id v stood, and 0 in the rows of other ids. There is
    no gradient of the ids: backward returns None. Raises IdError for ids outside 0 … V - 1.

    sparse: dW is a RowGradient, the rows alone; without it an array (V, D).
    """

    names = ("W",)

    def __init__(self, W: Array, sparse: bool = False) -> None:
        self.check_weights(W=(W, ("V", "D")))
        super().__init__(W)
        if sparse:
            self.grads = [RowGradient(W.shape, W.dtype)]

    def forward(self, idx: Array) -> Array:
        W = self.params[0]
        self._cache = checked_ids(self.name, idx, len(W))
        return take_rows(W, self._cache)

    def backward(self, dout: Array) -> None:
        W, idx = self.params[0], self._cached()
        dout = self.check_gradient(dout, (*idx.shape, W.shape[1]))
        assign_rows(self.grads[0], idx.reshape(-1), dout.reshape(-1, W.shape[1]))
