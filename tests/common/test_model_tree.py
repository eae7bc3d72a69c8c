from collections import OrderedDict
from types import SimpleNamespace

import numpy
import pytest
from small_trainings import DropoutNet

from ch05.simple_rnnlm import SimpleRnnlm
from ch06.rnnlm import Rnnlm
from common.base_model import BaseModel
from common.language_model import LanguageModel
from common.layers import Dropout
from common.model_tree import (
    evaluation_mode,
    fresh_state,
    layers,
    named_params,
    recurrent_states,
)
from common.object_tree import parts
from common.time_layers import Affine, TimeDropout, TimeLSTM, TimeRNN


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


class Collected(BaseModel):
    """A model of whatever it is given by name."""

    def __init__(self, **parts):
        vars(self).update(parts)
        found = [layer for _, layer in layers(self)]
        self.params = [param for layer in found for param in layer.params]
        self.grads = [grad for layer in found for grad in layer.grads]

    params, grads = (), ()


def affine(number):
    return Affine(numpy.full((2, 2), number, "f"), numpy.full(2, number, "f"))


def test_names_that_differ_by_the_suffix_alone_stay_apart(tmp_path):
    model = Collected(affine=affine(1), affine_layer=affine(2), out_layer=affine(3))
    assert list(named_params(model)) == ["affine.W", "affine.b", "affine_layer.W", "affine_layer.b", "out.W", "out.b"]
    path = model.save_params(tmp_path / "weights.npz")
    for param in model.params:
        param[...] = 0
    model.load_params(path)
    assert [param.reshape(-1)[0] for param in model.params] == [1, 1, 2, 2, 3, 3]


def test_two_weights_never_get_one_name():
    model = Collected(layers={"1": affine(1), 1: affine(2)})
    with pytest.raises(ValueError, match=r"Collected: two weights have the name layers\.1\.W, give their layers other"):
        named_params(model)


@pytest.mark.parametrize("key", [("fwd", 0), "affine 1", "a/b", "x" * 2000])
@pytest.mark.parametrize("ending", ["npz", "safetensors", "pkl"])
def test_weights_whose_names_no_file_could_hold_are_named_after_their_places(key, ending, tmp_path):
    model = Collected(out=affine(1), layers={key: affine(2)})
    assert list(named_params(model)) == ["out.W", "out.b", "2", "3"]
    path = model.save_params(tmp_path / f"weights.{ending}")
    for param in model.params:
        param[...] = 0
    model.load_params(path)
    assert [param.reshape(-1)[0] for param in model.params] == [1, 1, 2, 2]


def test_layers_in_dictionaries_are_found(rng):
    lstm = TimeLSTM(rng.standard_normal((2, 4)), rng.standard_normal((1, 4)), numpy.zeros(4), True)
    model = Collected(layers=OrderedDict(lstm=lstm, drop_layer=TimeDropout(), more=[{"out": affine(1)}]))
    assert [name for name, _ in layers(model)] == ["layers.lstm", "layers.drop_layer", "layers.more.0.out"]
    lstm.set_state(numpy.ones((1, 1)))
    assert recurrent_states(model)["layers.lstm"]["h"] == 1
    with evaluation_mode(model):
        assert lstm.h is None and not model.layers["drop_layer"].train_flg
    assert lstm.h == 1 and model.layers["drop_layer"].train_flg


def test_layers_in_tuples_are_found():
    model = Collected(layers=(affine(1), Dropout(0.5)))
    assert [name for name, _ in layers(model)] == ["layers.0", "layers.1"]
    with evaluation_mode(model):
        assert not model.layers[1].train_flg


def test_chains_of_objects_may_be_long():
    first = last = SimpleNamespace()
    for _ in range(5000):
        last.next = SimpleNamespace()
        last = last.next
    assert [part for _, part in parts(first)][-1] is last


def test_modules_and_classes_are_no_parts():
    class Kind:
        layer = affine(1)

    model = SimpleNamespace(np=numpy, kind=Kind, number=1.0, layer=Kind.layer)
    assert next(name for name, _ in parts(model)) == "layer"


def test_parts_may_get_attributes_on_the_way():
    root = SimpleNamespace(one=SimpleNamespace(), more=SimpleNamespace(two=SimpleNamespace()))
    for name, part in parts(root):
        part.seen = root.seen = name
    assert root.more.two.seen == "more.two"


class Around(BaseModel):
    def __init__(self, layer):
        self.affine = layer
        self.params, self.grads = layer.params, layer.grads


def test_layers_that_a_model_was_made_with_are_named_after_its_attributes():
    for model in (Around(affine(1)), Around(layer=affine(1))):
        assert list(named_params(model)) == ["affine.W", "affine.b"]
        assert [name for name, _ in parts(model) if "_made_with." in name] == []
    assert list(named_params(Collected(out=affine(1)))) == ["out.W", "out.b"]
    assert list(named_params(LanguageModel(layers=[affine(1)]))) == ["layers.0.W", "layers.0.b"]


