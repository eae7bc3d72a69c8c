import re
from contextlib import nullcontext

import numpy
import pytest
from gradient_check import check_gradients, check_results_belong_to_the_caller
from layer_cases import Draw, WithState

from common import recurrent, step_product, threads
from common.recurrent_variants import TimeDiagonalPeepholeLSTM, TimePeepholeLSTM, TimeReLURNN
from common.step_product import multiply_pieces
from common.time_layers import TimeDropout, TimeGRU, TimeLSTM, TimeRNN

pytestmark = pytest.mark.usefixtures("idle_cores")


def peephole(draw, stateful=False):
    return TimePeepholeLSTM(*draw.cell(4), stateful=stateful, Wc=draw.normal(2, 6))


def diagonal(draw, stateful=False):
    return TimeDiagonalPeepholeLSTM(*draw.cell(4), stateful=stateful, Wc=draw.normal(6))


def relu(draw, stateful=False):
    return TimeReLURNN(*draw.cell(1), stateful=stateful)


@pytest.mark.parametrize(("make", "states"), [(relu, 1), (peephole, 2), (diagonal, 2)])
def test_gradients(make, states, rng):
    draw = Draw()
    check_gradients(make(draw), [draw.normal(2, 4, 3)], rng)
    state = [draw.normal(2, 2) for _ in range(states)]
    check_gradients(WithState(make(draw, True)), [draw.normal(2, 4, 3), *state], rng)


@pytest.mark.parametrize("make", [relu, peephole, diagonal])
@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 1, 3), (1, 1, 3)])
def test_results_belong_to_the_caller(make, shape, rng):
    draw = Draw()
    check_results_belong_to_the_caller(make(draw), [draw.normal(*shape)], rng)


def test_relu_rnn_is_its_equation():
    draw = Draw()
    layer, xs = relu(draw), draw.normal(2, 4, 3)
    Wx, Wh, b = layer.params
    h = numpy.zeros((2, 2))
    for t, hs in enumerate(layer.forward(xs).transpose(1, 0, 2)):
        h = numpy.maximum(0, xs[:, t] @ Wx + h @ Wh + b)
        numpy.testing.assert_allclose(hs, h)


def test_peephole_lstm_is_its_equation():
    draw = Draw()
    layer, xs = peephole(draw), draw.normal(2, 4, 3)
    Wx, Wh, b, Wc = layer.params
    h = c = numpy.zeros((2, 2))

    def sigmoid(x):
        return 1 / (1 + numpy.exp(-x))

    for t, hs in enumerate(layer.forward(xs).transpose(1, 0, 2)):
        f, g, i, o = numpy.split(xs[:, t] @ Wx + h @ Wh + b, 4, axis=1)
        f, i = sigmoid(f + c @ Wc[:, :2]), sigmoid(i + c @ Wc[:, 2:4])
        c = f * c + i * numpy.tanh(g)
        h = sigmoid(o + c @ Wc[:, 4:]) * numpy.tanh(c)
        numpy.testing.assert_allclose(hs, h)
    numpy.testing.assert_allclose(layer.c, c)


def test_diagonal_peepholes_are_matrices_with_zeros_beside_the_diagonal():
    draw = Draw()
    weights, xs, dhs = draw.cell(4), draw.normal(2, 4, 3), draw.normal(2, 4, 2)
    Wc = draw.normal(6)
    matrices = numpy.concatenate([numpy.diag(part) for part in numpy.split(Wc, 3)], axis=1)
    ours, full = TimeDiagonalPeepholeLSTM(*weights, Wc=Wc), TimePeepholeLSTM(*weights, Wc=matrices)
    numpy.testing.assert_allclose(ours.forward(xs), full.forward(xs))
    numpy.testing.assert_allclose(ours.backward(dhs), full.backward(dhs))
    for part, block in zip(numpy.split(ours.grads[3], 3), numpy.split(full.grads[3], 3, axis=1), strict=True):
        numpy.testing.assert_allclose(part, numpy.diag(block))


