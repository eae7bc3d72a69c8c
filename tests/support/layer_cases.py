"""A layer of every kind, small, with inputs: what the tests of all layers, on the CPU and the GPU path, go through."""

from collections.abc import Callable
from typing import Any

import numpy

from common import layers, time_layers
from common.np import np
from common.rng import generator


class Draw:
    """Random arrays of the active module; the same from the same seed, whichever module that is."""

    def __init__(self, dtype: Any = "d", seed: int = 0) -> None:
        self.dtype, self.rng = dtype, numpy.random.default_rng(seed)

    def normal(self, *shape: int) -> Any:
        return np.asarray(self.rng.standard_normal(shape).astype(self.dtype))

    def ids(self, size: int, *shape: int) -> Any:
        return np.asarray(self.rng.integers(0, size, shape))

    def one_hot(self, size: int, *shape: int) -> Any:
        return np.asarray(numpy.eye(size, dtype="int32")[self.rng.integers(0, size, shape)])

    def cell(self, gates: int, D: int = 3, H: int = 2) -> tuple[Any, Any, Any]:
        """The weights of a recurrent layer with so many gates."""
        return self.normal(D, gates * H), self.normal(H, gates * H), self.normal(gates * H)


class WithState:
    """A recurrent layer as a function of its input and of the state it starts from."""

    def __init__(self, layer: Any, ahead: Any = None) -> None:
        self.layer, self.ahead = layer, ahead or layer
        self.params, self.grads = layer.params, layer.grads

    def forward(self, xs: Any, *state: Any) -> Any:
        self.layer.set_state(*state)
        return self.layer.forward(xs)

    def backward(self, dhs: Any) -> tuple[Any, ...]:
        dxs = self.layer.backward(dhs)
        return (dxs, self.ahead.dh) if not hasattr(self.ahead, "dc") else (dxs, self.ahead.dh, self.ahead.dc)


class SameMask(layers.Dropout):
    """Dropout that draws the same mask in each forward."""

    def forward(self, x: Any, train_flg: bool = True) -> Any:
        self.rng = generator(0)
        return super().forward(x, train_flg)


def recurrent(kind: str, gates: int, states: int) -> Callable[[Draw], tuple[Any, list[Any]]]:
    def make(draw: Draw) -> tuple[Any, list[Any]]:
        layer = getattr(time_layers, kind)(*draw.cell(gates), stateful=True)
        return WithState(layer), [draw.normal(2, 4, 3)] + [draw.normal(2, 2) for _ in range(states)]

    return make


def stateful_bilstm(draw: Draw) -> tuple[Any, list[Any]]:
    layer = time_layers.TimeBiLSTM(*draw.cell(4), *draw.cell(4), stateful=True)
    return WithState(layer, layer.forward_lstm), [draw.normal(2, 4, 3), draw.normal(2, 2), draw.normal(2, 2)]


def some_ignored(draw: Draw) -> tuple[Any, list[Any]]:
    ts = draw.ids(5, 2, 3)
    ts[0, 1], ts[1] = -1, -1
    return time_layers.TimeSoftmaxWithLoss(), [draw.normal(2, 3, 5), ts]


def none_counts(draw: Draw) -> tuple[Any, list[Any]]:
    return time_layers.TimeSoftmaxWithLoss(), [draw.normal(1, 2, 5), np.asarray([[-1, -1]])]