class TestEvaluationMode:
    def test_dropout_of_a_model_that_cannot_switch_it(self):
        model = Collected(dropout=Dropout(0.5, rng=0))
        x = numpy.ones((4, 5))
        with evaluation_mode(model):
            numpy.testing.assert_array_equal(model.dropout.forward(x), x)
        assert (model.dropout.forward(x) == 0).any()

    def test_the_global_generator_goes_on_as_if_nothing_had_been_drawn(self, rng):
        def drawn(evaluate):
            numpy.random.seed(0)  # noqa: NPY002
            model = DropoutNet(0)
            if evaluate:
                with evaluation_mode(model):
                    model.forward(rng.standard_normal((4, 3)).astype("f"), [0, 1, 2, 3])
                    numpy.random.standard_normal(3)  # noqa: NPY002
            return numpy.random.random()  # noqa: NPY002

        assert drawn(True) == drawn(False)


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


class OwnState(BaseModel):
    """A model with a state and a switch of its own beside those of its layer."""

    train_flg = True

    def __init__(self, rng):
        self.rnn = TimeRNN(rng.standard_normal((2, 3)), rng.standard_normal((3, 3)), numpy.zeros(3), True)
        self.params, self.grads = self.rnn.params, self.rnn.grads
        self.h = numpy.ones(2)

    def reset_state(self):
        self.h = None
        self.rnn.reset_state()


def test_the_model_s_own_state_and_switch(rng):
    model = OwnState(rng)
    model.rnn.forward(rng.standard_normal((2, 1, 2)))
    before = model.h, model.rnn.h
    assert list(recurrent_states(model)) == ["", "rnn"]
    assert list(recurrent_states(Rnnlm(5, 2, 3, rng=0))) == ["layers.1"]  # not of a model that has none itself
    with evaluation_mode(model):
        assert model.h is None and model.rnn.h is None and not model.train_flg
        model.h = numpy.zeros(4)
    assert (model.h, model.rnn.h) == before and model.train_flg


class OtherNames(BaseModel):
    """A model whose h and c are no states, and whose train_flg only tells."""

    def __init__(self, rng):
        self.h = TimeRNN(rng.standard_normal((2, 3)), rng.standard_normal((3, 3)), numpy.zeros(3), True)
        self.params, self.grads = self.h.params, self.h.grads
        self.c, self.memory = 8, None

    @property
    def train_flg(self):
        return True

    def reset_state(self):
        self.memory = None


def test_what_is_called_like_a_state_or_switch_is_left_alone(rng):
    model = OtherNames(rng)
    assert recurrent_states(model) == {"h": {"h": None}}
    with evaluation_mode(model):
        model.h.forward(rng.standard_normal((2, 1, 2)))
    assert isinstance(model.h, TimeRNN) and model.h.h is None and model.c == 8


def test_a_model_whose_state_is_not_found_is_reset():
    model = SimpleNamespace(h=8, memory=None, params=[])
    model.reset_state = lambda: vars(model).update(memory=None)
    with fresh_state(model):
        model.memory = 1
    assert model.memory is None and model.h == 8


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


class Interrupted:
    """A layer at whose turn Ctrl-C is pressed."""

    def __init__(self):
        self.params, self.grads, self.pressed = [], [], False

    def reset_state(self):
        raise KeyboardInterrupt

    @property
    def train_flg(self):
        return True

    @train_flg.setter
    def train_flg(self, value):
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt


def test_an_interrupt_on_the_way_in_leaves_dropout_and_state_as_they_were(rng):
    layer = TimeLSTM(rng.standard_normal((2, 4)), rng.standard_normal((1, 4)), numpy.zeros(4), True)
    layer.set_state(numpy.ones((1, 1)), numpy.ones((1, 1)))
    model = Collected(dropout=Dropout(0.5, rng=0), lstm=layer, last=Interrupted())
    for context in (evaluation_mode, fresh_state):
        with pytest.raises(KeyboardInterrupt), context(model):
            pass
        assert model.dropout.train_flg
        assert layer.h[0, 0] == layer.c[0, 0] == 1


def test_layers_beside_words_in_a_list(rng):
    class Model:
        def __init__(self):
            self.params = []
            self.parts = ["a", 1, Affine(rng.standard_normal((2, 3)), numpy.zeros(3)), None]

    assert [name for name, _ in layers(Model())] == ["parts.2"]


def test_layers_in_an_object_that_is_none(rng):
    """Evaluation, names in files and checkpoints find them wherever the model holds them."""

    class Model:
        def __init__(self):
            self.block = SimpleNamespace(lstm_layer=TimeLSTM(*cell_weights(rng), stateful=True), drop=[Dropout(0.5)])
            self.params = self.block.lstm_layer.params
            self.block.model = self  # and back

    model = Model()
    lstm, drop = model.block.lstm_layer, model.block.drop[0]
    assert dict(layers(model)) == {"block.lstm": lstm, "block.drop.0": drop}
    assert list(named_params(model)) == ["block.lstm.Wx", "block.lstm.Wh", "block.lstm.b"]
    lstm.set_state(numpy.ones((2, 3)))
    with evaluation_mode(model):
        assert lstm.h is None and not drop.train_flg
    assert (lstm.h == 1).all() and drop.train_flg


def cell_weights(rng):
    return rng.standard_normal((2, 12)), rng.standard_normal((3, 12)), numpy.zeros(12)


def test_a_generator_that_is_drawn_from_goes_on():
    layer = Dropout(0.5, rng=numpy.random.default_rng(0))
    with evaluation_mode(layer, drawn_from=[layer.rng]):
        first = layer.rng.random()
    assert layer.rng.random() != first
