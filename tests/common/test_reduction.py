import numpy
import pytest
from scipy import sparse

from common.reduction import pca, truncated_svd


def matrix(n, m, dtype="float64"):
    rng = numpy.random.default_rng(0)
    return (rng.standard_normal((n, m)) * (rng.random((n, m)) < 0.3)).astype(dtype)


@pytest.mark.parametrize("form", [numpy.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("shape", [(60, 60), (40, 70), (70, 40)])
@pytest.mark.parametrize("width", [1, 5, 39])
def test_is_the_best_approximation(form, shape, width):
    M = matrix(*shape)
    U, S, Vt = truncated_svd(form(M), width)
    assert (U.shape, S.shape, Vt.shape) == ((shape[0], width), (width,), (width, shape[1]))
    assert pytest.approx(numpy.linalg.svd(M)[1][:width]) == S
    assert pytest.approx(numpy.eye(width), abs=1e-9) == U.T @ U
    assert pytest.approx(numpy.eye(width), abs=1e-9) == Vt @ Vt.T
    assert pytest.approx(M @ Vt.T, abs=1e-9) == U * S


def test_repeatable_with_fixed_signs():
    M = sparse.csr_array(matrix(50, 50, "f"))
    first, again, other = (truncated_svd(M, 4, rng=seed) for seed in (0, 0, 1))
    for part, same, near in zip(first, again, other, strict=True):
        assert part.dtype == numpy.float32
        assert (part == same).all()
        assert part == pytest.approx(near, abs=1e-4)
    U = first[0]
    assert (U[numpy.abs(U).argmax(axis=0), range(4)] > 0).all()


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("form", [numpy.asarray, sparse.csr_array])
def test_a_rank_below_the_width(form, rank):
    M = matrix(60, rank) @ matrix(rank, 60)
    U, S, Vt = truncated_svd(form(M), 8)
    assert pytest.approx(M, abs=1e-7) == (U * S) @ Vt
    assert S[rank:] == pytest.approx(numpy.zeros(8 - rank), abs=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_narrow_numbers_are_widened(dtype):
    M = numpy.arange(12).reshape(4, 3).astype(dtype)
    U, S, Vt = truncated_svd(M, 2)
    assert S.dtype in ("float32", "float64")
    assert (U * S) @ Vt == pytest.approx(M, abs=1e-4)


@pytest.mark.parametrize("width", [0, -1, 5])
def test_width_does_not_fit(width):
    with pytest.raises(ValueError, match=rf"width {width} does not fit a matrix \(4, 6\)"):
        truncated_svd(numpy.ones((4, 6)), width)


@pytest.mark.parametrize("form", [numpy.asarray, sparse.csr_array])
def test_values_must_be_finite(form):
    M = matrix(30, 30)
    M[3, 4] = numpy.nan
    with pytest.raises(ValueError, match="not finite"):
        truncated_svd(form(M), 2)


def test_zeros_that_a_sparse_matrix_holds():
    M = sparse.csr_array((numpy.zeros(3), ([0, 1, 2], [0, 1, 2])), shape=(60, 60))
    U, S, Vt = truncated_svd(M, 2)
    assert not S.any() and U.shape == (60, 2) and Vt.shape == (2, 60)


def test_pca_finds_the_directions_of_greatest_spread():
    rng = numpy.random.default_rng(0)
    x = rng.standard_normal((200, 5)) * [1, 30, 2, 10, 3] + 7
    kept = x.copy()
    y = pca(x)
    assert (x == kept).all()
    assert y.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    variances = numpy.sort(numpy.linalg.eigvalsh(numpy.cov(x.T)))[::-1]
    assert numpy.cov(y.T) == pytest.approx(numpy.diag(variances[:2]), abs=1e-6)


def test_pca_of_one_and_the_same_point():
    assert not pca(numpy.ones((10, 4), "f")).any()
    with pytest.raises(ValueError, match=r"points x \(n, D\)"):
        pca(numpy.ones(3))
