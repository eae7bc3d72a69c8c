"""Gradient clipping (Pascanu et al. 2013)."""

import math
from collections.abc import Sequence
from typing import Any

from common.np import np


def gradient_norm(grads: Sequence[Any]) -> float:
    """The joint L2 norm of all gradients: the root of the sum of all their squares.

    Raises FloatingPointError naming the first gradient that holds NaN or infinity.
    """
    total = 0.0
    for i, grad in enumerate(grads):
        flat = grad.reshape(-1) if grad.flags.c_contiguous else grad.T.reshape(-1)
        squares = float(np.vdot(flat, flat))  # BLAS: reads the gradient once and allocates nothing
        if not math.isfinite(squares):  # too large for the square in float32, or really not finite
            wide = flat.astype("d")
            squares = float(np.vdot(wide, wide))
            if not bool(np.isfinite(wide).all()):
                raise FloatingPointError(f"gradient {i} of shape {grad.shape} holds NaN or infinity")
        total += squares
    return math.sqrt(total)


def clip_rate(grads: Sequence[Any], max_norm: float) -> tuple[float, float]:
    """(rate, norm): what to multiply all gradients by so that their joint norm is at most `max_norm`; 1 if it is."""
    if not max_norm > 0:
        raise ValueError(f"max_norm must be a positive number, not {max_norm}")
    norm = gradient_norm(grads)
    return min(1.0, max_norm / (norm + 1e-6)), norm


def clip_grads(grads: Sequence[Any], max_norm: float) -> None:
    """Scale all gradients in place by max_norm / (norm + 1e-6) if that is less than 1, norm being their joint L2 norm.

    Raises FloatingPointError for gradients that are not finite, and ValueError unless max_norm is positive.
    """
    rate, _ = clip_rate(grads, max_norm)
    if rate < 1:
        for grad in grads:
            grad *= rate