# name -> a function from Draw to the layer and its inputs
LAYERS: dict[str, Callable[[Draw], tuple[Any, list[Any]]]] = {
    "MatMul": lambda d: (layers.MatMul(d.normal(3, 4)), [d.normal(2, 3)]),
    "MatMul, more axes": lambda d: (layers.MatMul(d.normal(3, 4)), [d.normal(2, 5, 2, 3)]),
    "Affine": lambda d: (layers.Affine(d.normal(3, 4), d.normal(4)), [d.normal(2, 3)]),
    "Affine, one example": lambda d: (layers.Affine(d.normal(3, 4), d.normal(4)), [d.normal(3)]),
    "Affine, many rows": lambda d: (layers.Affine(d.normal(1, 4), d.normal(4)), [d.normal(5, 1)]),
    "Affine, transposed W": lambda d: (layers.Affine(d.normal(4, 3).T, d.normal(4)), [d.normal(2, 3)]),
    "Sigmoid": lambda d: (layers.Sigmoid(), [d.normal(2, 3)]),
    "Softmax": lambda d: (layers.Softmax(), [d.normal(2, 3)]),
    "Softmax, more axes": lambda d: (layers.Softmax(), [d.normal(2, 2, 3)]),
    "SoftmaxWithLoss, ids": lambda d: (layers.SoftmaxWithLoss(), [d.normal(4, 3), d.ids(3, 4)]),
    "SoftmaxWithLoss, one-hot": lambda d: (layers.SoftmaxWithLoss(), [d.normal(4, 3), d.one_hot(3, 4)]),
    "SigmoidWithLoss": lambda d: (layers.SigmoidWithLoss(), [d.normal(4), d.ids(2, 4)]),
    "SigmoidWithLoss, column": lambda d: (layers.SigmoidWithLoss(), [d.normal(4, 1), d.ids(2, 4)]),
    "SigmoidWithLoss, matrix": lambda d: (layers.SigmoidWithLoss(), [d.normal(4, 2), d.ids(2, 4, 2)]),
    "Dropout": lambda d: (SameMask(0.4), [d.normal(3, 5)]),
    "Dropout, not training": lambda d: (SameMask(0.4), [d.normal(3, 5), False]),
    "Embedding": lambda d: (layers.Embedding(d.normal(5, 3)), [np.asarray([0, 2, 0, 4])]),
    "Embedding, more axes": lambda d: (layers.Embedding(d.normal(5, 3)), [d.ids(5, 2, 3, 2)]),
    "RNN": lambda d: (time_layers.RNN(*d.cell(1)), [d.normal(4, 3), d.normal(4, 2)]),
    "LSTM": lambda d: (time_layers.LSTM(*d.cell(4)), [d.normal(4, 3), d.normal(4, 2), d.normal(4, 2)]),
    "GRU": lambda d: (time_layers.GRU(*d.cell(3)), [d.normal(4, 3), d.normal(4, 2)]),
    "TimeRNN": lambda d: (time_layers.TimeRNN(*d.cell(1)), [d.normal(2, 4, 3)]),
    "TimeLSTM": lambda d: (time_layers.TimeLSTM(*d.cell(4)), [d.normal(2, 4, 3)]),
    "TimeLSTM, narrow input": lambda d: (time_layers.TimeLSTM(*d.cell(4, 1, 4)), [d.normal(2, 4, 1)]),
    "TimeRNN, large batch": lambda d: (time_layers.TimeRNN(*d.cell(1, 1, 1)), [d.normal(65, 2, 1)]),
    "TimeLSTM, large batch": lambda d: (time_layers.TimeLSTM(*d.cell(4, 1, 1)), [d.normal(65, 2, 1)]),
    "TimeGRU": lambda d: (time_layers.TimeGRU(*d.cell(3)), [d.normal(2, 4, 3)]),
    "TimeRNN, from a state": recurrent("TimeRNN", 1, 1),
    "TimeLSTM, from a state": recurrent("TimeLSTM", 4, 2),
    "TimeGRU, from a state": recurrent("TimeGRU", 3, 1),
    "TimeBiLSTM": lambda d: (time_layers.TimeBiLSTM(*d.cell(4), *d.cell(4)), [d.normal(2, 4, 3)]),
    "TimeBiLSTM, from a state": stateful_bilstm,
    "TimeEmbedding": lambda d: (time_layers.TimeEmbedding(d.normal(5, 3)), [d.ids(5, 2, 4)]),
    "TimeAffine": lambda d: (time_layers.TimeAffine(d.normal(3, 4), d.normal(4)), [d.normal(2, 5, 3)]),
    "TimeAffine, tied W": lambda d: (time_layers.TimeAffine(d.normal(4, 3).T, d.normal(4)), [d.normal(2, 5, 3)]),
    "TimeSoftmaxWithLoss": lambda d: (time_layers.TimeSoftmaxWithLoss(), [d.normal(2, 3, 5), d.ids(5, 2, 3)]),
    "TimeSoftmaxWithLoss, one-hot": lambda d: (
        time_layers.TimeSoftmaxWithLoss(), [d.normal(2, 3, 5), d.one_hot(5, 2, 3)]
    ),
    "TimeSoftmaxWithLoss, some ignored": some_ignored,
    "TimeSoftmaxWithLoss, all ignored": none_counts,
    "TimeSigmoidWithLoss": lambda d: (time_layers.TimeSigmoidWithLoss(), [d.normal(2, 3), d.ids(2, 2, 3)]),
}  # fmt: skip
