import re

import numpy
import pytest
from gradient_check import check_gradients, check_results_belong_to_the_caller

from ch08.attention_layer import Attention, AttentionWeight, TimeAttention, WeightSum
from ch08.attention_scores import AdditiveScore, DotScore, ScaledScore, new_score

N, S, T, H = 3, 5, 4, 6


def states(rng):
    return rng.standard_normal((N, S, H)), rng.standard_normal((N, T, H))


def test_the_books_example():
    hs = numpy.arange(20, dtype="f").reshape(1, 5, 4)
    a = numpy.array([[0.8, 0.1, 0.03, 0.05, 0.02]], "f")
    numpy.testing.assert_allclose(WeightSum().forward(hs, a), (hs * a[:, :, None]).sum(axis=1), rtol=1e-6)


def test_gradients_of_one_step(rng):
    hs, hs_dec = states(rng)
    h, a = hs_dec[:, 0].copy(), rng.random((N, S))
    check_gradients(WeightSum(), [hs, a], rng)
    check_gradients(AttentionWeight(), [hs, h], rng)
    check_gradients(Attention(), [hs, h], rng)


@pytest.mark.parametrize("kind", ["dot", "scaled", "additive"])
@pytest.mark.parametrize("lengths", [None, numpy.array([5, 1, 3])])
def test_gradients_of_all_steps(kind, lengths, rng):
    layer = TimeAttention(new_score(kind, H, rng, "d"))
    if lengths is not None:
        forward = layer.forward
        layer.forward = lambda enc, dec: forward(enc, dec, lengths)  # type: ignore[method-assign]
    check_gradients(layer, list(states(rng)), rng)


@pytest.mark.parametrize(("examples", "steps"), [(N, 1), (1, T), (1, 1)])
def test_results_belong_to_the_caller(examples, steps, rng):
    hs, hs_dec = (rng.standard_normal((examples, steps, H)) for _ in range(2))
    h, a = hs_dec[:, 0].copy(), rng.random((examples, steps))
    for layer, inputs in (
        (WeightSum(), [hs, a]), (AttentionWeight(), [hs, h]), (Attention(), [hs, h]),
        *((TimeAttention(new_score(kind, H, rng, "d")), [hs, hs_dec]) for kind in ("dot", "scaled", "additive")),
        *((new_score(kind, H, rng, "d"), [hs, hs_dec]) for kind in ("dot", "scaled", "additive")),
    ):  # fmt: skip
        check_results_belong_to_the_caller(layer, inputs, rng)


def test_all_steps_at_once_equal_step_by_step(rng):
    hs_enc, hs_dec = states(rng)
    whole, steps = TimeAttention(), [Attention() for _ in range(T)]
    contexts = whole.forward(hs_enc, hs_dec)
    dcs = rng.standard_normal(contexts.shape)
    dhs_enc, dhs_dec = whole.backward(dcs)
    total = 0
    assert len(whole.attention_weights) == T
    for t, step in enumerate(steps):
        numpy.testing.assert_allclose(contexts[:, t], step.forward(hs_enc, hs_dec[:, t]), atol=1e-12)
        numpy.testing.assert_allclose(whole.attention_weights[t], step.attention_weight, atol=1e-12)
        dhs, dh = step.backward(dcs[:, t])
        numpy.testing.assert_allclose(dhs_dec[:, t], dh, atol=1e-12)
        total = total + dhs
    numpy.testing.assert_allclose(dhs_enc, total, atol=1e-12)


def test_weights_are_shares_and_pads_get_none(rng):
    layer, lengths = TimeAttention(), numpy.array([5, 1, 3])
    layer.forward(*states(rng), lengths)
    assert layer.weights.shape == (N, T, S)
    numpy.testing.assert_allclose(layer.weights.sum(axis=2), 1)
    for row, length in zip(layer.weights, lengths, strict=True):
        assert (row[:, length:] == 0).all() and (row[:, :length] > 0).all()


def test_lists_serve_as_arrays(rng):
    hs_enc, hs_dec = states(rng)
    of_lists, of_arrays = TimeAttention(), TimeAttention()
    contexts = of_lists.forward(hs_enc.tolist(), hs_dec.tolist(), [5, 1, 3])
    numpy.testing.assert_array_equal(contexts, of_arrays.forward(hs_enc, hs_dec, numpy.array([5, 1, 3])))
    for mine, theirs in zip(of_lists.backward(contexts.tolist()), of_arrays.backward(contexts), strict=True):
        numpy.testing.assert_array_equal(mine, theirs)


def test_scores(rng):
    hs_enc, hs_dec = states(rng)
    dot = DotScore().forward(hs_enc, hs_dec)
    numpy.testing.assert_allclose(dot, numpy.einsum("nsh,nth->nts", hs_enc, hs_dec))
    numpy.testing.assert_allclose(ScaledScore().forward(hs_enc, hs_dec), dot / H**0.5)
    We, Wd, v = rng.standard_normal((H, 2)), rng.standard_normal((H, 2)), rng.standard_normal(2)
    expected = numpy.tanh((hs_enc @ We)[:, None] + (hs_dec @ Wd)[:, :, None]) @ v
    numpy.testing.assert_allclose(AdditiveScore(We, Wd, v).forward(hs_enc, hs_dec), expected)


