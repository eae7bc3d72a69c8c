"""Gradient clipping (Pascanu et al. 2013)."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from common.checks import as_number
from common.np import floats, np
from common.sparse_gradient import RowGradient


def gradient_norm(grads: Sequence[Any]) -> float:
    """The joint L2 norm of all gradients: the root of the sum of all their squares.

    Raises FloatingPointError naming the first gradient that holds NaN or infinity, and for a norm beyond float64.
    """
    grads, norms = list(grads), []
    squares = floats([np.vdot(flat, flat) for flat in map(_flat, grads)])  # BLAS: reads each once, allocates nothing
    for i, (grad, square) in enumerate(zip(grads, squares, strict=True)):
        if math.isfinite(square):
            norms.append(math.sqrt(square))
        else:  # the square of a number overflows, or the number itself is not finite
            flat = _flat(grad)
            largest = float(abs(flat).max())
            if not math.isfinite(largest):
                raise FloatingPointError(f"gradient {i} of shape {grad.shape} holds NaN or infinity")
            flat = flat / largest
            norms.append(largest * math.sqrt(float(np.vdot(flat, flat))))
    norm = math.hypot(*norms)
    if not math.isfinite(norm):
        raise FloatingPointError("the joint norm of the gradients is beyond float64")
    return norm


def _flat(grad: Any) -> Any:
    """All numbers of a gradient, in any order, in an array of one axis."""
    array = grad.rows if isinstance(grad, RowGradient) else grad
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    return flat.astype("f") if flat.dtype.itemsize < 4 else flat  # even a sum of small squares is beyond float16


def clip_rate(grads: Sequence[Any], max_norm: float) -> tuple[float, float]:
    """(rate, norm): what to multiply all gradients by so that their joint norm is at most `max_norm`; 1 if it is.

    Raises as :func:`clip_grads`.
    """
    if not (isinstance(as_number(max_norm), Real) and max_norm > 0):  # infinity, which clips nothing, is one
        raise ValueError(f"max_norm must be a positive number, not {max_norm!r}")
    norm = gradient_norm(grads)
    return min(1.0, float(as_number(max_norm)) / (norm + 1e-6)), norm  # with NumPy's number others would be computed


def clip_grads(grads: Sequence[Any], max_norm: float) -> None:
    """Scale all gradients in place by max_norm / (norm + 1e-6) if that is less than 1, norm being their joint L2 norm.

    Raises FloatingPointError for gradients that are not finite, and ValueError unless max_norm is positive.
    """
    rate, _ = clip_rate(grads, max_norm)
    if rate < 1:
        for grad in grads:
            grad *= rate
