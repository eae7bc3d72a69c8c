import copy
import inspect
import itertools
import math
import pickle
import textwrap

import numpy
import pytest

from common.np import np, to_cpu
from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, Optimizer, RMSprop
from common.sparse_gradient import RowGradient

OPTIMIZERS = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam]
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def steps(optimizer, params, count=5, seed=0, order="C"):
    """Update with random gradients, the same for the same seed, laid out in memory by rows ("C") or columns ("F")."""
    rng = numpy.random.default_rng(seed)
    for _ in range(count):
        optimizer.update(params, [rng.standard_normal(p.shape).astype(p.dtype, order) for p in params])
    return params


def state_of(optimizer, param):
    """The arrays of state of a parameter."""
    return optimizer.state_dict([param])["arrays"][0]


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
    for step in range(10):
        if step in (3, 6):
            ours.lr = optimizer.param_groups[0]["lr"] = ours.lr / 4
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
        assert {p.dtype, *(array.dtype for array in state_of(optimizer, p))} == {numpy.dtype("f")}

    @pytest.mark.parametrize("rows", [False, True])
    def test_float16_has_the_steps_of_float32(self, kind, rows):
        """The squares of these gradients, and what is taken of them at a step, are 0 in float16."""
        found = []
        for dtype in ("e", "f"):
            p, g, optimizer = numpy.zeros((3, 4), dtype), numpy.full((3, 4), 1e-3, dtype), kind()
            if rows:
                g = RowGradient((3, 4), dtype)
                g.assign(numpy.arange(3), numpy.full((3, 4), 1e-3, dtype))
            for _ in range(3):
                optimizer.update([p], [g])
            assert p.dtype == dtype
            found.append(p)
        numpy.testing.assert_allclose(*found, rtol=5e-3)

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

    @pytest.mark.parametrize("view", [lambda W: W[:5], lambda W: W.T, lambda W: W[::2, 1:], lambda W: W.reshape(-1)])
    def test_a_view_made_anew_at_each_call_is_the_same_parameter(self, kind, rng, view):
        W = rng.standard_normal((6, 4))
        expected, optimizer = W.copy(), kind()
        steps(kind(), [view(expected)])
        for g in numpy.random.default_rng(0).standard_normal((5, *view(W).shape)):
            optimizer.update([view(W)], [g])
        numpy.testing.assert_allclose(W, expected, rtol=1e-12)
        assert len(list(optimizer._states_of_params)) == 1

    def test_other_views_of_the_same_weight_are_other_parameters(self, kind, rng):
        start = rng.standard_normal((4, 4))
        parts = [lambda W: W[:2], lambda W: W[2:], lambda W: W[:1], lambda W: W.T]
        expected, got, optimizer = start.copy(), start.copy(), kind()
        for part in parts:
            steps(kind(), [part(expected)])
            for g in numpy.random.default_rng(0).standard_normal((5, *part(got).shape)):
                optimizer.update([part(got)], [g])
        numpy.testing.assert_allclose(got, expected, rtol=1e-12)

    def test_a_copy_made_without_its_params_goes_on_by_place(self, kind, rng):
        params, optimizer = [rng.standard_normal((3, 4)), rng.standard_normal(5)], kind()
        uses = [0, 0, 1]  # a weight in two places has one state
        steps(optimizer, [params[use] for use in uses], 3)
        copies = [copy.deepcopy(optimizer), *(pickle.loads(pickle.dumps(optimizer, p)) for p in range(6))]
        copies.append(copy.deepcopy(copies[0]))
        starts = [[p.copy() for p in params] for _ in copies]
        steps(optimizer, [params[use] for use in uses], 2, seed=1)
        for copied, own in zip(copies, starts, strict=True):
            copied.update([], [])  # says nothing about them
            steps(copied, [own[use] for use in uses], 2, seed=1)
            assert all(map(numpy.array_equal, own, params))

    def test_a_copy_made_with_its_params_goes_on_with_them(self, kind, rng):
        params, optimizer = [rng.standard_normal(3), rng.standard_normal(3)], kind()
        steps(optimizer, params, 3)
        copies = [copy.deepcopy((optimizer, params)), pickle.loads(pickle.dumps((optimizer, params)))]
        expected = [*steps(optimizer, params[::-1], 2, seed=1), *steps(kind(), [numpy.ones(3)], 2, seed=2)]
        for copied, own in copies:  # in another order, and then one that has no state yet
            got = [*steps(copied, own[::-1], 2, seed=1), *steps(copied, [numpy.ones(3)], 2, seed=2)]
            numpy.testing.assert_array_equal(got, expected)

    def test_the_first_update_of_a_copy_may_bring_a_new_parameter(self, kind, rng):
        params, optimizer = [rng.standard_normal(3), rng.standard_normal(3)], kind()
        steps(optimizer, params, 3)
        copied, own = copy.deepcopy((optimizer, params))
        expected = steps(optimizer, [params[1], numpy.ones(3)], 2, seed=1)
        numpy.testing.assert_array_equal(steps(copied, [own[1], numpy.ones(3)], 2, seed=1), expected)

    def test_views_of_a_weight_that_was_copied_too_go_on_by_place(self, kind, rng):
        W, optimizer = rng.standard_normal((3, 4)), kind()
        steps(optimizer, [W, W.T], 3)
        copied, own = copy.deepcopy((optimizer, W))
        numpy.testing.assert_array_equal(*(steps(each, [w, w.T])[0] for each, w in ((copied, own), (optimizer, W))))

    def test_lr_may_change_between_steps(self, kind, rng):
        start = rng.standard_normal(3)

        def last_step(lr):
            optimizer, p = kind(), start.copy()
            steps(optimizer, [p])
            before, optimizer.lr = p.copy(), lr
            steps(optimizer, [p], count=1, seed=1)
            return p - before

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
        monkeypatch.setattr("common.kernels.CACHE_BYTES", cache_bytes)
        wide = numpy.zeros((12, 10))
        for p, order in itertools.product((start.copy(), start.T.copy().T, wide[::2, ::2]), "CF"):
            p[...] = start
            numpy.testing.assert_allclose(steps(kind(), [p], order=order)[0], expected, rtol=1e-12)

    def test_nothing_changes_when_the_lists_do_not_fit(self, kind):
        p, q = numpy.ones((2, 3)), numpy.ones(3)
        for grads, message in [
            ([p], r"2 params, but 1 grads"),
            ([p, numpy.ones(4)], r"params\[1\] is \(3,\), grads\[1\] \(4,\)"),
        ]:
            with pytest.raises(ValueError, match=f"{kind.__name__}: {message}"):
                kind().update([p, q], grads)
        assert (p == 1).all()


