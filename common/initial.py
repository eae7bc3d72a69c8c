"""Layers with fresh weights, as the book draws them.

Weights are normal with standard deviation 1/sqrt(inputs), those of an embedding 1/100, and biases are zero unless said
otherwise. They are drawn on the host, so that one generator gives the same weights on CPU and GPU. Sizes may be NumPy's
integers, of few bits too.
"""

from typing import Any, TypeVar

import numpy

from common.np import np
from common.recurrent import TimeLSTM, TimeRecurrent
from common.time_layers import TimeAffine, TimeEmbedding

AnyRecurrent = TypeVar("AnyRecurrent", bound=TimeRecurrent)


def normal(rows: int, columns: int, scale: float, rng: numpy.random.Generator, dtype: Any = "f") -> Any:
    """A matrix (rows, columns) of normal numbers with standard deviation `scale`.

    Raises ValueError unless dtype is floating point.
    """
    if numpy.dtype(dtype).kind != "f":
        raise ValueError(f"weights must have a dtype of floating-point numbers, not {numpy.dtype(dtype)}")
    return np.asarray((rng.standard_normal((rows, columns)) * scale).astype(dtype))


def new_embedding(vocab_size: int, wordvec_size: int, rng: numpy.random.Generator, dtype: Any = "f") -> TimeEmbedding:
    """An embedding of V words in D dimensions. ValueError unless dtype is floating point."""
    return TimeEmbedding(normal(vocab_size, wordvec_size, 0.01, rng, dtype))


def new_recurrent(
    kind: type[AnyRecurrent],
    input_size: int,
    hidden_size: int,
    rng: numpy.random.Generator,
    dtype: Any = "f",
    *,
    stateful: bool = False,
    forget_bias: float = 0.0,
) -> AnyRecurrent:
    """A recurrent layer of a `kind` such as TimeLSTM, from D inputs to H states.

    `forget_bias` is the bias of an LSTM's forget gates, which the book has at zero. At 1 they let 73 % of the cell pass
    at each step instead of half, so that 1e-4 instead of 2e-9 of it is left after 29 steps: enough to learn from (Gers
    et al. 2000, Jozefowicz et al. 2015). Raises ValueError for a dtype that is not floating point, and for a bias of
    the forget gates of a layer that has none.
    """
    D, H = int(input_size), int(hidden_size)
    columns = kind.gate_count * H
    b = np.zeros(columns, dtype)
    if forget_bias:
        if not issubclass(kind, TimeLSTM):
            raise ValueError(f"new_recurrent: a {kind.__name__} has no forget gates, got forget_bias {forget_bias}")
        b[:H] = forget_bias  # the first columns of an LSTM's four
    return kind(normal(D, columns, D**-0.5, rng, dtype), normal(H, columns, H**-0.5, rng, dtype), b, stateful=stateful)


def new_affine(input_size: int, output_size: int, rng: numpy.random.Generator, dtype: Any = "f") -> TimeAffine:
    """An affine layer from D inputs to M outputs. ValueError unless dtype is floating point."""
    weights = normal(input_size, output_size, int(input_size) ** -0.5, rng, dtype)
    return TimeAffine(weights, np.zeros(output_size, dtype))
