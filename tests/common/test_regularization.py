import numpy
import pytest
from gradient_check import check_gradients, check_results_belong_to_the_caller

from common.regularization import EmbeddingDropout, SizePenalty, SlownessPenalty, VariationalDropout


class WithPenalty:
    """A penalty as a layer with the penalty as its second output."""

    def __init__(self, layer):
        self.layer, self.params, self.grads = layer, [], []

    def forward(self, xs):
        return self.layer.forward(xs), self.layer.penalty

    def backward(self, dout, dpenalty):
        self.layer.loss_gradient = dpenalty
        return self.layer.backward(dout)


@pytest.mark.parametrize("kind", [SizePenalty, SlownessPenalty])
class TestPenalties:
    def test_gradient(self, kind, rng):
        check_gradients(WithPenalty(kind(1.5)), [rng.standard_normal((2, 4, 3))], rng)

    def test_is_the_identity_and_off_without_training(self, kind, rng):
        xs, layer = rng.standard_normal((2, 4, 3)), kind(1.5)
        assert layer.forward(xs) is xs and layer.penalty > 0
        layer.train_flg = False
        assert layer.forward(xs) is xs and layer.penalty == 0
        assert (layer.backward(xs) == xs).all()

    def test_one_step(self, kind, rng):
        layer, xs = kind(1.0), rng.standard_normal((2, 1, 3))
        layer.forward(xs)
        assert layer.penalty == pytest.approx((xs**2).mean() if kind is SizePenalty else 0)

    def test_float32_stays(self, kind):
        layer, xs = kind(1.0), numpy.ones((2, 4, 3), "f")
        layer.forward(xs)
        assert layer.backward(xs).dtype == xs.dtype


@pytest.mark.parametrize("shape", [(2, 4, 3), (1, 1, 3)])
def test_results_belong_to_the_caller(shape, rng):
    xs = rng.standard_normal(shape)
    for kind in (SizePenalty, SlownessPenalty):
        check_results_belong_to_the_caller(kind(1.5), [xs], rng)
    layer = VariationalDropout(0.4)
    draw = layer.draw_mask(xs.shape, xs.dtype)
    layer.draw_mask = lambda shape, dtype: draw  # the same in each forward
    check_results_belong_to_the_caller(layer, [xs], rng)


def test_values_of_the_penalties():
    xs = numpy.array([[[1.0, 2.0], [3.0, 2.0]]])
    size, slowness = SizePenalty(2.0), SlownessPenalty(3.0)
    size.forward(xs)
    slowness.forward(xs)
    assert (size.penalty, slowness.penalty) == (2 * 18 / 4, 3 * 4 / 2)


def test_penalties_have_room():
    ones, steps = numpy.ones((20, 35, 400), "e"), numpy.zeros((20, 35, 400), "e")
    steps[:, ::2] = 1
    for penalty, xs in ((SizePenalty(1.0), ones), (SlownessPenalty(1.0), steps)):
        assert penalty.forward(xs) is xs and penalty.penalty == pytest.approx(1)
        assert penalty.backward(numpy.zeros_like(xs)).dtype == "e"
    penalty = SizePenalty(1.0)
    penalty.forward(numpy.full((1, 1, 2), 100, "i1"))
    assert penalty.penalty == 10000
    assert penalty.forward([[[1.0]]]).tolist() == [[[1.0]]] and penalty.penalty == 1


def test_variational_dropout(rng):
    layer, xs = VariationalDropout(0.4, rng=0), rng.standard_normal((3, 50, 20))
    ys = layer.forward(xs)
    factor = ys / xs
    numpy.testing.assert_allclose(factor, numpy.broadcast_to(factor[:, :1], factor.shape))
    assert set(numpy.round(numpy.unique(factor[:, 0]), 6)) == {0, round(1 / 0.6, 6)}
    assert ((factor[0, 0] == 0) != (factor[1, 0] == 0)).any()  # each sequence has its own mask
    numpy.testing.assert_allclose(layer.backward(numpy.ones_like(xs)), factor)
    layer.train_flg = False
    assert layer.forward(xs) is xs
    with pytest.raises(ValueError, match=r"VariationalDropout: expected an input \(N, T, D\), got \(3, 50\)"):
        layer.forward(xs[..., 0])


def test_ratios_are_checked():
    for layer in (lambda: VariationalDropout(1.0), lambda: EmbeddingDropout(numpy.ones((3, 2)), -0.5)):
        with pytest.raises(ValueError, match=r"Dropout: dropout_ratio must be in \[0, 1\), not"):
            layer()


def test_embedding_dropout_drops_words(rng):
    W = rng.standard_normal((40, 6))
    layer, idx = EmbeddingDropout(W, 0.5, rng=0), numpy.tile(numpy.arange(40), (2, 2))
    rows = layer.forward(idx)
    dropped = (rows == 0).all(axis=-1)
    assert 5 < dropped[0, :40].sum() < 35
    assert (dropped == dropped[:, :40].repeat(2, axis=0).reshape(2, 2, 40)[0].reshape(-1)[None].repeat(2, axis=0)).all()
    numpy.testing.assert_allclose(rows[~dropped], 2 * W[idx][~dropped])
    layer.backward(numpy.ones_like(rows))
    numpy.testing.assert_allclose(numpy.asarray(layer.grads[0])[:, 0], numpy.where(dropped[0, :40], 0, 8))
    layer.backward(1)
    numpy.testing.assert_allclose(numpy.asarray(layer.grads[0])[:, 0], numpy.where(dropped[0, :40], 0, 8))
    layer.train_flg = False
    numpy.testing.assert_array_equal(layer.forward(idx), W[idx])
    layer.backward(numpy.ones_like(rows))
    assert (numpy.asarray(layer.grads[0]) == 4).all()