def test_what_the_caller_does_to_the_cell_afterwards_changes_no_gradient():
    draw, gradients = Draw(), []
    layer, xs = peephole(draw), draw.normal(2, 4, 3)
    for spoil in (False, True):
        hs = layer.forward(xs)
        if spoil:
            layer.c[...] = 9
        layer.backward(numpy.ones_like(hs))
        gradients.append(layer.grads[3].copy())
    numpy.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("kind", [TimePeepholeLSTM, TimeDiagonalPeepholeLSTM])
def test_without_peepholes_it_is_an_lstm(kind):
    draw = Draw("f")
    weights, xs = draw.cell(4), draw.normal(2, 4, 3)
    assert {param.dtype for param in kind(*weights).params} == {numpy.dtype("f")}
    numpy.testing.assert_allclose(kind(*weights).forward(xs), TimeLSTM(*weights).forward(xs))


@pytest.mark.parametrize(("kind", "shape"), [(TimePeepholeLSTM, (2, 6)), (TimeDiagonalPeepholeLSTM, (6,))])
def test_peepholes_of_another_shape(kind, shape):
    for other in ((2, 4), (2, 6), (6,)):
        if other != shape:
            expected = f"{kind.__name__}: Wc must be {shape}, not {other}"
            with pytest.raises(ValueError, match=re.escape(expected)):
                kind(*Draw().cell(4), Wc=numpy.zeros(other))


class Fixed(TimeDropout):
    """Dropout with a given mask."""

    def __init__(self, mask):
        super().__init__(0.5, rng=0)
        self.given = mask

    def draw_mask(self, shape, dtype):
        assert shape == self.given.shape
        return self.given


KINDS = {TimeRNN: 1, TimeLSTM: 4, TimeGRU: 3, TimeReLURNN: 1, TimePeepholeLSTM: 4, TimeDiagonalPeepholeLSTM: 4}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@every_kind
class TestDropoutInTheRecurrence:
    def make(self, kind, **masks):
        draw = Draw()
        layer = kind(*draw.cell(KINDS[kind]), stateful=True)
        for name, mask in masks.items():
            setattr(layer, name, Fixed(numpy.array(mask, "d")))
        return layer, draw.normal(2, 5, 3)

    def test_gradients(self, kind, rng):
        layer, xs = self.make(kind, state_dropout=[[0, 2], [2, 2]])
        layer.weight_dropout = Fixed(Draw(seed=3).ids(2, *layer.params[1].shape) * 2.0)
        layer.stateful = False
        check_gradients(layer, [xs], rng)

    def test_a_mask_that_drops_all_cuts_the_recurrence(self, kind):
        for masks in ({"state_dropout": [[0, 0], [0, 0]]}, {"weight_dropout": numpy.zeros((2, KINDS[kind] * 2))}):
            layer, xs = self.make(kind, **masks)
            hs, (plain, _) = layer.forward(xs), self.make(kind)
            plain.params[1][...] = 0
            numpy.testing.assert_allclose(plain.forward(xs), hs)

    def test_off_in_evaluation(self, kind):
        layer, xs = self.make(kind, state_dropout=[[0, 2], [2, 0]])
        dropped = layer.forward(xs)
        layer.reset_state()
        layer.state_dropout.train_flg = False
        plain, _ = self.make(kind)
        numpy.testing.assert_array_equal(layer.forward(xs), plain.forward(xs))
        assert (dropped[:, 1:] != layer.forward(xs)[:, 1:]).any()

    def test_the_weights_themselves_stay(self, kind):
        layer, xs = self.make(kind, weight_dropout=numpy.zeros((2, KINDS[kind] * 2)))
        before = layer.params[1].copy()
        layer.backward(layer.forward(xs))
        numpy.testing.assert_array_equal(layer.params[1], before)
        assert not layer.grads[1].any()


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("dropped", [None, "weight", "state"])
def test_a_narrow_input_is_a_wide_one_with_zeros(constant, dropped):
    """A TimeLSTM whose input is narrow computes in another order; columns of zeros make it a wide one."""
    draw = Draw()
    Wx, Wh, b = draw.cell(4, 3, 4)
    narrow = TimeLSTM(Wx, Wh, b) if constant else TimeLSTM(Wx[:1], Wh, b)
    wide = TimeLSTM(numpy.concatenate([narrow.params[0], draw.normal(4, 16)]), Wh, b)
    xs, K, dhs = draw.normal(2, 5, 1), draw.normal(2, 2), draw.normal(2, 5, 4)
    given = {"constant": K} if constant else {}
    found = []
    for layer, inputs in ((narrow, xs), (wide, numpy.concatenate([xs, numpy.zeros((2, 5, 4))], axis=2))):
        if dropped:
            shape = (4, 16) if dropped == "weight" else (2, 4)
            setattr(layer, f"{dropped}_dropout", Fixed(Draw(seed=3).ids(2, *shape) * 2.0))
        hs = layer.forward(inputs, **given)
        dxs = layer.backward(dhs)
        rows = len(narrow.params[0])
        found.append([hs, dxs[..., :1], layer.grads[0][:rows], *layer.grads[1:], layer.dh, layer.dc, layer.dconstant])
    for ours, expected in zip(*found, strict=True):
        if expected is not None:
            numpy.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("batch, blas", [(3, "Haswell"), (16, "SkylakeX"), (70, "Haswell")])
