"""Everything through the GPU path: with a strict stand-in for CuPy, and with the real one where it is usable.

What runs on both devices from the same seed must give the same numbers, random masks and samples apart.
"""

import importlib
import math

import numpy
import pytest
from gradient_check import Pass
from layer_cases import LAYERS, Draw

from ch01.two_layer_net import TwoLayerNet
from ch06.rnnlm import Rnnlm
from common import config, optimizer, util
from common.functions import cross_entropy_error, relu, sigmoid, softmax
from common.kernels import sum_rows
from common.np import is_active, np, to_cpu
from common.shared_weights import remove_duplicate
from common.time_layers import TimeAffine, TimeEmbedding, TimeSoftmaxWithLoss
from common.trainer import RnnlmTrainer, Trainer

# On random inputs in float64; the order of sums may differ.
close = {"rtol": 1e-9, "atol": 1e-12}


def on_both(function, **tolerance):
    """Run with and without the flag and compare the arrays and numbers that come back, each from its own device."""
    flag, results = config.GPU, []
    try:
        for config.GPU in (False, True):
            results.append(list(function()))
    finally:
        config.GPU = flag
    for host, device in zip(*results, strict=True):
        if isinstance(host, numpy.ndarray):
            assert hasattr(device, "get"), "a result was left on the CPU"
            assert device.dtype == host.dtype and device.shape == host.shape
        numpy.testing.assert_allclose(to_cpu(device), host, **{**close, **tolerance})


