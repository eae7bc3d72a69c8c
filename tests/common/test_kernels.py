import sys
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import config
from common.kernels import (
    _tanh_has_avx512,
    aligned_empty,
    assign_row_sums,
    choice,
    column_major,
    random_at_least,
    row_blocks,
    sum_rows,
    take_rows,
    tanh_beats_exp,
)
from common.np import is_active, np, to_cpu


@given(
    st.lists(st.integers(-2, 6) | st.integers(0, 99), max_size=20),
    st.sampled_from([1, 2, 9]),
    st.integers(1, 3),
    st.sampled_from("fd"),
)
def test_sum_rows_adds_up_what_belongs_to_one_id(ids, times, width, dtype):
    ids = numpy.array(ids * times, int)
    rows = numpy.random.default_rng(0).standard_normal((len(ids), width)).astype(dtype)
    expected = numpy.zeros((102, width), dtype)  # of -2 … 99
    numpy.add.at(expected, ids + 2, rows)
    unique, sums = sum_rows(ids, rows)
    assert sums.dtype == rows.dtype
    numpy.testing.assert_array_equal(unique, sorted(set(ids.tolist())))
    numpy.testing.assert_allclose(sums, expected[unique + 2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("ids", [[5, 900, 5, 70], [1, 2, 1, 0], [900, 2, 1, 2] * 40])
def test_sum_rows_keeps_infinity_to_its_id(ids):
    rows = numpy.ones((len(ids), 2), "f")
    rows[1, 0] = numpy.inf
    unique, sums = sum_rows(numpy.array(ids), rows)
    numpy.testing.assert_array_equal(unique[~numpy.isfinite(sums).all(axis=1)], ids[1])
    numpy.testing.assert_array_equal(sums[:, 1], [ids.count(i) for i in unique])


def test_choice_follows_the_weights(rng):
    drawn = choice(numpy.cumsum([1.0, 0.0, 3.0]), (100, 200), rng)
    assert drawn.shape == (100, 200) and set(numpy.unique(drawn)) == {0, 2}
    assert (drawn == 2).mean() == pytest.approx(0.75, abs=0.01)


def test_choice_never_falls_off_the_end(rng, monkeypatch):
    monkeypatch.setattr("common.kernels.random", lambda shape, rng, dtype: numpy.ones(shape))
    assert (choice(numpy.array([0.5, 1.0]), (3,), rng) == 1).all()


@given(st.integers(0, 50), st.integers(0, 2**21))
def test_row_blocks_cover_all_rows_once(rows, row_bytes):
    covered = [row for block in row_blocks(rows, row_bytes) for row in range(rows)[block]]
    assert covered == list(range(rows))


@given(
    st.integers(1, 99),
    st.integers(0, 200),
    st.sampled_from([0, 10**9]),
    st.sampled_from(["int8", "int64", "uint64"]),
    st.sampled_from("efd"),
)
def test_row_sums_are_right_whichever_way_they_are_made(words, places, small, dtype, numbers):
    """Few ids for the table, a small matrix, and a large one."""
    rng = numpy.random.default_rng(0)
    ids = rng.integers(words, size=places).astype(dtype)
    rows = rng.integers(-9, 10, (places, 3)).astype(numbers)  # whose sums are exact
    expected, table = numpy.zeros((words, 3), numbers), numpy.full((words, 3), 7, numbers)
    numpy.add.at(expected, ids, rows)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("common.kernels.SMALL_MATRIX", small)
        assign_row_sums(table, ids, rows)
    numpy.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("words", [5, 900])
@pytest.mark.parametrize("odd", [numpy.inf, numpy.nan])
def test_row_sums_keep_infinity_to_its_id(words, odd):
    ids, rows = numpy.array([1, 2, 1, 0] * 10), numpy.ones((40, 2), "f")
    rows[1, 0] = odd
    table = numpy.ones((words, 2), "f")
    assign_row_sums(table, ids, rows)
    numpy.testing.assert_array_equal(table[:4], [[10, 10], [20, 20], [odd, 10], [0, 0]])


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64"])
def test_take_rows(dtype, rng):
    table, ids = rng.normal(size=(5, 2)), numpy.array([[4, 0], [1, 4]], dtype)
    rows = take_rows(table, ids)
    numpy.testing.assert_array_equal(rows, table[ids])
    assert not numpy.shares_memory(rows, table)


def test_columns_in_one_piece(gpu):
    x = np.asarray(numpy.arange(6.0).reshape(3, 2))
    assert column_major(x) is x
    numpy_x = to_cpu(x)
    config.GPU = False
    columns = column_major(numpy_x)
    assert columns.flags.f_contiguous
    numpy.testing.assert_array_equal(columns, numpy_x)


class TestWhetherTanhIsTheFasterOne:
    @pytest.fixture(autouse=True)
    def _asked_anew(self):
        _tanh_has_avx512.cache_clear()
        yield
        _tanh_has_avx512.cache_clear()

    @pytest.mark.parametrize(
        ("kernel", "faster"), [("X86_V4", True), ("AVX512_SKX", True), ("X86_V3", False), ("FMA3__AVX2", False)]
    )
    def test_numpy_says_with_what_it_computes(self, kernel, faster, monkeypatch):
        kernels = {"tanh": {"ff": {"current": kernel, "available": "X86_V4 AVX512_SKX"}}}
        module = SimpleNamespace(opt_func_info=lambda name, dtype: kernels if dtype == "^float32$" else {})
        monkeypatch.setitem(sys.modules, "numpy.lib.introspect", module)
        assert [tanh_beats_exp(numpy.dtype(dtype)) for dtype in ("float32", "int64")] == [faster, False]

    def test_an_older_numpy_does_not_say(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "numpy.lib.introspect", None)
        assert not tanh_beats_exp(numpy.dtype("f"))

    def test_on_the_gpu(self, gpu):
        assert tanh_beats_exp(numpy.dtype("f"))


@pytest.mark.parametrize("ratio", [0, 1e-9, 2**-17, 0.25, 0.4, 0.5, 0.7, 1 - 2**-18])
def test_numbers_at_least_a_ratio_have_its_probability(ratio):
    shape, rng = (401, 5, 499), numpy.random.default_rng(0)
    drawn = random_at_least(ratio, shape, rng)
    assert drawn.shape == shape and drawn.dtype == bool
    deviation = (max(ratio * (1 - ratio), 1e-7) / drawn.size) ** 0.5
    assert abs(drawn.mean() - (1 - ratio)) < 4 * deviation
    for axis in range(3):  # the sixteen-bit numbers of one draw of 64 bits are as independent as those of two
        columns = drawn.mean(axis=tuple(other for other in range(3) if other != axis))
        assert numpy.ptp(columns) < 12 * deviation * shape[axis] ** 0.5
    again = random_at_least(ratio, shape, numpy.random.default_rng(0))
    numpy.testing.assert_array_equal(drawn, again)


def test_undecided_numbers_are_decided_by_more_bits():
    class Tie:
        """A generator whose first sixteen bits are those of the ratio, and its next number `more`."""

        def __init__(self, more):
            self.more = more

        def integers(self, high, size, dtype, endpoint):
            return numpy.full(size, int(0.4 * 2**16) * (1 + 2**16 + 2**32 + 2**48), dtype)

        def random(self, count):
            return numpy.full(count, self.more)

    rest = 0.4 * 2**16 % 1
    for more, expected in [(rest - 1e-9, False), (rest, True), (rest + 1e-9, True)]:
        assert (random_at_least(0.4, (2, 3), Tie(more)) == expected).all()


def check_row_sums(dtype, rng):
    ids, rows = numpy.array([3, 0, 3, 3]), rng.normal(size=(4, 2)).astype(dtype)
    expected = numpy.zeros((5, 2))
    for i, row in zip(ids, rows, strict=True):
        expected[i] += row
    table = np.ones((5, 2), "f")
    assign_row_sums(table, np.asarray(ids), np.asarray(rows))
    assert table.dtype == "f"
    numpy.testing.assert_allclose(to_cpu(table), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f", "d"])
class TestRowSumsTakeThePlaceOfWhatWasThere:
    def test_on_the_cpu(self, dtype, rng):
        check_row_sums(dtype, rng)

    def test_on_the_gpu(self, dtype, gpu, rng):
        check_row_sums(dtype, rng)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 5, 7), (40, 1000)])
def test_arrays_that_begin_at_a_cache_line(shape, dtype):
    arrays = [aligned_empty(shape, dtype) for _ in range(5)]
    for number, x in enumerate(arrays):
        assert x.shape == shape and x.dtype == dtype and x.flags.c_contiguous and x.flags.writeable
        assert x.size == 0 or x.__array_interface__["data"][0] % 64 == 0
        x[...] = number
    for number, x in enumerate(arrays):  # each has memory of its own
        assert (x == number).all()


def test_they_are_on_the_gpu(gpu):
    x = aligned_empty((2, 3), "f")
    assert is_active(x) and x.shape == (2, 3) and x.dtype == "f4"
