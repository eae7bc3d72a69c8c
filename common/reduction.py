"""Few dimensions that keep most of many: truncated singular value decomposition and principal components."""

from typing import Any

import numpy
from scipy import sparse
from scipy.sparse.linalg import svds

from common.np import Array, np, to_cpu
from common.rng import Seed, generator

__all__ = ["pca", "truncated_svd"]


def truncated_svd(M: Any, width: int, *, rng: Seed = 0) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The `width` largest singular values of M (n, m), dense or sparse, and their vectors: M ≈ U @ diag(S) @ Vt.

    U (n, width) and Vt (width, m) have orthonormal columns and rows; S (width,) descends. In the dtype of M, at least
    float32. Signs are fixed: in each column of U the number with the largest magnitude is positive. A sparse M is only
    ever multiplied by vectors, from a random start by the Lanczos method (ARPACK), which is exact, and repeatable with
    the same `rng`.

    Raises ValueError when M is no finite matrix or width is not between 1 and min(n, m).
    """
    if not sparse.issparse(M):
        M = to_cpu(M)
    if M.ndim != 2 or not 1 <= width <= min(M.shape):
        raise ValueError(f"truncated_svd: width {width} does not fit a matrix {M.shape}, expected 1 to min{M.shape}")
    M = M.astype(numpy.result_type(M.dtype, numpy.float32), copy=False)
    if not numpy.isfinite(M.data if sparse.issparse(M) else M).all():
        raise ValueError("truncated_svd: the matrix has values that are not finite")
    if 3 * width > min(M.shape):  # so much of a decomposition that the whole one is faster
        U, S, Vt = numpy.linalg.svd(M.toarray() if sparse.issparse(M) else M, full_matrices=False)
    elif not (M.count_nonzero() if sparse.issparse(M) else M.any()):  # ARPACK cannot start
        U, S, Vt = numpy.eye(M.shape[0], width), numpy.zeros(width), numpy.eye(width, M.shape[1])
        U, S, Vt = (part.astype(M.dtype) for part in (U, S, Vt))
    else:
        U, S, Vt = svds(M, width, v0=generator(rng).standard_normal(min(M.shape)).astype(M.dtype))
    order = numpy.argsort(-S, kind="stable")[:width]
    U, S, Vt = U[:, order], S[order], Vt[order]
    signs = numpy.sign(U[numpy.abs(U).argmax(axis=0), numpy.arange(width)])
    return U * signs, S, Vt * signs[:, None]


def pca(x: Array, width: int = 2) -> Array:
    """The points x (n, D) seen along the `width` directions in which they spread most: (n, width), centred at 0.

    Raises ValueError as :func:`truncated_svd` does.
    """
    x = to_cpu(x)
    if x.ndim != 2:
        raise ValueError(f"pca: expected points x (n, D), got {x.shape}")
    x = x.astype(numpy.result_type(x.dtype, numpy.float32), copy=False)
    U, S, _ = truncated_svd(x - x.mean(axis=0), width)
    return np.asarray(U * S)
