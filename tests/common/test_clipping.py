import math

import numpy
import pytest

from common.clipping import clip_grads, clip_rate, gradient_norm


@pytest.fixture
def grads(rng):
    return [rng.standard_normal((4, 5)), rng.standard_normal((5, 4)).T, rng.standard_normal((6, 8))[::2, ::3],
            rng.standard_normal(3)]  # fmt: skip


def test_norm_of_all_gradients_together(grads):
    assert gradient_norm(grads) == pytest.approx(math.sqrt(sum((g * g).sum() for g in grads)), rel=1e-14)
    assert gradient_norm([numpy.array([3.0]), numpy.array([[4.0]])]) == 5
    assert gradient_norm([]) == 0


@pytest.mark.parametrize("max_norm", [0.25, 3.0, 100.0])
def test_is_pytorchs(torch, grads, max_norm):
    theirs = [torch.zeros(g.shape, dtype=torch.double, requires_grad=True) for g in grads]
    for their, g in zip(theirs, grads, strict=True):
        their.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert gradient_norm(grads) == pytest.approx(float(norm), rel=1e-12)
    ours = list(grads)
    clip_grads(grads, max_norm)
    for their, mine, before in zip(theirs, grads, ours, strict=True):
        numpy.testing.assert_allclose(mine, their.grad, rtol=1e-12)
        assert mine is before  # in place


def test_small_gradients_stay_as_they_are(grads):
    before = [g.copy() for g in grads]
    clip_grads(grads, 1e3)
    assert all((g == b).all() for g, b in zip(grads, before, strict=True))


@pytest.mark.parametrize(("dtype", "size"), [("f", 1e30), ("d", 1e250)])
def test_squares_that_overflow_are_clipped_to_the_norm_not_to_zero(dtype, size):
    grads = [numpy.full((2, 2), size, dtype), numpy.ones(3, dtype)]
    assert gradient_norm(grads) == pytest.approx(2 * size, rel=1e-6)
    clip_grads(grads, 1.0)
    assert gradient_norm(grads) == pytest.approx(1, rel=1e-5)
    assert grads[0].dtype == dtype


@pytest.mark.parametrize(("count", "size"), [(70_000, 3), (300, 200), (4, 60_000)])
def test_float16(count, size):
    grads = [numpy.full(count, size, "f2"), numpy.zeros(3, "f2")]
    assert gradient_norm(grads) == pytest.approx(size * count**0.5, rel=1e-6)
    clip_grads(grads, 10.0)
    assert grads[0].dtype == "f2" and float(grads[0][0]) == pytest.approx(10 / count**0.5, rel=1e-3)


def test_the_largest_number_may_be_negative():
    assert gradient_norm([numpy.array([-1e30, 0], "f")]) == pytest.approx(1e30)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite(bad):
    with pytest.raises(FloatingPointError, match=r"^gradient 1 of shape \(2,\) holds NaN or infinity$"):
        gradient_norm([numpy.ones(3), numpy.array([bad, 1.0])])


def test_a_norm_beyond_float64_is_no_reason_to_delete_the_gradients():
    grads = [numpy.full(4, 1.7e308)]
    with pytest.raises(FloatingPointError, match="the joint norm of the gradients is beyond float64"):
        clip_grads(grads, 1.0)
    assert (grads[0] == 1.7e308).all()


def test_rate_is_one_at_most():
    assert clip_rate([numpy.array([3.0, 4.0])], 10) == (1.0, 5.0)
    rate, norm = clip_rate([numpy.array([3.0, 4.0])], 1)
    assert (rate, norm) == (pytest.approx(0.2, rel=1e-6), 5.0)


@pytest.mark.parametrize("kind", [numpy.float64, numpy.float32, numpy.array], ids=lambda kind: kind.__name__)
def test_numpys_numbers_are_taken_as_pythons(kind):
    """A rate of float64 would make float64 of float32 gradients."""
    rate, _ = clip_rate([numpy.ones(4, "f")], kind(0.5))
    assert type(rate) is float and rate == pytest.approx(0.25)
