import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from common.layers import Affine, Dropout, Embedding, MatMul, Sigmoid, Softmax
from common.regularization import VariationalDropout
from common.time_layers import TimeAffine, TimeDropout


@given(array_shapes(min_dims=0, max_dims=4, max_side=4), st.integers(1, 5), st.integers(1, 5))
def test_affine_of_any_leading_axes(lead, D, M):
    rng = numpy.random.default_rng(0)
    x, W, b = (rng.standard_normal(shape) for shape in ((*lead, D), (D, M), (M,)))
    affine, matmul = Affine(W, b), MatMul(W)
    numpy.testing.assert_allclose(affine.forward(x), numpy.einsum("...d,dm->...m", x, W) + b, atol=1e-12)
    numpy.testing.assert_allclose(matmul.forward(x), numpy.einsum("...d,dm->...m", x, W), atol=1e-12)
    dout = rng.standard_normal((*lead, M))
    numpy.testing.assert_allclose(affine.backward(dout), numpy.einsum("...m,dm->...d", dout, W), atol=1e-12)
    dW = numpy.outer(x, dout) if not lead else numpy.tensordot(x, dout, (range(len(lead)), range(len(lead))))
    numpy.testing.assert_allclose(affine.grads[0], dW, atol=1e-12)
    numpy.testing.assert_allclose(affine.grads[1], dout.reshape(-1, M).sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("rows", [2, 40])
def test_affine_of_integer_weights(rows):
    layer = Affine(numpy.array([[1, 2], [3, 4]]), numpy.array([0.5, -0.5]))
    numpy.testing.assert_array_equal(layer.forward(numpy.ones((rows, 2))), [[4.5, 5.5]] * rows)


@pytest.mark.parametrize("rows", [2, 40])
def test_affine_has_the_dtype_of_w(rows):
    layer = Affine(numpy.ones((3, 2), "f"), numpy.zeros(2))
    assert {layer.forward(numpy.ones((rows, 3), "f")).dtype, layer.backward(numpy.ones((rows, 2))).dtype} == {
        numpy.dtype("f")
    }


def test_affine_is_pytorchs(torch, rng):
    x, W, b, dout = (rng.standard_normal(shape) for shape in ((2, 5, 3), (3, 4), (4,), (2, 5, 4)))
    layer = Affine(W, b)
    theirs = [torch.tensor(array, requires_grad=True) for array in (x, W, b)]
    y = theirs[0] @ theirs[1] + theirs[2]
    y.backward(torch.tensor(dout))
    numpy.testing.assert_allclose(layer.forward(x), y.detach(), rtol=1e-12)
    for ours, their in zip([layer.backward(dout), *layer.grads], theirs, strict=True):
        numpy.testing.assert_allclose(ours, their.grad, rtol=1e-12)


@pytest.mark.parametrize("kind", [Affine, TimeAffine])
def test_a_single_number_is_the_gradient_of_every_output(kind, rng):
    layer, x = kind(rng.standard_normal((3, 4)), rng.standard_normal(4)), rng.standard_normal((2, 5, 3))
    layer.forward(x)
    for number in (0, 0.5):
        expected = [array.copy() for array in (layer.backward(numpy.full((2, 5, 4), number)), *layer.grads)]
        for ours, theirs in zip([layer.backward(number), *layer.grads], expected, strict=True):
            numpy.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=r"the output is \(2, 5, 4\), its gradient must be so too, got \(10, 4\)"):
        layer.backward(numpy.ones((10, 4)))


def test_gradient_of_a_tied_weight_is_laid_out_like_the_weight(rng):
    W = rng.standard_normal((5, 3))
    assert Affine(W.T, numpy.zeros(5)).grads[0].T.flags.c_contiguous


@pytest.mark.parametrize("kind", [Sigmoid, Softmax])
def test_without_weights_the_input_decides_the_dtype(kind):
    layer = kind()
    layer.forward(numpy.ones((2, 3), "f"))
    assert layer.backward(numpy.ones((2, 3))).dtype == numpy.dtype("f")


def test_layers_without_weights_have_two_empty_lists():
    for layer in (Sigmoid(), Softmax(), Dropout()):
        assert (layer.params, layer.grads) == ([], [])


