"""Recurrent layers over whole sequences: xs (N, T, D) -> hs (N, T, H). TimeRNN equals this plain loop::

    h = np.zeros((N, H))
    for t in range(T):
        h = np.tanh(xs[:, t] @ Wx + h @ Wh + b)
        hs[:, t] = h

To be faster, only what depends on the previous state stays in the loop over time. The products with the input, x Wx of
all steps, are one matrix product before it, and the gradients of the weights and of the input are one each after it.
Inside, arrays are time-major (T, N, ·), so that a step is one piece of memory.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from common.cells import (
    RecurrentLayer,
    by_gate,
    gru_step,
    gru_step_backward,
    lstm_step,
    lstm_step_backward,
    lstm_sums,
    lstm_weights,
    rnn_step,
    rnn_step_backward,
)
from common.functions import affine
from common.kernels import aligned_empty, fits_cache
from common.np import Array, np
from common.step_product import SMALL_BATCH, multiply_pieces, piece_columns, step_product
from common.threads import Both, Turn, in_halves, side_by_side, spare_threads

WIDE_STEP = 2**19  # bytes of the sums of a step, from which two threads that take half of the rows each are faster
ALL_ROWS = slice(None)


class TimeRecurrent(RecurrentLayer):
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
        self.h = None if h is None else self.check_state(h, len(h)).copy()  # whatever becomes of the caller's

    def reset_state(self) -> None:
        """Let the next forward start from the zero state."""
        self.h = None

    def forward(self, xs: Array, constant: Array | None = None) -> Array:
        """The states hs (N, T, H), a new array, from xs (N, T, D), or (N, T, D - K) with a constant input (N, K)."""
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
        offset = b if constant is None else constant @ Wx[:K] + b
        x, A, hs, kept = self._run(xs.transpose(1, 0, 2), Wx[K:], offset)
        self._cache = x, constant, A, hs, kept
        self.h = hs[-1].copy()
        # A copy also for one sequence or one step, where ascontiguousarray would give a view of what backward needs.
        return hs[1:].transpose(1, 0, 2).copy()

    def backward(self, dhs: Array) -> Array:
        """dxs (N, T, D) from dhs (N, T, H)."""
        Wx = self.params[0]
        x, constant, A, hs, kept = self._cached()
        K = 0 if constant is None else constant.shape[1]
        T, N, H = len(hs) - 1, hs.shape[1], hs.shape[2]
        dhs = self.check_gradient(dhs, (N, T, H)).transpose(1, 0, 2)
        dA, self.dh = self._run_backward(A, hs, kept, dhs)
        if constant is not None:
            dA_sum = dA.sum(axis=0)
            np.matmul(constant.T, dA_sum, out=self.grads[0][:K])
            self.dconstant = dA_sum @ Wx[:K].T
        dA = dA.reshape(T * N, -1)
        self._weight_gradients(x, hs[:-1], kept, dA, self.grads[0][K:])
        if self._Wh_mask is not None:
            self.grads[1] *= self._Wh_mask
        return np.ascontiguousarray((dA @ Wx[K:].T).reshape(T, N, -1).transpose(1, 0, 2))

    def _sums(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array]:
        """x (T, N, D) in one piece, A = x Wx + offset (T, N, G·H), and hs (T + 1, N, H), of which hs[0] is filled.

        offset (G·H,) or (N, G·H); hs[t] is the state before step t.
        """
        x = np.ascontiguousarray(x)
        T, N, D = x.shape
        if offset.ndim == 1:
            A = affine(x.reshape(-1, D), Wx, offset).reshape(T, N, -1)
        else:
            A = (x.reshape(-1, D) @ Wx).reshape(T, N, -1)
            A += offset
        hs = np.empty((T + 1, N, self.hidden_size), A.dtype)
        hs[0] = self._start(self.h, N)
        return x, A, hs

    def _start(self, state: Array, batch_size: int) -> Array:
        """The state (N, H), or 0, that the forward begins with."""
        if not self.stateful or state is None:
            return 0
        return self.check_state(state, batch_size)

    def _draw_masks(self, batch_size: int) -> None:
        Wh = self.params[1]

        def mask(dropout: Any, shape: tuple[int, ...]) -> Any:
            return dropout.draw_mask(shape, Wh.dtype) if dropout is not None and dropout.train_flg else None

        self._mask = mask(self.state_dropout, (batch_size, self.hidden_size))  # of the states
        self._Wh_mask = mask(self.weight_dropout, Wh.shape)
        self._Wh = Wh if self._Wh_mask is None else Wh * self._Wh_mask  # after dropout

    def _masked(self, h: Array, rows: slice = ALL_ROWS) -> Array:
        """The states h (..., N, H), some of the rows, as the product with Wh sees them."""
        return h if self._mask is None else h * self._mask[rows]

    def _state_gradients(self, batch_size: int, steps: int, both: Both | None) -> Callable[..., None]:
        """A function that writes dh (N, H), the gradient of the state before a step, from that of its sums dA (N, G·H).

        N is the batch size; the others are those of :func:`common.step_product.step_product`. The function is given a
        slice `rows`, too, if dA and dh are these only.
        """
        multiply = step_product(self._Wh.T, batch_size, steps, both)

        def write(dA: Array, dh: Array, rows: slice = ALL_ROWS) -> None:
            product = multiply(dA, dh)
            if self._mask is not None:
                np.multiply(product, self._mask[rows], out=dh)
            elif product is not dh:
                dh[...] = product

        return write

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, Any]:
        """Take all steps: (x, A, hs, kept), those of :meth:`_sums`, with hs filled, and what else backward needs.

        x (T, N, D), Wx (D, G·H) and offset as for _sums. A may be overwritten, and :meth:`_run_backward` gets it so.
        """
        raise NotImplementedError

    def _run_backward(self, A: Array, hs: Array, kept: Any, dhs: Array) -> tuple[Array, Array]:
        """(dA, dh): the gradient of A as it was before the steps, and that of the state before the first.

        A, hs and kept are what :meth:`_run` has returned. dA may be A itself, if nothing in it is needed: a second
        backward must give the same result.
        """
        raise NotImplementedError

    def _weight_gradients(self, x: Array, h: Array, kept: Any, dA: Array, dWx: Array) -> None:
        """Write those of Wx, Wh and b, from x (T, N, D), the states before each step h (T, N, H) and dA (T·N, G·H)."""
        np.matmul(x.reshape(-1, x.shape[2]).T, dA, out=dWx)
        self.grads[2][...] = np.ones(len(dA), dA.dtype) @ dA
        self._recurrent_gradient(self._masked(h).reshape(-1, self.hidden_size), kept, dA)

    def _recurrent_gradient(self, h: Array, kept: Any, dA: Array) -> None:
        """Write that of Wh, from h (T·N, H), masked, and dA (T·N, G·H)."""
        np.matmul(h.T, dA, out=self.grads[1])


class TimeRNN(TimeRecurrent):
    """h_t = tanh(x_t Wx + h_{t-1} Wh + b). Wx (D, H), Wh (H, H), b (H,)."""

    def _activate(self, A: Array, h: Array) -> None:
        """Write h from the sums A, both (N, H)."""
        rnn_step(A, h)

    def _activate_backward(self, h: Array, dh: Array, dA: Array) -> None:
        """Write dA from h and dh. A itself is no longer there."""
        rnn_step_backward(h, dh, dA)

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, None]:
        x, A, hs = self._sums(x, Wx, offset)
        T, N, _ = A.shape
        product = np.empty_like(hs[0])
        with side_by_side() as both:
            multiply = step_product(self._Wh, N, T, both)
            for t, a in enumerate(A):
                a += multiply(self._masked(hs[t]), product)
                self._activate(a, hs[t + 1])
        return x, A, hs, None

    def _run_backward(self, A: Array, hs: Array, kept: None, dhs: Array) -> tuple[Array, Array]:
        dh = np.zeros_like(hs[0])
        with side_by_side() as both:
            state_gradient = self._state_gradients(len(dh), len(A), both)
            for t in reversed(range(len(A))):
                dh += dhs[t]
                self._activate_backward(hs[t + 1], dh, A[t])
                state_gradient(A[t], dh)
        return A, dh


class TimeLSTM(TimeRecurrent):
    """An LSTM, see :func:`common.cells.lstm_step`. Wx (D, 4H), Wh (H, 4H), b (4H,), columns f, g, i, o.

    The state is h and the cell c (N, H); dh and dc are their gradients after a backward.
    """

    gate_count = 4
    dc: Any = None

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False) -> None:
        super().__init__(Wx, Wh, b, stateful)
        self.c: Any = None

    def set_state(self, h: Array, c: Array | None = None) -> None:
        """Let the next forward of a stateful layer start from h and c (N, H); None is zero."""
        c = None if c is None else self.check_state(c, len(c if h is None else h)).copy()  # before h changes
        super().set_state(h)
        self.c = c

    def reset_state(self) -> None:
        """Let the next forward start from zero h and c."""
        self.h, self.c = None, None

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, Any]:
        """As for all layers, but A is None and x is [h x 1] where :meth:`_joined_sums` pay.

        Not so for an input wider than the state, for a few steps, in which joining the weights costs more than it
        saves, and for few rows with wide weights: there one product with all inputs is worth more.
        """
        T, N, D = x.shape
        H = self.hidden_size
        fast = N > SMALL_BATCH or fits_cache((H + D + 1) * Wx[0].nbytes)
        joined = D <= H <= T * N and fast and self._mask is None and Wx.dtype.kind == "f"
        halves = self._takes_halves(N)
        with side_by_side() as both:
            if joined:
                columns = piece_columns(H + D + 1, H, Wx.dtype) if halves else None
                sums = self._joined_sums(x, Wx, offset, columns)
            else:
                sums = self._separate_sums(x, Wx, offset, None if halves else both)
            x, A, hs, sums_of_step = sums
            gates, tanh_cs = aligned_empty((T, 4, N, H), hs.dtype), aligned_empty((T, N, H), hs.dtype)
            cs = aligned_empty((T + 1, N, H), hs.dtype)
            cs[0] = self._start(self.c, N)

            def steps(rows: slice, turn: Turn) -> None:
                for t in range(T):
                    step_gates = gates[t][:, rows]
                    step_sums = sums_of_step(t, step_gates, rows)
                    with turn:
                        step = cs[t, rows], cs[t + 1, rows], tanh_cs[t, rows], hs[t + 1, rows]
                        lstm_step(step_sums, step_gates, *step)

            self._take(steps, N, halves)
        self.c = cs[-1].copy()
        return x, A, hs, (gates, cs, tanh_cs)

    def _separate_sums(
        self, x: Array, Wx: Array, offset: Array, both: Both | None
    ) -> tuple[Array, Any, Array, Callable[..., Array]]:
        """(x, A, hs) of :meth:`_sums`, and a function that gives some rows of the sums of step t, A[t] + h Wh.

        Those are by gate, see :func:`common.cells.lstm_sums`. The function may write them where it is told to.
        """
        x, A, hs = self._sums(x, Wx, offset)
        T, N, _ = A.shape
        recurrent = aligned_empty(A[0].shape, hs.dtype)
        multiply = step_product(self._Wh, N, T, both)

        def sums_of_step(t: int, out: Array, rows: slice) -> Array:
            sums = recurrent[rows]
            return lstm_sums(np.add(A[t, rows], multiply(self._masked(hs[t, rows], rows), sums), out=sums), out)

        return x, A, hs, sums_of_step

    def _joined_sums(
        self, x: Array, Wx: Array, offset: Array, columns: int | None
    ) -> tuple[Array, Any, Array, Callable[..., Array]]:
        """([h x 1], None, hs, and a function that gives some rows of the sums of step t, [h x 1] [Wh; Wx; offset]).

        So there is no A, the largest array of all, which several passes would write to memory and read back. [h x 1] is
        one array (T, N, H + D + 1), in which hs is a view. The weights are :func:`common.cells.lstm_weights`, in pieces
        if `columns` says of how many. An offset (N, 4H), of each row by itself, can be no row of weights: it is added.
        """
        T, N, D = x.shape
        H = self.hidden_size
        hx = aligned_empty((T + 1, N, H + D + 1), Wx.dtype)
        hx[0, :, :H] = self._start(self.h, N)
        hx[:-1, :, H:-1] = x
        hx[:, :, -1] = 1
        by_row = offset.ndim == 2
        rest = lstm_sums(offset) if by_row else None  # (4, N, H)
        W = lstm_weights(self._Wh, Wx, np.zeros_like(offset[0]) if by_row else offset, columns)
        product = None if columns else aligned_empty((N, 4 * H), Wx.dtype)

        def sums_of_step(t: int, out: Array, rows: slice) -> Array:
            begin = H if t == 0 and not self.stateful else 0  # where the first states are zero, without them
            inputs, weights = hx[t, rows, begin:], W[..., begin:, :]
            if product is None:
                sums = multiply_pieces(inputs, weights, out)
            else:  # the first pass over the sums will make each gate one piece of memory
                sums = by_gate(np.matmul(inputs, weights, out=product[rows]), 4)
            return sums if rest is None else np.add(sums, rest[:, rows], out=out)

        return hx[:-1], None, hx[:, :, :H], sums_of_step

    def _run_backward(self, A: Array, hs: Array, kept: tuple[Any, ...], dhs: Array) -> tuple[Array, Array]:
        gates, cs, tanh_cs = kept
        T, N, H = tanh_cs.shape
        dA = aligned_empty((T, N, 4 * H), hs.dtype) if A is None else A
        dh, dc = states = aligned_empty((2, N, H), hs.dtype)
        states[...] = 0
        work = aligned_empty((3, N, H), hs.dtype)
        halves = self._takes_halves(N)
        with side_by_side() as both:
            state_gradient = self._state_gradients(N, T, None if halves else both)

            def steps(rows: slice, turn: Turn) -> None:
                dh_rows, dc_rows, work_rows = dh[rows], dc[rows], work[:, rows]
                for t in reversed(range(T)):
                    with turn:
                        dh_rows += dhs[t, rows]
                        step = gates[t][:, rows], cs[t, rows], tanh_cs[t, rows]
                        lstm_step_backward(*step, dh_rows, dc_rows, dA[t, rows], work_rows)
                    state_gradient(dA[t, rows], dh_rows, rows)

            self._take(steps, N, halves)
        self.dc = dc.copy()
        return dA, dh.copy()

    def _takes_halves(self, batch_size: int) -> bool:
        """Whether it pays that two threads take half of the rows each."""
        return batch_size > SMALL_BATCH and batch_size * self._Wh[0].nbytes >= WIDE_STEP and spare_threads() == 2

    def _take(self, steps: Callable[[slice, Turn], None], batch_size: int, halves: bool) -> None:
        """Take all steps, in halves of the rows or of all."""
        if halves:
            in_halves(steps, batch_size)
        else:
            steps(ALL_ROWS, nullcontext())

    def _weight_gradients(self, x: Array, h: Array, kept: tuple[Any, ...], dA: Array, dWx: Array) -> None:
        H = self.hidden_size
        if x.shape[2] == len(dWx):
            return super()._weight_gradients(x, h, kept, dA, dWx)
        dW = x.reshape(len(dA), -1).T @ dA  # x is [h x 1] of _joined_sums
        self.grads[1][...], dWx[...], self.grads[2][...] = dW[:H], dW[H:-1], dW[-1]


class TimeGRU(TimeRecurrent):
    """A GRU, see :func:`common.cells.gru_step`. Wx (D, 3H), Wh (H, 3H), b (3H,), columns z, r, h~."""

    gate_count = 3

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, Any]:
        x, A, hs = self._sums(x, Wx, offset)
        rhs = np.empty_like(hs[1:])
        for t in range(len(A)):
            gru_step(A[t], hs[t], self._Wh, rhs[t], hs[t + 1], self._mask)
        return x, A, hs, rhs

    def _run_backward(self, A: Array, hs: Array, kept: Any, dhs: Array) -> tuple[Array, Array]:
        dA, dh = np.empty_like(A), np.zeros_like(hs[0])
        for t in reversed(range(len(A))):
            dh += dhs[t]
            dh = gru_step_backward(A[t], hs[t], self._Wh, dh, dA[t], self._mask)
        return dA, dh

    def _recurrent_gradient(self, h: Array, kept: Any, dA: Array) -> None:
        H, dWh = self.hidden_size, self.grads[1]
        np.matmul(h.T, dA[:, : 2 * H], out=dWh[:, : 2 * H])
        np.matmul(kept.reshape(-1, H).T, dA[:, 2 * H :], out=dWh[:, 2 * H :])
