"""Counting which words stand near which, and what the counts tell: pointwise mutual information.

The matrices of a real corpus are almost empty: of 10,000 x 10,000 pairs of words, the Penn Treebank has one in a
hundred. Everything is computed on the pairs that occur (scipy.sparse), a thousand times faster than pair by pair.
"""

from collections.abc import Callable
from typing import Any

import numpy
from scipy import sparse

from common.checks import check_counts
from common.labels import checked_corpus
from common.np import np, to_cpu

__all__ = ["co_occurrences", "create_co_matrix", "ppmi"]


def co_occurrences(corpus: Any, vocab_size: int, window_size: int = 1) -> sparse.csr_array:
    """How often word j stands at most `window_size` places before or behind word i: C (V, V), sparse, int64, symmetric.

    A window ends where the corpus ends. Raises ValueError for a window or vocabulary below 1, and for a corpus that is
    empty or not (n,), IdError for ids which a vocabulary of `vocab_size` words has not, TypeError for ids that are no
    integers.
    """
    return sum_over_pairs("co_occurrences", corpus, vocab_size, window_size)


def sum_over_pairs(
    name: str, corpus: Any, vocab_size: int, window_size: int, weight: Callable[[int], float] | None = None
) -> sparse.csr_array:
    """The sums, for all words i and j, of ``weight(distance)`` over the places where they stand at most `window_size`
    words apart: (V, V), sparse, float64, symmetric. Without a weight, the number of those places, int64. Errors begin
    with `name`.
    """
    check_counts(name, window_size=window_size)
    ids = to_cpu(checked_corpus(name, corpus, vocab_size))
    shape = (vocab_size, vocab_size)
    dtype = numpy.float64 if weight else numpy.int64  # not int, which may have 32 bits on Windows
    after = sparse.csr_array(shape, dtype=dtype)
    for distance in range(1, min(int(window_size), len(ids) - 1) + 1):
        pairs = ids[:-distance], ids[distance:]
        weights = numpy.full(len(pairs[0]), weight(distance) if weight else 1, dtype)
        after = after + sparse.coo_array((weights, pairs), shape).tocsr()
    return sparse.csr_array(after + after.T)  # j is before i as often as i is after j


def create_co_matrix(corpus: Any, vocab_size: int, window_size: int = 1) -> Any:
    """:func:`co_occurrences` as a dense matrix (V, V), int32. Raises OverflowError when a count exceeds int32."""
    counts = sum_over_pairs("create_co_matrix", corpus, vocab_size, window_size)
    if counts.nnz and counts.max() > numpy.iinfo(numpy.int32).max:
        raise OverflowError(f"create_co_matrix: a count of {counts.max()} exceeds int32, use co_occurrences")
    return np.asarray(counts.astype(numpy.int32).toarray())


def ppmi(C: Any, verbose: bool = False, eps: float = 1e-8) -> Any:
    """Positive pointwise mutual information of the counts C (V, V), float32, a sparse matrix if C is one::

        M[i, j] = max(0, log2(C[i, j] N / (S[i] S[j]) + eps))        S = sums of C's columns,  N = sum of C

    which is above 0 where words i and j meet more often than if they were independent. It is computed in float64, so
    that no product of sums overflows, and only for pairs that meet: all others are 0.

    verbose: print a line. Raises ValueError when C is not square, has a negative count or one that is not finite, or
    has counts in a row whose column has none (so that C is not symmetric); and for eps outside [0, 1). Raises TypeError
    for counts that are no real numbers.
    """
    dense = not sparse.issparse(C)
    C = to_cpu(C) if dense else C
    if C.dtype.kind not in "biuf":
        raise TypeError(f"ppmi: counts C must be real numbers, not {C.dtype}")
    native = C.dtype.newbyteorder("=")  # SciPy has no other order of bytes, and no float16
    counts = sparse.coo_array(C.astype("f4" if native == "f2" else native, copy=False))
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"ppmi: expected square counts C (V, V), got {counts.shape}")
    if not 0 <= eps < 1:
        raise ValueError(f"ppmi: eps must be at least 0 and below 1, not {eps}")
    counts.sum_duplicates()
    counts.eliminate_zeros()
    joint, rows, columns = counts.data.astype(numpy.float64), counts.row, counts.col
    if not (numpy.isfinite(joint).all() and (joint > 0).all()):
        raise ValueError("ppmi: counts C must be finite and not negative")
    sums = numpy.bincount(columns, joint, counts.shape[1])
    if not sums[rows].all():
        word = rows[sums[rows] == 0][0]
        raise ValueError(f"ppmi: row {word} of C has counts, column {word} has none, expected symmetric counts")
    information = numpy.log2(joint * sums.sum() / (sums[rows] * sums[columns]) + eps)
    positive = information > 0
    entries = information[positive].astype(numpy.float32), (rows[positive], columns[positive])
    result = sparse.csr_array(entries, counts.shape)
    if verbose:
        print(f"ppmi: {result.nnz} of {counts.nnz} pairs of {len(sums)} words meet more often than by chance")
    return np.asarray(result.toarray()) if dense else result