class TestDropout:
    @pytest.mark.parametrize("ratio", [0.25, 0.5, 0.9])
    def test_scaled_while_training_so_that_the_mean_stays(self, ratio, rng):
        x = numpy.full((200, 500), 3.0, "f")
        y = Dropout(ratio, rng=rng).forward(x)
        numpy.testing.assert_allclose(numpy.unique(y), [0, 3 / (1 - ratio)], rtol=1e-6)
        assert y.mean() == pytest.approx(3, rel=0.03)
        assert (y == 0).mean() == pytest.approx(ratio, abs=0.01)

    def test_pytorch_scales_alike(self, torch):
        kept = torch.nn.functional.dropout(torch.ones(1000), 0.2).max()
        assert Dropout(0.2, rng=0).forward(numpy.ones(1000, "f")).max() == pytest.approx(float(kept))

    def test_backward_goes_where_forward_went(self, rng):
        layer = Dropout(0.5, rng=rng)
        y = layer.forward(numpy.ones((4, 5)))
        numpy.testing.assert_array_equal(layer.backward(numpy.ones((4, 5))), y)

    @pytest.mark.parametrize("ratio", [0.5, 0.0])
    def test_gradients_have_the_dtype_of_the_input(self, ratio):
        layer = Dropout(ratio, rng=0)
        layer.forward(numpy.ones((4, 5), "f"))
        assert layer.backward(numpy.ones((4, 5))).dtype == layer.backward(1).dtype == "f"

    def test_identity_when_not_training(self, rng):
        layer, x = Dropout(0.5), rng.standard_normal((3, 4))
        layer.forward(rng.standard_normal((9, 9)))  # whose mask must not linger
        numpy.testing.assert_array_equal(layer.forward(x, train_flg=False), x)
        numpy.testing.assert_array_equal(layer.backward(x), x)

    def test_a_ratio_of_0_draws_nothing(self, rng):
        before = rng.bit_generator.state
        assert (Dropout(0.0, rng=rng).forward(numpy.ones((3, 4))) == 1).all()
        assert rng.bit_generator.state == before

    def test_the_seed_decides(self):
        a, b, c = (Dropout(0.5, rng=seed).forward(numpy.ones(100)) for seed in (1, 1, 2))
        assert (a == b).all() and (a != c).any()

    def test_time_dropout_is_switched_by_its_attribute(self):
        layer, x = TimeDropout(0.5, rng=0), numpy.ones((2, 3, 4), "f")
        assert (layer.forward(x) == 0).any()
        layer.train_flg = False
        numpy.testing.assert_array_equal(layer.forward(x), x)
        layer.train_flg = True
        numpy.testing.assert_array_equal(layer.forward(x, train_flg=False), x)

    @pytest.mark.parametrize("kind", [Dropout, TimeDropout])
    def test_argument_and_attribute_switch_it_off(self, kind):
        layer, x = kind(0.5, rng=0), numpy.ones((2, 3, 4), "f")
        for attribute, argument in ((True, False), (False, True), (False, False)):
            layer.train_flg = attribute
            numpy.testing.assert_array_equal(layer.forward(x, argument), x)
        layer.train_flg = True
        assert (layer.forward(x, train_flg=True) == 0).any() and (layer.forward(x) == 0).any()

    @pytest.mark.parametrize("kind", [Dropout, TimeDropout, VariationalDropout])
    @pytest.mark.parametrize("ratio", [1.0, -0.5, 2.0, numpy.nan])
    def test_a_ratio_that_is_changed_is_checked(self, kind, ratio):
        layer, x = kind(0.5), numpy.ones((2, 3, 4), "f")
        layer.dropout_ratio = ratio
        with pytest.raises(ValueError, match=rf"{kind.__name__}: dropout_ratio must be in \[0, 1\), not {ratio}"):
            layer.forward(x)
        assert layer.forward(x, train_flg=False) is x
        layer.dropout_ratio = 0.25
        numpy.testing.assert_allclose(layer.forward(x).max(), 1 / 0.75, rtol=1e-6)


class TestEmbedding:
    def test_repeated_ids_add_up(self):
        layer = Embedding(numpy.arange(21, dtype="f").reshape(7, 3))
        numpy.testing.assert_array_equal(layer.forward([0, 2, 0, 4])[:, 0], [0, 6, 0, 12])
        assert layer.backward(numpy.ones((4, 3))) is None
        numpy.testing.assert_array_equal(layer.grads[0][:, 0], [2, 0, 1, 0, 1, 0, 0])

    def test_rows_of_the_batch_before_are_forgotten(self):
        layer = Embedding(numpy.ones((5, 2)))
        for ids in ([1, 2], [3]):
            layer.forward(ids)
            layer.backward(numpy.ones((len(ids), 2)))
        numpy.testing.assert_array_equal(layer.grads[0][:, 0], [0, 0, 0, 1, 0])

    def test_no_ids(self):
        layer = Embedding(numpy.ones((5, 2)))
        assert layer.forward(numpy.zeros((3, 0), int)).shape == (3, 0, 2)
        layer.backward(numpy.zeros((3, 0, 2)))
        assert not layer.grads[0].any()

    def test_the_result_is_a_copy(self):
        W = numpy.ones((5, 2))
        Embedding(W).forward([1])[...] = 9
        assert (W == 1).all()

    def test_is_pytorchs(self, torch, rng):
        W, ids, dout = rng.standard_normal((6, 3)), rng.integers(0, 6, (4, 5)), rng.standard_normal((4, 5, 3))
        layer, their = Embedding(W), torch.tensor(W, requires_grad=True)
        y = torch.nn.functional.embedding(torch.tensor(ids), their)
        y.backward(torch.tensor(dout))
        numpy.testing.assert_array_equal(layer.forward(ids), y.detach())
        layer.backward(dout)
        numpy.testing.assert_allclose(layer.grads[0], their.grad, rtol=1e-12)
