import numpy
import pytest
from layer_cases import LAYERS, Draw
from small_trainings import DropoutNet, TiedLanguageModel

from ch06.better_rnnlm import BetterRnnlm
from common import config, layers
from common.gradcheck import GradientError, gradcheck, in_float64
from common.layer import Layer
from common.layer_kit import LayerError, check_layer
from common.layers import Affine
from common.recurrent_variants import TimeReLURNN
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


def deep_model(cell, seed):
    rng = numpy.random.default_rng(1)
    batch = rng.integers(0, 7, (2, 6)), rng.integers(-1, 7, (2, 6))
    return BetterRnnlm(7, 4, 4, layers=3, cell=cell, variational=True, dropconnect=0.5, rng=seed), batch


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "seed"), [("rnn", 0), ("rnn", 1), ("relu", 0), ("relu", 1), ("relu", 9)])
def test_steep_curves_and_kinks_are_no_error(cell, seed):
    model, batch = deep_model(cell, seed)
    assert max(gradcheck(model, *batch).values()) < 1e-5


@pytest.mark.parametrize(("seed", "place"), [(0, 2), (1, 0), (9, 1)])
def test_a_wrong_layer_among_kinks(seed, place):
    class Wrong(TimeReLURNN):
        def backward(self, dhs):
            dxs = super().backward(dhs)
            self.grads[2] *= 1.01
            return dxs

    model, batch = deep_model("relu", seed)
    model.lstm_layers[place].__class__ = Wrong
    with pytest.raises(GradientError, match=rf"BetterRnnlm: the gradient of layers\.{2 + 2 * place}\.b \(4,\)"):
        gradcheck(model, *batch)


class Function:
    """One without weights; its inputs hold places where it may be special."""

    x = numpy.random.default_rng(0).standard_normal((4, 5))
    x[0], x[:, 0], x[2, 3] = 0, 0, 3e-6

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x):
        self.x = x
        return numpy.maximum(x, 0)

    def backward(self, dout):
        return dout * self.slope(self.x)

    def slope(self, x):
        return x > 0


class TestKinks:
    @pytest.mark.parametrize("slope", [lambda x: x > 0, lambda x: x >= 0, lambda x: (numpy.sign(x) + 1) / 2])
    def test_every_slope_of_a_relu_is_right(self, slope):
        relu = Function()
        relu.slope = slope
        before = Function.x.copy()
        assert gradcheck(relu, Function.x)["input 0"] < 1e-8
        assert numpy.array_equal(Function.x, before)

    def test_one_that_is_not_between_the_slopes_on_both_sides(self):
        class LeakyOfTwo(Function):
            def forward(self, x):
                return super().forward(x) - 0.3 * numpy.maximum(-x, 0)

            def slope(self, x):
                return 1.0 * (x > 0) + 0.3 * (x < 0)

        assert gradcheck(LeakyOfTwo(), Function.x)["input 0"] < 1e-8

    @pytest.mark.parametrize("slope", [
        lambda x: 1.0 * (x > 0) + 0.1 * (x < 0), lambda x: x > -0.2, lambda x: 1.0 * (x > 0) + 0.1 * (x > 1),
        lambda x: 0 * x, lambda x: 1 + 0 * x, lambda x: 0.5 * (x == 0),
    ])  # fmt: skip
    def test_wrong_ones_away_from_the_kink(self, slope):
        relu = Function()
        relu.slope = slope
        for numbers in (0, 20):
            with pytest.raises(GradientError, match=r"Function: the gradient of input 0 \(4, 5\) is wrong"):
                gradcheck(relu, Function.x, numbers=numbers)

    def test_all_at_the_kink(self):
        class Wrong(Function):
            def slope(self, x):
                return 0.9 * (x > 0)

        assert gradcheck(Function(), numpy.zeros((2, 3)))["input 0"] < 1e-8
        with pytest.raises(GradientError, match=r"is wrong: moved away from a kink, at \[\d, \d\] backward gives"):
            gradcheck(Wrong(), numpy.zeros((2, 3)))

    def test_a_wrong_slope_at_one_place_of_a_curve(self):
        class Tanh(Function):
            def forward(self, x):
                self.x = x
                return numpy.tanh(x)

            def slope(self, x):
                return (x != 0) * (1 - numpy.tanh(x) ** 2)

        with pytest.raises(GradientError, match=r"is wrong: at \[\d, \d\] backward gives \S+, central"):
            gradcheck(Tanh(), Function.x)

        class TanhBesideRelu(Tanh):
            def forward(self, x):
                y = super().forward(x)
                return numpy.where(self.bent(), numpy.maximum(x, 0), y)

            def bent(self):
                return numpy.arange(5) < 2

            def slope(self, x):
                return numpy.where(self.bent(), x > 0, super().slope(x))

        with pytest.raises(GradientError, match=r"is wrong: at \[0, [234]\] backward gives 0, central"):
            gradcheck(TanhBesideRelu(), Function.x)

    def test_a_step_is_no_kink(self):
        class Step(Function):
            def forward(self, x):
                return 1e3 * numpy.floor(x * 1e6)

            def slope(self, x):
                return 0 * x

        with pytest.raises(GradientError, match="is wrong"):
            gradcheck(Step(), Function.x)

    def test_in_float32(self):
        class In32(Function):
            def forward(self, x):
                return super().forward(x).astype("f")

        class Wrong32(In32):
            def slope(self, x):
                return 0.9 * (x > 0)

        with pytest.warns(UserWarning, match="float32"):
            assert gradcheck(In32(), Function.x)["input 0"] < 1e-2
        with pytest.warns(UserWarning, match="float32"), pytest.raises(GradientError, match="is wrong"):
            gradcheck(Wrong32(), Function.x)


