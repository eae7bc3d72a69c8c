"""Recurrent layers over whole sequences: xs (N, T, D) -> hs (N, T, H). TimeRNN equals this plain loop::

    h = np.zeros((N, H))
    for t in range(T):
        h = np.tanh(xs[:, t] @ Wx + h @ Wh + b)
        hs[:, t] = h

To be faster, only what depends on the previous state stays in the loop over time. The products with the input, x Wx of
all steps, are one matrix product before it, and the gradients of the weights and of the input are one each after it.
Inside, arrays are time-major (T, N, ·), so that a step is one piece of memory.
"""

from typing import Any

from common.cells import (
    RecurrentLayer,
    check_state,
    gru_step,
    gru_step_backward,
    lstm_step,
    lstm_step_backward,
    rnn_step,
    rnn_step_backward,
)
from common.functions import affine
from common.layer import Layer
from common.np import Array, np

SMALL_BATCH = 64


class Recurrent(RecurrentLayer):
    """Base of the recurrent layers over time.

    h      state (N, H) after the last step, None before the first forward
    dh     gradient (N, H) of the state before the first step, after a backward
    A forward may get a `constant` input (N, K) too, as if it stood in front of xs at every step: the first K rows of Wx
    are its own, and `dconstant` (N, K) is its gradient after a backward.
    With ``stateful`` the next forward goes on from h (truncated backpropagation through time: no gradient flows to the
    previous block), else each forward starts from a zero state.

    Two ways of dropout inside the recurrence, each None or a TimeDropout, whose mask all steps of a forward share:
    state_dropout    of the states h (N, H) that are multiplied with Wh (Gal & Ghahramani 2016)
    weight_dropout   of Wh itself, called DropConnect (Wan et al. 2013, Merity et al. 2018)

    Weights Wx (D, G·H), Wh (H, G·H), b (G·H,) with G gates. Raises ValueError for weights, inputs and states that do
    not fit each other, also for a state of another batch size.
    """

    dh: Any = None
    dconstant: Any = None
    state_dropout: Any = None
    weight_dropout: Any = None

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False) -> None:
        super().__init__(Wx, Wh, b)
        self.stateful = stateful
        self.h: Any = None

    def set_state(self, h: Array) -> None:
        """Let the next forward of a stateful layer start from h (N, H); None is the zero state."""
        self.h = None if h is None else check_state(self, h, len(h))

    def reset_state(self) -> None:
        """Let the next forward start from the zero state."""
        self.h = None

    def forward(self, xs: Array, constant: Array | None = None) -> Array:
        Wx, _, b = self.params[:3]
        K = 0
        if constant is not None:
            constant = self.check_input(constant, len(xs), "K")
            K = constant.shape[1]
        xs = self.check_input(xs, "N", "T", Wx.shape[0] - K)
        N, T, _ = xs.shape
        if N == 0 or T == 0:
            raise ValueError(f"{self.name}: expected one sequence and one step at least, got an input {xs.shape}")
        self._draw_masks(N)
        x, A, hs = self._sums(xs.transpose(1, 0, 2), Wx[K:], b if constant is None else constant @ Wx[:K] + b)
        hs[0] = self._start(self.h, N)
        self._cache = x, constant, A, hs, self._run(A, hs)
        self.h = hs[-1].copy()
        # A copy also for one sequence or one step, where ascontiguousarray would give a view of what backward needs.
        return hs[1:].transpose(1, 0, 2).copy()

    def backward(self, dhs: Array) -> Array:
        """dxs (N, T, D) from dhs (N, T, H)."""
        Wx = self.params[0]
        x, constant, A, hs, more = self.cached()
        K = Wx.shape[0] - x.shape[-1]
        T, N, H = len(A), hs.shape[1], hs.shape[2]
        dhs = self.check_gradient(dhs, (N, T, H)).transpose(1, 0, 2)
        dA, self.dh = self._run_backward(A, hs, more, dhs)
        if constant is not None:
            dA_sum = dA.sum(axis=0)
            np.matmul(constant.T, dA_sum, out=self.grads[0][:K])
            self.dconstant = dA_sum @ Wx[:K].T
        dA = dA.reshape(T * N, -1)
        self._weight_gradients(x, hs[:-1], more, dA, self.grads[0][K:])
        if self._Wh_mask is not None:
            self.grads[1] *= self._Wh_mask
        self.grads[2][...] = np.ones(T * N, dA.dtype) @ dA
        return np.ascontiguousarray((dA @ Wx[K:].T).reshape(T, N, -1).transpose(1, 0, 2))

    def _sums(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array]:
        """x (T, N, D) in one piece, A = x Wx + offset (T, N, G·H), and hs (T + 1, N, H), to be filled.

        offset (G·H,) or (N, G·H); hs[t] is the state before step t.
        """
        x = np.ascontiguousarray(x)
        T, N, D = x.shape
        if offset.ndim == 1:
            A = affine(x.reshape(-1, D), Wx, offset).reshape(T, N, -1)
        else:
            A = (x.reshape(-1, D) @ Wx).reshape(T, N, -1)
            A += offset
        return x, A, np.empty((T + 1, N, self.hidden_size), A.dtype)

    def _start(self, state: Array, batch_size: int) -> Array:
        """The state (N, H), or 0, that the forward begins with."""
        if not self.stateful or state is None:
            return 0
        return check_state(self, state, batch_size)

    def _draw_masks(self, batch_size: int) -> None:
        Wh = self.params[1]

        def mask(dropout: Any, shape: tuple[int, ...]) -> Any:
            return dropout.draw_mask(shape, Wh.dtype) if dropout is not None and dropout.train_flg else None

        self._mask = mask(self.state_dropout, (batch_size, self.hidden_size))  # of the states
        self._Wh_mask = mask(self.weight_dropout, Wh.shape)
        self._Wh = Wh if self._Wh_mask is None else Wh * self._Wh_mask  # after dropout

    def _masked(self, h: Array) -> Array:
        """The states h (..., N, H) as the product with Wh sees them; or the gradient of h, from that of these."""
        return h if self._mask is None else h * self._mask

    def _run(self, A: Array, hs: Array) -> Any:
        """Fill hs from :meth:`_sums`'s A, which may be overwritten; returns what else backward needs."""
        raise NotImplementedError

    def _run_backward(self, A: Array, hs: Array, more: Any, dhs: Array) -> tuple[Array, Array]:
        """(dA, dh): the gradient of A as it was before _run, and that of the state before the first step.

        dA may be A itself, if nothing in it is needed: a second backward must give the same result.
        """
        raise NotImplementedError

    def _weight_gradients(self, x: Array, h: Array, more: Any, dA: Array, dWx: Array) -> None:
        """Write those of Wx and Wh, from x (T, N, D), the states before each step h (T, N, H) and dA (T·N, G·H)."""
        np.matmul(x.reshape(-1, x.shape[2]).T, dA, out=dWx)
        self._recurrent_gradient(self._masked(h).reshape(-1, self.hidden_size), more, dA)

    def _recurrent_gradient(self, h: Array, more: Any, dA: Array) -> None:
        """Write that of Wh, from h (T·N, H), masked, and dA (T·N, G·H)."""
        np.matmul(h.T, dA, out=self.grads[1])


