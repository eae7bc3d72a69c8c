"""What neither NumPy nor CuPy has, and what each does fastest in a way of its own: rows by ids, draws, whole passes."""

import functools
import math
from typing import Any

import numpy
from scipy import sparse

from common import config
from common.np import Array, np, random

FEW_IDS = 64  # of whose rows sum_rows makes a dense product
SMALL_MATRIX = 2**17  # numbers, so few that assign_row_sums takes a dense one

CACHE_LINE = 64  # bytes
CACHE_BYTES = 2**20  # of what a pass reads, so that a core's second-level cache holds it and what it is written to


def take_rows(table: Array, ids: Array) -> Array:
    """``table[ids]``, a new array, for ids >= 0 of any shape; for short rows in a quarter of the time."""
    return table.take(ids.astype(numpy.intp, copy=False), axis=0)  # it refuses uint64


def sum_rows(ids: Array, rows: Array) -> tuple[Array, Array]:
    """Sum the rows that belong to the same id.

    ids (M,) integers, rows (M, D) -> (unique ids (U,) ascending, sums (U, D) in the dtype of rows).
    """
    if config.GPU:
        unique, inverse = np.unique(ids, return_inverse=True)
        sums = np.zeros((len(unique), rows.shape[1]), rows.dtype)
        np.add.at(sums, inverse.reshape(-1), rows)
        return unique, sums
    if len(ids) == 0:
        return ids, rows
    if len(ids) <= FEW_IDS:  # a dense product is even faster
        unique = numpy.unique(ids)
        with numpy.errstate(invalid="ignore"):
            sums = (ids == unique[:, None]).astype(rows.dtype) @ rows
        if numpy.isfinite(sums).all():  # otherwise 0 times infinity spoils the sums of other ids
            return unique, sums
    # One sparse product, S (U, M) @ rows with S[u, m] = 1 where row m belongs to unique id u, is 50 times faster than
    # numpy.add.at on rows. argsort gives S row by row, which is what the CSR format stores.
    order = numpy.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = numpy.flatnonzero(numpy.concatenate(([True], ordered[1:] != ordered[:-1])))
    pointers = numpy.append(starts, len(ids))
    ones = numpy.ones(len(ids), rows.dtype)
    selection = sparse.csr_matrix((ones, order, pointers), shape=(len(starts), len(ids)))
    return ordered[starts], (selection @ rows).astype(rows.dtype, copy=False)  # SciPy has no float16


def assign_row_sums(table: Array, ids: Array, rows: Array) -> None:
    """Make row v of `table` (V, D) the sum of those of the rows (M, D) whose id, of ids (M,), is v."""
    if config.GPU:
        table.fill(0)
        np.add.at(table, ids, rows.astype(table.dtype, copy=False))
        return
    V, M = len(table), len(ids)
    if V > M:
        unique, sums = sum_rows(ids, rows)
        table.fill(0)
        table[unique] = sums
        return
    ids = ids.astype(numpy.intp, copy=False)
    if V * M <= SMALL_MATRIX:  # one product S (V, M) @ rows, with S[v, m] = 1 where row m belongs to id v
        selection = numpy.zeros((V, M), rows.dtype)
        selection[ids, numpy.arange(M)] = 1
        with numpy.errstate(invalid="ignore"):
            table[...] = selection @ rows
        if numpy.isfinite(table).all():  # otherwise 0 times infinity spoils the sums of other ids
            return
    # The CSC format stores S column by column, for each the number of its row, which is the id: there is no sort.
    table[...] = sparse.csc_matrix((numpy.ones(M, rows.dtype), ids, numpy.arange(M + 1)), (V, M)) @ rows


def column_major(x: Array) -> Array:
    """x (M, K) with each of its columns in one piece, for few columns: NumPy reduces short rows one by one.

    The GPU does not, and gets x back.
    """
    return x if config.GPU else numpy.asfortranarray(x)


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of any content whose numbers begin at a boundary of the cache's lines.

    NumPy's begin at any multiple of 16 bytes. So of the vectors that a CPU computes with every second one, or with
    AVX-512 each, lies across two lines, and a pass over arrays in the cache takes up to twice as long.
    """
    if config.GPU:
        return np.empty(shape, dtype)
    dtype = numpy.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    memory = numpy.empty(nbytes + CACHE_LINE, "u1")
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[start : start + nbytes].view(dtype).reshape(shape)


def tanh_beats_exp(dtype: Any) -> bool:
    """Whether tanh takes less time than exp: on a CPU with AVX-512 it does, with AVX2 it takes half as much again."""
    return config.GPU or _tanh_has_avx512(dtype)


@functools.cache
def _tanh_has_avx512(dtype: Any) -> bool:
    try:
        from numpy.lib.introspect import opt_func_info
    except ImportError:  # an older NumPy does not say
        return False
    kernels = opt_func_info("^tanh$", f"^{numpy.dtype(dtype)}$").get("tanh", {}).values()
    return any(kernel["current"].startswith(("X86_V4", "AVX512")) for kernel in kernels)


def random_at_least(ratio: float, shape: tuple[int, ...], rng: numpy.random.Generator) -> Array:
    """Whether each of as many uniform numbers of [0, 1) is at least `ratio`, which is True with probability 1 - ratio.

    On the CPU four numbers are made of 64 random bits, in a quarter of the time that :func:`random` takes. 16 bits tell
    all but one number in 65,536 from the ratio; of the others, more bits are drawn.
    """
    if config.GPU:
        return random(shape, rng) >= ratio
    count = math.prod(shape)
    bits = rng.integers(2**64 - 1, size=-(-count // 4), dtype="uint64", endpoint=True)
    leading = bits.view("uint16")[:count]
    whole, rest = divmod(ratio * 2**16, 1)
    result = leading > whole
    undecided = numpy.flatnonzero(leading == whole)
    result[undecided] = rng.random(len(undecided)) >= rest
    return result.reshape(shape)


def choice(cumulative: Array, shape: int | tuple[int, ...], rng: numpy.random.Generator) -> Array:
    """Draw indices, with replacement, of which i has the weight ``cumulative[i] - cumulative[i - 1]``.

    cumulative (K,) float64: the running sum of the weights. Returns integers in [0, K).
    """
    drawn = np.searchsorted(cumulative, random(shape, rng, "d") * cumulative[-1], side="right")
    return np.minimum(drawn, len(cumulative) - 1)  # the product may round up to the very end


def fits_cache(nbytes: int) -> bool:
    """Whether so many bytes fit the cache of a CPU; the GPU needs no such care."""
    return config.GPU or nbytes <= CACHE_BYTES


def row_blocks(rows: int, row_bytes: int) -> list[slice]:
    """Slices of `rows` rows that fit the cache of a CPU, for work that passes over the same rows several times.

    On the GPU, where each pass is a kernel to be started, they are one slice.
    """
    if config.GPU:
        return [slice(0, rows)]
    step = max(1, CACHE_BYTES // max(1, row_bytes))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
