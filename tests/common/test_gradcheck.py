import numpy
import pytest
from layer_cases import LAYERS, Draw
from small_trainings import DropoutNet, TiedLanguageModel

from common import layers
from common.gradcheck import GradientError, gradcheck, in_float64
from common.layer_kit import LayerError, check_layer
from common.layers import Affine
from common.time_layers import TimeDropout, TimeLSTM, TimeRNN, TimeSoftmaxWithLoss

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


class BookDropout:
    """As the book prints it: masks from NumPy's global generator."""

    def __init__(self, ratio=0.5):
        self.params, self.grads, self.ratio = [], [], ratio

    def draw(self, *shape):
        return numpy.random.rand(*shape)  # noqa: NPY002

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x * (1 - self.ratio)
        self.mask = self.draw(*x.shape) > self.ratio
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class BookEmbedding:
    """Without `names`."""

    def __init__(self, W, sparse=False):
        self.params, self.grads = [W], [numpy.zeros_like(W)]

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        self.grads[0][...] = 0
        numpy.add.at(self.grads[0], self.idx, dout)


class InFloat32(Affine):
    """Correct, but its output is float32 whatever it is given, as that of the book's recurrent layers is."""

    def forward(self, x):
        return super().forward(x).astype("f")


class BookLoss:
    """Its loss is a NumPy number, in float32 for inputs in float32."""

    factor = 1.0

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x, t):
        e = numpy.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), numpy.eye(x.shape[1], dtype=x.dtype)[t] if t.ndim == 1 else t
        return -(self.t * numpy.log(self.y)).sum() / len(x)

    def backward(self, dout=1):
        return self.factor * dout * (self.y - self.t) / len(self.t)


class TwiceTooLarge(BookLoss):
    factor = 2.0


class NoGradient(BookLoss):
    def backward(self, dout=1):
        super().backward(dout)


T = numpy.array([0, 2, 1, 1])
LABELS = pytest.mark.parametrize("t", [T, numpy.eye(3, dtype="i1")[T], numpy.eye(3, dtype="f")[T]])


