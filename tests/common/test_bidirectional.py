import numpy
import pytest
from layer_cases import Draw

from common.bidirectional import TimeBiLSTM
from common.recurrent import TimeLSTM


def xs_of():
    return Draw(seed=1).normal(2, 6, 3)


def test_halves_are_aligned_to_time():
    d = Draw()
    ahead, back, xs = d.cell(4), d.cell(4), xs_of()
    hs = TimeBiLSTM(*ahead, *back).forward(xs)
    numpy.testing.assert_array_equal(hs[..., :2], TimeLSTM(*ahead).forward(xs))
    numpy.testing.assert_array_equal(hs[..., 2:], TimeLSTM(*back).forward(xs[:, ::-1])[:, ::-1])
    changed = xs.copy()
    changed[:, -1] += 1  # the last step: seen by all steps of the backward half, by one of the forward half
    differs = TimeBiLSTM(*ahead, *back).forward(changed) != hs
    assert not differs[:, :-1, :2].any() and differs[..., 2:].all() and differs[:, -1].all()


def test_stateful_carries_the_forward_half_only():
    d, xs = Draw(), xs_of()
    layer = TimeBiLSTM(*d.cell(4), *d.cell(4), stateful=True)
    first, second = layer.forward(xs), layer.forward(xs)
    assert (first != second)[..., :2].all() and (first == second)[..., 2:].all()
    layer.reset_state()
    numpy.testing.assert_array_equal(layer.forward(xs), first)


def test_both_halves_have_one_width():
    d = Draw()
    with pytest.raises(ValueError, match=r"TimeBiLSTM: Wx1 \(3, 8\) and Wx2 \(3, 12\) must have one shape"):
        TimeBiLSTM(*d.cell(4), *d.cell(4, 3, 3))