class TestCopiesMadeWithoutTheirParams:
    @pytest.mark.parametrize(
        "shapes", [[(3, 4)], [(3, 4), (6,)], [(5,), (3, 4)], [(4,)]], ids=str
    )
    def test_others_begin_anew(self, shapes):
        optimizer = Momentum()
        steps(optimizer, [numpy.ones((3, 4)), numpy.ones(5)])
        got, expected = (steps(each, list(map(numpy.ones, shapes))) for each in (copy.deepcopy(optimizer), Momentum()))
        assert all(map(numpy.array_equal, got, expected))

    def test_of_another_dtype_too(self):
        optimizer = Momentum()
        steps(optimizer, [numpy.ones(5)])
        got, expected = (steps(each, [numpy.ones(5, "f")]) for each in (copy.deepcopy(optimizer), Momentum()))
        numpy.testing.assert_array_equal(got, expected)

    def test_take_over_the_order_of_the_last_update(self):
        """Not that in which the parameters came: a head may be trained alone before everything is."""
        a, b, optimizer = numpy.zeros(3), numpy.zeros(3), Momentum()
        steps(optimizer, [b])
        steps(optimizer, [a, b])
        for made in (copy.deepcopy(optimizer), copy.deepcopy(copy.deepcopy(optimizer))):
            got = steps(made, [a.copy(), b.copy()], seed=1)
            both = copy.deepcopy((optimizer, [a, b]))
            numpy.testing.assert_array_equal(got, steps(*both, seed=1))

    def test_a_new_parameter_alone_is_no_misfit(self):
        body, optimizer = numpy.ones((4, 4)), Adam()
        steps(optimizer, [body])
        made, own = copy.deepcopy((optimizer, body))
        steps(made, [numpy.ones((4, 2))])
        numpy.testing.assert_array_equal(steps(made, [own], seed=1), steps(optimizer, [body], seed=1))

    def test_a_weight_that_was_not_in_the_last_update_keeps_its_state(self):
        body, head, optimizer = numpy.zeros(3), numpy.zeros(3), Momentum()
        steps(optimizer, [body, head])
        steps(optimizer, [head])
        made, own = copy.deepcopy((optimizer, body))
        steps(made, [head.copy()])
        numpy.testing.assert_array_equal(steps(made, [own], seed=1), steps(optimizer, [body], seed=1))

    def test_a_state_that_is_put_back_counts(self):
        optimizer = Momentum()
        steps(optimizer, [numpy.ones(3)])
        copied, other, param = copy.deepcopy(optimizer), Momentum(), numpy.ones(3)
        copied.load_state_dict([param], other.state_dict([param]))
        numpy.testing.assert_array_equal(steps(copied, [param]), steps(other, [numpy.ones(3)]))


