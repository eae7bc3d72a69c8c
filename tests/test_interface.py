"""The names that the book's readers type: classes, functions, methods, arguments, defaults and attributes.

That the things work is what the other tests are about.
"""

import ast
import importlib
import inspect
import re

import numpy
import pytest

# A module and what it must have. A line ``A.b(c, d=1)`` is the method b of the class A.
CONTRACT = """
common.functions
    sigmoid(x)
    relu(x)
    softmax(x)
    cross_entropy_error(y, t)
common.layers
    MatMul(W)
    Affine(W, b)
    Affine.forward(x)
    Affine.backward(dout)
    Sigmoid()
    Softmax()
    SoftmaxWithLoss()
    SoftmaxWithLoss.forward(x, t)
    SoftmaxWithLoss.backward(dout=1)
    SigmoidWithLoss()
    SigmoidWithLoss.forward(x, t)
    SigmoidWithLoss.backward(dout=1)
    Dropout(dropout_ratio=0.5)
    Dropout.forward(x, train_flg=True)
    Embedding(W)
    Embedding.forward(idx)
common.time_layers
    RNN(Wx, Wh, b)
    RNN.forward(x, h_prev)
    RNN.backward(dh)
    LSTM(Wx, Wh, b)
    LSTM.forward(x, h_prev, c_prev)
    LSTM.backward(dh, dc)
    GRU(Wx, Wh, b)
    GRU.forward(x, h_prev)
    GRU.backward(dh)
    TimeRNN(Wx, Wh, b, stateful=False)
    TimeRNN.forward(xs)
    TimeRNN.backward(dhs)
    TimeRNN.set_state(h)
    TimeRNN.reset_state()
    TimeLSTM(Wx, Wh, b, stateful=False)
    TimeLSTM.forward(xs)
    TimeLSTM.backward(dhs)
    TimeLSTM.set_state(h, c=None)
    TimeLSTM.reset_state()
    TimeGRU(Wx, Wh, b, stateful=False)
    TimeGRU.forward(xs)
    TimeGRU.backward(dhs)
    TimeGRU.set_state(h)
    TimeGRU.reset_state()
    TimeEmbedding(W)
    TimeEmbedding.forward(xs)
    TimeAffine(W, b)
    TimeAffine.forward(xs)
    TimeSoftmaxWithLoss()
    TimeSoftmaxWithLoss.forward(xs, ts)
    TimeSoftmaxWithLoss.backward(dout=1)
    TimeSigmoidWithLoss()
    TimeSigmoidWithLoss.forward(xs, ts)
    TimeDropout(dropout_ratio=0.5)
    TimeDropout.forward(xs)
    TimeBiLSTM(Wx1, Wh1, b1, Wx2, Wh2, b2, stateful=False)
common.optimizer
    SGD(lr=0.01)
    SGD.update(params, grads)
    Momentum(lr=0.01, momentum=0.9)
    Nesterov(lr=0.01, momentum=0.9)
    AdaGrad(lr=0.01)
    RMSprop(lr=0.01, decay_rate=0.99)
    Adam(lr=0.001, beta1=0.9, beta2=0.999)
common.trainer
    Trainer(model, optimizer)
    Trainer.fit(x, t, max_epoch=10, batch_size=32, max_grad=None, eval_interval=20)
    Trainer.plot(ylim=None)
    RnnlmTrainer(model, optimizer)
    RnnlmTrainer.fit(xs, ts, max_epoch=10, batch_size=20, time_size=35, max_grad=None, eval_interval=20)
    RnnlmTrainer.plot(ylim=None)
    RnnlmTrainer.get_batch(x, t, batch_size, time_size)
    remove_duplicate(params, grads)
common.base_model
    BaseModel.save_params(file_name=None)
    BaseModel.load_params(file_name=None)
common.util
    preprocess(text)
    create_co_matrix(corpus, vocab_size, window_size=1)
    cos_similarity(x, y, eps=1e-8)
    most_similar(query, word_to_id, id_to_word, word_matrix, top=5)
    ppmi(C, verbose=False, eps=1e-8)
    create_contexts_target(corpus, window_size=1)
    convert_one_hot(corpus, vocab_size)
    to_cpu(x)
    to_gpu(x)
    clip_grads(grads, max_norm)
    eval_perplexity(model, corpus, batch_size=10, time_size=35)
    eval_seq2seq(model, question, correct, id_to_char, verbose=False, is_reverse=False)
    analogy(a, b, c, word_to_id, id_to_word, word_matrix, top=5, answer=None)
    normalize(x)
dataset.spiral
    load_data(seed=1984)
dataset.ptb
    load_data(split)
    load_vocab()
dataset.sequence
    load_data(file_name='addition.txt', seed=1984)
    get_vocab()
ch01.two_layer_net
    TwoLayerNet(input_size, hidden_size, output_size)
ch03.simple_cbow
    SimpleCBOW(vocab_size, hidden_size)
ch03.simple_skip_gram
    SimpleSkipGram(vocab_size, hidden_size)
ch04.negative_sampling_layer
    EmbeddingDot(W)
    UnigramSampler(corpus, power, sample_size)
    UnigramSampler.get_negative_sample(target)
    NegativeSamplingLoss(W, corpus, power=0.75, sample_size=5)
ch04.cbow
    CBOW(vocab_size, hidden_size, window_size, corpus)
ch04.skip_gram
    SkipGram(vocab_size, hidden_size, window_size, corpus)
ch05.simple_rnnlm
    SimpleRnnlm(vocab_size, wordvec_size, hidden_size)
ch06.rnnlm
    Rnnlm(vocab_size=10000, wordvec_size=100, hidden_size=100)
    Rnnlm.predict(xs)
    Rnnlm.forward(xs, ts)
    Rnnlm.backward(dout=1)
    Rnnlm.reset_state()
ch06.better_rnnlm
    BetterRnnlm(vocab_size=10000, wordvec_size=650, hidden_size=650, dropout_ratio=0.5)
    BetterRnnlm.predict(xs, train_flg=False)
    BetterRnnlm.forward(xs, ts, train_flg=True)
    BetterRnnlm.reset_state()
ch07.rnnlm_gen
    RnnlmGen.generate(start_id, skip_ids=None, sample_size=100)
    RnnlmGen.get_state()
    RnnlmGen.set_state(state)
    BetterRnnlmGen.generate(start_id, skip_ids=None, sample_size=100)
    BetterRnnlmGen.get_state()
    BetterRnnlmGen.set_state(state)
ch07.seq2seq
    Encoder(vocab_size, wordvec_size, hidden_size)
    Decoder(vocab_size, wordvec_size, hidden_size)
    Seq2seq(vocab_size, wordvec_size, hidden_size)
    Seq2seq.generate(xs, start_id, sample_size)
ch07.peeky_seq2seq
    PeekyDecoder(vocab_size, wordvec_size, hidden_size)
    PeekySeq2seq(vocab_size, wordvec_size, hidden_size)
ch08.attention_layer
    WeightSum()
    AttentionWeight()
    Attention()
    TimeAttention()
ch08.attention_seq2seq
    AttentionEncoder(vocab_size, wordvec_size, hidden_size)
    AttentionDecoder(vocab_size, wordvec_size, hidden_size)
    AttentionSeq2seq(vocab_size, wordvec_size, hidden_size)
"""