@pytest.mark.usefixtures("gpu")
class TestSameNumbers:
    @pytest.mark.parametrize("name", [name for name in LAYERS if name != "Dropout"])
    @pytest.mark.parametrize("dtype", ["f", "d"])
    def test_layer(self, name, dtype):
        def run():
            whole = Pass(*LAYERS[name](Draw(dtype)), numpy.random.default_rng(1))
            return [*whole.forward(), *whole.backward()]

        on_both(run, **({"rtol": 1e-4, "atol": 1e-5} if dtype == "f" else {}))

    @pytest.mark.parametrize("name", LAYERS)
    def test_layer_given_arrays_of_the_host(self, name):
        """Inputs and gradients of the host are moved."""
        layer, inputs = LAYERS[name](Draw())
        whole = Pass(layer, [to_cpu(x) if is_active(x) else x for x in inputs], numpy.random.default_rng(1))
        whole.douts = [dout if isinstance(dout, float) else to_cpu(dout) for dout in whole.douts]
        outputs = [*whole.forward(), *whole.backward()]
        assert all(isinstance(y, float) or is_active(y) for y in outputs)

    @pytest.mark.parametrize("function", [sigmoid, relu, softmax])
    def test_function(self, function):
        on_both(lambda: [function(np.asarray(numpy.linspace(-5, 5, 12).reshape(3, 4)))])

    def test_cross_entropy_error(self):
        y = numpy.array([[0.1, 0.9], [0.5, 0.5]])
        on_both(lambda: [cross_entropy_error(np.asarray(y), np.asarray(t)) for t in ([1, 0], [[0, 1], [1, 0]])])

    @pytest.mark.parametrize("kind", ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam"])
    def test_optimizer(self, kind):
        def run():
            draw, method = Draw(), getattr(optimizer, kind)()
            params = [draw.normal(4, 3), draw.normal(4, 3).T, draw.normal(8, 6)[::2, ::2]]
            for _ in range(3):
                method.update(params, [draw.normal(*p.shape) for p in params], 0.5)
            return params

        on_both(run)

    def test_clip_grads(self):
        def run():
            draw = Draw()
            grads = [draw.normal(4, 3), draw.normal(4, 3).T, draw.normal(3)]
            util.clip_grads(grads, 0.5)
            return grads

        on_both(run)

    def test_gradients_that_overflow_or_are_not_finite(self):
        grads = [np.full((2, 2), 1e30, "f")]
        util.clip_grads(grads, 1.0)
        assert float(abs(grads[0]).sum()) == pytest.approx(2, rel=1e-4)
        with pytest.raises(FloatingPointError, match="gradient 0"):
            util.clip_grads([np.full(2, math.nan)], 1.0)

    def test_shared_weights(self):
        def run():
            draw = Draw()
            W = draw.normal(4, 3)
            params, grads = remove_duplicate([W, W.T, draw.normal(4, 3)], [draw.normal(4, 3), draw.normal(3, 4), W])
            return params + grads

        on_both(run)

    def test_sum_rows(self):
        draw = Draw()
        ids, rows = numpy.array([3, 1, 3, 0, 3]), draw.rng.standard_normal((5, 2))
        on_both(lambda: sum_rows(np.asarray(ids), np.asarray(rows)))

    def test_util(self):
        def run():
            corpus, word_to_id, id_to_word = util.preprocess("You say goodbye and I say hello.")
            C = util.create_co_matrix(np.asarray(corpus), 7)
            M = util.ppmi(C)
            pairs = util.most_similar("you", word_to_id, id_to_word, M)
            pairs += util.analogy("you", "goodbye", "i", word_to_id, id_to_word, M)
            contexts, target = util.create_contexts_target(np.asarray(corpus))
            one_hot = util.convert_one_hot(contexts, 7)
            return [C, M, util.normalize(M), contexts, target, one_hot, float(util.cos_similarity(M[0], M[4])),
                    *(score for _, score in pairs)]  # fmt: skip

        on_both(run, rtol=1e-5)


def ids_of(high, *shape, seed=0):
    return numpy.random.default_rng(seed).integers(0, high, shape)


# module, class, arguments, batch; the models draw weights from rng
MODELS = [
    ("ch01.two_layer_net", "TwoLayerNet", (2, 4, 3), lambda: (numpy.ones((5, 2), "f"), ids_of(3, 5))),
    ("ch03.simple_cbow", "SimpleCBOW", (7, 4), lambda: (numpy.eye(7, dtype="i")[ids_of(7, 5, 2)],
                                                       numpy.eye(7, dtype="i")[ids_of(7, 5)])),
    ("ch03.simple_skip_gram", "SimpleSkipGram", (7, 4), lambda: (numpy.eye(7, dtype="i")[ids_of(7, 5, 2)],
                                                                numpy.eye(7, dtype="i")[ids_of(7, 5)])),
    ("ch04.cbow", "CBOW", (7, 4, 2, ids_of(7, 50)), lambda: (ids_of(7, 5, 4), ids_of(7, 5))),
    ("ch04.skip_gram", "SkipGram", (7, 4, 2, ids_of(7, 50)), lambda: (ids_of(7, 5, 4), ids_of(7, 5))),
    ("ch05.simple_rnnlm", "SimpleRnnlm", (7, 3, 4), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 6, seed=1))),
    ("ch06.rnnlm", "Rnnlm", (7, 3, 4), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 6, seed=1))),
    ("ch06.better_rnnlm", "BetterRnnlm", (7, 4, 4, 0.0), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 6, seed=1))),
    ("ch07.seq2seq", "Seq2seq", (7, 3, 4), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 4))),
    ("ch07.peeky_seq2seq", "PeekySeq2seq", (7, 3, 4), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 4))),
    ("ch08.attention_seq2seq", "AttentionSeq2seq", (7, 3, 4), lambda: (ids_of(7, 5, 6), ids_of(7, 5, 4))),
]  # fmt: skip
SAMPLES = {"CBOW", "SkipGram"}  # negatives, which differ on the two devices


