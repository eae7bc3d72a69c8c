"""Less common recurrent layers: an RNN with ReLU, and LSTMs whose gates see the cell."""

from typing import Any

from common.cells import by_gate, sigmoid_in_place
from common.np import Array, np
from common.recurrent import TimeLSTM, TimeRNN
from common.threads import side_by_side

__all__ = ["TimeDiagonalPeepholeLSTM", "TimePeepholeLSTM", "TimeReLURNN"]


class TimeReLURNN(TimeRNN):
    """h_t = max(0, x_t Wx + h_{t-1} Wh + b). Wx (D, H), Wh (H, H), b (H,).

    Where h is positive its derivative is 1, so that no gradient shrinks in it as it does in tanh.
    """

    def _activate(self, A: Array, h: Array) -> None:
        np.maximum(A, 0, out=h)

    def _activate_backward(self, h: Array, dh: Array, dA: Array) -> None:
        np.multiply(dh, h > 0, out=dA)


class TimePeepholeLSTM(TimeLSTM):
    """An LSTM whose gates f, i and o also see the cell, by a weight matrix Wc (H, 3H) with columns f, i, o:

        f, i = sigmoid(x Wx + h_prev Wh + b + c_prev Wc),    o = sigmoid(… + c Wc)

    Without Wc it starts from zeros: as an ordinary LSTM. Nothing bounds a cell, and here large cells can hold the
    forget gates of all others open, so that these grow too: trained like an LSTM it soon has cells of some thousands,
    and gates that no longer move. :class:`TimeDiagonalPeepholeLSTM` learns as an LSTM does.
    """

    names = ("Wx", "Wh", "b", "Wc")

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False, Wc: Array | None = None) -> None:
        super().__init__(Wx, Wh, b, stateful)
        shape = self._peephole_shape(self.hidden_size)
        if Wc is None:
            Wc = np.zeros(shape, Wh.dtype)
        self.check_weights(Wc=(Wc, shape))
        self.params.append(Wc)
        self.grads.append(np.zeros_like(Wc))

    def _peephole_shape(self, H: int) -> tuple[int, ...]:
        """That of Wc, whose last axis is that of the gates' columns."""
        return H, 3 * H

    def _seen(self, c: Array, Wc: Array) -> Array:
        """What the cells c (N, H) add to the sums of a gate with the columns Wc; new (N, H)."""
        return c @ Wc

    def _seen_backward(self, dA: Array, Wc: Array) -> Array:
        """The gradient of c from that of a gate's sums; both (N, H)."""
        return dA @ Wc.T

    def _peephole_gradient(self, c: Array, dA: Array, dWc: Array) -> None:
        """Write that of the columns Wc of a gate, from c and dA (M, H)."""
        np.matmul(c.T, dA, out=dWc)

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, Any]:
        x, A, hs = self._sums(x, Wx, offset)
        Wf, Wi, Wo = self._by_gate(self.params[3])
        cs, tanh_cs = np.empty_like(hs), np.empty_like(hs[1:])
        cs[0] = self._start(self.c, hs.shape[1])
        for t, a in enumerate(A):
            a += self._masked(hs[t]) @ self._Wh
            f, g, i, o = by_gate(a, 4)
            f += self._seen(cs[t], Wf)
            i += self._seen(cs[t], Wi)
            sigmoid_in_place(f)
            np.tanh(g, out=g)
            sigmoid_in_place(i)
            np.multiply(g, i, out=cs[t + 1])
            cs[t + 1] += f * cs[t]
            o += self._seen(cs[t + 1], Wo)
            sigmoid_in_place(o)
            np.tanh(cs[t + 1], out=tanh_cs[t])
            np.multiply(o, tanh_cs[t], out=hs[t + 1])
        self.c = cs[-1].copy()
        return x, A, hs, (cs, tanh_cs)

    def _run_backward(self, A: Array, hs: Array, kept: tuple[Any, ...], dhs: Array) -> tuple[Array, Array]:
        Wf, Wi, Wo = self._by_gate(self.params[3])
        (cs, tanh_cs), dA = kept, np.empty_like(A)
        dh, dc = np.zeros_like(hs[0]), np.zeros_like(hs[0])
        with side_by_side() as both:
            state_gradient = self._state_gradients(len(dh), len(dA), both)
            for t in reversed(range(len(dA))):
                dh += dhs[t]
                f, g, i, o = by_gate(A[t], 4)
                df, dg, di, do = by_gate(dA[t], 4)
                do[...] = dh * tanh_cs[t] * o * (1 - o)
                dc += dh * o * (1 - tanh_cs[t] ** 2) + self._seen_backward(do, Wo)
                df[...] = dc * cs[t] * f * (1 - f)
                dg[...] = dc * i * (1 - g * g)
                di[...] = dc * g * i * (1 - i)
                dc = dc * f + self._seen_backward(df, Wf) + self._seen_backward(di, Wi)
                state_gradient(dA[t], dh)
        self.dc = dc
        return dA, dh

    def _weight_gradients(self, x: Array, h: Array, kept: tuple[Any, ...], dA: Array, dWx: Array) -> None:
        super()._weight_gradients(x, h, kept, dA, dWx)
        (cs, _), H = kept, self.hidden_size
        before, after = cs[:-1].reshape(-1, H), cs[1:].reshape(-1, H)
        df, _, di, do = by_gate(dA, 4)
        for c, d, dWc in zip((before, before, after), (df, di, do), self._by_gate(self.grads[3]), strict=True):
            self._peephole_gradient(c, d, dWc)

    def _by_gate(self, Wc: Array) -> tuple[Array, ...]:
        """Views of the columns f, i, o."""
        H = self.hidden_size
        return Wc[..., :H], Wc[..., H : 2 * H], Wc[..., 2 * H :]


class TimeDiagonalPeepholeLSTM(TimePeepholeLSTM):
    """An LSTM in which the gates of a unit also see the unit's own cell (Gers & Schmidhuber 2000), by Wc (3H,):

        f, i = sigmoid(x Wx + h_prev Wh + b + c_prev Wc),    o = sigmoid(… + c Wc)

    where c Wc is element by element, with the H numbers of Wc for the gate, in the order f, i, o. Without Wc it starts
    from zeros.
    """

    def _peephole_shape(self, H: int) -> tuple[int, ...]:
        return (3 * H,)

    def _seen(self, c: Array, Wc: Array) -> Array:
        return c * Wc

    def _seen_backward(self, dA: Array, Wc: Array) -> Array:
        return dA * Wc

    def _peephole_gradient(self, c: Array, dA: Array, dWc: Array) -> None:
        (c * dA).sum(axis=0, out=dWc)
