"""Losses: the last layers of a model, which compare scores with labels and have a single number as output.

Their ``backward(dout=1)`` gives the gradient of dout times the loss with respect to the scores.
"""

from typing import Any

from numpy import ndim  # of any array, on host or device

from common.functions import as_float, sigmoid
from common.kernels import column_major, row_blocks
from common.labels import class_ids
from common.layer import Layer
from common.np import Array, np
from common.threads import share

FEW_CLASSES = 64  # for which column_major saves more than it takes


class Loss(Layer):
    """A loss. The gradient for dout = 1 is in the cache after its forward, or else `_cached` makes it."""

    def backward(self, dout: Any = 1) -> Array:
        """The gradient of dout times the last loss, an array of the caller's.

        dout may also be an array of weights that broadcasts to the gradient, such as (N, 1) for scores (N, K): one for
        each example. ValueError for one that does not.
        """
        gradient = self._cached()
        if ndim(dout) == 0:
            return gradient * float(dout)
        weights = np.asarray(dout, gradient.dtype)
        try:
            return gradient * np.broadcast_to(weights, gradient.shape)
        except ValueError as error:
            raise ValueError(
                f"{self.name}: dout {weights.shape} does not broadcast to the gradient {gradient.shape}"
            ) from error


def gradient_to_read(loss: Any, dout: Any = 1) -> Array:
    """``loss.backward(dout)``, of which the caller changes nothing.

    For dout = 1 a loss of ours gives its own array, where its backward makes a copy. Over a vocabulary it is the
    largest array of a language model. A loss with a backward of its own is asked for that.
    """
    ours = getattr(loss.backward, "__func__", None) is Loss.backward
    return loss._cached() if ours and type(dout) in (int, float) and dout == 1 else loss.backward(dout)


class SoftmaxWithLoss(Loss):
    """-log softmax(x)[n, t_n], the mean over the batch; its gradient is (y - t) / N with y the softmax and t one-hot.

    x (N, K) scores, t class ids (N,) or one-hot (N, K); or a single case, x (K,) with t an id or one-hot (K,), which
    counts as N = 1, in the gradient too. `y` and `t` are the probabilities (N, K), float32 for scores in float16, and
    the class ids (N,) of the last forward. The gradient is made of them, also if a forward of your own sets them.
    Raises ValueError and IdError for labels that do not fit the scores.
    """

    y: Any = None
    t: Any = None
    _dtype: Any = None  # of the scores

    def forward(self, x: Array, t: Array) -> float:
        x, t = as_float(x), np.asarray(t)
        if x.ndim == 1:
            x, t = x[None], t[None]
        if x.ndim != 2 or x.size == 0:
            raise ValueError(f"{self.name}: expected scores (N, K), got {x.shape}")
        self.t = class_ids(self.name, t, x.shape).copy()
        self._dtype = x.dtype
        if x.dtype.itemsize < 4:  # z, and the sum of the losses, are beyond float16
            x = x.astype("f")
        if x.shape[1] <= FEW_CLASSES:
            x = column_major(x)
        x = x - x.max(axis=1, keepdims=True)  # which changes nothing but that no exponential overflows
        y = np.exp(x)
        z = y.sum(axis=1, keepdims=True)
        y /= z
        self.y = y
        return float((np.log(z[:, 0]) - x[np.arange(len(x)), self.t]).mean())  # -log y, also where y rounds to 0

    def _cached(self) -> Any:
        """The gradient (y - t) / N, a new array."""
        if self.y is None:
            return super()._cached()  # whose error says that there was no forward
        y = as_float(self.y)
        N = len(y)
        dx = y / N
        dx[np.arange(N), class_ids(self.name, np.asarray(self.t), y.shape)] -= 1 / N
        return dx.astype(self._dtype or y.dtype, copy=False)


class TimeSoftmaxWithLoss(Loss):
    """-log softmax(xs)[n, t, ts_nt], the mean over all places whose label is not `ignore_label`; 0 if there is none.

    xs (N, T, V) scores, ts class ids (N, T) or one-hot (N, T, V). The gradient is 0 at ignored places. `counted` is the
    number of the other places of the last forward. Raises ValueError and IdError for labels that do not fit the scores.
    """

    ignore_label = -1
    _ids: Any = None

    def forward(self, xs: Array, ts: Array) -> float:
        xs = as_float(xs)
        if xs.ndim != 3 or xs.size == 0:
            raise ValueError(f"{self.name}: expected scores (N, T, V), got {xs.shape}")
        ids = class_ids(self.name, ts, xs.shape, self.ignore_label).reshape(-1)
        loss, gradient = softmax_loss(xs.reshape(-1, xs.shape[-1]), ids, self.ignore_label)
        self._cache, self._ids = gradient.reshape(xs.shape), ids
        return loss

    @property
    def counted(self) -> int | None:
        """How many labels the last loss is the mean of; None before the first forward."""
        return None if self._ids is None else int((self._ids != self.ignore_label).sum())


