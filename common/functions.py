"""Functions that layers are made of."""

import math
from typing import Any

import numpy
from numpy import errstate  # CuPy never warns

from common.labels import class_ids
from common.np import Array, np

__all__ = ["cross_entropy_error", "relu", "sigmoid", "softmax"]


def as_float(x: Array) -> Array:
    """`x` as an array of the active module; integers become float32."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype("f")


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), element by element, in the dtype of x; no x overflows."""
    x = as_float(x)
    with errstate(over="ignore"):  # 1 / infinity is 0, as it should be
        y = np.exp(-x.astype("f") if x.dtype == "f2" else -x)  # exp(12) is beyond float16
    y += 1
    return (1 / y).astype(x.dtype, copy=False)


def relu(x: Array) -> Array:
    """max(x, 0), element by element, in the dtype of x."""
    return np.maximum(np.asarray(x), 0)


def softmax(x: Array) -> Array:
    """exp(x_k) / sum_j exp(x_j) over the last axis; x (..., K) -> (..., K) in the dtype of x.

    The maximum is subtracted first, which changes nothing but that no exponential overflows. Raises ValueError
    for K = 0.
    """
    x = as_float(x)
    if x.dtype.itemsize < 4:  # the sum over a vocabulary is beyond float16
        return softmax(x.astype("f")).astype(x.dtype)
    try:
        highest = x.max(axis=-1, keepdims=True)
    except ValueError as error:  # of nothing
        raise ValueError(f"softmax: expected scores (..., K), one at least, got {x.shape}") from error
    y = np.exp(x - highest)
    y /= y.sum(axis=-1, keepdims=True)
    return y


def distribution(scores: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(log p, p) of p = softmax(scores) over the last axis: scores (..., K) on the host -> float64 (..., K).

    Raises FloatingPointError as :func:`check_highest` does.
    """
    x = scores.astype("d")
    highest = x.max(axis=-1, keepdims=True)
    check_highest(highest)
    x -= highest
    p = numpy.exp(x)
    total = p.sum(axis=-1, keepdims=True)
    x -= numpy.log(total)
    p /= total
    return x, p


def check_highest(scores: Array) -> None:
    """FloatingPointError unless all these scores, each the highest of its row, are finite.

    A NaN or infinity is the highest of the row that it stands in; -inf beside a finite score means p = 0.
    """
    if not bool((abs(scores) < math.inf).all()):
        raise FloatingPointError("the model's scores are not finite, so they say nothing about what comes next")


def softmax_gradient(y: Array, dy: Array) -> Array:
    """The gradient of x from that of y = softmax(x): y (dy - sum y dy), over the last axis."""
    dx = y * dy
    dx -= y * dx.sum(axis=-1, keepdims=True)
    return dx


def affine(x: Array, W: Array, b: Array) -> Array:
    """x W + b: x (M, D), W (D, K), b (K,) -> (M, K).

    For many rows of an output wider than the input, b becomes a row of W for inputs of 1. That costs a copy of x and
    one of W, but saves a pass over the result, which is larger.
    """
    M, D = x.shape
    if M > 4 * D and W.shape[1] > D:
        x = np.concatenate([x, np.ones((M, 1), x.dtype)], axis=1)
        return x @ np.concatenate([W, b[None]], dtype=W.dtype if W.dtype.kind == "f" else None)
    y = x @ W
    y += b
    return y


def cross_entropy_error(y: Array, t: Array) -> Any:
    """-log y[n, t_n], the mean over the batch.

    y probabilities (N, K), or (K,) for a single case; t class ids (N,) or one-hot (N, K). A probability of 0 counts as
    the smallest normal number of y's dtype, so that the error is large but finite. Raises ValueError and IdError for
    probabilities and labels that do not fit each other.
    """
    y, t = as_float(y), np.asarray(t)
    if y.ndim == 1:
        y, t = y[None], t[None]
    if y.ndim != 2 or y.size == 0:
        raise ValueError(f"cross_entropy_error: expected probabilities (N, K), got {y.shape}")
    ids = class_ids("cross_entropy_error", t, y.shape)
    likelihood = np.maximum(y[np.arange(len(ids)), ids], float(np.finfo(y.dtype).tiny))
    return -np.log(likelihood).mean()
