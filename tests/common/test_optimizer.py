import copy
import math
import pickle

import numpy
import pytest

import common.np
from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from common.sparse_gradient import RowGradient

OPTIMIZERS = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam]
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def steps(optimizer, params, count=5, seed=0):
    """Update with random gradients, the same for the same seed."""
    rng = numpy.random.default_rng(seed)
    for _ in range(count):
        optimizer.update(params, [rng.standard_normal(p.shape).astype(p.dtype) for p in params])
    return params


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (SGD(0.1), "SGD", {"lr": 0.1}),
        (SGD(0.1, weight_decay=0.3), "SGD", {"lr": 0.1, "weight_decay": 0.3}),
        (Momentum(0.1, 0.8), "SGD", {"lr": 0.1, "momentum": 0.8}),
        (Nesterov(0.1, 0.8), "SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
        (AdaGrad(0.1), "Adagrad", {"lr": 0.1, "eps": 1e-7}),
        (RMSprop(0.1, 0.9), "RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 1e-7}),
        (Adam(0.1, 0.8, 0.99), "Adam", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-7}),
        (Adam(), "Adam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-7}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, (str, dict)) else "",
)
def test_is_pytorchs(torch, rng, ours, name, options):
    params = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    optimizer = getattr(torch.optim, name)(theirs, **options)
    for _ in range(10):
        grads = [rng.standard_normal(p.shape) for p in params]
        grads[0][0] = 0  # where epsilon matters
        for their, grad in zip(theirs, grads, strict=True):
            their.grad = torch.tensor(grad)
        ours.update(params, grads)
        optimizer.step()
        for p, their in zip(params, theirs, strict=True):
            numpy.testing.assert_allclose(p, their.detach(), rtol=1e-10, atol=1e-12)


@every_optimizer
class TestEveryOptimizer:
    def test_changes_the_arrays_in_place_and_no_gradient(self, kind, rng):
        p, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
        before, view, given = p.copy(), p.T, g.copy()
        kind().update([p], [g])
        assert (p != before).all() and numpy.shares_memory(p, view)
        numpy.testing.assert_array_equal(g, given)

    def test_float32_stays_float32(self, kind):
        optimizer = kind()
        (p,) = steps(optimizer, [numpy.ones((3, 4), "f")])
        assert {p.dtype, *(array.dtype for array in optimizer._state_of(p))} == {numpy.dtype("f")}

    def test_state_belongs_to_the_parameter_not_to_its_place(self, kind, rng):
        a, b = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
        expected = [steps(kind(), [p.copy()], seed=seed)[0] for seed, p in enumerate((a, b))]
        one, two = numpy.random.default_rng(0), numpy.random.default_rng(1)
        optimizer = kind()
        for step in range(5):
            pairs = [(a, one.standard_normal((2, 3))), (b, two.standard_normal((2, 3)))]
            optimizer.update(*zip(*(pairs if step % 2 else pairs[::-1]), strict=True))
        numpy.testing.assert_allclose([a, b], expected)

    def test_a_parameter_that_comes_later_starts_afresh(self, kind):
        optimizer, expected = kind(), steps(kind(), [numpy.ones(3)])[0]
        for _ in range(3):
            late = numpy.ones(3)
            numpy.testing.assert_allclose(steps(optimizer, [late])[0], expected)
            del late  # so that the next one might get its id

    def test_lr_may_change_between_steps(self, kind, rng):
        start = rng.standard_normal(3)

        def last_step(lr):
            optimizer, p = kind(), start.copy()
            steps(optimizer, [p])
            before, optimizer.lr = p.copy(), lr
            # What earlier steps have left of their velocity goes on, whatever lr is now.
            inertia = {Momentum: 0.9, Nesterov: 0.9**2}.get(kind, 0)
            velocity = inertia * optimizer._state_of(p)[0] if inertia else 0
            steps(optimizer, [p], count=1, seed=1)
            return p - before - velocity

        one = last_step(0.1)
        assert (abs(one) > 1e-6).all()
        for lr in (0.0, 0.2):
            numpy.testing.assert_allclose(last_step(lr), lr / 0.1 * one, rtol=1e-9, atol=1e-15)

    def test_scale_is_that_of_the_gradients(self, kind, rng):
        p, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
        scaled, plain = p.copy(), p.copy()
        one, two = kind(), kind()
        for _ in range(3):
            one.update([scaled], [g], 0.25)
            two.update([plain], [g * 0.25])
        numpy.testing.assert_allclose(scaled, plain, rtol=1e-12)

    @pytest.mark.parametrize("cache_bytes", [1, 200, 2**20])
    def test_order_in_memory_and_pieces_change_nothing(self, kind, rng, monkeypatch, cache_bytes):
        start = rng.standard_normal((6, 5))
        expected = steps(kind(), [start.copy()])[0]
        monkeypatch.setattr(common.np, "CACHE_BYTES", cache_bytes)
        wide = numpy.zeros((12, 10))
        for p in (start.copy(), start.T.copy().T, wide[::2, ::2]):
            p[...] = start
            numpy.testing.assert_allclose(steps(kind(), [p])[0], expected, rtol=1e-12)

    def test_nothing_changes_when_the_lists_do_not_fit(self, kind):
        p, q = numpy.ones((2, 3)), numpy.ones(3)
        for grads, message in [
            ([p], r"2 params, but 1 grads"),
            ([p, numpy.ones(4)], r"params\[1\] is \(3,\), grads\[1\] \(4,\)"),
        ]:
            with pytest.raises(ValueError, match=f"{kind.__name__}: {message}"):
                kind().update([p, q], grads)
        assert (p == 1).all()


class TestLearningRate:
    @pytest.mark.parametrize("lr", [0.5, 1, 0, numpy.float64(0.5), numpy.float32(0.5), numpy.array(0.5, "f")])
    def test_is_a_python_float(self, lr):
        optimizer = SGD(0.1)
        optimizer.lr = lr
        for one in (optimizer, SGD(lr), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
            assert type(one.lr) is float and one.lr == lr

    @pytest.mark.parametrize(
        ("lr", "error", "message"),
        [
            (-1.0, ValueError, " of at least 0, not -1.0"),
            (math.nan, ValueError, " of at least 0, not nan"),
            (numpy.float32("inf"), ValueError, " of at least 0, not inf"),
            ("0.1", TypeError, ", not '0.1'"),
            (None, TypeError, ", not None"),
            (numpy.ones(2), TypeError, r", not array\(\[1., 1.\]\)"),
        ],
    )
    def test_is_checked_whenever_it_is_set(self, lr, error, message):
        optimizer = SGD(0.1)
        with pytest.raises(error, match=f"SGD: lr must be a number{message}"):
            optimizer.lr = lr
        with pytest.raises(error, match=f"SGD: lr must be a number{message}"):
            SGD(lr)
        assert optimizer.lr == 0.1

    def test_of_a_subclass_that_sets_it_itself(self):
        class Before(SGD):
            def __init__(self, lr):
                self.lr = lr
                super().__init__(2 * self.lr)

        class After(SGD):
            def __init__(self, lr):
                super().__init__()
                self.lr = 2 * lr

        class Alone(SGD):
            def __init__(self, lr):
                self.lr = 2 * lr

        class Never(SGD):
            def __init__(self, lr):
                pass

        for kind in (Before, After, Alone):
            assert kind(numpy.float32(0.5)).lr == 1.0
            assert kind(0.5).state_dict([])["numbers"] == {"lr": 1.0}
        assert not hasattr(Never(0.5), "lr")


def test_the_attributes_of_a_subclass_are_part_of_the_state():
    class Heavy(SGD):
        def __init__(self):
            super().__init__(0.1)
            self.v, self.rng, self.best = None, numpy.random.default_rng(0), {}

        def update(self, params, grads, scale=1.0):
            if self.v is None:
                self.v = [numpy.zeros_like(p) for p in params]
            for i, (v, p, g) in enumerate(zip(self.v, params, grads, strict=True)):
                v *= 0.9
                v -= self.lr * scale * g
                p += v
                self.best[i] = float(abs(v).max())

    optimizer = Heavy()
    (p,) = steps(optimizer, [numpy.zeros(3)])
    state = optimizer.state_dict([p])
    assert state["numbers"].keys() == {"lr", "v", "best"}  # without the generator, which checkpoints keep themselves
    other = Heavy()
    other.load_state_dict([p.copy()], state)
    assert other.best == optimizer.best and other.v[0] is not optimizer.v[0]
    one, two = (steps(each, [p.copy()], seed=1)[0] for each in (optimizer, other))
    numpy.testing.assert_array_equal(one, two)
    other.load_state_dict([], {**Heavy().state_dict([]), "numbers": {"_states": {}, "lr": 0.3}})
    assert other.lr == 0.3 and len(other._states) == len(Heavy()._states)


def test_adam_counts_the_steps_of_each_parameter():
    optimizer, a, b = Adam(0.1), numpy.zeros(1), numpy.zeros(1)
    steps(optimizer, [a])
    optimizer.update([b], [numpy.ones(1)])
    assert b[0] == pytest.approx(-0.1, rel=1e-5)  # the first step has the size lr


def test_weight_decay_is_not_scaled_like_the_gradient(rng):
    p, g = rng.standard_normal((2, 3, 4))
    expected = p - 0.5 * (0.25 * g + 0.1 * p)
    SGD(0.5, weight_decay=0.1).update([p], [g], 0.25)
    numpy.testing.assert_allclose(p, expected, rtol=1e-12)


def test_rows_without_a_gradient_decay_too(rng):
    dense, g = rng.standard_normal((5, 3)), RowGradient((5, 3), "d")
    g.assign(numpy.array([1, 4]), rng.standard_normal((2, 3)))
    rows = dense.copy()
    SGD(0.5, weight_decay=0.1).update([dense], [g.to_dense()])
    SGD(0.5, weight_decay=0.1).update([rows], [g])
    numpy.testing.assert_allclose(rows, dense, rtol=1e-12)


def test_weight_decay_is_part_of_the_state():
    decaying = SGD(0.5, weight_decay=0.1)
    assert decaying.state_dict([])["numbers"] == {"lr": 0.5, "weight_decay": 0.1}
    assert SGD(0.5).state_dict([])["numbers"] == {"lr": 0.5}  # as it was before there was a weight decay
    for weight_decay in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"SGD: weight_decay must be a number of at least 0, not {weight_decay}"):
            SGD(weight_decay=weight_decay)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: Momentum(momentum=x), "Momentum: momentum must be a number of at least 0 and below 1, not"),
        (lambda x: Nesterov(momentum=x), "Nesterov: momentum"),
        (lambda x: RMSprop(decay_rate=x), "RMSprop: decay_rate"),
        (lambda x: Adam(beta1=x), "Adam: beta1"),
        (lambda x: Adam(beta2=x), "Adam: beta2"),
    ],
)
def test_shares_are_below_one(make, message):
    for value in (0, 0.5, numpy.float32(0.5)):
        make(value)
    for value in (1.0, -0.1, numpy.nan, numpy.inf):
        with pytest.raises(ValueError, match=message):
            make(value)
    with pytest.raises(TypeError, match=message.split(" must")[0] + " must be a number, not '0.5'"):
        make("0.5")


def test_a_weight_decay_is_a_number():
    for value in (-0.1, numpy.nan, numpy.inf):
        with pytest.raises(ValueError, match="SGD: weight_decay must be a number of at least 0, not"):
            SGD(weight_decay=value)
    with pytest.raises(TypeError, match="SGD: weight_decay must be a number, not '0'"):
        SGD(weight_decay="0")