def times_transposed(dA: Array, W: Array) -> Array:
    """dA Wᵀ (N, H). For a small batch W dAᵀ, transposed: there the BLAS has more rows to share among its threads."""
    return dA @ W.T if len(dA) > SMALL_BATCH else (W @ dA.T).T


class TimeRNN(Recurrent):
    """h_t = tanh(x_t Wx + h_{t-1} Wh + b). Wx (D, H), Wh (H, H), b (H,)."""

    def _run(self, A: Array, hs: Array) -> None:
        Wh = self._Wh
        for t in range(len(A)):
            A[t] += self._masked(hs[t]) @ Wh
            rnn_step(A[t], hs[t + 1])

    def _run_backward(self, A: Array, hs: Array, more: None, dhs: Array) -> tuple[Array, Array]:
        dh = np.zeros_like(hs[0])
        for t in reversed(range(len(A))):
            dh += dhs[t]
            rnn_step_backward(hs[t + 1], dh, A[t])
            dh[...] = self._masked(times_transposed(A[t], self._Wh))
        return A, dh


class TimeLSTM(Recurrent):
    """An LSTM, see :func:`common.cells.lstm_step`. Wx (D, 4H), Wh (H, 4H), b (4H,), columns f, g, i, o.

    The state is h and the cell c (N, H); dh and dc are their gradients after a backward.
    """

    gates = 4
    joins = True  # [h x] and [Wh; Wx] where that is faster, see _sums; False for a subclass whose _run does not do so
    dc: Any = None

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False) -> None:
        super().__init__(Wx, Wh, b, stateful)
        self.c: Any = None

    def set_state(self, h: Array, c: Array | None = None) -> None:
        """Let the next forward of a stateful layer start from h and c (N, H); None is zero."""
        super().set_state(h)
        self.c = None if c is None else check_state(self, c, len(c if h is None else h))

    def reset_state(self) -> None:
        """Let the next forward start from zero h and c."""
        self.h, self.c = None, None

    def _sums(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array]:
        """For a long input much narrower than the state, A is the offset alone, and _run adds [h x] [Wh; Wx].

        So A, the largest array of all, which several passes would write to memory and read back, is a view of the
        offset, and h and x are views of one array (T + 1, N, H + D). For a few steps, joining the weights costs more.
        """
        T, N, D = x.shape
        H = self.hidden_size
        self._joined: Any = None  # [h x] and [Wh; Wx]
        if not self.joins or 4 * D > H or T * N < H or self._mask is not None:
            return super()._sums(x, Wx, offset)
        self._joined = np.empty((T + 1, N, H + D), Wx.dtype), np.concatenate([self._Wh, Wx])
        h, x_there = self._joined[0][:, :, :H], self._joined[0][:-1, :, H:]
        x_there[...] = x
        return x_there, np.broadcast_to(offset, (T, N, 4 * H)), h

    def _run(self, A: Array, hs: Array) -> tuple[Any, Any, Any, Any]:
        T, (N, H) = len(A), hs.shape[1:]
        gates, recurrent = np.empty((T, 4, N, H), hs.dtype), np.empty((N, 4 * H), hs.dtype)
        cs, tanh_cs = np.empty((T + 1, N, H), hs.dtype), np.empty((T, N, H), hs.dtype)
        cs[0] = self._start(self.c, N)
        h, W = self._joined or (hs, self._Wh)
        for t in range(T):
            np.matmul(self._masked(h[t]), W, out=recurrent)
            lstm_step(A[t], recurrent, gates[t], cs[t], cs[t + 1], tanh_cs[t], hs[t + 1])
        self.c = cs[-1].copy()
        return self._joined, gates, cs, tanh_cs

    def _run_backward(self, A: Array, hs: Array, more: tuple[Any, ...], dhs: Array) -> tuple[Array, Array]:
        joined, gates, cs, tanh_cs = more
        dA = A if joined is None else np.empty(A.shape, A.dtype)
        dh, self.dc = np.zeros(hs[0].shape, hs.dtype), np.zeros(hs[0].shape, hs.dtype)
        for t in reversed(range(len(A))):
            dh += dhs[t]
            lstm_step_backward(gates[t], cs[t], tanh_cs[t], dh, self.dc, dA[t])
            dh[...] = self._masked(times_transposed(dA[t], self._Wh))
        return dA, dh

    def _weight_gradients(self, x: Array, h: Array, more: tuple[Any, ...], dA: Array, dWx: Array) -> None:
        if not self.joins or more[0] is None:
            return super()._weight_gradients(x, h, more, dA, dWx)
        hx, H = more[0][0][:-1], self.hidden_size
        dW = hx.reshape(len(dA), -1).T @ dA
        self.grads[1][...], dWx[...] = dW[:H], dW[H:]


