"""Readers read as the layers do."""

import copy

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from common.np import np
from common.reader import LayerReader, LSTMReader, new_reader
from common.recurrent_variants import TimeDiagonalPeepholeLSTM, TimePeepholeLSTM, TimeReLURNN
from common.time_layers import TimeDropout, TimeGRU, TimeLSTM, TimeRNN

D, H = 3, 4
KINDS = {TimeRNN: 1, TimeReLURNN: 1, TimeGRU: 3, TimeLSTM: 4, TimePeepholeLSTM: 4, TimeDiagonalPeepholeLSTM: 4}


def new_layer(kind, rng, constant_size=0, stateful=True):
    G = KINDS[kind]
    shapes = (constant_size + D, G * H), (H, G * H), (G * H,)
    return kind(*(np.asarray(rng.normal(size=shape)) for shape in shapes), stateful=stateful)


def close(a, b):
    numpy.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("constant_size", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_as_all_at_once(kind, constant_size, rng):
    layer, N, T = new_layer(kind, rng, constant_size), 5, 6
    xs, h = rng.normal(size=(N, T, D)), rng.normal(size=(N, H))
    constant = rng.normal(size=(N, constant_size)) if constant_size else None
    reader = new_reader(layer, layer)
    assert type(reader) is (LSTMReader if kind is TimeLSTM else LayerReader)
    state = reader.start(h, constant)
    close(state[0], h)
    states = []
    for t in range(T):
        state = reader.read(xs[:, t], state)
        states.append(state[0])
    layer.set_state(h)
    joined = xs if constant is None else numpy.concatenate([numpy.repeat(constant[:, None], T, axis=1), xs], axis=2)
    close(np.stack(states, axis=1), layer.forward(joined))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_state_can_be_chosen(kind, rng):
    """As beam search does: some twice, others no more."""
    layer, chosen = new_layer(kind, rng, 2), numpy.array([2, 0, 2])
    constant, x, later = rng.normal(size=(3, 2)), rng.normal(size=(3, D)), rng.normal(size=(3, D))
    reader = new_reader(layer, layer)
    state = reader.read(x, reader.start(rng.normal(size=(3, H)), constant))
    after = reader.read(later, tuple(part[chosen] for part in state))
    for row, origin in enumerate(chosen):
        alone = reader.read(later[row : row + 1], tuple(part[origin : origin + 1] for part in state))
        close(after[0][row], alone[0][0])


def test_the_layer_is_left_alone(rng):
    layer = new_layer(TimeLSTM, rng)
    xs, dhs = rng.normal(size=(2, 5, D)), rng.normal(size=(2, 5, H))
    layer.forward(xs)
    h, c, dxs = layer.h.copy(), layer.c.copy(), layer.backward(dhs)
    grads = copy.deepcopy(layer.grads)
    reader = new_reader(layer, layer)
    reader.read(rng.normal(size=(7, D)), reader.start(rng.normal(size=(7, H))))
    reader.read_rows(rng.normal(size=(3, 2, D)), numpy.arange(6).reshape(3, 2))
    assert (layer.h == h).all() and (layer.c == c).all()
    assert (layer.backward(dhs) == dxs).all()
    assert all((a == b).all() for a, b in zip(layer.grads, grads, strict=True))


def test_arguments_are_left_alone(rng):
    reader = LSTMReader(new_layer(TimeLSTM, rng))
    x, state = rng.normal(size=(2, D)), reader.start(rng.normal(size=(2, H)))
    before = copy.deepcopy((x, state))
    reader.read(x, state)
    assert all((a == b).all() for a, b in zip((x, *state), (before[0], *before[1]), strict=True))


def test_weights_of_today(rng):
    """A reader begins with the weights that its layer has then."""
    layer, x, h = new_layer(TimeLSTM, rng), rng.normal(size=(1, D)), rng.normal(size=(1, H))
    reader = new_reader(layer, layer)
    state = reader.start(h)
    first = reader.read(x, state)[0]
    for param in layer.params:
        param *= 0.5
    assert (reader.read(x, state)[0] == first).all()
    layer.set_state(h)
    assert not numpy.allclose(reader.read(x, reader.start(h))[0], first)
    close(reader.read(x, reader.start(h))[0], layer.forward(x[:, None])[:, 0])


@pytest.mark.parametrize("name", ["state_dropout", "weight_dropout"])
def test_dropout_reads_as_the_layer_does(name, rng):
    layer = new_layer(TimeLSTM, rng)
    setattr(layer, name, TimeDropout(0.5, rng=0))
    assert type(new_reader(layer, layer)) is LayerReader
    getattr(layer, name).train_flg = False
    assert type(new_reader(layer, layer)) is LSTMReader


def test_a_forward_of_ones_own_is_called(rng):
    class Doubled(TimeLSTM):
        def forward(self, xs):
            return super().forward(2 * xs)

    layer, calls = new_layer(TimeLSTM, rng), []
    assert type(new_reader(Doubled(*layer.params), layer)) is LayerReader
    forward = layer.forward
    layer.forward = lambda xs: calls.append(xs.shape) or forward(xs)
    reader = new_reader(layer, layer)
    reader.read(rng.normal(size=(2, D)), reader.start(rng.normal(size=(2, H))))
    assert calls == [(2, 1, D)]


def test_shapes_that_do_not_fit(rng):
    reader = LSTMReader(new_layer(TimeLSTM, rng, constant_size=2))
    with pytest.raises(ValueError, match=r"a state \(2, 5\) does not fit"):
        reader.start(numpy.zeros((2, H + 1)))
    state = reader.start(numpy.zeros((2, H)), numpy.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"expected an input \(2, 3\), got \(2, 4\)"):
        reader.read(numpy.zeros((2, D + 1)), state)
    with pytest.raises(ValueError, match=r"expected an input \(2, 3\), got \(1, 3\)"):
        reader.read(numpy.zeros((1, D)), state)


@given(
    ids=arrays.arrays(numpy.int64, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=st.integers(-1, 2)),
    is_sorted=st.booleans(),
)
def test_what_rows_have_in_common_changes_nothing(ids, is_sorted):
    rng = numpy.random.default_rng(0)
    layer, table = new_layer(TimeLSTM, rng, stateful=False), rng.normal(size=(4, D))
    if is_sorted:
        ids = ids[numpy.lexsort(ids.T[::-1])]
    close(LSTMReader(layer).read_rows(table[ids], ids), layer.forward(table[ids]))


def test_each_beginning_is_read_once(rng, monkeypatch):
    layer, rows = new_layer(TimeLSTM, rng, stateful=False), []
    reader = LSTMReader(layer)
    read = reader.read
    monkeypatch.setattr(reader, "read", lambda x, state: rows.append(len(x)) or read(x, state))
    ids = numpy.array([[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]])
    reader.read_rows(rng.normal(size=(2, D))[ids], ids)
    assert rows == [2, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_dtype_is_that_of_the_weights(dtype, rng):
    layer = new_layer(TimeLSTM, rng, stateful=False)
    layer = TimeLSTM(*(param.astype(dtype) for param in layer.params))
    hs = LSTMReader(layer).read_rows(rng.normal(size=(2, 2, D)), numpy.arange(4).reshape(2, 2))
    assert hs.dtype == dtype


def test_on_the_gpu(gpu, rng):
    layer, ids = new_layer(TimeLSTM, rng, stateful=False), np.asarray([[0, 1, 1], [0, 1, 2], [2, 0, 0]])
    xs = np.asarray(rng.normal(size=(3, D)))[ids]
    close(np.asnumpy(LSTMReader(layer).read_rows(xs, ids)), np.asnumpy(layer.forward(xs)))
