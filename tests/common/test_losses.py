import math
import warnings

import numpy
import pytest

import common.np
import common.threads
from ch06.rnnlm import Rnnlm
from ch07.seq2seq import Seq2seq
from common.losses import (
    SigmoidWithLoss,
    SoftmaxWithLoss,
    TimeSigmoidWithLoss,
    TimeSoftmaxWithLoss,
    gradient_to_read,
)


def one_hot(ids, size):
    return numpy.eye(size, dtype="int32")[ids]


def loss_and_gradient(layer, x, t):
    return layer.forward(x, t), layer.backward()


class TestSoftmaxWithLoss:
    def test_probabilities_and_labels_can_be_read(self, rng):
        layer, x, t = SoftmaxWithLoss(), rng.standard_normal((4, 3)), numpy.array([2, 0, 1, 1])
        layer.forward(x, t)
        numpy.testing.assert_allclose(layer.y, numpy.exp(x) / numpy.exp(x).sum(axis=1, keepdims=True))
        numpy.testing.assert_array_equal(layer.t, t)
        numpy.testing.assert_allclose(layer.backward(), (layer.y - one_hot(t, 3)) / 4)

    def test_before_a_forward_there_are_none(self):
        for kind in (SoftmaxWithLoss, SigmoidWithLoss, TimeSigmoidWithLoss):
            assert kind().y is None and kind().t is None

    def test_a_value_that_somebody_has_assigned_lasts_until_the_next_forward(self, rng):
        layer, x, t = SoftmaxWithLoss(), rng.standard_normal((4, 3)), numpy.array([2, 0, 1, 1])
        layer.forward(x, t)
        y, gradient = layer.y, layer.backward()
        layer.y = given = numpy.full((4, 3), 0.5)
        for _ in range(2):
            numpy.testing.assert_allclose(layer.backward(), (0.5 - one_hot(t, 3)) / 4)
        assert (given == 0.5).all()
        layer.forward(x, t)
        numpy.testing.assert_array_equal(layer.y, y)
        numpy.testing.assert_array_equal(layer.backward(), gradient)

    def test_is_pytorchs(self, torch, rng):
        x, t = rng.standard_normal((5, 7)), rng.integers(0, 7, 5)
        their = torch.tensor(x, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(their, torch.tensor(t))
        loss.backward()
        for labels in (t, one_hot(t, 7)):
            ours, gradient = loss_and_gradient(SoftmaxWithLoss(), x, labels)
            assert ours == pytest.approx(loss.item(), rel=1e-12)
            numpy.testing.assert_allclose(gradient, their.grad, rtol=1e-10)

    def test_probabilities_are_those_of_the_forward(self, rng):
        layer, x, t = SoftmaxWithLoss(), rng.standard_normal((4, 3)), numpy.array([2, 0, 1, 1])
        layer.forward(x, t)
        expected = numpy.exp(x) / numpy.exp(x).sum(axis=1, keepdims=True)
        x *= 0  # as a network does that computes in place
        numpy.testing.assert_allclose(layer.y, expected)

    def test_one_example(self):
        assert SoftmaxWithLoss().forward(numpy.zeros(4), numpy.array(1)) == pytest.approx(math.log(4))

    def test_as_many_classes_as_examples_are_not_taken_for_one_hot(self):
        x = numpy.array([[5.0, 0], [0, 5]])
        assert SoftmaxWithLoss().forward(x, numpy.array([0, 1])) < 0.01 < SoftmaxWithLoss().forward(x, [1, 0])


class TestFloat16:
    """Losses and gradients are those of the same scores in float64, but for the rounding of the gradient."""

    @staticmethod
    def check(layer, x, t):
        loss, gradient = loss_and_gradient(layer, x.astype("f2"), t)
        expected, exact = loss_and_gradient(layer, x.astype("f2").astype("d"), t)
        assert gradient.dtype == "f2" and loss == pytest.approx(expected, rel=1e-4)
        numpy.testing.assert_allclose(gradient, exact, rtol=2e-3, atol=1e-7)

    def test_softmax(self, rng):
        self.check(TimeSoftmaxWithLoss(), 0.01 * rng.standard_normal((20, 35, 1000)), rng.integers(0, 1000, (20, 35)))
        self.check(SoftmaxWithLoss(), rng.standard_normal((70_000, 3)), rng.integers(0, 3, 70_000))
        self.check(SoftmaxWithLoss(), numpy.zeros((2, 70_000)), numpy.array([0, 69_999]))

    def test_softmax_of_few_examples(self, rng):
        layer = SoftmaxWithLoss()
        self.check(layer, rng.standard_normal((4, 3)), numpy.array([2, 0, 1, 1]))
        layer.forward(numpy.zeros((2, 4), "f2"), numpy.array([0, 1]))
        assert layer.y.dtype == "f4" and (layer.y == 0.25).all()

    @pytest.mark.parametrize("score", [8, 9, 10, 20])
    def test_softmax_of_confident_scores(self, score):
        """Probabilities that round to 1 in float16 still have a gradient, which sums to 0."""
        layer, x, t = SoftmaxWithLoss(), numpy.array([[score, 0, 0]]), numpy.array([0])
        _, expected = loss_and_gradient(layer, x.astype("d"), t)
        _, gradient = loss_and_gradient(layer, x.astype("f2"), t)
        numpy.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-7)

    def test_labels_may_be_changed_after_forward(self, rng):
        layer, t = SoftmaxWithLoss(), numpy.array([0, 1, 2])
        _, expected = loss_and_gradient(layer, rng.standard_normal((3, 4)), t)
        t[:] = 3
        numpy.testing.assert_array_equal(layer.backward(), expected)

    def test_sigmoid(self, rng):
        self.check(SigmoidWithLoss(), 10 * rng.standard_normal((700, 100)), rng.integers(0, 2, (700, 100)))
        layer = TimeSigmoidWithLoss()
        self.check(layer, rng.standard_normal((350, 200)), rng.integers(0, 2, (350, 200)))
        layer.forward(numpy.zeros((2, 3), "f2"), numpy.ones((2, 3)))
        assert layer.y.dtype == layer.t.dtype == "f2"


