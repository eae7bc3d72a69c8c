"""Recurrent layers that only read: their states, step by step, and no backward.

    reader = new_reader(layer)
    state = reader.start(h)              # h (N, H), after which an LSTM begins with a zero cell
    h, *_ = state = reader.read(x, state)    # one step, x (N, D)

A state is a tuple of arrays of N rows, of which the first is h. So rows can be chosen from it, as beam search does.
"""

from typing import Any

from common.cells import by_gate, lstm_step, lstm_sums, lstm_weights
from common.np import Array, np
from common.own_models import is_own
from common.recurrent import TimeLSTM

State = tuple[Array, ...]


class LayerReader:
    """Reads with a layer over time, by its own forward, in the layer's own state.

    With `start(h, constant)`, constant (N, K), the layer gets it in front of the inputs at every step.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def start(self, h: Array, constant: Array | None = None) -> State:
        self.layer.set_state(h)
        return *self._state(), *(() if constant is None else (constant,))

    def read(self, x: Array, state: State) -> State:
        """The state after the inputs x (N, D) of one step."""
        parts = len(self._state())
        own, constant = state[:parts], state[parts:]
        self.layer.set_state(*own)
        self.layer.forward(np.concatenate([*constant, x], axis=1)[:, None])
        return *self._state(), *constant

    def _state(self) -> State:
        """(h, c) of an LSTM, whose c None is zero, (h,) of other layers."""
        h = self.layer.h
        if not hasattr(self.layer, "c"):
            return (h,)
        return h, np.zeros_like(h) if self.layer.c is None else self.layer.c


class LSTMReader:
    """Reads with the weights that a :class:`common.recurrent.TimeLSTM` has at `start`, and leaves the layer as it is.

    A step is one product, [h x 1] [Wh; Wx; b]. A constant input, whose rows of Wx come first, is multiplied with them
    once. Nothing is kept of a step but the state after it.
    """

    def __init__(self, layer: TimeLSTM) -> None:
        self.layer = layer
        self._W: Any = None  # lstm_weights (H + D + 1, 4H), without the rows of a constant input

    def start(self, h: Array, constant: Array | None = None) -> State:
        """The state (h, c), and with a constant input (N, K) also its share of the sums, (N, 4, H)."""
        Wx, Wh, b = self.layer.params
        h, K = self.layer.check_state(h, len(h)), 0 if constant is None else constant.shape[1]
        self._W = lstm_weights(Wh, Wx[K:], b)
        share = () if constant is None else (lstm_sums(constant @ Wx[:K]).swapaxes(0, 1),)
        return h, np.zeros_like(h), *share

    def read(self, x: Array, state: State) -> State:
        """The state after the inputs x (N, D) of one step. ValueError for inputs of another shape."""
        h_prev, c_prev, *constant = state
        x = self.layer.check_input(x, len(h_prev), len(self._W) - self.layer.hidden_size - 1)
        sums = by_gate(np.concatenate([h_prev, x, np.ones_like(x[:, :1])], axis=1) @ self._W, 4)
        if constant:
            sums += constant[0].swapaxes(0, 1)
        gates, (c, tanh_c, h) = np.empty(sums.shape, sums.dtype), (np.empty_like(h_prev) for _ in range(3))
        lstm_step(sums, gates, c_prev, c, tanh_c, h)
        return h, c, *constant

    def read_rows(self, xs: Array, ids: Array) -> Array:
        """The states hs (N, S, H) after each of the inputs xs (N, S, D), from a zero state.

        ids (N, S) say which inputs are equal: where two rows begin with the same ids, they begin with the same inputs,
        and lead to the same states. What neighbours begin with in common is read once for all of them, so that sorted
        rows are the fastest: of 5,000 dates, 136 begin with other three letters than the one before them.
        """
        N, S = ids.shape
        differs = np.ones((N, S), bool)  # whether a row is another than the one before it, in this step or before
        differs[1:] = (ids[1:] != ids[:-1]).cumsum(axis=1) > 0
        group = differs.cumsum(axis=0) - 1  # of the rows that are alike so far, numbered from 0
        hs = np.empty((N, S, self.layer.hidden_size), self.layer.params[1].dtype)
        state = self.start(np.zeros_like(hs[:1, 0]))
        for t in range(S):
            first = np.flatnonzero(differs[:, t])  # of each group
            if len(first) > len(state[0]):
                before = group[first, t - 1] if t else np.zeros(len(first), int)
                state = tuple(part[before] for part in state)
            state = self.read(xs[first, t], state)
            hs[:, t] = state[0] if len(first) == N else state[0][group[:, t]]
        return hs


def new_reader(layer: Any, owner: Any) -> Any:
    """A reader with a recurrent layer of the model or part of a model `owner`.

    That is :class:`LSTMReader` with a TimeLSTM, if all in the owner is the library's own, see
    :func:`common.own_models.is_own`, and :class:`LayerReader` otherwise: what is a user's may look at the layer.
    """
    return LSTMReader(layer) if type(layer) is TimeLSTM and is_own(owner) else LayerReader(layer)