def contract():
    module = ""
    for line in CONTRACT.strip().splitlines():
        if line.startswith(" "):
            yield pytest.param(module, line.strip(), id=f"{module}.{line.strip()}")
        else:
            module = line


@pytest.mark.parametrize(("module", "call"), list(contract()))
def test_signature(module, call):
    name, arguments = re.fullmatch(r"([\w.]+)\((.*)\)", call).groups()
    thing = importlib.import_module(module)
    for part in name.split("."):
        thing = getattr(thing, part)
    expected = ast.parse(f"def f({arguments}): pass").body[0].args
    names = [argument.arg for argument in expected.args]
    defaults = [inspect.Parameter.empty] * (len(names) - len(expected.defaults))
    defaults += [ast.literal_eval(default) for default in expected.defaults]
    found = [parameter for parameter in inspect.signature(thing).parameters.values() if parameter.name != "self"]
    assert [parameter.name for parameter in found[: len(names)]] == names
    for parameter, default in zip(found, defaults, strict=False):
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if default is not inspect.Parameter.empty:
            assert parameter.default == default
    for parameter in found[len(names) :]:  # more than the book has: never needed
        variable = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        assert variable or parameter.default is not inspect.Parameter.empty


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("common.np", "np GPU"),
        ("common.layers", "np GPU MatMul Affine Sigmoid Softmax SoftmaxWithLoss SigmoidWithLoss Dropout Embedding "
                          "sigmoid softmax cross_entropy_error"),
        ("common.time_layers", "np GPU MatMul Affine Sigmoid Softmax SoftmaxWithLoss SigmoidWithLoss Dropout Embedding "
                               "RNN LSTM GRU TimeRNN TimeLSTM TimeGRU TimeEmbedding TimeAffine TimeSoftmaxWithLoss "
                               "TimeSigmoidWithLoss TimeDropout TimeBiLSTM sigmoid softmax cross_entropy_error"),
        ("common.functions", "sigmoid relu softmax cross_entropy_error"),
        ("common.optimizer", "SGD Momentum Nesterov AdaGrad RMSprop Adam"),
        ("common.util", "preprocess most_similar create_co_matrix ppmi clip_grads eval_perplexity to_cpu to_gpu"),
    ],
)  # fmt: skip
def test_star_import(module, names):
    space = {}
    exec(f"from {module} import *", space)
    assert set(names.split()) - space.keys() == set()


def test_flag():
    from common import config

    assert config.GPU is False


