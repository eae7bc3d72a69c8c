"""One step of the recurrent networks: their equations, and each as a layer of its own.

The functions work on the weighted sums A (N, G·H) of a step, G gates side by side, and write into arrays of the
caller, because the layers over time (:mod:`common.recurrent`) call them once for each step of a sequence.
"""

from functools import cached_property
from typing import Any

from numpy import errstate  # CuPy never warns

from common.kernels import aligned_empty, tanh_beats_exp
from common.layer import Layer
from common.np import Array, np


def rnn_step(A: Array, h: Array) -> None:
    """h = tanh(A)."""
    np.tanh(A, out=h)


def rnn_step_backward(h: Array, dh: Array, dA: Array) -> None:
    """dA = dh (1 - h²)."""
    np.multiply(h, h, out=dA)
    np.subtract(1, dA, out=dA)
    dA *= dh


def lstm_sums(A: Array, out: Array | None = None) -> Array:
    """The sums A (N, 4H) of an LSTM, columns f, g, i, o, as :func:`lstm_step` takes them: (4, N, H), new or `out`.

    So each gate is one piece of memory, which saves a quarter of the time of all that is done with it. The order is i,
    o, f, g, for the three sigmoids to be one piece too, and these are multiplied by :func:`sigmoid_scale`.
    """
    if out is None:
        out = np.empty((4, len(A), A.shape[1] // 4), A.dtype)
    _scale_and_order(by_gate(A, 4), out)
    return out


def lstm_weights(Wh: Array, Wx: Array, b: Array, columns: int | None = None) -> Array:
    """[Wh; Wx; b] as W (K, 4H), K = H + D + 1: of [h x 1] W (N, 4H), :func:`by_gate` is :func:`lstm_sums` of a step.

    That is, of h Wh + x Wx + b. With `columns`, by which H is divided, the weights of each gate are in pieces of so
    many, (4, H / columns, K, columns), see :func:`common.step_product.in_pieces`.
    """
    H, K = len(Wh), len(Wh) + len(Wx) + 1
    if columns:
        W = pieces = aligned_empty((4, H // columns, K, columns), Wx.dtype)
    else:
        W = aligned_empty((K, 4 * H), Wx.dtype)
        pieces = by_gate(W, 4)[:, None]
    for rows, part in ((slice(H), Wh), (slice(H, -1), Wx), (slice(-1, None), b[None])):
        f_g_i_o = part.reshape(len(part), 4, -1, columns or H).transpose(1, 2, 0, 3)
        _scale_and_order(f_g_i_o, pieces[:, :, rows])
    return W


def _scale_and_order(f_g_i_o: Array, out: Array) -> None:
    """Write i, o and f, as the sigmoid wants them, and g to `out`, all of shape (4, ...)."""
    f, g, i_o = f_g_i_o[0], f_g_i_o[1], f_g_i_o[2:]
    scale = sigmoid_scale(out.dtype)
    np.multiply(i_o, scale, out=out[:2])
    np.multiply(f, scale, out=out[2])
    out[3] = g


def lstm_step(sums: Array, gates: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """A step of an LSTM (Hochreiter & Schmidhuber 1997, Gers et al. 2000) from the sums A = x Wx + h_prev Wh + b:

        f, i, o = sigmoid(A),    g = tanh(A),    c = f c_prev + g i,    h = o tanh(c)

    sums (4, N, H) are :func:`lstm_sums`, laid out in any way. Written are gates (4, N, H), which are i, o, f, g and may
    be the sums themselves, and c, tanh_c and h (N, H).
    """
    i, o, f, g = gates
    multiply, tanh = np.multiply, np.tanh  # once: to look a name up in common.np takes as long as a small pass
    if tanh_beats_exp(gates.dtype):  # one pass for all four
        tanh(sums, out=gates)
        sigmoid_of_tanh(gates[:3])
    else:
        sigmoid_of_scaled(sums[:3], gates[:3])
        tanh(sums[3], out=g)
    multiply(f, c_prev, out=c)
    multiply(g, i, out=tanh_c)
    c += tanh_c
    tanh(c, out=tanh_c)
    multiply(o, tanh_c, out=h)


def lstm_step_backward(
    gates: Array, c_prev: Array, tanh_c: Array, dh: Array, dc: Array, dA: Array, work: Array
) -> None:
    """The gradients of a step from dh and dc (N, H), those of its h and c:

        dc_all = dc + dh o (1 - tanh²(c)),    dc_prev = dc_all f
        df = dc_all c_prev f (1 - f),    dg = dc_all i (1 - g²),    di = dc_all g i (1 - i)
        do = dh tanh(c) o (1 - o)

    Written are dA (N, 4H), with the columns df, dg, di, do, and dc, which becomes dc_prev; work (3, N, H) is used up.
    """
    i, o, f, g = gates
    df, dg, di, do = by_gate(dA, 4)
    u, v, w = work
    multiply, subtract = np.multiply, np.subtract
    dc += multiply(dh, o, out=u)
    multiply(u, tanh_c, out=v)  # dh tanh(c) o
    dc -= multiply(v, tanh_c, out=u)
    subtract(v, multiply(v, o, out=u), out=do)
    multiply(dc, i, out=u)
    multiply(u, g, out=v)  # dc_all g i
    subtract(v, multiply(v, i, out=w), out=di)
    subtract(u, multiply(v, g, out=w), out=dg)
    dc *= f
    multiply(dc, c_prev, out=v)
    subtract(v, multiply(v, f, out=u), out=df)


def gru_step(A: Array, h_prev: Array, Wh: Array, rh: Array, h: Array, mask: Array | None = None) -> None:
    """A GRU's step (Cho et al. 2014), columns z, r, h~ of A (N, 3H), which holds x Wx + b at first:

        z, r = sigmoid(A_zr + h_prev Wh_zr),    h~ = tanh(A_h + (r h_prev) Wh_h),    h = (1 - z) h_prev + z h~

    A becomes the gates; rh = r h_prev and h (N, H) are written. z weighs the new state, and r acts before the product;
    PyTorch's GRU has both the other way. A dropout `mask` (N, H) multiplies the h_prev of the products with Wh.
    """
    H = len(Wh)
    zr, new = A[:, : 2 * H], A[:, 2 * H :]
    h_in = h_prev if mask is None else h_prev * mask
    zr += h_in @ Wh[:, : 2 * H]
    sigmoid_in_place(zr)
    np.multiply(A[:, H : 2 * H], h_in, out=rh)
    new += rh @ Wh[:, 2 * H :]
    np.tanh(new, out=new)
    np.subtract(new, h_prev, out=h)
    h *= A[:, :H]
    h += h_prev


def gru_step_backward(gates: Array, h_prev: Array, Wh: Array, dh: Array, dA: Array, mask: Array | None = None) -> Array:
    """The gradients of a step from dh (N, H): written is dA (N, 3H), with the columns dz, dr, dh~, returned dh_prev.

        dz = dh (h~ - h_prev) z (1 - z),    dh~ = dh z (1 - h~²),    dr = drh h_prev r (1 - r)  with  drh = dh~ Wh_hᵀ
        dh_prev = dh (1 - z) + drh r + [dz dr] Wh_zrᵀ

    Here dz, dr and dh~ stand for the gradients of the sums in A. `mask` is that of :func:`gru_step`.
    """
    H = len(Wh)
    z, r, new = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]
    dA[:, 2 * H :] = dh * z * (1 - new * new)
    drh = dA[:, 2 * H :] @ Wh[:, 2 * H :].T
    dA[:, :H] = dh * (new - h_prev) * z * (1 - z)
    dA[:, H : 2 * H] = drh * (h_prev if mask is None else h_prev * mask) * r * (1 - r)
    dh_prev = dA[:, : 2 * H] @ Wh[:, : 2 * H].T
    dh_prev += drh * r
    if mask is not None:
        dh_prev *= mask
    dh_prev += dh * (1 - z)
    return dh_prev


def by_gate(A: Array, gate_count: int) -> Array:
    """A view (G, N, H) of the columns (N, G·H) of G gates."""
    return A.reshape(len(A), gate_count, A.shape[1] // gate_count).swapaxes(0, 1)


def sigmoid_scale(dtype: Any) -> float:
    """What :func:`sigmoid_of_scaled` wants numbers of a dtype multiplied by."""
    return 0.5 if tanh_beats_exp(dtype) else -1.0


def sigmoid_of_scaled(A: Array, out: Array) -> None:
    """Write sigmoid(x) = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, the faster of the two, from A = sigmoid_scale x.

    `out` may be A. For -x so large that exp is infinite this is 0, as it should be.
    """
    if tanh_beats_exp(A.dtype):
        np.tanh(A, out=out)
        sigmoid_of_tanh(out)
        return
    with errstate(over="ignore"):
        np.exp(A, out=out)
    out += 1
    np.divide(1, out, out=out)


def sigmoid_of_tanh(A: Array) -> None:
    """tanh(x / 2) becomes sigmoid(x), in place."""
    A *= 0.5
    A += 0.5


def sigmoid_in_place(A: Array) -> None:
    """A becomes sigmoid(A)."""
    A *= sigmoid_scale(A.dtype)
    sigmoid_of_scaled(A, A)


class RecurrentLayer(Layer):
    """Base of all recurrent layers, of one step and over time: Wx (D, G·H), Wh (H, G·H), b (G·H,) with G gates."""

    names: tuple[str, ...] = ("Wx", "Wh", "b")
    gate_count = 1  # G

    def __init__(self, Wx: Array, Wh: Array, b: Array) -> None:
        hidden_size = len(Wh) if hasattr(Wh, "shape") and len(Wh.shape) else "H"
        columns = self.gate_count * hidden_size if isinstance(hidden_size, int) else f"{self.gate_count}H"
        self.check_weights(Wx=(Wx, ("D", columns)), Wh=(Wh, (hidden_size, columns)), b=(b, (columns,)))
        super().__init__(Wx, Wh, b)

    @cached_property
    def hidden_size(self) -> int:
        """H; may be set."""
        return len(self.params[1])

    def check_state(self, state: Array, batch_size: int) -> Array:
        """A state (N, H) in the dtype of the weights. ValueError for one of another batch size or width."""
        state = self.cast(state)
        if state.shape != (batch_size, self.hidden_size):
            raise ValueError(
                f"{self.name}: a state {state.shape} does not fit a batch of {batch_size} and a hidden size of "
                f"{self.hidden_size}; reset_state() forgets it"
            )
        return state


class Cell(RecurrentLayer):
    """Base of the single-step layers."""

    def check_step(self, x: Array, *state: Array) -> tuple[Array, ...]:
        """x (N, D) and the state arrays (N, H), in the dtype of the weights."""
        x = self.check_input(x, "N", self.params[0].shape[0])
        return x, *(self.check_state(s, len(x)) for s in state)

    def input_gradients(self, x: Array, dA: Array) -> Array:
        """Write the gradients of Wx and b, return that of x."""
        np.matmul(x.T, dA, out=self.grads[0])
        dA.sum(axis=0, out=self.grads[2])
        return dA @ self.params[0].T


class RNN(Cell):
    """h = tanh(x Wx + h_prev Wh + b): x (N, D), h_prev (N, H) -> h (N, H).

    Wx (D, H), Wh (H, H), b (H,). Raises ValueError for weights, inputs and gradients that do not fit each other.
    """

    def forward(self, x: Array, h_prev: Array) -> Array:
        Wx, Wh, b = self.params
        x, h_prev = self.check_step(x, h_prev)
        h = self.cast(x @ Wx + h_prev @ Wh + b)
        rnn_step(h, h)
        self._cache = x, h_prev, h
        return h.copy()

    def backward(self, dh: Array) -> tuple[Array, Array]:
        """(dx, dh_prev) from dh (N, H)."""
        x, h_prev, h = self._cached()
        dh = self.check_gradient(dh, h.shape)
        dA = np.empty_like(h)
        rnn_step_backward(h, dh, dA)
        np.matmul(h_prev.T, dA, out=self.grads[1])
        return self.input_gradients(x, dA), dA @ self.params[1].T


class LSTM(Cell):
    """One step of an LSTM, see :func:`lstm_step`: x (N, D), h_prev and c_prev (N, H) -> h, c (N, H).

    Wx (D, 4H), Wh (H, 4H), b (4H,), columns f, g, i, o. Raises as RNN.
    """

    gate_count = 4

    def forward(self, x: Array, h_prev: Array, c_prev: Array) -> tuple[Array, Array]:
        Wx, Wh, b = self.params
        x, h_prev, c_prev = self.check_step(x, h_prev, c_prev)
        c, tanh_c, h = (np.empty_like(h_prev) for _ in range(3))
        gates = lstm_sums(self.cast(x @ Wx + h_prev @ Wh + b))
        lstm_step(gates, gates, c_prev, c, tanh_c, h)
        self._cache = x, h_prev, c_prev, gates, tanh_c
        return h, c

    def backward(self, dh: Array, dc: Array) -> tuple[Array, Array, Array]:
        """(dx, dh_prev, dc_prev) from dh and dc (N, H)."""
        x, h_prev, c_prev, gates, tanh_c = self._cached()
        dh, dc = self.check_gradient(dh, h_prev.shape), self.check_gradient(dc, h_prev.shape).copy()
        dA = np.empty((len(x), 4 * self.hidden_size), h_prev.dtype)
        lstm_step_backward(gates, c_prev, tanh_c, dh, dc, dA, np.empty((3, *h_prev.shape), h_prev.dtype))
        np.matmul(h_prev.T, dA, out=self.grads[1])
        return self.input_gradients(x, dA), dA @ self.params[1].T, dc


class GRU(Cell):
    """One step of a GRU: x (N, D), h_prev (N, H) -> h (N, H), see :func:`gru_step`.

    Wx (D, 3H), Wh (H, 3H), b (3H,), columns z, r, h~. Raises as RNN.
    """

    gate_count = 3

    def forward(self, x: Array, h_prev: Array) -> Array:
        Wx, Wh, b = self.params
        x, h_prev = self.check_step(x, h_prev)
        A = self.cast(x @ Wx + b)
        rh, h = np.empty_like(h_prev), np.empty_like(h_prev)
        gru_step(A, h_prev, Wh, rh, h)
        self._cache = x, h_prev, A, rh
        return h

    def backward(self, dh: Array) -> tuple[Array, Array]:
        """(dx, dh_prev) from dh (N, H)."""
        x, h_prev, gates, rh = self._cached()
        dh = self.check_gradient(dh, h_prev.shape)
        dA = np.empty_like(gates)
        dh_prev = gru_step_backward(gates, h_prev, self.params[1], dh, dA)
        H, dWh = self.hidden_size, self.grads[1]
        dWh[:, : 2 * H] = h_prev.T @ dA[:, : 2 * H]
        dWh[:, 2 * H :] = rh.T @ dA[:, 2 * H :]
        return self.input_gradients(x, dA), dh_prev
