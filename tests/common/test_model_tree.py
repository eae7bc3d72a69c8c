import numpy
import pytest

from ch05.simple_rnnlm import SimpleRnnlm
from ch06.rnnlm import Rnnlm
from common.model_tree import fresh_state, layers, named_params
from common.time_layers import Affine, TimeLSTM, TimeRNN


class Part:
    """A model inside a model."""

    def __init__(self, rng):
        self.rnn_layer = TimeRNN(rng.standard_normal((2, 3)), rng.standard_normal((3, 3)), numpy.zeros(3), True)
        self.params, self.grads = self.rnn_layer.params, self.rnn_layer.grads


class Whole:
    def __init__(self, rng):
        self.encoder, self.decoder = Part(rng), Part(rng)
        tied_W, own_W = self.encoder.params[0].T, rng.standard_normal((3, 2))
        self.out = [Affine(tied_W, numpy.zeros(2)), Affine(own_W, numpy.ones(2))]
        self.shortcut = self.out[1]  # a second name of one layer
        self.params = [p for part in (self.encoder, self.decoder, *self.out) for p in part.params]


def test_layers_have_the_names_of_their_attributes(rng):
    assert [name for name, _ in layers(Whole(rng))] == [
        "encoder", "encoder.rnn", "decoder", "decoder.rnn", "out.0", "out.1",
    ]  # fmt: skip


def test_params_are_named_after_layer_and_role_in_the_models_order(rng):
    model = Whole(rng)
    named = named_params(model)
    assert list(named)[:3] == ["encoder.rnn.Wx", "encoder.rnn.Wh", "encoder.rnn.b"]
    assert list(named)[-2:] == ["out.1.W", "out.1.b"]
    assert all(param is own for param, own in zip(named.values(), model.params, strict=True))


def test_a_param_without_a_layer_is_named_after_its_place():
    class Bare:
        params = (numpy.zeros(1), numpy.ones(1))

    assert list(named_params(Bare())) == ["0", "1"]


@pytest.mark.parametrize("kind", [SimpleRnnlm, Rnnlm])
def test_fresh_state_is_zero_inside_and_as_before_outside(kind, rng):
    model = kind(7, 3, 4, rng=0)
    xs = rng.integers(0, 7, (2, 3))
    from_zero, carried = model.predict(xs).copy(), model.predict(xs).copy()
    model.reset_state()
    model.predict(xs)
    with fresh_state(model):
        numpy.testing.assert_array_equal(model.predict(xs), from_zero)
        model.predict(rng.integers(0, 7, (2, 3)))
    numpy.testing.assert_array_equal(model.predict(xs), carried)


def test_the_state_comes_back_after_an_error_too(rng):
    layer = TimeLSTM(rng.standard_normal((2, 4)), rng.standard_normal((1, 4)), numpy.zeros(4), True)

    class Model:
        params, grads = layer.params, layer.grads

        def __init__(self):
            self.lstm = layer

    layer.set_state(numpy.ones((1, 1)), numpy.ones((1, 1)))
    with pytest.raises(KeyError), fresh_state(Model()):
        assert layer.h is None and layer.c is None
        raise KeyError
    assert layer.h[0, 0] == layer.c[0, 0] == 1
