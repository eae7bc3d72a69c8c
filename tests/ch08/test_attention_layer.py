import numpy
import pytest
from gradient_check import check_gradients

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


def test_scores(rng):
    hs_enc, hs_dec = states(rng)
    dot = DotScore().forward(hs_enc, hs_dec)
    numpy.testing.assert_allclose(dot, numpy.einsum("nsh,nth->nts", hs_enc, hs_dec))
    numpy.testing.assert_allclose(ScaledScore().forward(hs_enc, hs_dec), dot / H**0.5)
    We, Wd, v = rng.standard_normal((H, 2)), rng.standard_normal((H, 2)), rng.standard_normal(2)
    expected = numpy.tanh((hs_enc @ We)[:, None] + (hs_dec @ Wd)[:, :, None]) @ v
    numpy.testing.assert_allclose(AdditiveScore(We, Wd, v).forward(hs_enc, hs_dec), expected)


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
    def test_shapes(self):
        for layer, shapes in (
            (WeightSum(), ((2, 3, 4), (2, 4))),
            (AttentionWeight(), ((2, 3, 4), (2, 3))),
            (TimeAttention(), ((2, 3, 4), (2, 3, 5))),
            (TimeAttention(), ((2, 3, 4), (1, 3, 4))),
        ):
            with pytest.raises(ValueError, match=layer.name):
                layer.forward(*(numpy.ones(shape) for shape in shapes))

    def test_backward_first(self):
        with pytest.raises(RuntimeError, match="TimeAttention"):
            TimeAttention().backward(numpy.ones((1, 1, 1)))

    def test_unknown_score(self):
        with pytest.raises(ValueError, match="cosine"):
            new_score("cosine", 4)