class TestSubclassesOfOnesOwn:
    def test_as_the_docstring_says(self, rng):
        code = inspect.getdoc(Optimizer).partition("    class Momentum")
        body = textwrap.dedent(code[1] + code[2].partition("\n\nIt changes")[0])
        names = {"Optimizer": Optimizer}
        exec(body, names)
        theirs, ours, start = names["Momentum"](0.1), Momentum(0.1, 0.9), rng.standard_normal((3, 4))
        got = steps(theirs, [start.copy()])[0]
        numpy.testing.assert_allclose(got, steps(ours, [start.copy()])[0], rtol=1e-12)
        assert (got != start).all()
        grad = RowGradient((3, 4), "d")
        grad.assign(numpy.array([1]), rng.standard_normal((1, 4)))
        before = got.copy()
        theirs.update([got], [grad], 0.5)
        assert ((got != before).all(axis=1) == [False, True, False]).all()

    @every_optimizer
    def test_names_for_what_is_their_own(self, kind, rng):
        start = rng.standard_normal(3)

        class WarmUp(kind):
            def __init__(self):
                super().__init__(0.1)
                self._step = self._steps = self._t = 0
                self._lr, self._states, self._state, self._params, self._check = self.lr, {}, [], [], None

            def update(self, params, grads):
                self._steps += 1
                self.lr = self._lr * min(1.0, self._steps / 3)
                super().update(params, grads)

        expected, plain = start.copy(), kind(0.1)
        for step, g in enumerate(numpy.random.default_rng(0).standard_normal((5, 3))):
            plain.lr = 0.1 * min(1.0, (step + 1) / 3)
            plain.update([expected], [g])
        numpy.testing.assert_array_equal(steps(WarmUp(), [start.copy()])[0], expected)


def test_views_on_the_gpu(gpu):
    W, optimizer = np.asarray(numpy.zeros((6, 2))), Momentum(0.5, 0.5)
    for _ in range(3):
        optimizer.update([W[:5]], [np.asarray(numpy.ones((5, 2)))])
    numpy.testing.assert_array_equal(to_cpu(W)[:, 0], 5 * [-0.5 - 0.75 - 0.875] + [0])


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_arrays_without_axes(kind):
    p = numpy.array(3.0)
    kind(0.1).update([p], [numpy.float64(1.0)])
    assert p == pytest.approx(2.9)


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
            assert kind(0.5).state_dict([])["attributes"]["lr"] == 1.0
        assert not hasattr(Never(0.5), "lr")


def test_the_attributes_of_a_subclass_are_part_of_the_state():
    class Heavy(SGD):
        def __init__(self):
            super().__init__(0.1)
            self.v, self.rng, self.best, self.decay = None, numpy.random.default_rng(0), {}, lambda step: 0.9

        def update(self, params, grads, scale=1.0):
            if self.v is None:
                self.v = [numpy.zeros_like(p) for p in params]
            for i, (v, p, g) in enumerate(zip(self.v, params, grads, strict=True)):
                v *= self.decay(i)
                v -= self.lr * scale * g
                p += v
                self.best[i] = float(abs(v).max())

    optimizer = Heavy()
    (p,) = steps(optimizer, [numpy.zeros(3)])
    state = optimizer.state_dict([p])
    # Without the generator, which checkpoints keep themselves, and the function, which no file can hold.
    assert state["attributes"].keys() == {"lr", "_sgd_decay", "v", "best"}
    other = Heavy()
    other.load_state_dict([p.copy()], state)
    assert other.best == optimizer.best and other.v[0] is not optimizer.v[0]
    one, two = (steps(each, [p.copy()], seed=1)[0] for each in (optimizer, other))
    numpy.testing.assert_array_equal(one, two)


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