class TestProtocol:
    def test_recurrent_layers(self):
        from common.time_layers import TimeDropout, TimeLSTM, TimeRNN, TimeSoftmaxWithLoss

        lstm = TimeLSTM(numpy.ones((3, 8), "f"), numpy.ones((2, 8), "f"), numpy.ones(8, "f"), stateful=True)
        hs = lstm.forward(numpy.ones((4, 5, 3), "f"))
        lstm.backward(hs)
        assert hs.shape == (4, 5, 2) and lstm.h.shape == lstm.c.shape == lstm.dh.shape == (4, 2)
        rnn = TimeRNN(numpy.ones((3, 2), "f"), numpy.ones((2, 2), "f"), numpy.ones(2, "f"))
        rnn.forward(numpy.ones((4, 5, 3), "f"))
        assert rnn.h.shape == (4, 2)
        assert TimeSoftmaxWithLoss().ignore_label == -1 and TimeDropout().train_flg is True

    @pytest.mark.parametrize(
        ("module", "name", "arguments", "count"),
        [
            ("ch01.two_layer_net", "TwoLayerNet", (2, 3, 3), 4),
            ("ch05.simple_rnnlm", "SimpleRnnlm", (7, 3, 4), 6),
            ("ch06.rnnlm", "Rnnlm", (7, 3, 4), 6),
            ("ch06.better_rnnlm", "BetterRnnlm", (7, 4, 4), 9),
            ("ch07.seq2seq", "Seq2seq", (7, 3, 4), 10),
            ("ch07.peeky_seq2seq", "PeekySeq2seq", (7, 3, 4), 10),
            ("ch08.attention_seq2seq", "AttentionSeq2seq", (7, 3, 4), 10),
        ],
    )
    def test_models_list_a_gradient_for_each_param(self, module, name, arguments, count):
        model = getattr(importlib.import_module(module), name)(*arguments)
        assert type(model.params) is list and type(model.grads) is list
        assert [p.shape for p in model.params] == [g.shape for g in model.grads]
        assert len(model.params) == count and {p.dtype for p in model.params} == {numpy.dtype("f")}

    def test_order_of_the_params(self):
        model = importlib.import_module("ch06.rnnlm").Rnnlm(7, 3, 4)
        assert [p.shape for p in model.params] == [(7, 3), (3, 16), (4, 16), (16,), (4, 7), (7,)]

    def test_trainers(self):
        from common.optimizer import SGD
        from common.trainer import RnnlmTrainer, Trainer

        trainer, rnnlm = Trainer(None, SGD()), RnnlmTrainer(None, SGD(lr=0.5))
        assert (trainer.loss_list, trainer.current_epoch) == ([], 0)
        assert (rnnlm.ppl_list, rnnlm.current_epoch, rnnlm.time_idx, rnnlm.optimizer.lr) == ([], 0, 0, 0.5)


class TestReturns:
    def test_util(self, capsys):
        from common import util

        corpus, word_to_id, id_to_word = util.preprocess("You say goodbye and I say hello.")
        assert corpus.tolist() == [0, 1, 2, 3, 4, 1, 5, 6] and id_to_word[6] == "." and word_to_id["you"] == 0
        C = util.create_co_matrix(corpus, 7)
        assert C.dtype == numpy.int32 and C.sum() == 14
        assert float(util.cos_similarity(C[0], C[4])) == pytest.approx(0.7071067691154799)
        pairs = util.most_similar("you", word_to_id, id_to_word, C, top=5)
        assert [word for word, _ in pairs[:3]] == ["goodbye", "i", "hello"]
        assert capsys.readouterr().out.strip().splitlines()[0] == "[query] you"
        M = util.ppmi(C)
        assert M.dtype == numpy.float32 and M[0, 1] == pytest.approx(1.807, abs=1e-3)
        contexts, target = util.create_contexts_target(corpus)
        assert contexts.tolist() == [[0, 2], [1, 3], [2, 4], [3, 1], [4, 5], [1, 6]]
        assert target.tolist() == [1, 2, 3, 4, 1, 5]
        assert util.convert_one_hot(target, 7).shape == (6, 7) and util.convert_one_hot(contexts, 7).shape == (6, 2, 7)
        assert util.convert_one_hot(target, 7).dtype == numpy.int32
        numpy.testing.assert_allclose(util.normalize(numpy.array([[3.0, 4.0]])), [[0.6, 0.8]])

    def test_spiral(self):
        from dataset import spiral

        x, t = spiral.load_data()
        assert (x.shape, t.shape, t.dtype) == ((300, 2), (300, 3), numpy.int32)

    def test_sequence(self):
        from dataset import sequence

        (x_train, t_train), (x_test, t_test) = sequence.load_data("addition.txt", seed=1984)
        assert [a.shape for a in (x_train, t_train, x_test, t_test)] == [(45000, 7), (45000, 5), (5000, 7), (5000, 5)]
        char_to_id, id_to_char = sequence.get_vocab()
        assert len(char_to_id) == 13 and (t_train[:, 0] == char_to_id["_"]).all() and id_to_char[6] in char_to_id

    def test_modules_of_the_dataset_package(self):
        from dataset import ptb

        assert set(ptb.SPLITS) == {"train", "test", "valid", "val"} and ptb.SPLITS["val"] is ptb.SPLITS["valid"]
