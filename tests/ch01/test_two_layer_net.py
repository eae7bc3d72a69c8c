import numpy
import pytest

from ch01 import forward_net
from ch01.two_layer_net import TwoLayerNet


def test_sizes_and_start():
    model = TwoLayerNet(2, 1000, 3, rng=0)
    W1, b1, W2, b2 = model.params
    assert [p.shape for p in model.params] == [(2, 1000), (1000,), (1000, 3), (3,)]
    assert {p.dtype for p in model.params} == {numpy.dtype("float32")}
    assert W1.std() == pytest.approx(0.01, rel=0.1)
    assert W2.std() == pytest.approx(0.01, rel=0.1)
    assert not b1.any()
    assert not b2.any()
    assert [g.shape for g in model.grads] == [p.shape for p in model.params]


def test_seed_gives_the_weights():
    first, again, other = (TwoLayerNet(2, 4, 3, rng=seed).params[0] for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_untrained_network_knows_nothing():
    x = numpy.random.default_rng(0).standard_normal((50, 2))
    t = numpy.eye(3, dtype=int)[numpy.arange(50) % 3]
    assert float(TwoLayerNet(2, 10, 3, rng=0).forward(x, t)) == pytest.approx(numpy.log(3), rel=0.01)


def test_gradient_is_that_of_the_loss():
    rng = numpy.random.default_rng(0)
    model = TwoLayerNet(2, 5, 3, rng=rng)
    for param in model.params:  # away from the symmetric start
        param += rng.standard_normal(param.shape).astype("float32")
    x, t = rng.standard_normal((7, 2)).astype("float32"), numpy.eye(3, dtype=int)[rng.integers(3, size=7)]
    model.forward(x, t)
    dx = model.backward()
    exact = [grad.copy() for grad in model.grads] + [dx]
    for array, gradient in zip([*model.params, x], exact, strict=True):
        direction = rng.standard_normal(array.shape).astype("float32")
        base, losses = array.copy(), []
        for step in (1e-2, -1e-2):
            array[...] = base + step * direction
            losses.append(float(model.forward(x, t)))
        array[...] = base
        slope = (losses[0] - losses[1]) / 2e-2
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=0.01, abs=1e-4)


class TestForwardNet:
    def test_scores_of_a_batch(self):
        scores = forward_net.main()
        assert scores.shape == (10, 3)
        assert scores.dtype == numpy.float32
        assert (scores == forward_net.main(seed=0)).all()
        assert forward_net.main(batch_size=4).shape == (4, 3)

    def test_equation(self):
        model = forward_net.TwoLayerNet(2, 4, 3, rng=0)
        W1, b1, W2, b2 = (param.astype("float64") for param in model.params)
        x = numpy.random.default_rng(0).standard_normal((5, 2))
        expected = 1 / (1 + numpy.exp(-(x @ W1 + b1))) @ W2 + b2
        assert model.predict(x) == pytest.approx(expected, rel=1e-6)
