import numpy
import pytest
from layer_cases import LAYERS, Draw
from small_trainings import DropoutNet, TiedLanguageModel

from common import layers
from common.gradcheck import GradientError, gradcheck, in_float64
from common.layer_kit import LayerError, check_layer
from common.layers import Affine
from common.time_layers import TimeDropout, TimeLSTM, TimeSoftmaxWithLoss

IDS = numpy.random.default_rng(0).integers(0, 12, (2, 4))


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_right_and_float32_is_no_hindrance(name):
    layer, inputs = LAYERS[name](Draw("f"))
    assert max(gradcheck(layer, *inputs, numbers=5).values()) < 1e-7


def test_a_model_with_a_shared_weight_dropout_and_state_stays_as_it_is():
    model = TiedLanguageModel(0)
    model.forward(IDS, IDS)
    lstm, rng = model.layers[2], model.layers[1].rng
    before = [param.copy() for param in model.params], lstm.h, rng.bit_generator.state
    errors = gradcheck(model, IDS, IDS)
    assert list(errors) == ["layers.0.W", "layers.2.Wx", "layers.2.Wh", "layers.2.b", "layers.3.b"]
    assert max(errors.values()) < 1e-6
    assert all(map(numpy.array_equal, model.params, before[0]))
    assert lstm.h is before[1] and rng.bit_generator.state == before[2]
    assert model.params[0].dtype == "f"


class WrongBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[1] *= 1.01
        return dx


class WrongInput(Affine):
    def backward(self, dout):
        return -super().backward(dout)


class OneWrongNumber(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[0][19, 19] += 0.5
        return dx


def affine(kind, D=3, M=2):
    draw = Draw("f")
    return kind(draw.normal(D, M), draw.normal(M)), draw.normal(4, D)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WrongBias, r"WrongBias: the gradient of b \(2,\) is wrong: at \[\d\] backward gives \S+, central differences"),
        (WrongInput, r"WrongInput: the gradient of input 0 \(4, 3\) is wrong: at \[\d, \d\]"),
    ],
)
def test_the_first_wrong_one_is_named(kind, message):
    with pytest.raises(GradientError, match=message):
        gradcheck(*affine(kind))


def test_one_wrong_number_of_many_is_found():
    with pytest.raises(GradientError, match=r"the gradient of W \(20, 20\) is wrong: along a random direction"):
        gradcheck(*affine(OneWrongNumber, 20, 20), numbers=0)


def test_a_wrong_layer_inside_a_model():
    model = TiedLanguageModel(0)

    class WrongLSTM(TimeLSTM):
        def backward(self, dhs):
            dxs = super().backward(dhs)
            self.grads[1] *= 0.9
            return dxs

    model.layers[2].__class__ = WrongLSTM
    with pytest.raises(GradientError, match=r"TiedLanguageModel: the gradient of layers\.2\.Wh \(5, 20\) is wrong"):
        gradcheck(model, IDS, IDS)


def test_lists_that_do_not_fit():
    layer, x = affine(Affine)
    layer.grads.reverse()
    with pytest.raises(ValueError, match=r"Affine: params and grads must have the same shapes in the same order"):
        gradcheck(layer, x)


def test_shared_memory_stays_shared_in_float64():
    W = numpy.arange(12, dtype="f").reshape(3, 4)
    copy = in_float64({"W": W, "T": W.T, "part": W[1:, ::2], "same": [W], "kind": W.dtype})
    assert copy["same"][0] is copy["W"] and copy["W"].dtype == copy["kind"] == "d"
    copy["W"][:] = 7
    assert (copy["T"] == 7).all() and (copy["part"] == 7).all() and W[0, 0] == 0
    assert copy["T"].shape == (4, 3) and copy["part"].shape == (2, 2)


class TestKit:
    @pytest.mark.parametrize("name", [name for name in LAYERS if "Dropout" not in name])
    def test_every_layer_passes(self, name):
        layer, inputs = LAYERS[name](Draw("f"))
        made = check_layer(layer, *inputs)
        assert made[:7] == ["lists", "dtype", "device", "shapes", "side effects", "repeatable", "gradients"] or (
            made[6:] == ["state", "gradients"]
        )

    @pytest.mark.parametrize("layer", [layers.Dropout(0.3, rng=0), TimeDropout(0.3, rng=0)])
    def test_dropout_passes_with_evaluation(self, layer):
        assert "evaluation" in check_layer(layer, Draw("f").normal(2, 3, 4))

    @pytest.mark.parametrize("name", ["Affine", "TimeLSTM", "TimeSoftmaxWithLoss", "Embedding"])
    def test_on_the_gpu_path(self, name, gpu):
        layer, inputs = LAYERS[name](Draw("f"))
        assert "device" in check_layer(layer, *inputs)

    def fails(self, message, change, kind=Affine):
        layer, x = affine(kind)
        change(layer)
        with pytest.raises(LayerError, match=message):
            check_layer(layer, x)

    def test_lists(self):
        self.fails("params and grads must have the same shapes", lambda layer: layer.grads.pop())

    def test_dtype(self):
        class Wide(Affine):
            def forward(self, x):
                return super().forward(x) * numpy.ones(2)

        self.fails("the output is float64, expected float32", lambda layer: None, Wide)

    def test_shapes(self):
        class Flat(Affine):
            def backward(self, dout):
                return super().backward(dout).ravel()

        self.fails(r"backward gives gradients \[\(12,\)\] for inputs \[\(4, 3\)\]", lambda layer: None, Flat)

    def test_side_effects(self):
        class Greedy(Affine):
            def backward(self, dout):
                dout *= 2
                return super().backward(dout)

        self.fails("changes the gradient of the output", lambda layer: None, Greedy)

        class Changing(Affine):
            def forward(self, x):
                y = super().forward(x)
                x += 1
                return y

        self.fails("changes inputs or weights", lambda layer: None, Changing)

    def test_repeatable(self):
        class Adding(Affine):
            def backward(self, dout):
                before = [grad.copy() for grad in self.grads]
                dx = super().backward(dout)
                for grad, old in zip(self.grads, before, strict=True):
                    grad += old
                return dx

        self.fails("a second backward gives other gradients; are they added up?", lambda layer: None, Adding)

        class Replacing(Affine):
            def backward(self, dout):
                dx = super().backward(dout)
                self.grads[0] = self.grads[0].copy()
                return dx

        self.fails("backward must write into the arrays of grads", lambda layer: None, Replacing)

    def test_state(self):
        class Forgetful(TimeLSTM):
            def reset_state(self):
                self.h = None

        draw = Draw("f")
        with pytest.raises(LayerError, match=r"after reset_state\(\)"):
            check_layer(Forgetful(*draw.cell(4), stateful=True), draw.normal(2, 4, 3))

    def test_evaluation(self):
        class Always(layers.Dropout):
            def forward(self, x, train_flg=True):
                return super().forward(x)

        with pytest.raises(LayerError, match="with train_flg=False two forwards differ"):
            check_layer(Always(0.5, rng=0), Draw("f").normal(10, 10))

    def test_wrong_gradient(self):
        with pytest.raises(GradientError, match="the gradient of b"):
            check_layer(*affine(WrongBias))


def test_loss_layers_and_classifiers_as_they_are_used():
    draw = Draw("f")
    assert gradcheck(TimeSoftmaxWithLoss(), draw.normal(2, 3, 5), draw.ids(5, 2, 3))["input 0"] < 1e-8
    assert max(gradcheck(DropoutNet(0), draw.normal(4, 3), draw.ids(4, 4), False).values()) < 1e-8