def test_fresh_weights_of_an_additive_score():
    """As everywhere, normal with standard deviation 1 / sqrt(inputs)."""
    for weight in new_score("additive", 400, rng=0).params:
        assert weight.std() == pytest.approx(400**-0.5, rel=0.1)


def test_weights_are_those_of_the_score():
    score = new_score("additive", H)
    layer = TimeAttention(score)
    assert layer.params is score.params and layer.grads is score.grads and len(layer.params) == 3


def test_float32_stays(rng):
    hs_enc, hs_dec = (x.astype("f") for x in states(rng))
    for kind in ("dot", "scaled", "additive"):
        layer = TimeAttention(new_score(kind, H, rng))
        contexts = layer.forward(hs_enc, hs_dec, numpy.array([5, 1, 3]))
        dtypes = {x.dtype for x in (contexts, layer.weights, *layer.backward(contexts), *layer.grads)}
        assert dtypes == {numpy.dtype("f")}


def test_huge_scores(rng):
    hs_enc, hs_dec = states(rng)
    contexts = TimeAttention().forward(1e4 * hs_enc, 1e4 * hs_dec)
    assert numpy.isfinite(contexts).all()


class TestMisuse:
    @pytest.mark.parametrize(
        "lengths",
        [
            [0, 5, 3], [1, 6, 3], [-1, 2, 3], [5, 1], [5, 1, 3, 2], [[5, 1, 3]], [[5], [1], [3]], 3,
            [1.5, 2, 2], [True, True, True], ["a", "b", "c"],
        ],
    )  # fmt: skip
    def test_lengths(self, lengths, rng):
        layer = TimeAttention()
        with pytest.raises(ValueError, match=r"TimeAttention: lengths must be whole numbers \(3,\) in 1 … 5, got "):
            layer.forward(*states(rng), lengths)
        assert layer.weights is None

    def test_shapes(self):
        for layer, shapes in (
            (WeightSum(), ((2, 3, 4), (2, 4))),
            (AttentionWeight(), ((2, 3, 4), (2, 3))),
            (TimeAttention(), ((2, 3, 4), (2, 3, 5))),
            (TimeAttention(), ((2, 3, 4), (1, 3, 4))),
        ):
            with pytest.raises(ValueError, match=layer.name):
                layer.forward(*(numpy.ones(shape) for shape in shapes))

    @pytest.mark.parametrize("kind", ["dot", "additive"])
    @pytest.mark.parametrize(("S", "T"), [(0, 3), (3, 0)])
    def test_no_steps(self, kind, S, T):
        with pytest.raises(ValueError, match=rf"^TimeAttention: expected one step at least, got \(2, {S}, 4\) and "):
            TimeAttention(new_score(kind, 4)).forward(numpy.ones((2, S, 4)), numpy.ones((2, T, 4)))

    def test_a_score_of_another_width(self):
        layer = TimeAttention(new_score("additive", 4))
        with pytest.raises(ValueError, match=r"^AdditiveScore: expected an input \(N, steps, 4\), got \(2, 3, 5\)$"):
            layer.forward(numpy.ones((2, 3, 5)), numpy.ones((2, 2, 5)))

    @pytest.mark.parametrize("wrong", range(3))
    def test_weights_of_another_shape(self, wrong):
        weights = [numpy.ones((4, 2)), numpy.ones((4, 2)), numpy.ones(2)]
        weights[wrong] = numpy.ones((4, 2, 1))
        with pytest.raises(ValueError, match=f"^AdditiveScore: .*{('We', 'Wd', 'v')[wrong]}"):
            AdditiveScore(*weights)

    @pytest.mark.parametrize("score", ["scaled", ScaledScore])
    def test_what_is_no_score(self, score):
        with pytest.raises(TypeError, match=r"^TimeAttention: score must be .* ScaledScore\(\) .*, not .*[sS]caled"):
            TimeAttention(score)

    def test_gradients_of_another_batch(self):
        one, two = numpy.ones((2, 3, 4)), numpy.ones((2, 5, 4))
        score = AdditiveScore(numpy.ones((4, 2)), numpy.ones((4, 2)), numpy.ones(2))
        for layer, inputs, right, wrong in (
            (WeightSum(), (one, one[:, :, 0]), (2, 4), (1, 4)),
            (AttentionWeight(), (one, one[:, 0]), (2, 3), (1, 3)),
            (TimeAttention(), (one, two), (2, 5, 4), (1, 5, 4)),
            (DotScore(), (one, two), (2, 5, 3), (1, 5, 3)),
            (ScaledScore(), (one, two), (2, 5, 3), (2, 5, 1)),
            (score, (one, two), (2, 5, 3), (1, 5, 3)),
        ):
            layer.forward(*inputs)
            with pytest.raises(ValueError, match=re.escape(f"{layer.name}: the output is {right}, ") + ".*got"):
                layer.backward(numpy.ones(wrong))
            assert len(layer.backward(numpy.ones(right))) == 2

    def test_backward_first(self):
        with pytest.raises(RuntimeError, match="TimeAttention"):
            TimeAttention().backward(numpy.ones((1, 1, 1)))

    def test_unknown_score(self):
        with pytest.raises(ValueError, match="cosine"):
            new_score("cosine", 4)