@pytest.mark.parametrize("dropped", [None, "weight", "state"])
@pytest.mark.parametrize("kind", [TimeRNN, TimeLSTM, TimePeepholeLSTM])
def test_copies_of_the_weights_change_nothing(batch, blas, dropped, kind, monkeypatch):
    """As wide weights and large batches have them, for many steps: columns, pieces, and rows in one piece."""
    draw, found = Draw(), []
    weights, xs, dhs = draw.cell(kind.gate_count, 5, 4), draw.normal(batch, 5, 5), draw.normal(batch, 5, 4)
    monkeypatch.setattr(step_product, "blas_architectures", lambda: {blas})
    for module in (recurrent, step_product):
        monkeypatch.setattr(module, "fits_cache", lambda nbytes: False)
    pieces, copied = step_product.PiecewiseProduct, []
    monkeypatch.setattr(step_product, "PiecewiseProduct", lambda W, *args: copied.append(W.shape) or pieces(W, *args))

    def contiguous(a):
        copied.extend([] if a.flags.c_contiguous else [a.shape])
        return a.copy("C")

    monkeypatch.setattr(numpy, "ascontiguousarray", contiguous)
    for few in (5, 4):
        monkeypatch.setattr(step_product, "FEW_STEPS", few)
        layer = kind(*weights)
        if dropped:
            shape = weights[1].shape if dropped == "weight" else (batch, 4)
            setattr(layer, f"{dropped}_dropout", Fixed(Draw(seed=3).ids(2, *shape) * 2.0))
        copied.clear()
        found.append([layer.forward(xs), layer.backward(dhs), *layer.grads, layer.dh, getattr(layer, "dc", None)])
        if kind is TimeLSTM:
            copies = {3: {(16, 4)}, 16: {(4, 16), (16, 4)}, 70: {(16, 4)}}[batch] if few == 4 else set()
            assert copies == {(4, 16), (16, 4)} & set(copied)
    for ours, expected in zip(*found, strict=True):
        if expected is not None:
            numpy.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("batch", [65, 128])
