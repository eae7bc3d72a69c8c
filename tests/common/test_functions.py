import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.functions import affine, cross_entropy_error, distribution, relu, sigmoid, softmax

scores = arrays("f", array_shapes(max_dims=4, max_side=5), elements=st.floats(-1e4, 1e4, width=32))


@given(scores)
def test_softmax_of_any_rank_gives_probabilities(x):
    y = softmax(x)
    assert y.dtype == x.dtype and y.shape == x.shape
    assert (y >= 0).all()
    numpy.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)


@given(scores)
def test_distribution_is_softmax_in_float64_with_its_logarithm(x):
    log_p, p = distribution(x)
    assert log_p.dtype == p.dtype == numpy.float64
    numpy.testing.assert_allclose(p, softmax(x.astype("d")), rtol=1e-12, atol=1e-300)  # smaller ones lose digits
    numpy.testing.assert_allclose(numpy.exp(log_p), p, rtol=1e-10, atol=1e-300)
    assert numpy.isfinite(log_p).all()


@pytest.mark.parametrize("bad", [[0, math.nan], [math.inf, 0], [-math.inf, -math.inf]])
def test_no_distribution_without_a_finite_highest_score(bad):
    with pytest.raises(FloatingPointError, match="the model's scores are not finite"):
        distribution(numpy.array([[1.0, 2.0], bad]))
    assert distribution(numpy.array([0.0, -math.inf]))[1].tolist() == [1, 0]


@given(scores)
def test_sigmoid_is_finite_and_symmetric(x):
    y = sigmoid(x)
    assert y.dtype == x.dtype
    numpy.testing.assert_allclose(y + sigmoid(-x), 1, rtol=1e-6)
    with numpy.errstate(over="ignore"):
        numpy.testing.assert_allclose(y, 1 / (1 + numpy.exp(-x.astype("d"))), rtol=1e-5, atol=1e-37)


def test_sigmoid_of_float16_knows_its_small_numbers():
    x = numpy.arange(-20, 20, dtype="e")
    y = sigmoid(x)
    assert y.dtype == x.dtype
    numpy.testing.assert_allclose(y, 1 / (1 + numpy.exp(-x.astype("d"))), rtol=1e-3, atol=6e-8)


def test_integers_become_float32():
    for function in (sigmoid, softmax):
        assert function(numpy.array([1, 2])).dtype == numpy.dtype("f")
        assert function([1.0, 2.0]).dtype == numpy.dtype("d")


def test_softmax_of_float16_over_a_large_vocabulary():
    y = softmax(numpy.zeros((1, 70_000), "f2"))
    assert y.dtype == "f2" and float(y[0, 0]) == pytest.approx(1 / 70_000, rel=0.01)


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_softmax_of_nothing(shape):
    with pytest.raises(ValueError, match=rf"softmax: expected scores \(..., K\), one at least, got \({shape[0]},"):
        softmax(numpy.zeros(shape, "f"))


def test_relu():
    numpy.testing.assert_array_equal(relu(numpy.array([-1, 0, 2], "f")), [0, 0, 2])
    assert relu(numpy.array([-1.0], "f")).dtype == numpy.dtype("f")


def test_the_argument_stays_as_it_was(rng):
    x = rng.standard_normal((3, 4))
    before = x.copy()
    for function in (sigmoid, softmax, relu):
        function(x)
    numpy.testing.assert_array_equal(x, before)


class TestCrossEntropyError:
    y = numpy.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]])
    expected = -(math.log(0.7) + math.log(0.25)) / 2

    @pytest.mark.parametrize("t", [[1, 2], [[0, 1, 0], [0, 0, 1]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    def test_ids_and_one_hot(self, t):
        assert cross_entropy_error(self.y, numpy.array(t)) == pytest.approx(self.expected)

    def test_a_single_case(self):
        assert cross_entropy_error(self.y[0], 1) == pytest.approx(-math.log(0.7))

    def test_probability_0_is_finite(self):
        assert 80 < cross_entropy_error(numpy.array([[1, 0]], "f"), [1]) < 100


@pytest.mark.parametrize("rows", [1, 8, 9, 40])
def test_affine_by_either_way(rows, rng):
    x, W, b = rng.standard_normal((rows, 2)), rng.standard_normal((2, 3)), rng.standard_normal(3)
    numpy.testing.assert_allclose(affine(x, W, b), x @ W + b, rtol=1e-12)
    assert affine(x.astype("f"), W.astype("f"), b.astype("f")).dtype == numpy.dtype("f")


@pytest.mark.parametrize("shape", [(3, 4, 5), (40, 4, 5), (40, 4, 4), (40, 4, 1), (1, 1, 9)])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_affine_whatever_is_widest(shape, dtype, rng):
    M, D, K = shape
    x, W, b = (rng.standard_normal(size).astype(dtype) for size in ((M, D), (D, K), K))
    y = affine(x, W, b)
    numpy.testing.assert_allclose(y, x @ W + b, rtol=1e-5 if dtype == "f" else 1e-12, atol=1e-6)
    assert y.dtype == dtype and not any(numpy.shares_memory(y, given) for given in (x, W, b))
