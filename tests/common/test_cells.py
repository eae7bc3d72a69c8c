import numpy
import pytest
from layer_cases import Draw

from common import time_layers
from common.cells import gru_step, lstm_step

CELLS = {"RNN": 1, "LSTM": 4, "GRU": 3}


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


class TestEquations:
    """Each step, written out column by column."""

    def test_rnn(self):
        d = Draw()
        (Wx, Wh, b), x, h = d.cell(1), d.normal(4, 3), d.normal(4, 2)
        numpy.testing.assert_allclose(time_layers.RNN(Wx, Wh, b).forward(x, h), numpy.tanh(h @ Wh + x @ Wx + b))

    def test_lstm_columns_are_f_g_i_o(self):
        d = Draw()
        (Wx, Wh, b), x, h, c = d.cell(4), d.normal(4, 3), d.normal(4, 2), d.normal(4, 2)
        f, g, i, o = numpy.split(x @ Wx + h @ Wh + b, 4, axis=1)
        c_next = sigmoid(f) * c + numpy.tanh(g) * sigmoid(i)
        ours = time_layers.LSTM(Wx, Wh, b).forward(x, h, c)
        numpy.testing.assert_allclose(ours[1], c_next)
        numpy.testing.assert_allclose(ours[0], sigmoid(o) * numpy.tanh(c_next))

    def test_gru_columns_are_z_r_h(self):
        d = Draw()
        (Wx, Wh, b), x, h = d.cell(3), d.normal(4, 3), d.normal(4, 2)
        xz, xr, xh = numpy.split(x @ Wx + b, 3, axis=1)
        Wz, Wr, Wn = numpy.split(Wh, 3, axis=1)
        z, r = sigmoid(xz + h @ Wz), sigmoid(xr + h @ Wr)
        new = numpy.tanh(xh + (r * h) @ Wn)
        numpy.testing.assert_allclose(time_layers.GRU(Wx, Wh, b).forward(x, h), (1 - z) * h + z * new)


@pytest.mark.parametrize("kind", CELLS)
def test_a_step_is_what_the_layer_over_time_does(kind, rng):
    d = Draw()
    weights, xs, dhs = d.cell(CELLS[kind]), d.normal(2, 3, 3), d.normal(2, 3, 2)
    whole = getattr(time_layers, f"Time{kind}")(*weights)
    hs, dxs = whole.forward(xs), whole.backward(dhs)
    steps = [getattr(time_layers, kind)(*weights) for _ in range(3)]
    state = (numpy.zeros((2, 2)),) * (2 if kind == "LSTM" else 1)
    for t, step in enumerate(steps):
        outputs = step.forward(xs[:, t], *state)
        state = outputs if isinstance(outputs, tuple) else (outputs,)
        numpy.testing.assert_allclose(state[0], hs[:, t], rtol=1e-12)
    dstate = [numpy.zeros((2, 2)) for _ in state]
    for t in reversed(range(3)):
        dx, *dstate = steps[t].backward(dhs[:, t] + dstate[0], *dstate[1:])
        numpy.testing.assert_allclose(dx, dxs[:, t], rtol=1e-9)
    numpy.testing.assert_allclose(dstate[0], whole.dh, rtol=1e-9)
    for grads in zip(whole.grads, *(step.grads for step in steps), strict=True):
        numpy.testing.assert_allclose(grads[0], sum(grads[1:]), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("size", [2, 40])
def test_the_first_weight_decides_the_dtype(kind, size):
    """Zeros are float64 if nobody says anything else, and many biases are made so."""
    H, gates = 3, CELLS[kind]
    weights = [numpy.ones((4, gates * H), "f"), numpy.ones((H, gates * H), "f"), numpy.zeros(gates * H)]
    state = [numpy.zeros((size, H), "f")] * (2 if kind == "LSTM" else 1)
    step = getattr(time_layers, kind)(*weights)
    outputs = step.forward(numpy.ones((size, 4), "f"), *state)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    outputs = (*outputs, *step.backward(*outputs))
    whole = getattr(time_layers, f"Time{kind}")(*weights)
    hs = whole.forward(numpy.ones((size, 2, 4), "f"))
    assert {array.dtype for array in (*outputs, hs, whole.h, whole.backward(hs))} == {numpy.dtype("f")}


@pytest.mark.parametrize("kind", CELLS)
def test_huge_sums_saturate(kind):
    d = Draw("f")
    x, states = d.normal(4, 3) * 1e4, [d.normal(4, 2)] * (2 if kind == "LSTM" else 1)
    layer = getattr(time_layers, kind)(*d.cell(CELLS[kind]))
    outputs = layer.forward(x, *states)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    gradients = layer.backward(*[numpy.ones((4, 2), "f")] * len(outputs))
    assert all(numpy.isfinite(array).all() for array in (*outputs, *gradients, *layer.grads))


def test_steps_write_into_the_callers_arrays():
    d = Draw()
    A, h_prev, rh, h = d.normal(4, 6), d.normal(4, 2), numpy.empty((4, 2)), numpy.empty((4, 2))
    gru_step(A, h_prev, d.normal(2, 6), rh, h)
    numpy.testing.assert_allclose(rh, A[:, 2:4] * h_prev)
    sums, c, tanh_c = d.normal(4, 4, 2), numpy.empty((4, 2)), numpy.empty((4, 2))
    f, g, i, o = gates = sums.copy()
    lstm_step(gates, h_prev, c, tanh_c, h)
    numpy.testing.assert_allclose(g, numpy.tanh(sums[1]))
    numpy.testing.assert_allclose(gates[[0, 2, 3]], 1 / (1 + numpy.exp(-sums[[0, 2, 3]])))
    numpy.testing.assert_allclose(c, f * h_prev + g * i)
    numpy.testing.assert_allclose(tanh_c, numpy.tanh(c))
    numpy.testing.assert_allclose(h, o * tanh_c)


@pytest.mark.parametrize("kind", CELLS)
def test_no_examples(kind):
    step = getattr(time_layers, kind)(*Draw().cell(CELLS[kind]))
    state = (numpy.zeros((0, 2)),) * (2 if kind == "LSTM" else 1)
    outputs = step.forward(numpy.zeros((0, 3)), *state)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    gradients = step.backward(*(numpy.zeros_like(output) for output in outputs))
    assert [x.shape for x in (*outputs, *gradients)] == [*[(0, 2)] * len(state), (0, 3), *[(0, 2)] * len(state)]
    assert not any(grad.any() for grad in step.grads)
