"""Sequences of unequal length in one array: ids (N, T), each row filled up on the right with PAD.

Padding on the right needs no masks inside a recurrent layer. What it computes at the padded steps cannot reach the
steps before them, and no gradient comes from there as long as nobody uses their states: so take the state of the last
true step (:func:`last_states`), keep the attention off the rest, and leave padded labels out of the loss, whose
``ignore_label`` PAD is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from common.np import np, to_cpu

PAD = -1


def pad(sequences: Sequence[Sequence[int]]) -> Any:
    """The sequences of ids as one host array (N, T) int64, T being the length of the longest.

    TypeError for what are no sequences of integers.
    """
    rows = [_ids_of_row(ids, place) for place, ids in enumerate(_listed(sequences))]
    padded = numpy.full((len(rows), max(map(len, rows), default=0)), PAD, numpy.int64)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return padded


def _listed(sequences: Any) -> list[Any]:
    if isinstance(sequences, str) or not isinstance(sequences, Iterable):
        raise TypeError(f"pad: expected a list of sequences of ids, got {sequences!r:.80}")
    return list(sequences)


def _ids_of_row(ids: Any, place: int) -> Any:
    """One of the sequences as a host array (T,)."""
    try:
        row = to_cpu(ids) if hasattr(ids, "dtype") else numpy.asarray(ids)
    except ValueError:  # of parts that make no array
        row = None
    if row is None or row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
        raise TypeError(f"pad: sequence {place} must be integers (T,), got {ids!r:.80}")
    return row


def as_rows(name: str, rows: Any) -> Any:
    """`rows` of ids or other numbers as an array. ValueError, beginning with `name`, for rows of unequal length."""
    try:
        return np.asarray(rows)
    except ValueError as error:
        wanted = "expected as many numbers in each row; shorter rows of ids are to be padded (common.padding.pad)"
        raise ValueError(f"{name}: {wanted}, got {rows!r:.80}") from error


def row_lengths(name: str, ids: Any) -> Any:
    """How many true ids each row of `ids` (N, T) has, (N,); None if there is no padding at all.

    Raises ValueError, beginning with `name`, for a row of padding only, or with padding before a true id.
    """
    true = ids != PAD
    if bool(true.all()):
        return None
    lengths = true.sum(axis=1)
    if not bool((true == (np.arange(ids.shape[1]) < lengths[:, None])).all()):
        raise ValueError(f"{name}: padding, the id {PAD}, may stand only at the end of a row")
    if not bool(lengths.all()):
        raise ValueError(f"{name}: a row of nothing but padding, the id {PAD}")
    return lengths


def checked_lengths(name: str, lengths: Any, shape: tuple[int, ...]) -> Any:
    """`lengths` of rows as an array, None for None. `shape` is that of the padded rows, (N, T, ...).

    Raises ValueError, beginning with `name`, unless they are whole numbers (N,) in 1 … T.
    """
    if lengths is None:
        return None
    lengths, (N, T) = np.asarray(lengths), shape[:2]
    if (
        lengths.shape != (N,)
        or lengths.dtype.kind not in "iu"
        or not bool(((lengths >= 1) & (lengths <= T)).all())
    ):
        raise ValueError(f"{name}: lengths must be whole numbers {(N,)} in 1 … {T}, got {lengths!r:.80}")
    return lengths


def without_pads(ids: Any) -> Any:
    """`ids` with 0, some id that can be looked up, in the padded places."""
    return np.where(ids == PAD, 0, ids)


def reverse(rows: Any, lengths: Any = None) -> Any:
    """Each row of `rows` (N, T, ...) the other way round, the padding after the first `lengths` (N,) steps in place.

    It is its own inverse, hence also its own backward.
    """
    if lengths is None:
        return rows[:, ::-1]
    steps = np.arange(rows.shape[1])
    mirrored = lengths[:, None] - 1 - steps
    return rows[np.arange(len(rows))[:, None], np.where(mirrored < 0, steps, mirrored)]


def last_states(hs: Any, lengths: Any = None) -> Any:
    """The state (N, H) at the last true step of each row of hs (N, T, H)."""
    return hs[:, -1] if lengths is None else hs[np.arange(len(hs)), lengths - 1]


def add_to_last_states(dhs: Any, dh: Any, lengths: Any = None) -> None:
    """The backward of :func:`last_states`: add dh (N, H) to dhs (N, T, H), in place, at the last true steps."""
    if lengths is None:
        dhs[:, -1] += dh
    else:
        dhs[np.arange(len(dhs)), lengths - 1] += dh
