"""A recurrent layer that reads in both directions."""

from common.layer import Layer
from common.np import Array, np
from common.recurrent import TimeLSTM


class TimeBiLSTM(Layer):
    """An LSTM forward in time and one backward, side by side: xs (N, T, D) -> (N, T, 2H).

    The first H columns of step t are the state of the one that has read steps 0 … t, the others that of the one that
    has read steps T - 1 … t (Schuster & Paliwal 1997). With ``stateful`` the forward one goes on from its state; the
    backward one, which meets the end of a sequence first, always starts from zero. Raises ValueError for weights,
    inputs, states and gradients that do not fit each other.
    """

    names = ("Wx1", "Wh1", "b1", "Wx2", "Wh2", "b2")

    def __init__(
        self, Wx1: Array, Wh1: Array, b1: Array, Wx2: Array, Wh2: Array, b2: Array, stateful: bool = False
    ) -> None:
        self.forward_lstm, self.backward_lstm = TimeLSTM(Wx1, Wh1, b1, stateful), TimeLSTM(Wx2, Wh2, b2)
        if Wx1.shape != Wx2.shape:
            raise ValueError(f"{self.name}: Wx1 {Wx1.shape} and Wx2 {Wx2.shape} must have one shape")
        super().__init__()
        self.params = self.forward_lstm.params + self.backward_lstm.params
        self.grads = self.forward_lstm.grads + self.backward_lstm.grads

    def set_state(self, h: Array, c: Array | None = None) -> None:
        """Let the next forward of a stateful layer start its forward LSTM from h and c (N, H)."""
        self.forward_lstm.set_state(h, c)

    def reset_state(self) -> None:
        """Let the next forward start from zero."""
        self.forward_lstm.reset_state()

    def forward(self, xs: Array) -> Array:
        xs = self.cast(xs)
        ahead = self.forward_lstm.forward(xs)
        back = self.backward_lstm.forward(xs[:, ::-1])[:, ::-1]
        return np.concatenate([ahead, back], axis=2)

    def backward(self, dhs: Array) -> Array:
        """dxs (N, T, D) from dhs (N, T, 2H)."""
        H = self.forward_lstm.hidden_size
        dhs = self.cast(dhs)
        if dhs.ndim and (dhs.ndim != 3 or dhs.shape[2] != 2 * H):
            raise ValueError(f"{self.name}: expected a gradient (N, T, {2 * H}), got {dhs.shape}")
        onwards, back = (dhs[..., :H], dhs[:, ::-1, H:]) if dhs.ndim else (dhs, dhs)  # a number is that of every output
        dxs = self.forward_lstm.backward(onwards)
        dxs += self.backward_lstm.backward(back)[:, ::-1]
        return dxs
