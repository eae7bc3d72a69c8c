"""All layers for sequences, and with them, for star imports, all of :mod:`common.layers`.

The layers without recurrence do at every time step what their namesakes do: those take any number of leading axes.
"""

from common.bidirectional import TimeBiLSTM
from common.cells import GRU, LSTM, RNN
from common.layers import (
    GPU,
    Affine,
    Dropout,
    Embedding,
    MatMul,
    Sigmoid,
    SigmoidWithLoss,
    Softmax,
    SoftmaxWithLoss,
    cross_entropy_error,
    np,
    relu,
    sigmoid,
    softmax,
)
from common.losses import TimeSigmoidWithLoss, TimeSoftmaxWithLoss
from common.np import Array
from common.recurrent import TimeGRU, TimeLSTM, TimeRNN

__all__ = [
    "GPU",
    "GRU",
    "LSTM",
    "RNN",
    "Affine",
    "Dropout",
    "Embedding",
    "MatMul",
    "Sigmoid",
    "SigmoidWithLoss",
    "Softmax",
    "SoftmaxWithLoss",
    "TimeAffine",
    "TimeBiLSTM",
    "TimeDropout",
    "TimeEmbedding",
    "TimeGRU",
    "TimeLSTM",
    "TimeRNN",
    "TimeSigmoidWithLoss",
    "TimeSoftmaxWithLoss",
    "cross_entropy_error",
    "np",
    "relu",
    "sigmoid",
    "softmax",
]


class TimeEmbedding(Embedding):
    """xs (N, T) ids -> their rows of W (V, D), (N, T, D)."""

    def forward(self, xs: Array) -> Array:
        return super().forward(xs)


class TimeAffine(Affine):
    """y = x W + b at every step, as one matrix product: xs (N, T, D), W (D, M), b (M,) -> (N, T, M).

    W may be the transposed view of an embedding's W (V, D): ``TimeAffine(embed_W.T, b)`` ties the two.
    """

    def forward(self, xs: Array) -> Array:
        return super().forward(xs)


class TimeDropout(Dropout):
    """Dropout of xs (N, T, D), which the attribute `train_flg` switches: with False the layer is the identity."""

    def forward(self, xs: Array, train_flg: bool = True) -> Array:
        return super().forward(xs, train_flg)
