"""Two less common recurrent layers: an RNN with ReLU, and an LSTM whose gates see the cell."""

from typing import Any

from common.cells import by_gate, sigmoid_in_place
from common.np import Array, np
from common.recurrent import TimeLSTM, TimeRNN

__all__ = ["TimePeepholeLSTM", "TimeReLURNN"]


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

    Gers & Schmidhuber (2000) have diagonal matrices in Wc. Without Wc it starts from zeros: as an ordinary LSTM.
    """

    names = ("Wx", "Wh", "b", "Wc")

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False, Wc: Array | None = None) -> None:
        super().__init__(Wx, Wh, b, stateful)
        H = self.hidden_size
        if Wc is None:
            Wc = np.zeros((H, 3 * H), Wh.dtype)
        self.check_weights(Wc=(Wc, (H, 3 * H)))
        self.params.append(Wc)
        self.grads.append(np.zeros_like(Wc))

    def _run(self, x: Array, Wx: Array, offset: Array) -> tuple[Array, Array, Array, Any]:
        x, A, hs = self._sums(x, Wx, offset)
        H, Wc = self.hidden_size, self.params[3]
        cs, tanh_cs = np.empty_like(hs), np.empty_like(hs[1:])
        cs[0] = self._start(self.c, hs.shape[1])
        for t, a in enumerate(A):
            a += self._masked(hs[t]) @ self._Wh
            f, g, i, o = by_gate(a, 4)
            f += cs[t] @ Wc[:, :H]
            i += cs[t] @ Wc[:, H : 2 * H]
            sigmoid_in_place(f)
            np.tanh(g, out=g)
            sigmoid_in_place(i)
            np.multiply(g, i, out=cs[t + 1])
            cs[t + 1] += f * cs[t]
            o += cs[t + 1] @ Wc[:, 2 * H :]
            sigmoid_in_place(o)
            np.tanh(cs[t + 1], out=tanh_cs[t])
            np.multiply(o, tanh_cs[t], out=hs[t + 1])
        self.c = cs[-1].copy()
        return x, A, hs, (cs, tanh_cs)

    def _run_backward(self, A: Array, hs: Array, more: tuple[Any, ...], dhs: Array) -> tuple[Array, Array]:
        H, Wc = self.hidden_size, self.params[3]
        (cs, tanh_cs), dA = more, np.empty_like(A)
        dh, dc = np.zeros_like(hs[0]), np.zeros_like(hs[0])
        for t in reversed(range(len(dA))):
            dh = dh + dhs[t]
            f, g, i, o = by_gate(A[t], 4)
            df, dg, di, do = by_gate(dA[t], 4)
            do[...] = dh * tanh_cs[t] * o * (1 - o)
            dc += dh * o * (1 - tanh_cs[t] ** 2) + do @ Wc[:, 2 * H :].T
            df[...] = dc * cs[t] * f * (1 - f)
            dg[...] = dc * i * (1 - g * g)
            di[...] = dc * g * i * (1 - i)
            dc = dc * f + df @ Wc[:, :H].T + di @ Wc[:, H : 2 * H].T
            dh = self._masked(dA[t] @ self._Wh.T)
        self.dc = dc
        return dA, dh

    def _weight_gradients(self, x: Array, h: Array, more: tuple[Any, ...], dA: Array, dWx: Array) -> None:
        super()._weight_gradients(x, h, more, dA, dWx)
        (cs, _), H, dWc = more, self.hidden_size, self.grads[3]
        before, after = cs[:-1].reshape(-1, H), cs[1:].reshape(-1, H)
        np.matmul(before.T, dA[:, :H], out=dWc[:, :H])
        np.matmul(before.T, dA[:, 2 * H : 3 * H], out=dWc[:, H : 2 * H])
        np.matmul(after.T, dA[:, 3 * H :], out=dWc[:, 2 * H :])