def test_lists_that_do_not_fit():
    layer, x = affine(Affine)
    layer.grads.reverse()
    with pytest.raises(ValueError, match=r"Affine: params and grads must have the same shapes in the same order"):
        gradcheck(layer, x)


@pytest.mark.parametrize("built_on_gpu", [True, False])
def test_the_gpu_is_refused(built_on_gpu, gpu):
    for config.GPU, flag in ((built_on_gpu, True), (built_on_gpu, not built_on_gpu)):
        layer, inputs = LAYERS["Affine"](Draw())
        config.GPU = flag
        with pytest.raises(ValueError, match=r"gradcheck computes on the CPU; set config.GPU = False before the layer"):
            gradcheck(layer, *inputs)


def test_shared_memory_stays_shared_in_float64():
    W = numpy.arange(12, dtype="f").reshape(3, 4)
    copy = in_float64({"W": W, "T": W.T, "part": W[1:, ::2], "same": [W], "kind": W.dtype})
    assert copy["same"][0] is copy["W"] and copy["W"].dtype == copy["kind"] == "d"
    copy["W"][:] = 7
    assert (copy["T"] == 7).all() and (copy["part"] == 7).all() and W[0, 0] == 0
    assert copy["T"].shape == (4, 3) and copy["part"].shape == (2, 2)


