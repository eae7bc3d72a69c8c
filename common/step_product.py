"""The product of a recurrent layer's step, x W with the same W at each step, in the fastest way.

    with side_by_side() as both:
        multiply = step_product(W, rows=20, steps=35, both=both)
        for t in range(35):
            product = multiply(x[t], buffer)

A step has few rows, so that its time is that of reading W. OpenBLAS copies the weights for each product, in the order
in which it reads them, which takes about half of the time. For CPUs with AVX-512 it has other routines, which copy
nothing, but it takes them only for up to a million multiplications, and on one thread. So here W is copied once for all
steps, into pieces of that size, and a second thread of ours multiplies with half of them: 20 rows with 650 x 2600
weights take 0.65 instead of 1.1 ms.

Of more rows, each thread may multiply some by itself, see :func:`common.threads.in_halves`. Its products take a seventh
less time with pieces.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from common import config
from common.kernels import aligned_empty, fits_cache
from common.np import Array, np
from common.threads import Both, blas_architectures, blas_threads, spare_threads

SMALL_BATCH = 64  # rows of a step; a larger one keeps all threads of the BLAS busy
TINY_BATCH = 32  # rows whose product with a large W takes less time in columns
FEW_STEPS = 8  # for more, a copy of W pays that makes each product faster
TIMES_CACHE = 4  # the size of W from which pieces are faster than columns that need no copy

WITHOUT_COPIES = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # CPUs, by OpenBLAS's names, with those routines
MOST_MULTIPLICATIONS = 10**6  # of a product, for OpenBLAS to take those routines
COLUMNS = 64, 32, 16  # of a piece of W, the first of these that will do: whole vectors of the CPU
LEAST_ROWS, MOST_ROWS = 8, 32  # of x, that are multiplied with a piece at a time
MOST_PARTS = 16


class Cut(NamedTuple):
    """How a product is cut: x into blocks of `rows`, W into `parts` one above the other, and these into `columns`."""

    rows: int
    parts: int
    columns: int


def step_product(W: Array, rows: int, steps: int, both: Both | None) -> Callable[[Array, Array], Array]:
    """A function ``multiply(x, out)`` that returns x W (N, M), in `out` or in memory of its own.

    W (K, M), x (N, K) with N = rows, out (N, M). W must not change as long as the function is used, for about so many
    `steps`. `both` is that of :func:`common.threads.side_by_side`, or None if each of several threads will multiply
    some of the rows, all at once. N must be above SMALL_BATCH then.
    """
    if both is None and (columns := piece_columns(len(W), W.shape[1], W.dtype)):
        pieces = in_pieces(W, columns)
        return lambda x, out: multiply_pieces(x, pieces, out)
    W_T, many = W.T, steps > FEW_STEPS
    by_columns = W_T.flags.c_contiguous
    pays = not fits_cache(W.nbytes // TIMES_CACHE if by_columns else W.nbytes)
    if pays and many and rows <= SMALL_BATCH and both is not None and (cut := cut_for(rows, W)):
        return PiecewiseProduct(W, cut, both)
    # In columns, (Wᵀ xᵀ)ᵀ, the BLAS has more rows to share among its threads.
    if (by_columns and rows <= SMALL_BATCH) or (pays and many and rows <= TINY_BATCH):
        W_T = np.ascontiguousarray(W_T)
        return lambda x, out: (W_T @ x.T).T
    if many:
        W = np.ascontiguousarray(W)
    return lambda x, out: np.matmul(x, W, out=out)


def cut_for(rows: int, W: Array) -> Cut | None:
    """How to cut the product of x (rows, K) and W (K, M) for the routines that copy nothing.

    None if there are none, or no such cut. It has as many columns as can be, of as few parts as can be.
    """
    rows = next((n for n in range(min(rows, MOST_ROWS), LEAST_ROWS - 1, -1) if rows % n == 0), 0)
    if not rows or not takes_pieces(W.dtype):
        return None
    if spare_threads() < blas_threads():  # the BLAS is faster on its threads than pieces are on one
        return None
    for columns in COLUMNS:
        for parts in range(1, MOST_PARTS + 1):
            if len(W) % parts == 0 and rows * (len(W) // parts) * columns <= MOST_MULTIPLICATIONS:
                return Cut(rows, parts, columns)
    return None


def takes_pieces(dtype: Any) -> bool:
    """Whether there are routines that copy nothing, for such numbers on this CPU."""
    return not config.GPU and dtype.char in "fd" and bool(blas_architectures() & WITHOUT_COPIES)


def piece_columns(K: int, M: int, dtype: Any) -> int | None:
    """How many columns the pieces of W (K, M) have for :func:`multiply_pieces` with blocks of MOST_ROWS rows.

    None if there are no routines that copy nothing, or no such pieces.
    """
    fit = (columns for columns in COLUMNS if M % columns == 0 and MOST_ROWS * K * columns <= MOST_MULTIPLICATIONS)
    return next(fit, None) if takes_pieces(dtype) else None


def in_pieces(W: Array, columns: int) -> Array:
    """A copy of W (..., K, M) as (..., M / columns, K, columns), each piece in one piece of memory."""
    *leading, K, M = W.shape
    pieces = aligned_empty((*leading, M // columns, K, columns), W.dtype)
    pieces[...] = W.reshape(*leading, K, M // columns, columns).swapaxes(-2, -3)
    return pieces


def multiply_pieces(x: Array, pieces: Array, out: Array, rows: int = MOST_ROWS) -> Array:
    """Write x W to `out` (..., N, M), which is returned; x (..., N, K), W (..., K, M) as :func:`in_pieces` has made it.

    This thread does all of it, and multiplies so many rows with a piece at a time, and then those that are left.
    """
    count, columns = pieces.shape[-3], pieces.shape[-1]
    whole = x.shape[-2] // rows * rows
    for part, n in ((slice(whole), rows), (slice(whole, None), x.shape[-2] - whole)):
        x_part, out_part = x[..., part, :], out[..., part, :]
        if x_part.size:
            blocks = x_part.reshape(*x_part.shape[:-2], -1, 1, n, x.shape[-1])
            to = out_part.reshape(*out.shape[:-2], -1, n, count, columns).swapaxes(-2, -3)
            np.matmul(blocks, pieces[..., None, :, :, :], out=to)
    return out


class PiecewiseProduct:
    """``multiply(x, out)`` writes x W (N, M) to `out` and returns it; W (K, M), x (N, K).

    N and K are multiples of cut.rows and cut.parts. This product is the same to the bit on one thread as on two.
    """

    def __init__(self, W: Array, cut: Cut, both: Both) -> None:
        self.cut, self.both = cut, both
        M = W.shape[1]
        pieces = M // cut.columns
        # Bands of columns: half of the pieces, for this thread; the other half, and a narrower piece that is left.
        ends = [0, -(-pieces // 2) * cut.columns, pieces * cut.columns, M]
        parts = W.reshape(cut.parts, -1, M)
        self._bands = [
            (slice(a, b), in_pieces(parts[:, :, a:b], min(cut.columns, b - a))) for a, b in pairwise(ends) if a < b
        ]
        self._summands: Any = None  # (parts, N, M), made by the first call

    def __call__(self, x: Array, out: Array) -> Array:
        parts = self.cut.parts
        if parts > 1 and self._summands is None:
            self._summands = aligned_empty((parts, *out.shape), out.dtype)
        sums = out[None] if parts == 1 else self._summands
        x = x.reshape(len(x), parts, -1).swapaxes(0, 1)

        def multiply(bands: list[tuple[slice, Array]]) -> None:
            for band, pieces in bands:
                multiply_pieces(x, pieces, sums[:, :, band], self.cut.rows)

        self.both(lambda: multiply(self._bands[:1]), lambda: multiply(self._bands[1:]))
        if parts > 1:
            np.add.reduce(self._summands, axis=0, out=out)
        return out
