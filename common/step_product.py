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
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from common import config
from common.kernels import aligned_empty, fits_cache
from common.np import Array, np
from common.threads import Both, blas_architectures

SMALL_BATCH = 64  # rows of a step; a larger one keeps all threads of the BLAS busy
TINY_BATCH = 32  # rows whose product with a large W takes less time in columns
FEW_STEPS = 8  # for more, a copy of W pays that makes each product faster
LARGE_PRODUCT = 2**25  # multiplications, for which pieces pay also where W fits the cache
TIMES_CACHE = 4  # the size of W from which pieces are faster than columns that need no copy

WITHOUT_COPIES = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # CPUs, by OpenBLAS's names, with those routines
MULTIPLICATIONS = 10**6  # of a product, for which OpenBLAS takes them
COLUMNS = 64, 32, 16  # of a piece: whole vectors of the CPU
ROWS = 8, 32  # multiplied with a piece at a time: at least, and at most
PARTS = 16  # at most, that W is cut into from above to below


class Cut(NamedTuple):
    """How a product is cut: x into blocks of `rows`, W into `parts` one above the other, and these into `columns`."""

    rows: int
    parts: int
    columns: int


def step_product(W: Array, rows: int, steps: int, both: Both) -> Callable[[Array, Array], Array]:
    """A function ``multiply(x, out)`` that returns x W (N, M), in `out` or in memory of its own.

    W (K, M), x (N, K) with N = rows, out (N, M). W must not change as long as the function is used, for about so many
    `steps`. `both` is that of :func:`common.threads.side_by_side`.
    """
    W_T, many = W.T, steps > FEW_STEPS
    by_columns = W_T.flags.c_contiguous
    pays = not fits_cache(W.nbytes // TIMES_CACHE if by_columns else W.nbytes)
    if pays and many and rows <= SMALL_BATCH and (cut := cut_for(rows, len(W))):
        return PiecewiseProduct(W, cut, both)
    # In columns, (Wᵀ xᵀ)ᵀ, the BLAS has more rows to share among its threads.
    if (by_columns and rows <= SMALL_BATCH) or (pays and many and rows <= TINY_BATCH):
        W_T = np.ascontiguousarray(W_T)
        return lambda x, out: (W_T @ x.T).T
    if many:
        W = np.ascontiguousarray(W)
    return lambda x, out: np.matmul(x, W, out=out)


def stacked_product(W: Array, rows: int, both: Both) -> Callable[[Array, Array], Array]:
    """As :func:`step_product` for G matrices W (G, K, M): ``multiply(x, out)`` writes x W (G, N, M) to `out`."""
    if rows * W.size >= LARGE_PRODUCT and (cut := cut_for(rows, W.shape[1])):
        return PiecewiseProduct(W, cut, both)
    return lambda x, out: np.matmul(x, W, out=out)


def cut_for(rows: int, K: int) -> Cut | None:
    """How to cut the product of x (rows, K) for the routines that copy nothing; None if there are none, or no such cut.

    As many columns as can be, of as few parts as can be.
    """
    least, most = ROWS
    rows = next((n for n in range(min(rows, most), least - 1, -1) if rows % n == 0), 0)
    if not rows or config.GPU or not blas_architectures() & WITHOUT_COPIES:
        return None
    for columns in COLUMNS:
        for parts in range(1, PARTS + 1):
            if K % parts == 0 and rows * (K // parts) * columns <= MULTIPLICATIONS:
                return Cut(rows, parts, columns)
    return None


class PiecewiseProduct:
    """``multiply(x, out)`` writes x W (N, M) to `out` and returns it; W (K, M), or G matrices (G, K, M), and x (N, K).

    N and K are multiples of cut.rows and cut.parts. On one thread as on two, the numbers are the same to the bit.
    """

    def __init__(self, W: Array, cut: Cut, both: Both) -> None:
        self.cut, self.both = cut, both
        W = W.reshape(-1, *W.shape[-2:])
        M = W.shape[2]
        whole = M // cut.columns
        ends = [0, -(-whole // 2) * cut.columns, whole * cut.columns, M]  # half of the pieces, the others, a last one
        self._bands = [(slice(a, b), self._pieces(W[:, :, a:b])) for a, b in pairwise(ends) if a < b]
        self._summands: Any = None  # (parts, G, N, M), made by the first call

    def _pieces(self, W: Array) -> Array:
        """A copy of W (G, K, M) as (parts, G, 1, pieces, K / parts, columns), each piece in one piece of memory."""
        G, K, M = W.shape
        parts, columns = self.cut.parts, min(self.cut.columns, M)
        pieces = aligned_empty((parts, G, 1, M // columns, K // parts, columns), W.dtype)
        pieces[:, :, 0] = W.reshape(G, parts, K // parts, M // columns, columns).transpose(1, 0, 3, 2, 4)
        return pieces

    def __call__(self, x: Array, out: Array) -> Array:
        rows, parts, _ = self.cut
        N, K = x.shape
        blocks = x.reshape(N // rows, rows, parts, K // parts).transpose(2, 0, 1, 3)[:, None, :, None]
        if parts > 1 and self._summands is None:
            self._summands = aligned_empty((parts, *out.shape), out.dtype)
        sums = (out if parts == 1 else self._summands).reshape(parts, -1, N, out.shape[-1])

        def multiply(bands: list[tuple[slice, Array]]) -> None:
            for columns, W in bands:
                band = sums[..., columns]
                band = band.reshape(*band.shape[:2], N // rows, rows, W.shape[3], W.shape[5]).swapaxes(3, 4)
                np.matmul(blocks, W, out=band)

        self.both(lambda: multiply(self._bands[:1]), lambda: multiply(self._bands[1:]))
        if parts > 1:
            np.add.reduce(self._summands, axis=0, out=out)
        return out
