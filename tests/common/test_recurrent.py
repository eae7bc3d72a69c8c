import numpy
import pytest
from layer_cases import Draw

from common.initial import new_recurrent
from common.model_tree import state_of
from common.time_layers import TimeBiLSTM, TimeGRU, TimeLSTM, TimeRNN

KINDS = {TimeRNN: 1, TimeLSTM: 4, TimeGRU: 3}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def make(kind, stateful=False, seed=0):
    return kind(*Draw(seed=seed).cell(KINDS[kind]), stateful=stateful)


def xs_of(steps=6, batch=2, seed=1):
    return Draw(seed=seed).normal(batch, steps, 3)


@every_kind
class TestState:
    def test_carried_over_two_blocks_are_one_long_sequence(self, kind):
        xs, layer = xs_of(6), make(kind, stateful=True)
        blocks = numpy.concatenate([layer.forward(xs[:, :2]), layer.forward(xs[:, 2:])], axis=1)
        numpy.testing.assert_allclose(blocks, make(kind).forward(xs), rtol=1e-12)

    def test_not_stateful_starts_from_zero_each_time(self, kind):
        layer, xs = make(kind), xs_of()
        first = layer.forward(xs)
        numpy.testing.assert_array_equal(layer.forward(xs), first)
        layer.set_state(numpy.ones((2, 2)))
        numpy.testing.assert_array_equal(layer.forward(xs), first)

    def test_reset_forgets(self, kind):
        layer, xs = make(kind, stateful=True), xs_of()
        first = layer.forward(xs)
        assert not numpy.allclose(layer.forward(xs), first)
        layer.reset_state()
        assert layer.h is None
        numpy.testing.assert_array_equal(layer.forward(xs), first)

    def test_h_is_the_last_state_and_dh_the_gradient_of_the_first(self, kind):
        layer = make(kind, stateful=True)
        assert layer.h is None and layer.dh is None
        hs = layer.forward(xs_of())
        numpy.testing.assert_array_equal(layer.h, hs[:, -1])
        layer.backward(numpy.ones_like(hs))
        assert layer.dh.shape == (2, 2) and layer.dh.any()

    def test_the_state_given_is_not_changed_by_the_layer(self, kind):
        layer, h = make(kind, stateful=True), numpy.ones((2, 2))
        layer.set_state(h)
        layer.forward(xs_of())
        assert (h == 1).all()

    def test_the_state_given_stays_the_layers_whatever_becomes_of_the_array(self, kind):
        layer, h = make(kind, stateful=True), numpy.ones((2, 2))
        layer.set_state(*[h] * len(state_of(layer)))
        h += 9
        assert all((part == 1).all() for part in state_of(layer).values())

    def test_what_the_caller_does_to_the_state_afterwards_changes_no_gradient(self, kind):
        gradients = []
        for spoil in (False, True):
            layer = make(kind, stateful=True)
            hs = layer.forward(xs_of())
            if spoil:
                layer.h[...] = 9
                if kind is TimeLSTM:
                    layer.c[...] = 9
            gradients.append(layer.backward(numpy.ones_like(hs)))
        numpy.testing.assert_array_equal(*gradients)

    def test_another_batch_size_needs_a_reset(self, kind):
        layer = make(kind, stateful=True)
        layer.forward(xs_of(batch=1))
        with pytest.raises(ValueError, match=r"state \(1, 2\) does not fit a batch of 5 .*reset_state\(\) forgets it"):
            layer.forward(xs_of(batch=5))
        layer.reset_state()
        assert layer.forward(xs_of(batch=5)).shape == (5, 6, 2)

    def test_a_state_of_another_width_is_refused_when_it_is_set(self, kind):
        layer = make(kind, stateful=True)
        with pytest.raises(ValueError, match=r"a state \(2, 3\) does not fit a batch of 2 and a hidden size of 2"):
            layer.set_state(numpy.ones((2, 3)))
        assert layer.h is None


def test_lstm_state_without_a_cell_starts_from_a_zero_cell():
    h, states = Draw().normal(2, 2), []
    for cell in ([], [None], [numpy.zeros((2, 2))]):
        layer = make(TimeLSTM, stateful=True)
        layer.forward(xs_of())  # leaves a cell that is not zero
        layer.set_state(h, *cell)
        states.append(layer.forward(xs_of()))
    numpy.testing.assert_array_equal(states[0], states[2])
    numpy.testing.assert_array_equal(states[1], states[2])


def test_a_cell_without_a_state_starts_from_a_zero_state():
    cell, states = Draw().normal(2, 2), []
    for h in (None, numpy.zeros((2, 2))):
        layer = make(TimeLSTM, stateful=True)
        layer.forward(xs_of())
        layer.set_state(h, cell)
        states.append(layer.forward(xs_of()))
    numpy.testing.assert_array_equal(*states)


