import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.padding import (
    add_to_last_states,
    as_rows,
    checked_lengths,
    last_states,
    pad,
    reverse,
    row_lengths,
    without_pads,
)

ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5)


@given(ROWS)
def test_rows_come_back(rows):
    ids = pad(rows)
    lengths = row_lengths("rows", ids)
    expected = [len(row) for row in rows]
    assert (lengths is None and len(set(expected)) == 1) or lengths.tolist() == expected
    turned = reverse(ids, lengths)
    assert [row[row >= 0].tolist() for row in turned] == [row[::-1] for row in rows]
    assert (row_lengths("turned", turned) is None) == (lengths is None)
    assert (reverse(turned, lengths) == ids).all()
    assert last_states(ids[:, :, None], lengths)[:, 0].tolist() == [row[-1] for row in rows]
    assert (without_pads(ids) == numpy.where(ids < 0, 0, ids)).all()


def test_last_states_and_their_gradient():
    rng = numpy.random.default_rng(0)
    hs, dh, lengths = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 2)), numpy.array([4, 1, 3])
    for n in (lengths, None):
        dhs = numpy.zeros_like(hs)
        add_to_last_states(dhs, dh, n)
        assert (last_states(hs, n) * dh).sum() == pytest.approx((hs * dhs).sum())


def test_rows_of_unequal_length():
    assert as_rows("rows", [[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match=r"^rows: .*shorter rows of ids are to be padded .*, got \[\[1, 2\], \[3\]\]$"):
        as_rows("rows", [[1, 2], [3]])


def test_lengths():
    assert checked_lengths("rows", None, (2, 3)) is None
    assert checked_lengths("rows", [1, 3], (2, 3, 4)).tolist() == [1, 3]
    for lengths in ([0, 1], [1, 4], [1.0, 2.0], [True, True], ["a", "b"], [1], [[1], [2]], 1):
        with pytest.raises(ValueError, match=r"^rows: lengths must be whole numbers \(2,\) in 1 … 3, got "):
            checked_lengths("rows", lengths, (2, 3))


def test_nothing():
    assert pad([]).shape == (0, 0)


def test_ids_of_any_integers():
    assert pad([[1, 2], numpy.array([3], "u1"), ()]).tolist() == [[1, 2], [3, -1], [-1, -1]]


@pytest.mark.parametrize("rows", [[[1, 2.7]], [["3"]], [[1], [[2]]], [[1], 2], [None], [[1, [2]]], [[True]]])
def test_what_are_no_ids(rows):
    with pytest.raises(TypeError, match=rf"^pad: sequence {len(rows) - 1} must be integers \(T,\), got "):
        pad(rows)


@pytest.mark.parametrize("rows", [None, 3, "ab"])
def test_what_are_no_rows(rows):
    with pytest.raises(TypeError, match=r"^pad: expected a list of sequences of ids, got "):
        pad(rows)