class TestRawMistakes:
    """What readers do most often; both checks name it."""

    @pytest.mark.parametrize(
        ("grads", "message"),
        [
            (lambda dW, db: [dW], r"params and grads must have the same shapes .*\(2,\).* and \[.*\]"),
            (lambda dW, db: [dW, db.sum()], r"params and grads must have the same shapes"),
            (lambda dW, db: [dW, None], r"grads\[1\], that of b \(2,\), must be an array, not NoneType"),
            (lambda dW, db: [dW, 0.5], r"grads\[1\], that of b \(2,\), must be an array, not float"),
            (lambda dW, db: [dW, list(db)], r"grads\[1\], that of b \(2,\), must be an array, not list"),
        ],
    )
    def test_grads_after_backward(self, grads, message):
        class Mine(Affine):
            def backward(self, dout):
                dx = super().backward(dout)
                self.grads = grads(*self.grads)
                return dx

        with pytest.raises(ValueError, match=f"Mine: after backward, {message}"):
            gradcheck(*affine(Mine))
        with pytest.raises(LayerError, match=f"Mine: after backward, {message}"):
            check_layer(*affine(Mine))

    def both(self, message, layer, *inputs):
        with pytest.raises(ValueError, match=message):
            gradcheck(layer, *inputs)
        with pytest.raises(LayerError, match=message):
            check_layer(layer, *inputs)

    def test_lists_without_arrays(self):
        layer, x = affine(Affine)
        layer.grads = [None, None]
        self.both(r"Affine: grads\[0\], that of W \(3, 2\), must be an array, not NoneType", layer, x)
        embedding = BookEmbedding(layer.params[0])
        embedding.grads = [0.0]
        self.both(r"BookEmbedding: grads\[0\], that of W \(3, 2\), must be an array, not float", embedding, IDS % 3)
        layer.params[1] = [0.0, 0.0]
        self.both(r"Affine: params\[1\] must be an array, not list", layer, x)

    def test_classes(self):
        for check in (gradcheck, check_layer):
            with pytest.raises(TypeError, match="Affine: expected a layer or a model made of it, got the class itself"):
                check(Affine, numpy.zeros((4, 3)))

    def test_a_forgotten_return(self):
        class Mute(Affine):
            def forward(self, x):
                super().forward(x)

        message = "Mute: forward must return an array, a number or a tuple of them, not NoneType"
        with pytest.raises(TypeError, match=message):
            gradcheck(*affine(Mute))
        with pytest.raises(LayerError, match=message):
            check_layer(*affine(Mute))

        class Zero(Affine):
            def backward(self, dout):
                return 0 if super().backward(dout) is not None else None

        with pytest.raises(GradientError, match=r"Zero: the gradient of input 0 \(4, 3\) has the shape \(\)"):
            gradcheck(*affine(Zero))
        with pytest.raises(LayerError, match="Zero: backward must return arrays, not int"):
            check_layer(*affine(Zero))

        class Void(Affine):
            def backward(self, dout):
                super().backward(dout)

        with pytest.raises(GradientError, match="Void: backward returns 0 gradients for 1 floating inputs"):
            gradcheck(*affine(Void))

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_lists_of_outputs_and_gradients(self, kind):
        class Two(Affine):
            factor = 1.0

            def forward(self, x, x2):
                return kind([super().forward(x), 2 * x2])

            def backward(self, dout, dout2):
                return kind([super().backward(dout), 2 * self.factor * dout2])

        layer, x = affine(Two)
        assert list(gradcheck(layer, x, x)) == ["W", "b", "input 0", "input 1"]
        assert check_layer(layer, x, x)[-2:] == ["gradients", "output"]
        layer.factor = 0.9
        with pytest.raises(GradientError, match=r"Two: the gradient of input 1 \(4, 3\) is wrong"):
            gradcheck(layer, x, x)


class InPlaceSigmoid:
    """Right, but it spoils what it is given."""

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x):
        x *= -1
        self.y = 1 / (1 + numpy.exp(x))
        return self.y

    def backward(self, dout):
        dout *= self.y * (1 - self.y)
        return dout


def test_working_in_place_makes_no_gradient_wrong():
    x = Draw("d").normal(4, 3)
    before = x.copy()

    class Minus(InPlaceSigmoid):
        def backward(self, dout):
            return -super().backward(dout)

    assert gradcheck(InPlaceSigmoid(), x)["input 0"] < 1e-8
    assert numpy.array_equal(x, before)
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(Minus(), x)


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
            assert check_layer(loss, x, t)[-2:] == ["gradients", "output"]

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
        assert check_layer(layers.SigmoidWithLoss(), x, t)[-2:] == ["gradients", "output"]

    def test_a_loss_in_float64(self):
        x = Draw("f").normal(4, 3)

        class Wide(BookLoss):
            def forward(self, x, t):
                return numpy.float64(super().forward(x, t))

        assert check_layer(Wide(), x, T)[-2:] == ["gradients", "output"]