def softmax_loss(x: Array, ids: Array, ignore: int | None = None) -> tuple[float, Array]:
    """The mean of -log softmax(x)[m, ids_m] over the rows whose id is not `ignore`, and its gradient.

    x (M, K), ids (M,) -> loss, dx (M, K). With z = sum_k exp(x_k - max x) a row contributes log z + max x - x[id], and
    its gradient is (exp(x - max x) / z - onehot(id)) / count. Scores of any size give finite numbers.
    """
    if x.dtype.itemsize < 4:  # z count, and the sum of the losses, are beyond float16
        mean, gradient = softmax_loss(x.astype("f"), ids, ignore)
        return mean, gradient.astype(x.dtype)
    places = np.arange(len(x))
    if ignore is None:
        mask, count, ids_or_0 = np.ones(len(x), x.dtype), len(x), ids
    else:
        valid = ids != ignore
        mask, count, ids_or_0 = valid.astype(x.dtype), max(int(valid.sum()), 1), np.where(valid, ids, 0)
    if x.shape[1] <= FEW_CLASSES:
        x = column_major(x)
    dx, loss = np.empty_like(x), np.empty(len(x), x.dtype)

    # All passes over a few rows while these are in the cache, gradient included: it costs one more multiplication.
    def fill(rows: slice) -> None:
        e = dx[rows]
        np.subtract(x[rows], x[rows].max(axis=1, keepdims=True), out=e)
        loss[rows] = -e[places[: len(e)], ids_or_0[rows]]
        np.exp(e, out=e)
        z = e.sum(axis=1)
        loss[rows] += np.log(z)
        e *= (mask[rows] / (z * count))[:, None]

    share(fill, row_blocks(len(x), x.shape[1] * x.itemsize))
    dx[places, ids_or_0] -= mask / count
    return float(np.where(mask > 0, loss, 0).sum()) / count, dx


class SigmoidWithLoss(Loss):
    """-(t log y + (1 - t) log(1 - y)) with y = sigmoid(x), summed over all and divided by the batch size N.

    x scores (N,), or (N, ...), t the same shape with values in {0, 1}; x (N, 1) may have t (N,). Computed as
    max(x, 0) - t x + log(1 + exp(-|x|)), which no score makes infinite. The gradient is (y - t) / N. Raises ValueError
    for labels of another shape or other than 0 and 1.
    """

    y: Any = None
    t: Any = None

    def forward(self, x: Array, t: Array) -> float:
        x, t = as_float(x), np.asarray(t)
        if x.ndim == 0 or x.size == 0:
            raise ValueError(f"{self.name}: expected scores (N, ...), got {x.shape}")
        if t.shape == x.shape[:1] and x.shape[1:] == (1,):
            t = t.reshape(x.shape)
        if t.shape != x.shape:
            raise ValueError(f"{self.name}: expected labels {x.shape} like the scores, got {t.shape}")
        if not bool(((t == 0) | (t == 1)).all()):
            raise ValueError(f"{self.name}: labels must be 0 or 1")
        if x.dtype.itemsize < 4:  # the sum of the losses, and the count, are beyond float16
            loss = SigmoidWithLoss.forward(self, x.astype("f"), t)
            self.y, self.t, self._cache = (array.astype(x.dtype) for array in (self.y, self.t, self._cache))
            return loss
        t = t.astype(x.dtype)
        y = sigmoid(x)
        self.y, self.t = y, t
        count = self._count(x.shape)
        self._cache = (y - t) / count
        return float((np.maximum(x, 0) - t * x + np.log1p(np.exp(-abs(x)))).sum()) / count

    def _count(self, shape: tuple[int, ...]) -> int:
        return shape[0]


class TimeSigmoidWithLoss(SigmoidWithLoss):
    """SigmoidWithLoss of xs (N, T) and ts (N, T): the mean over batch and time."""

    def forward(self, xs: Array, ts: Array) -> float:
        return super().forward(xs, ts)

    def _count(self, shape: tuple[int, ...]) -> int:
        if len(shape) != 2:
            raise ValueError(f"{self.name}: expected scores (N, T), got {shape}")
        return shape[0] * shape[1]