class TestWeightDecayOfASubclass:
    class Own(SGD):
        """Adds a decay of its own to the gradients, under the name that ours has."""

        def __init__(self, lr, **options):
            super().__init__(lr, **options)
            self.weight_decay = 0.01

        def update(self, params, grads):
            super().update(params, [g + self.weight_decay * p for p, g in zip(params, grads, strict=True)])

    @pytest.mark.parametrize("given", [0.0, 0.1])
    def test_counts_once_beside_what_was_given_to_ours(self, rng, given):
        p, g = rng.standard_normal((2, 3, 4))
        expected = p - 0.5 * (g + (0.01 + given) * p)
        optimizer = self.Own(0.5, weight_decay=given)
        optimizer.update([p], [g])
        numpy.testing.assert_allclose(p, expected, rtol=1e-12)
        assert optimizer.weight_decay == 0.01
        other, q = self.Own(9.0), p.copy()
        other.load_state_dict([q], optimizer.state_dict([p]))
        for each, weight in ((optimizer, p), (other, q)):
            each.update([weight], [g])
        numpy.testing.assert_array_equal(p, q)


def test_a_state_of_other_parameters(rng):
    optimizer, p = Adam(), rng.standard_normal(3)
    steps(optimizer, [p])
    for params in ([], [p, p.copy()]):
        with pytest.raises(ValueError, match=f"^Adam: the state is that of 1 params, expected {len(params)}$"):
            Adam().load_state_dict(params, optimizer.state_dict([p]))


@every_optimizer
def test_a_state_of_before_the_first_step_of_a_parameter(kind, rng):
    optimizer, first, late = kind(), rng.standard_normal(3), rng.standard_normal(4)
    steps(optimizer, [first])
    state, before = copy.deepcopy(optimizer.state_dict([first, late])), [first.copy(), late.copy()]
    expected = [p.copy() for p in steps(optimizer, [first, late], seed=1)]
    first[...], late[...] = before
    optimizer.load_state_dict([first, late], state)
    assert optimizer.state_dict([late])["steps"] == [0]
    assert all(map(numpy.array_equal, steps(optimizer, [first, late], seed=1), expected))


def test_rows_without_a_gradient_decay_too(rng):
    dense, g = rng.standard_normal((5, 3)), RowGradient((5, 3), "d")
    g.assign(numpy.array([1, 4]), rng.standard_normal((2, 3)))
    rows = dense.copy()
    SGD(0.5, weight_decay=0.1).update([dense], [g.to_dense()])
    SGD(0.5, weight_decay=0.1).update([rows], [g])
    numpy.testing.assert_allclose(rows, dense, rtol=1e-12)


def test_weight_decay_is_part_of_the_state():
    for weight_decay in (0.0, numpy.float64(0.1)):
        decaying = SGD(0.5, weight_decay=weight_decay)
        assert decaying.state_dict([])["attributes"] == {"lr": 0.5, "_sgd_decay": weight_decay}
        assert type(decaying._sgd_decay) is float


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


@pytest.mark.parametrize(
    ("kind", "names"), [(SGD, ["weight_decay"]), (Momentum, ["momentum"]), (Nesterov, ["momentum"]),
                        (RMSprop, ["decay_rate"]), (Adam, ["beta1", "beta2"])]
)  # fmt: skip
@pytest.mark.parametrize("number", [numpy.float64(0.7), numpy.float32(0.7), numpy.array(0.7)], ids=repr)
def test_numpys_numbers_are_taken_as_pythons(kind, names, number, rng):
    """With NumPy's a step would be computed in another precision."""
    weights = [rng.standard_normal(5).astype("f") for _ in range(2)]
    weights[1][:] = weights[0]
    gradient = rng.standard_normal(5).astype("f")
    for p, value in zip(weights, (number, number.item()), strict=True):
        optimizer = kind(0.1, **dict.fromkeys(names, value))
        for _ in range(3):
            optimizer.update([p], [gradient])
    assert (weights[0] == weights[1]).all()