class TestKit:
    @pytest.mark.parametrize("name", [name for name in LAYERS if "Dropout" not in name])
    def test_every_layer_passes(self, name):
        layer, inputs = LAYERS[name](Draw("f"))
        made = check_layer(layer, *inputs)
        assert made[:7] == ["lists", "side effects", "dtype", "device", "shapes", "repeatable", "gradients"] or (
            made[6:] == ["state", "gradients", "output"]
        )

    @pytest.mark.parametrize("layer", [layers.Dropout(0.3, rng=0), TimeDropout(0.3, rng=0), TimeDropout(0.3)])
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

    def test_side_effects_that_show_only_once(self):
        class InPlace(Function):  # the first, as the book has it, is the commonest of all
            where = "dout"

            def forward(self, x):
                self.mask = x <= 0
                if self.where == "x":
                    x[self.mask] = 0
                    return x
                return numpy.maximum(x, 0)

            def backward(self, dout):
                if self.where == "dout":
                    dout[self.mask] = 0
                    return dout
                return dout * ~self.mask

        x = Draw("f").normal(4, 5)
        before = x.copy()
        layer = InPlace()
        with pytest.raises(LayerError, match="InPlace: forward or backward changes the gradient of the output"):
            check_layer(layer, x)
        layer.where = "x"
        with pytest.raises(LayerError, match="InPlace: forward or backward changes inputs or weights"):
            check_layer(layer, x)
        assert numpy.array_equal(x, before)
        layer.where = "nowhere"
        assert check_layer(layer, x)[-2:] == ["gradients", "output"]

        class Clipping(Affine):
            def forward(self, x):
                numpy.maximum(self.params[0], 0, out=self.params[0])
                return super().forward(x)

        self.fails("changes inputs or weights", lambda layer: None, Clipping)

        class Wrapping(BookEmbedding):
            def forward(self, idx):
                idx[idx < 0] += len(self.params[0])
                return super().forward(idx)

        ids = numpy.array([0, -1])
        with pytest.raises(LayerError, match="Wrapping: forward or backward changes inputs or weights"):
            check_layer(Wrapping(Draw("f").normal(3, 2)), ids)
        assert ids[1] == -1

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

    @pytest.mark.slow
    def test_a_state_that_does_not_show_at_first(self):
        hidden = 0
        for seed in range(40):
            draw = Draw("f", seed)
            layer, xs = TimeReLURNN(*draw.cell(1), stateful=True), draw.normal(2, 4, 3)
            hidden += numpy.array_equal(layer.forward(xs), layer.forward(xs))
            assert "state" in check_layer(layer, xs)
        assert hidden  # or the test shows nothing

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


def test_weights_in_memory_of_another_kind():
    buffer = numpy.zeros(48, "u1")
    W = buffer.view("f").reshape(3, 4)
    W[...] = 0.5
    copy = in_float64({"W": W, "whole": buffer})
    assert copy["W"].dtype == "d" and (copy["W"] == 0.5).all() and copy["whole"].dtype == "u1"


class Remembers(Layer):
    """y = x², whose backward takes the first input that there ever was."""

    first = None

    def forward(self, x):
        self.first = x.copy() if self.first is None else self.first
        return x * x

    def backward(self, dout):
        return 2 * self.first * dout


class Tires(Layer):
    """y = x at first, and half of it from the third call on."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return x.copy() if self.calls < 3 else x / 2

    def backward(self, dout):
        return dout.copy() if self.calls < 3 else dout / 2


def test_what_a_layer_keeps_of_earlier_runs(rng):
    with pytest.raises(GradientError):
        check_layer(Remembers(), rng.standard_normal((3, 4)))
    with pytest.raises(LayerError, match="Tires: another run with the same inputs gives another output"):
        check_layer(Tires(), rng.standard_normal((3, 4)))