@pytest.mark.parametrize("steps", [1, 3, 9])
@pytest.mark.parametrize("width", [3, 6])  # narrower than the state and wider, see _joined_sums
@pytest.mark.parametrize("dropped", [None, "weight", "state"])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("blas", ["Haswell", "SkylakeX"])  # with weights as they are, and in pieces
def test_half_of_the_rows_on_each_of_two_threads(batch, steps, width, dropped, constant, blas, monkeypatch):
    """As wide steps have them; a stateful layer, in its second block, against one thread for all rows."""
    draw, found, halves, in_pieces = Draw(), [], [], []
    monkeypatch.setattr(step_product, "blas_architectures", lambda: {blas})
    monkeypatch.setattr(step_product, "COLUMNS", (3, 2))  # of a state of 4
    for module in (recurrent, step_product):
        multiply = lambda x, *args: in_pieces.append(len(x)) or multiply_pieces(x, *args)  # noqa: E731
        monkeypatch.setattr(module, "multiply_pieces", multiply)
    weights, blocks = draw.cell(4, width, 4), draw.normal(2, batch, steps, width - 2 * constant)
    dhs, given = draw.normal(batch, steps, 4), {"constant": draw.normal(batch, 2)} if constant else {}
    in_halves = recurrent.in_halves
    monkeypatch.setattr(recurrent, "in_halves", lambda work, rows: halves.append(rows) or in_halves(work, rows))
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    for bytes_of_a_step in (10**9, batch * 16 * 8):
        monkeypatch.setattr(recurrent, "WIDE_STEP", bytes_of_a_step)
        assert halves == in_pieces == []
        layer = TimeLSTM(*weights, stateful=True)
        if dropped:
            shape = (4, 16) if dropped == "weight" else (batch, 4)
            setattr(layer, f"{dropped}_dropout", Fixed(Draw(seed=3).ids(2, *shape) * 2.0))
        hs = [layer.forward(xs, **given) for xs in blocks]
        dxs = layer.backward(dhs)
        found.append([*hs, dxs, *layer.grads, layer.h, layer.c, layer.dh, layer.dc, layer.dconstant])
    assert halves == [batch] * 3
    rows = [batch // 2, batch - batch // 2] * 3 * steps if blas == "SkylakeX" else []
    assert sorted(in_pieces) == sorted(rows)
    for ours, expected in zip(*found, strict=True):
        if expected is not None:
            numpy.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape, halved", [((128, 256), True), ((127, 256), False), ((64, 512), False)])
def test_which_steps_are_taken_in_halves(shape, halved, monkeypatch):
    """Those of half a megabyte of sums and more, and of more rows than step_product takes one by one."""
    N, H = shape
    calls: list[int] = []

    def in_halves(work, rows):
        calls.append(rows)
        work(slice(rows), nullcontext())

    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(recurrent, "in_halves", in_halves)
    layer = TimeLSTM(*(numpy.zeros(s, "f") for s in ((1, 4 * H), (H, 4 * H), 4 * H)))
    hs = layer.forward(numpy.zeros((N, 1, 1)))
    layer.backward(hs)
    assert calls == [N] * 2 * halved


class Halved(TimeLSTM):
    """An LSTM with a loop of its own over the sums, in which the output gate is halved."""

    def _run(self, x, Wx, offset):
        x, A, hs = self._sums(x, Wx, offset)
        c = numpy.zeros_like(hs[0])
        for t, sums in enumerate(A):
            f, g, i, o = numpy.split(sums + hs[t] @ self._Wh, 4, axis=1)
            c = c / (1 + numpy.exp(-f)) + numpy.tanh(g) / (1 + numpy.exp(-i))
            hs[t + 1] = numpy.tanh(c) / (1 + numpy.exp(-o)) / 2
        return x, A, hs, None

    def _run_backward(self, A, hs, kept, dhs):
        return numpy.ones_like(A), numpy.zeros_like(hs[0])


def test_a_subclass_with_steps_of_its_own_gets_the_sums_of_a_narrow_input_too(rng):
    """TimeLSTM leaves them out where the input is not wider than the state."""
    draw = Draw()
    check_gradients(TimePeepholeLSTM(*draw.cell(4, 1, 4), Wc=draw.normal(4, 12)), [draw.normal(2, 4, 1)], rng)
    weights, xs = draw.cell(4, 1, 4), draw.normal(2, 1, 1).repeat(4, axis=1)
    layer, plain = Halved(*weights), TimeLSTM(*weights)
    numpy.testing.assert_allclose(layer.forward(xs)[:, 0], plain.forward(xs)[:, 0] / 2)
    layer.backward(layer.forward(xs))
    numpy.testing.assert_allclose(layer.grads[0], numpy.full((1, 16), xs.sum()))