class TestTimeSoftmaxWithLoss:
    def test_ignored_labels_are_pytorchs(self, torch, rng):
        x, t = rng.standard_normal((3, 4, 6)), rng.integers(0, 6, (3, 4))
        t[0, 2:], t[2] = -1, -1
        their = torch.tensor(x, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(their.reshape(12, 6), torch.tensor(t).reshape(12), ignore_index=-1)
        loss.backward()
        ours, gradient = loss_and_gradient(TimeSoftmaxWithLoss(), x, t)
        assert ours == pytest.approx(loss.item(), rel=1e-12)
        numpy.testing.assert_allclose(gradient, their.grad, rtol=1e-10, atol=1e-16)
        assert not gradient[t == -1].any()

    def test_all_ignored(self):
        loss, gradient = loss_and_gradient(TimeSoftmaxWithLoss(), numpy.ones((1, 2, 3)), numpy.full((1, 2), -1))
        assert loss == 0 and not gradient.any()

    def test_ignored_places_with_infinite_loss_do_not_count(self):
        x = numpy.array([[[0.0, numpy.inf], [0.0, 0.0]]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inf - inf, at the ignored place
            assert TimeSoftmaxWithLoss().forward(x, [[-1, 0]]) == pytest.approx(math.log(2))

    @pytest.mark.parametrize("ignored", [0, -100])
    def test_another_label_to_ignore(self, ignored, rng):
        layer, x = TimeSoftmaxWithLoss(), rng.standard_normal((2, 2, 5))
        layer.ignore_label = ignored
        alone = TimeSoftmaxWithLoss().forward(x[:1], [[3, 4]])
        assert layer.forward(x, [[3, 4], [ignored, ignored]]) == pytest.approx(alone)

    def test_how_many_labels_counted(self, rng):
        layer, x = TimeSoftmaxWithLoss(), rng.standard_normal((2, 3, 5))
        assert layer.counted is None
        one_hot = numpy.eye(5)[[[0, 1, 2]] * 2]
        for labels, counted in (([[1, 2, -1], [0, -1, -1]], 3), ([[-1] * 3] * 2, 0), (one_hot, 6)):
            layer.forward(x, labels)
            assert layer.counted == counted
        layer.ignore_label = 0
        layer.forward(x, [[0, 1, 2], [0, 0, 3]])
        assert layer.counted == 3

    def test_a_backward_scaled(self, rng):
        layer = TimeSoftmaxWithLoss()
        layer.forward(rng.standard_normal((2, 3, 4)), rng.integers(0, 4, (2, 3)))
        numpy.testing.assert_allclose(layer.backward(3), 3 * layer.backward())

    @pytest.mark.parametrize("cache_bytes", [1, 100, 2**30])
    def test_blocks_of_rows_change_nothing(self, monkeypatch, rng, cache_bytes):
        x, t = rng.standard_normal((3, 5, 4)), rng.integers(-1, 4, (3, 5))
        expected, gradient = loss_and_gradient(TimeSoftmaxWithLoss(), x, t)
        monkeypatch.setattr("common.kernels.CACHE_BYTES", cache_bytes)
        blocked = loss_and_gradient(TimeSoftmaxWithLoss(), x, t)
        assert blocked[0] == pytest.approx(expected, rel=1e-15)
        numpy.testing.assert_allclose(blocked[1], gradient, rtol=1e-14)

    def test_the_scores_stay_as_they_were(self, rng):
        x = rng.standard_normal((2, 3, 4))
        before = x.copy()
        TimeSoftmaxWithLoss().forward(x, rng.integers(0, 4, (2, 3)))
        numpy.testing.assert_array_equal(x, before)

    def test_untrained_scores_cost_the_logarithm_of_the_vocabulary(self):
        loss = TimeSoftmaxWithLoss().forward(numpy.zeros((2, 3, 10000), "f"), numpy.zeros((2, 3), int))
        assert math.exp(loss) == pytest.approx(10000, rel=1e-5)


LOSSES = [SoftmaxWithLoss, TimeSoftmaxWithLoss, SigmoidWithLoss, TimeSigmoidWithLoss]


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_belong_to_the_caller(kind, rng):
    layer, x = kind(), rng.standard_normal((2, 3, 4) if kind is TimeSoftmaxWithLoss else (2, 3))
    layer.forward(x, rng.integers(0, 2, x.shape if "Sigmoid" in kind.__name__ else x.shape[:-1]))
    for dout in (1, 1.0, 3, numpy.float32(1)):
        expected = layer.backward(dout).copy()
        changed = layer.backward(dout)
        changed *= 0
        numpy.testing.assert_array_equal(layer.backward(dout), expected)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_weights_of_examples(kind, dtype, rng):
    """dout may be an array, such as one number for each example."""
    layer, x = kind(), rng.standard_normal((2, 3, 4) if kind is TimeSoftmaxWithLoss else (2, 3)).astype(dtype)
    layer.forward(x, rng.integers(0, 2, x.shape if "Sigmoid" in kind.__name__ else x.shape[:-1]))
    gradient = layer.backward()
    for shape in ((2, *[1] * (x.ndim - 1)), (1,) * x.ndim, x.shape[1:], x.shape):
        for weights in (rng.standard_normal(shape), rng.integers(5, size=shape)):
            scaled = layer.backward(weights)
            assert scaled.dtype == gradient.dtype
            numpy.testing.assert_allclose(scaled, gradient * weights, rtol=1e-5)
            numpy.testing.assert_array_equal(gradient_to_read(layer, weights), scaled)
    for shape in ((5,), (5, 1), (1, *x.shape)):
        with pytest.raises(ValueError) as error:
            layer.backward(numpy.ones(shape))
        assert str(error.value) == f"{kind.__name__}: dout {shape} does not broadcast to the gradient {x.shape}"


def test_weights_of_examples_on_the_gpu(gpu):
    layer = SoftmaxWithLoss()
    layer.forward(common.np.np.zeros((4, 3)), numpy.array([0, 1, 2, 0]))
    for weights in (numpy.ones((4, 1)), common.np.np.ones((4, 1)), [[1], [1], [1], [1]], common.np.np.asarray(1)):
        same = common.np.to_cpu(layer.backward(weights)) == common.np.to_cpu(layer.backward())
        assert same.all()


class TestGradientToRead:
    """What the language models take: no copy of an array that large."""

    @pytest.mark.parametrize("kind", LOSSES)
    def test_is_the_gradient(self, kind, rng):
        layer, x = kind(), rng.standard_normal((2, 3, 4) if kind is TimeSoftmaxWithLoss else (2, 3))
        with pytest.raises(RuntimeError, match="backward needs a forward before it"):
            gradient_to_read(layer)
        layer.forward(x, rng.integers(0, 2, x.shape if "Sigmoid" in kind.__name__ else x.shape[:-1]))
        if kind is not SoftmaxWithLoss:  # which makes its gradient anew
            assert gradient_to_read(layer) is gradient_to_read(layer, 1.0)
        for dout in (1, 3, numpy.float32(1)):
            numpy.testing.assert_array_equal(gradient_to_read(layer, dout), layer.backward(dout))

    def test_other_losses_and_another_backward(self):
        class Plain:
            def backward(self, dout=1):
                return 7 * dout

        class Halved(TimeSoftmaxWithLoss):
            def backward(self, dout=1):
                return super().backward(dout) / 2

        halved, wrapped, x, t = Halved(), TimeSoftmaxWithLoss(), numpy.ones((1, 2, 3)), numpy.array([[0, 1]])
        backward = wrapped.backward
        wrapped.backward = lambda dout=1: backward(dout) / 2
        halved.forward(x, t)
        wrapped.forward(x, t)
        assert gradient_to_read(Plain(), 2) == 14
        for layer in (halved, wrapped):
            numpy.testing.assert_array_equal(gradient_to_read(layer), backward() / 2)

    def test_language_models_copy_no_gradient(self):
        model, ids, given = Rnnlm(7, 4, 5), numpy.arange(12).reshape(2, 6) % 7, []
        backward = model.layers[-1].backward
        model.layers[-1].backward = lambda dout: given.append(dout) or backward(dout)
        model.forward(ids, ids)
        for _ in range(2):
            model.backward()
        assert given[0] is given[1] is model.loss_layer._cached()

    def test_language_models_with_a_loss_of_ones_own(self):
        class Mine:
            def __init__(self):
                self.ours = TimeSoftmaxWithLoss()

            def forward(self, xs, ts):
                return self.ours.forward(xs, ts)

            def backward(self, dout=1):
                dx = self.ours.backward(dout)
                dx *= 2
                return dx

        ids = numpy.arange(12).reshape(2, 6) % 7
        for kind, name in ((Rnnlm, "loss_layer"), (Seq2seq, "softmax")):
            ours, theirs = kind(7, 4, 5, rng=0), kind(7, 4, 5, rng=0)
            setattr(theirs, name, Mine())
            for model in (ours, theirs):
                model.forward(ids, ids)
                model.backward()
            for one, two in zip(ours.grads, theirs.grads, strict=True):
                numpy.testing.assert_allclose(2 * one, two, rtol=1e-5, atol=1e-9)


class TestSigmoidWithLoss:
    @pytest.mark.parametrize("layer", [SigmoidWithLoss, TimeSigmoidWithLoss])
    def test_is_pytorchs(self, torch, rng, layer):
        x, t = rng.standard_normal((4, 3)) * 5, rng.integers(0, 2, (4, 3))
        their = torch.tensor(x, requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(their, torch.tensor(t, dtype=torch.double))
        loss.backward()
        per_row = 3 if layer is SigmoidWithLoss else 1  # which sums over the columns
        ours, gradient = loss_and_gradient(layer(), x, t)
        assert ours == pytest.approx(loss.item() * per_row, rel=1e-12)
        numpy.testing.assert_allclose(gradient, their.grad * per_row, rtol=1e-10)

    def test_a_column_of_scores_has_the_loss_of_a_vector(self, rng):
        x, t = rng.standard_normal(5), rng.integers(0, 2, 5)
        loss, gradient = loss_and_gradient(SigmoidWithLoss(), x, t)
        column_loss, column_gradient = loss_and_gradient(SigmoidWithLoss(), x[:, None], t)
        assert column_loss == loss
        numpy.testing.assert_array_equal(column_gradient[:, 0], gradient)

    @pytest.mark.parametrize(("scores", "labels"), [((4,), (4, 1)), ((2, 3), (3, 2))])
    def test_labels_of_another_shape(self, scores, labels):
        with pytest.raises(ValueError) as error:
            SigmoidWithLoss().forward(numpy.zeros(scores), numpy.zeros(labels, int))
        assert str(error.value) == f"SigmoidWithLoss: expected labels {scores} like the scores, got {labels}"

    def test_a_confident_mistake_costs_what_it_should(self):
        assert SigmoidWithLoss().forward(numpy.array([40.0]), [0]) == pytest.approx(40)


HUGE = numpy.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]], "f")


@pytest.mark.parametrize(
    ("layer", "x", "t"),
    [
        (SoftmaxWithLoss, HUGE, [1, 0]),
        (TimeSoftmaxWithLoss, HUGE[None], [[1, -1]]),
        (SigmoidWithLoss, HUGE, [[0, 1, 0], [1, 0, 1]]),
        (TimeSigmoidWithLoss, HUGE, [[0, 1, 0], [1, 0, 1]]),
    ],
)
def test_huge_scores_are_finite(layer, x, t):
    loss, gradient = loss_and_gradient(layer(), x, numpy.array(t))
    assert 1e3 < loss < 1e5
    assert numpy.isfinite(gradient).all() and gradient.any()


@pytest.mark.parametrize(
    ("layer", "shape", "labels"),
    [(SoftmaxWithLoss, (4, 3), (4,)), (TimeSoftmaxWithLoss, (4, 2, 3), (4, 2)), (SigmoidWithLoss, (4,), (4,)),
     (TimeSigmoidWithLoss, (4, 2), (4, 2))],
)  # fmt: skip
def test_the_batch_twice_has_the_same_loss(layer, shape, labels, rng):
    x, t = rng.standard_normal(shape), rng.integers(0, 2, labels)
    twice = layer().forward(numpy.concatenate([x, x]), numpy.concatenate([t, t]))
    assert twice == pytest.approx(layer().forward(x, t))


@pytest.mark.usefixtures("idle_cores")
@pytest.mark.parametrize("ignored", [False, True])
def test_the_threads_of_a_large_vocabulary_change_no_bit(ignored, rng, monkeypatch):
    scores, ids = 3 * rng.standard_normal((12, 12, 9000)).astype("f"), rng.integers(0, 9000, (12, 12))
    ids[3:5] = -1 if ignored else 0
    found = []
    for count in (1, 2, 4):
        monkeypatch.setattr(common.threads, "blas_threads", lambda count=count: count)
        layer = TimeSoftmaxWithLoss()
        found.append((layer.forward(scores, ids), layer.backward()))
    probabilities = numpy.exp(scores.astype("d") - scores.max(axis=2, keepdims=True))
    probabilities /= probabilities.sum(axis=2, keepdims=True)
    rows, columns = numpy.indices(ids.shape)
    losses = -numpy.log(probabilities[rows, columns, ids])[ids >= 0]
    assert found[0][0] == pytest.approx(losses.mean(), rel=1e-6)
    for loss, gradient in found[1:]:
        assert loss == found[0][0] and (gradient == found[0][1]).all()
