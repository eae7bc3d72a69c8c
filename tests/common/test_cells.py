import numpy
import pytest
from layer_cases import Draw

from common import cells, time_layers
from common.cells import by_gate, gru_step, lstm_step, lstm_sums, lstm_weights, sigmoid_in_place
from common.gradcheck import gradcheck
from common.step_product import in_pieces

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


both_sigmoids = pytest.mark.parametrize("by_tanh", [True, False])


def choose_sigmoid(monkeypatch, by_tanh):
    """As if the CPU were one whose tanh is faster than its exp, or one whose exp is."""
    monkeypatch.setattr(cells, "tanh_beats_exp", lambda dtype: by_tanh)


@both_sigmoids
@pytest.mark.parametrize(("dtype", "atol"), [("f", 1e-7), ("d", 1e-15)])
def test_sigmoids(by_tanh, dtype, atol, monkeypatch):
    choose_sigmoid(monkeypatch, by_tanh)
    x = numpy.concatenate([numpy.linspace(-30, 30, 1001), [-1e4, 1e4, -numpy.inf, numpy.inf]]).astype(dtype)
    y = x.copy()
    sigmoid_in_place(y)
    assert y.dtype == dtype
    with numpy.errstate(over="ignore"):
        numpy.testing.assert_allclose(y, sigmoid(x.astype("d")), atol=atol, rtol=0)
    numpy.testing.assert_array_equal(y[-4:], [0, 1, 0, 1])


@both_sigmoids
def test_the_weights_of_an_lstm_give_its_sums(by_tanh, monkeypatch):
    choose_sigmoid(monkeypatch, by_tanh)
    d = Draw()
    (Wx, Wh, b), x, h = d.cell(4, 3, 5), d.normal(4, 3), d.normal(4, 5)
    hx1 = numpy.concatenate([h, x, numpy.ones((4, 1))], axis=1)
    numpy.testing.assert_allclose(by_gate(hx1 @ lstm_weights(Wh, Wx, b), 4), lstm_sums(h @ Wh + x @ Wx + b))


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_weights_of_an_lstm_in_pieces(columns, rng):
    Wx, Wh, b = rng.normal(size=(3, 16)), rng.normal(size=(4, 16)), rng.normal(size=16)
    by_gates = by_gate(lstm_weights(Wh, Wx, b), 4)
    numpy.testing.assert_array_equal(lstm_weights(Wh, Wx, b, columns), in_pieces(by_gates, columns))


@both_sigmoids
@pytest.mark.parametrize("joined", [True, False])
def test_an_lstm_with_either_sigmoid(by_tanh, joined, monkeypatch):
    d, T = Draw(), 4
    N, D, H = (4, 3, 5) if joined else (1, 3, 5)
    weights, xs, h, c = d.cell(4, D, H), d.normal(N, T, D), numpy.zeros((N, H)), numpy.zeros((N, H))
    layer = time_layers.TimeLSTM(*weights)
    choose_sigmoid(monkeypatch, by_tanh)
    Wx, Wh, b = weights
    for x, ours in zip(xs.swapaxes(0, 1), layer.forward(xs).swapaxes(0, 1), strict=True):
        f, g, i, o = numpy.split(x @ Wx + h @ Wh + b, 4, axis=1)
        c = sigmoid(f) * c + numpy.tanh(g) * sigmoid(i)
        h = sigmoid(o) * numpy.tanh(c)
        numpy.testing.assert_allclose(ours, h)
    assert max(gradcheck(layer, xs).values()) < 1e-7


@pytest.mark.parametrize("dtypes", ["fdd", "fid", "dfi", "ifd"])
@pytest.mark.parametrize("D", [3, 6])
def test_weights_of_several_dtypes(dtypes, D, rng):
    """Those of a narrow input, joined to the state's, and of a wide one."""
    shapes = (D, 20), (5, 20), 20
    weights = [rng.integers(-3, 4, shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    xs = rng.normal(size=(4, 6, D))
    hs = time_layers.TimeLSTM(*weights).forward(xs)
    expected = time_layers.TimeLSTM(*(weight.astype("d") for weight in weights)).forward(xs)
    numpy.testing.assert_allclose(hs, expected, rtol=1e-4, atol=1e-5)


@both_sigmoids
def test_steps_write_into_the_callers_arrays(by_tanh, monkeypatch):
    choose_sigmoid(monkeypatch, by_tanh)
    d = Draw()
    A, h_prev, rh, h = d.normal(4, 6), d.normal(4, 2), numpy.empty((4, 2)), numpy.empty((4, 2))
    gru_step(A, h_prev, d.normal(2, 6), rh, h)
    numpy.testing.assert_allclose(rh, A[:, 2:4] * h_prev)
    sums, c, tanh_c = d.normal(4, 8), numpy.empty((4, 2)), numpy.empty((4, 2))
    i, o, f, g = gates = lstm_sums(sums)
    lstm_step(gates, gates, h_prev, c, tanh_c, h)
    expected = numpy.split(sigmoid(sums), 4, axis=1)
    numpy.testing.assert_allclose([f, i, o], [expected[0], expected[2], expected[3]])
    numpy.testing.assert_allclose(g, numpy.tanh(sums[:, 2:4]))
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