class TestPyTorch:
    """In float64, over two blocks with the state carried over: outputs, gradients, states."""

    @staticmethod
    def compare(ours, their_run, their_weights, torch):
        """their_run(xs, state or None) -> hs, state; their_weights: what the gradients of our params must be."""
        state = None
        for block in (1, 2):
            xs = xs_of(seed=block)
            their_xs = torch.tensor(xs, requires_grad=True)
            hs, state = their_run(their_xs, state)
            dhs = Draw(seed=block + 10).normal(*hs.shape)
            grads = torch.autograd.grad((hs * torch.tensor(dhs)).sum(), [their_xs, *their_weights])
            state = tuple(part.detach() for part in state)
            numpy.testing.assert_allclose(ours.forward(xs), hs.detach(), rtol=1e-10)
            numpy.testing.assert_allclose(ours.backward(dhs), grads[0], rtol=1e-9, atol=1e-14)
            for mine, their in zip(ours.grads, grads[1:], strict=True):
                numpy.testing.assert_allclose(mine, their.reshape(mine.shape), rtol=1e-9, atol=1e-14)

    @staticmethod
    def run(torch, kind, Wx, Wh, b, xs, state):
        """torch.nn.RNN or LSTM with our weights (which it keeps transposed) from a state or None, over xs (N, T, D)."""
        module = getattr(torch.nn, kind)(*Wx.shape[:1], *Wh.shape[:1], batch_first=True)
        weights = {"weight_ih_l0": Wx.T, "weight_hh_l0": Wh.T, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)}
        hs, state = torch.func.functional_call(module, weights, (xs, state))
        return hs, state if isinstance(state, tuple) else (state,)

    def test_rnn(self, torch):
        ours = make(TimeRNN, stateful=True)
        weights = [torch.tensor(p, requires_grad=True) for p in ours.params]
        self.compare(ours, lambda xs, state: self.run(torch, "RNN", *weights, xs, state and state[0]), weights, torch)

    def lstm(self, torch, weights, xs, state):
        """Its columns are i, f, g, o where ours are f, g, i, o."""

        def reordered(p):
            f, g, i, o = p.chunk(4, dim=-1)
            return torch.cat([i, f, g, o], dim=-1)

        return self.run(torch, "LSTM", *map(reordered, weights), xs, state)

    def test_lstm(self, torch):
        ours = make(TimeLSTM, stateful=True)
        weights = [torch.tensor(p, requires_grad=True) for p in ours.params]
        self.compare(ours, lambda xs, state: self.lstm(torch, weights, xs, state), weights, torch)

    def test_bilstm(self, torch):
        d = Draw()
        ours = TimeBiLSTM(*d.cell(4), *d.cell(4), stateful=True)
        weights = [torch.tensor(p, requires_grad=True) for p in ours.params]

        def run(xs, state):
            hs, state = self.lstm(torch, weights[:3], xs, state)
            back, _ = self.lstm(torch, weights[3:], xs.flip(1), None)
            return torch.cat([hs, back.flip(1)], dim=2), state

        self.compare(ours, run, weights, torch)

    def test_gru_with_the_books_equation(self, torch):
        """torch.nn.GRU resets after the product and lets z weigh the old state, so it cannot be compared with."""
        ours = make(TimeGRU, stateful=True)
        weights = [torch.tensor(p, requires_grad=True) for p in ours.params]

        def run(xs, state):
            Wx, Wh, b = weights
            h = torch.zeros(2, 2, dtype=xs.dtype) if state is None else state[0]
            hs = []
            for x in xs.unbind(1):
                z, r = torch.sigmoid(x @ Wx[:, :4] + h @ Wh[:, :4] + b[:4]).chunk(2, dim=1)
                new = torch.tanh(x @ Wx[:, 4:] + (r * h) @ Wh[:, 4:] + b[4:])
                h = (1 - z) * h + z * new
                hs.append(h)
            return torch.stack(hs, dim=1), (h,)

        self.compare(ours, run, weights, torch)


@every_kind
def test_a_constant_input_is_as_if_joined_in_front_at_every_step(kind, rng):
    joined, apart = make(kind), make(kind)
    xs = xs_of()
    constant, xs_rest = xs[:, 0, :1].copy(), xs[:, :, 1:]
    xs = numpy.concatenate([numpy.repeat(constant[:, None], xs.shape[1], axis=1), xs_rest], axis=2)
    hs = joined.forward(xs)
    numpy.testing.assert_allclose(apart.forward(xs_rest, constant), hs, rtol=1e-6)
    dhs = rng.standard_normal(hs.shape).astype(hs.dtype)
    dxs = joined.backward(dhs)
    numpy.testing.assert_allclose(apart.backward(dhs), dxs[:, :, 1:], rtol=1e-5, atol=1e-7)
    numpy.testing.assert_allclose(apart.dconstant, dxs[:, :, :1].sum(axis=1), rtol=1e-5, atol=1e-7)
    for own, other in zip(apart.grads, joined.grads, strict=True):
        numpy.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=kind.__name__):
        apart.forward(xs_rest, constant[:1])


def test_rnn_is_the_plain_loop(rng):
    """As the module's docstring has it."""
    Wx, Wh, b, xs = (rng.standard_normal(shape) for shape in ((3, 5), (5, 5), (5,), (2, 6, 3)))
    h, hs = numpy.zeros((2, 5)), numpy.empty((2, 6, 5))
    for t in range(6):
        h = numpy.tanh(xs[:, t] @ Wx + h @ Wh + b)
        hs[:, t] = h
    numpy.testing.assert_allclose(TimeRNN(Wx, Wh, b).forward(xs), hs, rtol=1e-12)


def test_only_an_lstm_has_forget_gates(rng):
    assert new_recurrent(TimeLSTM, 2, 3, rng, forget_bias=1.0).params[2][:4].tolist() == [1, 1, 1, 0]
    with pytest.raises(ValueError, match=r"new_recurrent: a TimeGRU has no forget gates, got forget_bias 1\.0"):
        new_recurrent(TimeGRU, 2, 3, rng, forget_bias=1.0)