class TimeGRU(Recurrent):
    """A GRU, see :func:`common.cells.gru_step`. Wx (D, 3H), Wh (H, 3H), b (3H,), columns z, r, h~."""

    gates = 3

    def _run(self, A: Array, hs: Array) -> Any:
        Wh = self._Wh
        rhs = np.empty_like(hs[1:])
        for t in range(len(A)):
            gru_step(A[t], hs[t], Wh, rhs[t], hs[t + 1], self._mask)
        return rhs

    def _run_backward(self, A: Array, hs: Array, more: Any, dhs: Array) -> tuple[Array, Array]:
        dA, dh = np.empty_like(A), np.zeros_like(hs[0])
        for t in reversed(range(len(A))):
            dh += dhs[t]
            dh = gru_step_backward(A[t], hs[t], self._Wh, dh, dA[t], self._mask)
        return dA, dh

    def _recurrent_gradient(self, h: Array, more: Any, dA: Array) -> None:
        H, dWh = self.hidden_size, self.grads[1]
        np.matmul(h.T, dA[:, : 2 * H], out=dWh[:, : 2 * H])
        np.matmul(more.reshape(-1, H).T, dA[:, 2 * H :], out=dWh[:, 2 * H :])


class TimeBiLSTM(Layer):
    """An LSTM forward in time and one backward, side by side: xs (N, T, D) -> (N, T, 2H).

    The first H columns of step t are the state of the one that has read steps 0 … t, the others that of the one that
    has read steps T - 1 … t (Schuster & Paliwal 1997). With ``stateful`` the forward one goes on from its state; the
    backward one, which meets the end of a sequence first, always starts from zero.
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
        if dhs.ndim != 3 or dhs.shape[2] != 2 * H:
            raise ValueError(f"{self.name}: expected a gradient (N, T, {2 * H}), got {dhs.shape}")
        dxs = self.forward_lstm.backward(dhs[..., :H])
        dxs += self.backward_lstm.backward(dhs[:, ::-1, H:])[:, ::-1]
        return dxs