@pytest.mark.parametrize(("module", "name", "arguments", "batch"), MODELS, ids=[name for _, name, *_ in MODELS])
@pytest.mark.usefixtures("gpu")
class TestModels:
    def make(self, module, name, arguments):
        return getattr(importlib.import_module(module), name)(*arguments, rng=0)

    def test_loss_gradients_and_a_step(self, module, name, arguments, batch):
        def run():
            model = self.make(module, name, arguments)
            losses = []
            method = optimizer.Adam(0.01)
            for _ in range(3):
                losses.append(float(model.forward(*map(np.asarray, batch()))))
                model.backward()
                method.update(*remove_duplicate(model.params, model.grads))
            assert all(map(math.isfinite, losses)) and all(map(is_active, model.params))
            return [] if name in SAMPLES else [*losses, *model.params]

        on_both(run, rtol=2e-3, atol=2e-3)  # Adam's first steps enlarge the rounding of small gradients

    def test_weights_go_to_a_file_and_back_to_either_device(self, module, name, arguments, batch, tmp_path):
        model = self.make(module, name, arguments)
        for end in (".npz", ".pkl"):
            path = model.save_params(tmp_path / f"w{end}")
            for config.GPU in (True, False):
                other = self.make(module, name, arguments)
                for p in other.params:
                    p.fill(0)
                other.load_params(path)
                for p, q in zip(other.params, model.params, strict=True):
                    assert is_active(p)
                    numpy.testing.assert_allclose(to_cpu(p), to_cpu(q), rtol=1e-3, atol=1e-6)
            config.GPU = True


@pytest.mark.usefixtures("gpu")
class TestTraining:
    def test_trainer(self, capsys):
        def run():
            x, t = numpy.random.default_rng(0).standard_normal((20, 2)), ids_of(3, 20)
            model = TwoLayerNet(2, 4, 3, rng=0)
            trainer = Trainer(model, optimizer.SGD(0.5), rng=0)
            trainer.fit(x, t, max_epoch=2, batch_size=4, max_grad=0.5, eval_interval=2)
            return [*trainer.loss_list, *model.params, float(model.forward(x, t))]

        on_both(run, rtol=1e-4, atol=1e-6)

    def test_rnnlm_trainer_and_evaluation(self):
        def run():
            corpus = ids_of(7, 101)
            model = Rnnlm(7, 3, 4, rng=0)
            trainer = RnnlmTrainer(model, optimizer.SGD(1.0))
            trainer.fit(corpus[:-1], corpus[1:], 2, batch_size=4, time_size=5, max_grad=0.25, eval_interval=2)
            return [*trainer.ppl_list, *model.params, util.eval_perplexity(model, corpus, 3, 7)]

        on_both(run, rtol=1e-4, atol=1e-6)

    def test_tied_weights(self):
        def run():
            draw = Draw("f")

            class Tied:
                def __init__(self):
                    W = draw.normal(7, 4)
                    self.layers = [TimeEmbedding(W), TimeAffine(W.T, draw.normal(7))]
                    self.loss_layer = TimeSoftmaxWithLoss()
                    self.params = [p for layer in self.layers for p in layer.params]
                    self.grads = [g for layer in self.layers for g in layer.grads]

                def forward(self, xs, ts):
                    return self.loss_layer.forward(self.layers[1].forward(self.layers[0].forward(xs)), ts)

                def backward(self):
                    self.layers[0].backward(self.layers[1].backward(self.loss_layer.backward()))

            model, corpus = Tied(), ids_of(7, 41)
            RnnlmTrainer(model, optimizer.Adam()).fit(corpus[:-1], corpus[1:], 1, 2, 5, max_grad=1.0)
            return model.params

        on_both(run, rtol=1e-3, atol=1e-5)

    def test_a_model_on_the_other_device_is_refused(self):
        x, t = numpy.ones((4, 2), "f"), ids_of(3, 4)
        for built_on_gpu in (False, True):
            config.GPU = built_on_gpu
            model = TwoLayerNet(2, 4, 3)
            config.GPU = not built_on_gpu
            with pytest.raises(ValueError, match=r"params\[0\] is a .* array, but .*set config.GPU before the model"):
                Trainer(model, optimizer.SGD()).fit(x, t, 1, 2)