class TestLayersOfOnesOwn:
    def test_random_numbers_of_numpys_global_generator(self):
        numpy.random.seed(0)  # noqa: NPY002
        before = numpy.random.get_state()[1].tolist()  # noqa: NPY002
        assert gradcheck(BookDropout(), Draw("f").normal(4, 5))["input 0"] < 1e-8
        assert numpy.random.get_state()[1].tolist() == before  # noqa: NPY002
        assert "evaluation" in check_layer(BookDropout(), Draw("f").normal(4, 5))

    def test_random_numbers_that_cannot_be_repeated(self):
        class Fresh(BookDropout):
            def draw(self, *shape):
                return numpy.random.default_rng().random(shape)

        for check in (gradcheck, check_layer):
            with pytest.raises(GradientError, match="Fresh: two forwards of the same inputs differ"):
                check(Fresh(), Draw("f").normal(4, 5))

    def test_float32_is_named_and_tolerated(self):
        message = "InFloat32: computes in float32 although weights and inputs are float64"
        with pytest.warns(UserWarning, match=message):
            errors = gradcheck(*affine(InFloat32))
        assert 1e-7 < max(errors.values()) < 1e-3

    def test_float32_inside_a_model_too(self):
        draw = Draw("f")
        model = TiedLanguageModel(0)
        model.layers[3] = InFloat32(model.params[0].T, model.layers[3].params[1])
        model.params[-2:], model.grads[-2:] = model.layers[3].params, model.layers[3].grads
        model.layers[3].forward(draw.normal(2, 5))
        with pytest.warns(UserWarning, match="TiedLanguageModel: computes in float32"):
            assert max(gradcheck(model, IDS, IDS).values()) < 1e-2

    def test_a_wrong_gradient_in_float32(self):
        class Wrong(InFloat32, WrongInput):
            pass

        message = "the gradient of input 0"
        with pytest.warns(UserWarning, match="float32"), pytest.raises(GradientError, match=message):
            gradcheck(*affine(Wrong))

    def test_weights_are_called_as_the_arguments(self):
        W = Draw("f").normal(7, 3)
        assert list(gradcheck(BookEmbedding(W), IDS % 7)) == ["W"]

    def test_a_gradient_that_is_nan(self):
        class Nan(Affine):
            def backward(self, dout):
                dx = super().backward(dout)
                self.grads[0][1, 0] = numpy.nan
                return dx

        message = r"Nan: the gradient of W \(3, 2\) is wrong: at \[1, 0\] backward gives nan"
        for check in (gradcheck, check_layer):
            with pytest.raises(GradientError, match=message):
                check(*affine(Nan))

    @LABELS
    def test_losses(self, t):
        x = Draw("f").normal(4, 3)
        for loss in (BookLoss(), layers.SoftmaxWithLoss()):
            assert gradcheck(loss, x, t)["input 0"] < 1e-8
            assert check_layer(loss, x, t)[-1] == "gradients"

    @LABELS
    def test_wrong_losses(self, t):
        x = Draw("f").normal(4, 3)
        for check in (gradcheck, check_layer):
            with pytest.raises(GradientError, match=r"TwiceTooLarge: the gradient of input 0 \(4, 3\) is wrong"):
                check(TwiceTooLarge(), x, t)
        with pytest.raises(GradientError, match="NoGradient: there is nothing to check: it has no weights, and"):
            gradcheck(NoGradient(), x, t)
        with pytest.raises(LayerError, match=r"NoGradient: backward gives gradients \[\] for inputs \[\(4, 3\)\]"):
            check_layer(NoGradient(), x, t)

    def test_float_labels_of_the_other_loss(self):
        x, t = Draw("f").normal(4), numpy.array([0, 1, 1, 0], "f")
        assert gradcheck(layers.SigmoidWithLoss(), x, t)["input 0"] < 1e-8
        assert check_layer(layers.SigmoidWithLoss(), x, t)[-1] == "gradients"

    def test_a_loss_in_float64(self):
        x = Draw("f").normal(4, 3)

        class Wide(BookLoss):
            def forward(self, x, t):
                return numpy.float64(super().forward(x, t))

        assert check_layer(Wide(), x, T)[-1] == "gradients"


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

    @pytest.mark.parametrize("stateful", [True, False])
    def test_stateful(self, stateful):
        class Opposite(TimeRNN):
            def forward(self, xs):
                self.stateful = not self.stateful
                try:
                    return super().forward(xs)
                finally:
                    self.stateful = not self.stateful

        draw, xs = Draw("f"), Draw("f").normal(2, 4, 3)
        assert "state" in check_layer(TimeRNN(*draw.cell(1), stateful=stateful), xs)
        does = "starts from zero again" if stateful else "goes on from its state"
        with pytest.raises(LayerError, match=f"Opposite: a second forward {does}, but stateful is {stateful}"):
            check_layer(Opposite(*draw.cell(1), stateful=stateful), xs)

    def test_state_with_dropout_in_the_recurrence(self):
        layer = TimeLSTM(*Draw("f").cell(4), stateful=True)
        layer.state_dropout = TimeDropout(0.5, rng=0)
        assert "state" in check_layer(layer, Draw("f").normal(2, 4, 3))

    def test_evaluation(self):
        class Always(layers.Dropout):
            def forward(self, x, train_flg=True):
                return super().forward(x)

        with pytest.raises(LayerError, match="with train_flg=False two forwards differ"):
            check_layer(Always(0.5, rng=0), Draw("f").normal(10, 10))

        class Drawing(layers.Dropout):
            def forward(self, x, train_flg=True):
                self.rng.random()
                return super().forward(x, train_flg)

        rng = numpy.random.Generator(numpy.random.MT19937(0))  # whose state holds an array
        with pytest.raises(LayerError, match="with train_flg=False it draws random numbers"):
            check_layer(Drawing(0.5, rng=rng), Draw("f").normal(10, 10))

    def test_wrong_gradient(self):
        with pytest.raises(GradientError, match="the gradient of b"):
            check_layer(*affine(WrongBias))


def test_loss_layers_and_classifiers_as_they_are_used():
    draw = Draw("f")
    assert gradcheck(TimeSoftmaxWithLoss(), draw.normal(2, 3, 5), draw.ids(5, 2, 3))["input 0"] < 1e-8
    assert max(gradcheck(DropoutNet(0), draw.normal(4, 3), draw.ids(4, 4), False).values()) < 1e-8
