"""The product of a recurrent layer's step: whatever way it takes, it is x W."""

import numpy
import pytest
from threadpoolctl import threadpool_limits

from common import step_product as module
from common import threads
from common.step_product import (
    Cut,
    PiecewiseProduct,
    cut_for,
    in_pieces,
    multiply_pieces,
    piece_columns,
    step_product,
)
from common.threads import side_by_side

pytestmark = pytest.mark.usefixtures("idle_cores")


@pytest.fixture(autouse=True)
def avx512(monkeypatch):
    """As on a CPU for which OpenBLAS has routines that copy nothing; on others the numbers are the same, but slower."""
    monkeypatch.setattr(module, "blas_architectures", lambda: {"SkylakeX"})


def one_after_the_other(one, other):
    one()
    other()


CUTS = [
    Cut(rows=4, parts=1, columns=16),
    Cut(rows=2, parts=3, columns=16),
    Cut(rows=4, parts=6, columns=32),
    Cut(rows=1, parts=2, columns=64),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("M", [1, 15, 16, 17, 40, 64, 200])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pieces_make_the_product(cut, M, dtype, rng):
    W, x = rng.standard_normal((6, M)).astype(dtype), rng.standard_normal((4, 6)).astype(dtype)
    multiply, out = PiecewiseProduct(W, cut, one_after_the_other), numpy.full((4, M), numpy.nan, dtype)
    for h in (x, -x, x):  # again and again
        assert multiply(h, out) is out
        numpy.testing.assert_allclose(out, h @ W, rtol=1e-5, atol=1e-5 if dtype == "f4" else 1e-13)
    assert out.dtype == dtype


def test_arrays_that_are_not_in_one_piece(rng):
    """As the transposed weights of a backward, and the states in [h x 1]."""
    W, x, out = rng.standard_normal((40, 6)).T, rng.standard_normal((4, 9))[:, :6], numpy.zeros((4, 50))
    PiecewiseProduct(W, Cut(2, 3, 16), one_after_the_other)(x, out[:, :40])
    numpy.testing.assert_allclose(out[:, :40], x @ W, rtol=1e-12, atol=1e-13)
    assert not out[:, 40:].any()


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 64, 70])
@pytest.mark.parametrize("columns", [1, 4, 8])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("gates", [(), (4,)])
def test_rows_of_any_number(rows, columns, dtype, gates, rng):
    """Of one matrix of weights, and of those of several gates; of inputs and to outputs that are not in one piece."""
    W, x = rng.standard_normal((*gates, 6, 8)).astype(dtype), rng.standard_normal((rows, 9)).astype(dtype)[:, 2:-1]
    out = numpy.full((*gates, rows + 2, 8), numpy.nan, dtype)
    part = out[..., 1:-1, :]
    assert multiply_pieces(x, in_pieces(W, columns), part) is part
    numpy.testing.assert_allclose(part, x @ W, rtol=1e-5, atol=1e-5 if dtype == "f4" else 1e-13)
    assert numpy.isnan(out[..., [0, -1], :]).all()


@pytest.mark.parametrize(
    "K, M, expected",
    [
        (145, 128, 64),
        (273, 256, 64),
        (512, 128, 32),
        (1024, 256, 16),
        (1953, 256, 16),
        (1954, 256, None),
        (100, 96, 32),
        (100, 48, 16),
        (100, 100, None),
    ],
)
def test_how_wide_pieces_are(K, M, expected, monkeypatch):
    assert piece_columns(K, M, numpy.dtype("f")) == piece_columns(K, M, numpy.dtype("d")) == expected
    assert piece_columns(K, M, numpy.dtype("e")) is None
    monkeypatch.setattr(module, "blas_architectures", lambda: {"Zen"})
    assert piece_columns(K, M, numpy.dtype("f")) is None


def test_one_thread_or_two(rng):
    """The numbers are the same to the bit."""
    W, x, found = rng.standard_normal((650, 700)).astype("f"), rng.standard_normal((20, 650)).astype("f"), []
    for count in (1, 2):
        with threadpool_limits(count, "blas"), side_by_side() as both:
            found.append(PiecewiseProduct(W, cut_for(20, W), both)(x, numpy.empty((20, 700), "f")))
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize(
    "rows, K, expected",
    [
        (20, 650, (20, 1, 64)),
        (20, 2600, (20, 4, 64)),  # in parts of 650
        (20, 1150, (20, 2, 64)),
        (40, 650, (20, 1, 64)),
        (64, 650, (32, 2, 64)),
        (8, 1300, (8, 1, 64)),
        (20, 1511, (20, 1, 32)),  # a prime number
        (20, 3001, (20, 1, 16)),
        (20, 4001, None),
        (7, 650, None),  # hardly more than a vector for each weight: nothing is gained
        (37, 650, None),
    ],
)
def test_how_a_product_is_cut(rows, K, expected):
    cut = cut_for(rows, numpy.empty((K, 1), "f"))
    assert cut == expected
    if cut:
        assert cut.rows * K // cut.parts * cut.columns <= 10**6 and rows % cut.rows == 0 == K % cut.parts


WEIGHTS = numpy.zeros((650, 1), "f")


def test_where_openblas_makes_the_product():
    assert cut_for(20, WEIGHTS) and cut_for(20, WEIGHTS.astype("d"))
    assert cut_for(20, WEIGHTS.astype("e")) is None  # NumPy itself does


def test_where_the_cores_are_not_idle_the_blas_is_faster_on_its_threads(monkeypatch):
    monkeypatch.setattr(threads, "cores_are_idle", lambda: False)
    for count in (1, 2):
        with threadpool_limits(count, "blas"):
            assert bool(cut_for(20, WEIGHTS)) == (count == 1)


def test_on_the_gpu_nothing_is_cut(gpu):
    assert cut_for(20, WEIGHTS) is None


@pytest.mark.parametrize("found", [set(), {"Haswell"}, {"Zen"}])
def test_where_openblas_has_no_such_routines(found, monkeypatch):
    monkeypatch.setattr(module, "blas_architectures", lambda: found)
    assert cut_for(20, WEIGHTS) is None


@pytest.mark.parametrize("rows", [3, 20, 40, 70])
@pytest.mark.parametrize("steps", [8, 9])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("cpu", ["SkylakeX", "Haswell"])
def test_every_way_is_the_product(rows, steps, wide, transposed, cpu, monkeypatch, rng):
    monkeypatch.setattr(module, "blas_architectures", lambda: {cpu})
    monkeypatch.setattr(module, "fits_cache", lambda nbytes: not wide)
    W = rng.standard_normal((40, 24)).T if transposed else rng.standard_normal((24, 40))
    with side_by_side() as both:
        multiply = step_product(W, rows, steps, both)
        pieces = cpu == "SkylakeX" and wide and steps == 9 and rows in (20, 40)
        assert isinstance(multiply, PiecewiseProduct) == pieces
        for _ in range(2):
            x = rng.standard_normal((rows, 24))
            numpy.testing.assert_allclose(multiply(x, numpy.empty((rows, 40))), x @ W, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kilobytes, straight, transposed", [(1000, 0, 0), (1040, 1, 0), (4200, 1, 1)])
def test_from_which_size_pieces_pay(kilobytes, straight, transposed):
    """Of transposed weights, which are by columns, later."""
    W = numpy.empty((100, kilobytes * 1024 // 400), "f")
    with side_by_side() as both:
        assert isinstance(step_product(W, 20, 35, both), PiecewiseProduct) == straight
        assert isinstance(step_product(W.T, 20, 35, both), PiecewiseProduct) == transposed
