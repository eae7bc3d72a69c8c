"""Models as readers type them: star imports, arrays of np.random, lists collected by hand, the library's trainers."""

import copy
import pickle

import numpy
import pytest

from ch01.two_layer_net import TwoLayerNet
from ch04.cbow import CBOW
from ch04.negative_sampling_layer import NegativeSamplingLoss
from ch05.simple_rnnlm import SimpleRnnlm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07.peeky_seq2seq import PeekyDecoder, PeekySeq2seq
from ch07.rnnlm_gen import BetterRnnlmGen, RnnlmGen
from ch07.seq2seq import Decoder, Encoder, Seq2seq
from ch08.attention_layer import Attention, TimeAttention
from ch08.attention_seq2seq import AttentionDecoder, AttentionEncoder, AttentionSeq2seq
from common.averaged_sgd import AveragedSGD
from common.base_model import BaseModel
from common.evaluation import seq2seq_accuracy
from common.np import *  # noqa: F403
from common.optimizer import SGD, Adam, Momentum
from common.time_layers import *  # noqa: F403
from common.trainer import RnnlmTrainer, Trainer, remove_duplicate
from common.util import clip_grads, convert_one_hot, create_contexts_target, eval_perplexity, eval_seq2seq, preprocess
from dataset import mini

# ruff: noqa: F405, NPY002


@pytest.fixture(autouse=True)
def seed():
    numpy.random.seed(0)


def collect(model, layers):
    model.params, model.grads = [], []
    for layer in layers:
        model.params += layer.params
        model.grads += layer.grads


class WordGuesser:
    """Two context words through one weight used twice."""

    def __init__(self, V, H):
        W_in = 0.01 * np.random.randn(V, H).astype("f")
        W_out = 0.01 * np.random.randn(H, V).astype("f")
        self.left, self.right, self.out, self.loss = MatMul(W_in), MatMul(W_in), MatMul(W_out), SoftmaxWithLoss()
        collect(self, [self.left, self.right, self.out])
        self.word_vecs = W_in

    def forward(self, contexts, target):
        h = (self.left.forward(contexts[:, 0]) + self.right.forward(contexts[:, 1])) * 0.5
        return self.loss.forward(self.out.forward(h), target)

    def backward(self, dout=1):
        dh = self.out.backward(self.loss.backward(dout)) * 0.5
        self.left.backward(dh)
        self.right.backward(dh)


def test_word_vectors_from_one_sentence(capsys):
    corpus, word_to_id, _ = preprocess("You say goodbye and I say hello.")
    contexts, target = create_contexts_target(corpus, window_size=1)
    V = len(word_to_id)
    model = WordGuesser(V, 5)
    trainer = Trainer(model, Adam())
    trainer.fit(convert_one_hot(contexts, V), convert_one_hot(target, V), max_epoch=300, batch_size=3)
    assert trainer.loss_list[0] == pytest.approx(numpy.log(7), rel=0.01)
    assert trainer.loss_list[-1] < 1.2
    assert model.word_vecs is model.params[0]
    assert model.word_vecs.dtype == model.grads[0].dtype == numpy.float32
    assert "| epoch 300 |  iter 1 / 2 | time 0[s] | loss" in capsys.readouterr().out.replace("time 1[s]", "time 0[s]")


class TiedModel(BaseModel):
    """Embedding, dropout, LSTM, affine with the embedding's weight, as one types it from a figure."""

    def __init__(self, V, H):
        rn = np.random.randn
        embed_W = (rn(V, H) / 100).astype("f")
        self.layers = [
            TimeEmbedding(embed_W),
            TimeDropout(0.2),
            TimeLSTM(
                (rn(H, 4 * H) / np.sqrt(H)).astype("f"),
                (rn(H, 4 * H) / np.sqrt(H)).astype("f"),
                np.zeros(4 * H).astype("f"),
                stateful=True,
            ),
            TimeAffine(embed_W.T, np.zeros(V).astype("f")),
        ]
        self.loss_layer = TimeSoftmaxWithLoss()
        self.lstm_layer = self.layers[2]
        collect(self, self.layers)

    def predict(self, xs, train_flg=False):
        self.layers[1].train_flg = train_flg
        for layer in self.layers:
            xs = layer.forward(xs)
        return xs

    def forward(self, xs, ts, train_flg=True):
        return self.loss_layer.forward(self.predict(xs, train_flg), ts)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)

    def reset_state(self):
        self.lstm_layer.reset_state()


def test_tied_language_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus, word_to_id, _ = mini.load_data("train", size=6000)
    model = TiedModel(len(word_to_id), 30)
    assert len(remove_duplicate(model.params, model.grads)[0]) == len(model.params) - 1
    trainer = RnnlmTrainer(model, SGD(10.0))
    trainer.fit(corpus[:-1], corpus[1:], 3, 10, 10, max_grad=0.25)
    assert trainer.ppl_list[0] == pytest.approx(328, rel=0.02)
    model.reset_state()
    before = eval_perplexity(model, corpus[:1000])
    assert before < 60
    embed, affine = model.params[0], model.params[-2]
    assert (embed == affine.T).all()
    assert numpy.shares_memory(embed, affine)

    for name in ("TiedModel.pkl", "TiedModel.npz"):
        model.save_params(name)
        other = TiedModel(len(word_to_id), 30)
        other.load_params(name)
        assert eval_perplexity(other, corpus[:1000]) == pytest.approx(before, rel=1e-3)
        assert numpy.shares_memory(other.params[0], other.params[-2])


def test_own_loop_with_clipping():
    corpus, word_to_id, _ = mini.load_data("train", size=600)
    model, optimizer = TiedModel(len(word_to_id), 10), SGD(1.0)
    x, t = corpus[:500].reshape(10, 50), corpus[1:501].reshape(10, 50)
    losses = []
    for _ in range(30):
        losses.append(model.forward(x, t))
        model.backward()
        params, grads = remove_duplicate(model.params, model.grads)
        clip_grads(grads, 1.0)
        optimizer.update(params, grads)
        model.reset_state()
    assert losses[-1] < losses[0] - 0.3


class EncodeDecode:
    """An encoder's last state starts a decoder."""

    def __init__(self, V, D, H):
        rn = np.random.randn
        self.read, self.write = TimeEmbedding(rn(V, D).astype("f")), TimeEmbedding(rn(V, D).astype("f"))
        Wx, Wh = rn(2, D, 4 * H).astype("f") / 4, rn(2, H, 4 * H).astype("f") / 4
        self.encoder = TimeLSTM(Wx[0], Wh[0], np.zeros(4 * H, dtype="f"), stateful=False)
        self.decoder = TimeLSTM(Wx[1], Wh[1], np.zeros(4 * H, dtype="f"), stateful=True)
        self.affine, self.loss = TimeAffine(rn(H, V).astype("f"), np.zeros(V, dtype="f")), TimeSoftmaxWithLoss()
        collect(self, [self.read, self.encoder, self.write, self.decoder, self.affine])

    def forward(self, xs, ts):
        hs = self.encoder.forward(self.read.forward(xs))
        self.decoder.set_state(hs[:, -1, :])
        self.shape = hs.shape
        score = self.affine.forward(self.decoder.forward(self.write.forward(ts[:, :-1])))
        return self.loss.forward(score, ts[:, 1:])

    def backward(self, dout=1):
        self.write.backward(self.decoder.backward(self.affine.backward(self.loss.backward(dout))))
        dhs = np.zeros(self.shape, dtype="f")
        dhs[:, -1, :] = self.decoder.dh
        self.read.backward(self.encoder.backward(dhs))


def test_encoder_and_decoder():
    rng = numpy.random.default_rng(0)
    xs = rng.integers(1, 6, size=(64, 3))
    ts = numpy.concatenate([numpy.zeros((64, 1), int), xs[:, ::-1]], axis=1)  # say it backwards
    model = EncodeDecode(6, 8, 24)
    trainer = Trainer(model, Adam(lr=0.01))
    trainer.fit(xs, ts, max_epoch=60, batch_size=16, max_grad=5.0)
    assert trainer.loss_list[-1] < 0.2 < trainer.loss_list[0]


class WeightDecay:
    """An optimizer of a reader's own, which puts new arrays into the lists that it is given."""

    def update(self, params, grads):
        for i in range(len(params)):
            grads[i] = grads[i] + 1e-3 * params[i]
            params[i] -= 0.5 * grads[i]


class Decay(SGD):
    """One of ours, with the book's update."""

    def update(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            p -= self.lr * (g + 1e-3 * p)


@pytest.mark.parametrize("optimizer", [WeightDecay(), Decay(0.5)])
@pytest.mark.parametrize("max_grad", [None, 0.1])
def test_optimizers_of_ones_own_see_the_gradients_of_each_step(optimizer, max_grad):
    x, t = numpy.random.randn(8, 2).astype("f"), numpy.arange(8) % 3
    trained, by_hand = TwoLayerNet(2, 5, 3, rng=0), TwoLayerNet(2, 5, 3, rng=0)
    Trainer(trained, optimizer, rng=0).fit(x, t, 4, 8, max_grad, eval_interval=None)
    order = numpy.random.default_rng(0)
    for _ in range(4):
        chosen = order.permutation(8)
        by_hand.forward(x[chosen], t[chosen])
        by_hand.backward()
        if max_grad:
            clip_grads(by_hand.grads, max_grad)
        for p, g in zip(by_hand.params, by_hand.grads, strict=True):
            p -= 0.5 * (g + 1e-3 * p)
    for p, q in zip(trained.params, by_hand.params, strict=True):
        numpy.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-7)
    assert trained.grads[0] is trained.layers[0].grads[0]


@pytest.mark.parametrize("sparse", [True, False])
def test_word_vectors_with_a_penalty_added_to_the_list_of_gradients(sparse):
    corpus = numpy.array([0, 1, 2, 3, 4, 1, 5, 6] * 20)
    contexts, target = create_contexts_target(corpus, 1)
    model, optimizer, losses = CBOW(7, 10, 1, corpus, sparse=sparse, rng=0), SGD(1.0), []
    for _ in range(150):
        losses.append(model.forward(contexts, target))
        model.backward()
        for i in range(len(model.grads)):
            model.grads[i] += 1e-4 * model.params[i]
        optimizer.update(model.params, model.grads)
    assert losses[-1] < 0.6 * losses[0]


def test_a_loop_over_time_that_begins_with_numbers():
    """Backward through hand-made steps starts with dh = dc = 0."""
    shapes = (3, 16), (4, 16), (16,)
    step = LSTM(*(numpy.random.randn(*shape) for shape in shapes))
    step.forward(numpy.random.randn(2, 3), numpy.zeros((2, 4)), numpy.zeros((2, 4)))
    dh = numpy.random.randn(2, 4)
    for mine, theirs in zip(step.backward(dh, 0), step.backward(dh, numpy.zeros((2, 4))), strict=True):
        numpy.testing.assert_array_equal(mine, theirs)
    sigmoid_layer = Sigmoid()
    y = sigmoid_layer.forward(numpy.arange(3.0))
    numpy.testing.assert_allclose(sigmoid_layer.backward(1), y * (1 - y))


class ReadersDecoder:
    """Peeky, with nothing but forward, backward and generate."""

    def __init__(self, V, D, H):
        randn = numpy.random.randn
        self.embed = TimeEmbedding((randn(V, D) / 100).astype("f"))
        weights = randn(H + D, 4 * H) / np.sqrt(H + D), randn(H, 4 * H) / np.sqrt(H), np.zeros(4 * H)
        self.lstm = TimeLSTM(*(w.astype("f") for w in weights), stateful=True)
        self.affine = TimeAffine((randn(2 * H, V) / np.sqrt(2 * H)).astype("f"), np.zeros(V, "f"))
        collect(self, [self.embed, self.lstm, self.affine])

    def forward(self, xs, h):
        self.lstm.set_state(h)
        return self.scores(xs, h)

    def scores(self, xs, h):
        peek = np.repeat(h[:, None], xs.shape[1], axis=1)
        hs = self.lstm.forward(np.concatenate((peek, self.embed.forward(xs)), axis=2))
        return self.affine.forward(np.concatenate((peek, hs), axis=2))

    def backward(self, dscore):
        H = self.lstm.params[1].shape[0]
        dout = self.affine.backward(dscore)
        dpeek, dhs = dout[:, :, :H], dout[:, :, H:]
        dx = self.lstm.backward(dhs)
        self.embed.backward(dx[:, :, H:])
        return self.lstm.dh + (dpeek + dx[:, :, :H]).sum(axis=1)

    def generate(self, h, start_id, sample_size):
        self.lstm.set_state(h)
        ids = [start_id]
        for _ in range(sample_size):
            ids.append(int(self.scores(np.array([[ids[-1]]]), h).argmax()))
        return ids[1:]


def test_a_readers_decoder_in_our_seq2seq():
    ours = PeekySeq2seq(9, 4, 6, rng=0)
    model = Seq2seq(9, 4, 6, rng=0)
    model.decoder = ReadersDecoder(9, 4, 6)
    model.params = model.encoder.params + model.decoder.params
    model.grads = model.encoder.grads + model.decoder.grads
    for p, q in zip(model.params, ours.params, strict=True):
        p[...] = q
    x, t = numpy.random.randint(0, 9, (20, 7)), numpy.random.randint(0, 9, (20, 5))
    for each in (model, ours):
        Trainer(each, Adam(0.1), rng=0).fit(x, t, 2, 5, 5.0, eval_interval=None)
    for question in x:
        assert model.generate(question[None], 8, 6) == ours.generate(question[None], 8, 6)
    numpy.testing.assert_array_equal(model.generate_batch(x, 8, 6, 3), ours.generate_batch(x, 8, 6, 3))
    t[:, 1:] = ours.generate_batch(x, int(t[0, 0]), 4)
    t[:, 0] = t[0, 0]
    assert seq2seq_accuracy(model, x, t) == 1
    assert eval_seq2seq(model, x[:1], t[:1], {}) == 1


def test_a_decoder_with_another_generate():
    class Sevens(Decoder):
        def generate(self, h, start_id, sample_size):
            return [7] * sample_size

    model = Seq2seq(9, 4, 6)
    model.decoder = Sevens(9, 4, 6)
    assert model.generate(numpy.zeros((1, 5), int), 8, 4) == [7] * 4
    assert model.generate_batch(numpy.zeros((2, 5), int), 8, 2).tolist() == [[7, 7]] * 2


def test_what_a_decoder_of_ones_own_generates_is_not_touched():
    class Answers(Decoder):
        def generate(self, h, start_id, sample_size):
            return self.answers

    model, x = Seq2seq(9, 4, 6), numpy.array([[0, 1, 2], [3, 4, -1]])
    decoder = model.decoder = Answers(9, 4, 6)
    for answers in (numpy.ones((1, 4), int), [[1, 2], [3]], ([1, 2, 3], [0.5, 0.2]), "7 8", [], None):
        decoder.answers = answers
        assert model.generate(x[:1], 0, 4) is answers
    for answers in ([1, 2, 3], numpy.array([[1, 2, 3]])):  # to several questions, asked one by one
        decoder.answers = answers
        assert model.generate(x, 0, 4) == [[1, 2, 3]] * 2
    for answers, expected in (([3], [3, -1, -1]), (numpy.array([[1, 2, 3]]), [1, 2, 3]), ([], [-1] * 3)):
        decoder.answers = answers
        assert model.generate_batch(x, 0, 3).tolist() == [expected] * 2
    decoder.answers = [1, 2, 3]
    assert model.generate(x, 0, 3, stop_id=2) == [[1]] * 2
    assert model.generate_batch(x, 0, 3, stop_id=2).tolist() == [[1, 2, -1]] * 2
    for answers in ([1, 2, 3, 4], ([1, 2], [0.5]), "7 8", [0.5]):
        decoder.answers = answers
        with pytest.raises(ValueError, match=r"Answers.generate: expected 3 ids at most for one question, got .*[47.]"):
            model.generate_batch(x, 0, 3)


class StopsEarly(AttentionDecoder):
    """With a forward and a generate of its own, which know nothing of padding."""

    def forward(self, xs, enc_hs):
        self.lstm.set_state(enc_hs[:, -1])
        hs = self.lstm.forward(self.embed.forward(xs))
        return self.affine.forward(np.concatenate((self.attention.forward(enc_hs, hs), hs), axis=2))

    def generate(self, enc_hs, start_id, sample_size):
        self.lstm.set_state(enc_hs[:, -1])
        ids = [start_id]
        while len(ids) <= sample_size and (len(ids) < 3 or ids[-1] % 2):
            hs = self.lstm.forward(self.embed.forward(np.array([[ids[-1]]])))
            scores = self.affine.forward(np.concatenate((self.attention.forward(enc_hs, hs), hs), axis=2))
            ids.append(int(scores.argmax()))
        return ids[1:]


class LastState(Encoder):
    def forward(self, xs):
        self.hs = self.lstm.forward(self.embed.forward(xs))
        return self.hs[:, -1, :]


class AllStates(AttentionEncoder):
    def forward(self, xs):
        return self.lstm.forward(self.embed.forward(xs))


class OwnBackward(Encoder):
    def backward(self, dh):
        dhs = np.zeros_like(self.hs)
        dhs[:, -1, :] = dh
        return self.embed.backward(self.lstm.backward(dhs))


class Joins(PeekyDecoder):
    def forward(self, xs, h):
        self.lstm.set_state(h)
        peek = np.repeat(h[:, None], xs.shape[1], axis=1)
        hs = self.lstm.forward(np.concatenate((peek, self.embed.forward(xs)), axis=2))
        return self.affine.forward(np.concatenate((peek, hs), axis=2))


def put(model, **halves):
    """The model with other halves, which get the weights of those before."""
    for name, half in halves.items():
        for mine, theirs in zip(half.params, getattr(model, name).params, strict=True):
            mine[...] = theirs
        setattr(model, name, half)
    model.params = model.encoder.params + model.decoder.params
    model.grads = model.encoder.grads + model.decoder.grads
    return model


@pytest.mark.parametrize(
    ("kind", "halves"),
    [
        (Seq2seq, {"encoder": LastState}),
        (Seq2seq, {"encoder": OwnBackward}),
        (PeekySeq2seq, {"encoder": LastState, "decoder": Joins}),
        (AttentionSeq2seq, {"encoder": AllStates}),
        (AttentionSeq2seq, {"decoder": StopsEarly}),
    ],
)
def test_halves_with_one_method_of_ones_own(kind, halves):
    ours = kind(9, 4, 6, rng=0)
    model = put(kind(9, 4, 6, rng=0), **{name: half(9, 4, 6) for name, half in halves.items()})
    x, t = numpy.random.randint(0, 9, (6, 7)), numpy.random.randint(0, 9, (6, 5))
    for _ in range(2):
        assert model.forward(x, t) == pytest.approx(ours.forward(x, t), rel=1e-6)
        model.backward()
        ours.backward()
        for mine, theirs in zip(model.grads, ours.grads, strict=True):
            numpy.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)
        expected = ours.generate_batch(x, 8, 4)
        if model._own_generate():
            even = expected % 2 == 0
            even[:, 0] = False
            expected = numpy.where(even.cumsum(axis=1) > even, -1, expected)
        numpy.testing.assert_array_equal(model.generate_batch(x, 8, 4), expected)
    model.reset_state()


def test_questions_of_unequal_length_and_a_generate_that_knows_no_padding():
    model = AttentionSeq2seq(9, 4, 6)
    model.decoder = StopsEarly(9, 4, 6)
    rows = model.generate_batch(numpy.array([[1, 2, 3, 4], [5, 6, -1, -1]]), 8, 4)
    alone = model.generate(numpy.array([[5, 6]]), 8, 4)
    assert rows[1].tolist() == alone + [-1] * (4 - len(alone))


class BothWays:
    """An encoder with nothing but embed, lstm, params, grads, forward and backward."""

    def __init__(self, V, D, H):
        shapes = [(D, 2 * H), (H // 2, 2 * H), (2 * H,)] * 2
        self.embed = TimeEmbedding(numpy.random.randn(V, D).astype("f"))
        self.lstm = TimeBiLSTM(*((numpy.random.randn(*shape) / 2).astype("f") for shape in shapes))
        collect(self, [self.embed, self.lstm])

    def forward(self, xs):
        return self.lstm.forward(self.embed.forward(xs))

    def backward(self, dhs):
        self.embed.backward(self.lstm.backward(dhs))


def test_an_encoder_of_ones_own_that_reads_both_ways():
    model = AttentionSeq2seq(9, 4, 24, rng=0)
    model.encoder = BothWays(9, 4, 24)
    put(model)
    x = numpy.random.default_rng(0).integers(1, 9, size=(60, 4))
    t = numpy.concatenate([numpy.zeros((60, 1), int), x[:, ::-1]], axis=1)
    trainer = Trainer(model, Adam(0.02), rng=0)
    trainer.fit(x, t, 30, 20, 5.0)
    assert trainer.loss_list[-1] < 0.5
    assert seq2seq_accuracy(model, x, t) > 0.5
    assert model.attention_weights(x, t).shape == (60, 5, 4)


class StepByStep:
    """The attention of all steps by a layer for each, as one builds it first."""

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, hs_enc, hs_dec):
        self.layers = [Attention() for _ in range(hs_dec.shape[1])]
        contexts = [layer.forward(hs_enc, hs_dec[:, t]) for t, layer in enumerate(self.layers)]
        self.attention_weights = [layer.attention_weight for layer in self.layers]
        return np.stack(contexts, axis=1)

    def backward(self, dout):
        dhs_enc, dhs_dec = zip(*(layer.backward(dout[:, t]) for t, layer in enumerate(self.layers)), strict=True)
        return sum(dhs_enc), np.stack(dhs_dec, axis=1)


def assert_learn_and_answer_the_same(model, ours, x, t):
    for each in (model, ours):
        each.forward(x, t)
        each.backward()
    for mine, theirs in zip(model.grads, ours.grads, strict=True):
        numpy.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)
    assert model.generate(x, 8, 4) == ours.generate(x, 8, 4)


def test_an_attention_of_ones_own():
    model, ours = AttentionSeq2seq(9, 4, 6, rng=0), AttentionSeq2seq(9, 4, 6, rng=0)
    model.decoder.attention = StepByStep()
    x, t = numpy.random.randint(0, 9, (6, 7)), numpy.random.randint(0, 9, (6, 5))
    assert_learn_and_answer_the_same(model, ours, x, t)
    numpy.testing.assert_allclose(model.attention_weights(x, t), ours.attention_weights(x, t), rtol=1e-5)


def test_methods_of_ones_own_called_encode_and_predict():
    class Answering(AttentionSeq2seq):
        def encode(self, text):
            return numpy.array([[ord(symbol) - 97 for symbol in text]])

        def predict(self, text):
            return "".join(chr(97 + i) for i in self.generate(self.encode(text), 0, 3))

    model, ours = Answering(9, 4, 6, rng=0), AttentionSeq2seq(9, 4, 6, rng=0)
    x, t = numpy.random.randint(0, 9, (6, 7)), numpy.random.randint(0, 9, (6, 5))
    assert model.forward(x, t) == ours.forward(x, t)
    model.backward()
    assert [ord(symbol) - 97 for symbol in model.predict("abc")] == ours.generate(numpy.array([[0, 1, 2]]), 0, 3)
    assert model.beam_search(x[:1], 0, 3) == ours.beam_search(x[:1], 0, 3)
    numpy.testing.assert_array_equal(model.attention_weights(x, t), ours.attention_weights(x, t))


def test_names_of_ones_own():
    """Methods and attributes of subclasses whose names say what many things could be called."""

    class Decode(AttentionDecoder):
        def step(self, x):
            return x

    class Peek(PeekyDecoder):
        start = 3

    class Plain(Decoder):
        def __init__(self, V, D, H):
            super().__init__(V, D, H)
            self.start, self.step = 3, 0

    class Encode(Encoder):
        def __init__(self, V, D, H):
            super().__init__(V, D, H)
            self.states, self.backward_states = [], []

    class AllEncode(AttentionEncoder):
        states = ()

    x, t = numpy.random.randint(0, 9, (6, 7)), numpy.random.randint(0, 9, (6, 5))
    for kind, encoder, decoder in (
        (Seq2seq, Encode, Plain), (PeekySeq2seq, Encode, Peek), (AttentionSeq2seq, AllEncode, Decode)
    ):  # fmt: skip
        ours = kind(9, 4, 6, rng=0)
        model = put(kind(9, 4, 6, rng=0), encoder=encoder(9, 4, 6), decoder=decoder(9, 4, 6))
        assert_learn_and_answer_the_same(model, ours, x, t)
        for found, expected in zip(model.beam_search(x[:1], 8, 4), ours.beam_search(x[:1], 8, 4), strict=True):
            assert found.ids == expected.ids
            assert found.score == pytest.approx(expected.score, rel=1e-6)  # read in two ways, which round differently
        assert model.decoder.generate(model.encoder.forward(x), 8, 4) == ours.generate(x, 8, 4)

    class Keeps(Affine):
        def forward(self, x):
            self.cached = x
            return super().forward(x)

    layer, x = Keeps(numpy.ones((2, 3)), numpy.ones(3)), numpy.ones((4, 2))
    layer.backward(layer.forward(x))
    assert layer.cached is x


def test_a_softmax_loss_with_a_forward_of_ones_own():
    class Shown(SoftmaxWithLoss):
        def forward(self, x, t):
            self.t = t
            self.y = softmax(x)
            return cross_entropy_error(self.y, self.t)

    ours, loss = SoftmaxWithLoss(), Shown()
    for seed in (0, 1):
        x, t = numpy.random.default_rng(seed).standard_normal((4, 3)), numpy.array([2, 0, 1, 1])
        for labels in (t, numpy.eye(3, dtype=int)[t]):
            assert loss.forward(x, labels) == pytest.approx(ours.forward(x, t))
            for dout in (1, 3.0):
                numpy.testing.assert_allclose(loss.backward(dout), ours.backward(dout), atol=1e-12)
            assert loss.y.min() > 0  # as it was


def plain_layer(weights):
    """A TimeLSTM whose forward knows of nothing but xs."""

    class Plain(TimeLSTM):
        def forward(self, xs):
            return super().forward(xs)

    return Plain(*weights, stateful=True)


def test_layers_of_the_decoders_may_be_replaced():
    class BookAttention(TimeAttention):
        def forward(self, hs_enc, hs_dec):
            return super().forward(hs_enc, hs_dec)

    x, t = numpy.random.randint(0, 9, (6, 7)), numpy.random.randint(0, 9, (6, 5))
    for kind in (Seq2seq, PeekySeq2seq, AttentionSeq2seq):
        ours, model = kind(9, 4, 6, rng=0), kind(9, 4, 6, rng=0)
        model.decoder.lstm = plain_layer(model.decoder.lstm.params)
        if kind is AttentionSeq2seq:
            model.decoder.attention = BookAttention()
        layers = model.decoder.embed, model.decoder.lstm, model.decoder.affine
        model.grads = model.encoder.grads + [grad for layer in layers for grad in layer.grads]
        assert_learn_and_answer_the_same(model, ours, x, t)
        model.decoder.lstm = TimeGRU(*(w[..., :18].copy() for w in model.decoder.lstm.params), stateful=True)
        model.forward(x, t)
        assert len(model.generate(x, 8, 4)) == 6


def test_predict_of_a_readers_own_decides_what_is_generated():
    class Late(RnnlmGen):
        def predict(self, xs):
            scores = super().predict(xs).copy()
            scores[..., :15] = -1e9
            return scores

    assert min(Late(20, 5, 5).generate(16, None, 10)) >= 15


class Averages:
    """A recurrent layer of a reader's own: h is the mean of the last h and of x, and there are no weights."""

    def __init__(self):
        self.params, self.grads, self.h, self.stateful = [], [], None, True

    def set_state(self, h):
        self.h = h

    def reset_state(self):
        self.h = None

    def forward(self, xs):
        h, hs = 0 if self.h is None else self.h, []
        for t in range(xs.shape[1]):
            h = (h + xs[:, t]) / 2
            hs.append(h)
        self.h = h
        return np.stack(hs, axis=1)

    def backward(self, dhs):
        dxs, dh = np.empty_like(dhs), 0
        for t in reversed(range(dhs.shape[1])):
            dh = (dhs[:, t] + dh) / 2
            dxs[:, t] = dh
        self.dh = dh
        return dxs


def test_recurrent_layers_of_ones_own():
    ids = numpy.random.randint(0, 9, (6, 7))
    for kind in (Seq2seq, AttentionSeq2seq):
        model = kind(9, 6, 6, rng=0)
        model.decoder.lstm = Averages()
        model.forward(ids, ids)
        model.backward()
        assert len(model.generate(ids, 8, 4)) == 6
        model.reset_state()
        assert model.decoder.lstm.h is None
    model = RnnlmGen(9, 6, 6, rng=0)
    model.layers[1] = Averages()
    collect(model, model.layers)
    trainer = RnnlmTrainer(model, SGD(1.0))
    trainer.fit(ids.reshape(-1), numpy.roll(ids.reshape(-1), -1), 20, 2, 5)
    assert trainer.ppl_list[-1] < trainer.ppl_list[0]
    assert model.layers[1].h is not None and (model.get_state()[0] == model.layers[1].h).all()
    assert len(model.generate(3, [], 10)) == 10


def gru_layers(V, D, H):
    rn = numpy.random.randn
    weights = rn(V, D), rn(D, 3 * H), rn(H, 3 * H), rn(3 * H), rn(H, V), rn(V)
    embed, Wx, Wh, b, W, c = (w.astype("f") / 10 for w in weights)
    return [TimeEmbedding(embed), TimeGRU(Wx, Wh, b, stateful=True), TimeAffine(W, c)]


def test_language_models_with_layers_of_ones_own(tmp_path):
    class GruLm(Rnnlm):
        def __init__(self, V, D, H):
            self.layers, self.loss_layer = gru_layers(V, D, H), TimeSoftmaxWithLoss()
            self.rnn_layer = self.lstm_layer = self.layers[1]
            collect(self, self.layers)

    class GruGen(GruLm, RnnlmGen):
        pass

    class Dropping(BetterRnnlm):
        def __init__(self, V, D, H):
            self.layers, self.loss_layer = gru_layers(V, D, H), TimeSoftmaxWithLoss()
            self.layers.insert(2, TimeDropout(0.5))
            self.drop_layers, self.recurrent_layers = [self.layers[2]], [self.layers[1]]
            collect(self, self.layers)

    ids = numpy.random.randint(0, 9, (2, 3))
    for kind in (GruLm, GruGen, Dropping):
        model = kind(9, 4, 5)
        model.forward(ids, ids)
        model.backward()
        state = model.layers[1].h
        assert eval_perplexity(model, ids.reshape(-1)) == eval_perplexity(model, ids.reshape(-1)) > 1
        assert model.layers[1].h is state
        model.reset_state()
        assert model.layers[1].h is None
    assert len(GruGen(9, 4, 5).generate(0, sample_size=4)) == 4
    assert len(GruGen(9, 4, 5).get_state()) == 1
    loss = model.forward(ids, ids, False)
    model.reset_state()
    assert model.forward(ids, ids, False) == loss


def test_layers_of_a_language_model_may_be_replaced():
    ids, gru = numpy.random.randint(0, 9, (1, 3)), gru_layers(9, 5, 5)[1]
    for kind, place in ((SimpleRnnlm, 1), (Rnnlm, 1), (RnnlmGen, 1), (BetterRnnlm, 4), (BetterRnnlmGen, 4)):
        model = kind(9, 5, 5)
        model.layers[place] = gru
        model.predict(ids)
        if hasattr(model, "get_state"):
            state = model.get_state()
            assert ((state[0] if kind is RnnlmGen else state[1][0]) == gru.h).all()
        model.reset_state()
        assert gru.h is None
    dropout = model.layers[1] = TimeDropout(0.1)
    model.predict(ids)
    assert not dropout.train_flg and dropout in model.drop_layers
    model.forward(ids, ids)
    assert dropout.train_flg


def test_layers_by_the_books_names():
    assert SimpleRnnlm(9, 4, 5).rnn_layer.hidden_size == Rnnlm(9, 4, 5).lstm_layer.hidden_size == 5
    model = BetterRnnlm(9, 4, 4)
    assert model.lstm_layers == [model.layers[2], model.layers[4]]
    assert model.drop_layers == [model.layers[1], model.layers[3], model.layers[5]]


def test_copies_go_on_as_the_original_does():
    ids = numpy.arange(12).reshape(2, 6)

    def step(model, optimizer):
        loss = model.forward(ids, ids)
        model.backward()
        optimizer.update(*remove_duplicate(model.params, model.grads))
        return loss

    for model in (Rnnlm(20, 6, 6, rng=0), BetterRnnlm(20, 6, 6, dropout_ratio=0.0, rng=0)):
        optimizer = Adam()
        for _ in range(3):
            step(model, optimizer)
        copied = copy.deepcopy((model, optimizer))
        pickled = pickle.loads(pickle.dumps((model, optimizer)))
        expected = [step(model, optimizer) for _ in range(3)]
        for made in (copied, pickled):
            assert [step(*made) for _ in range(3)] == expected
    for tied, _ in (copied, pickled):
        assert numpy.shares_memory(tied.params[0], tied.params[-2])
        assert not numpy.shares_memory(tied.params[0], model.params[0])


def test_attributes_of_ones_own():
    class Loss(SoftmaxWithLoss):
        def __init__(self):
            super().__init__()
            self.y = None

    class Attention(TimeAttention):
        def __init__(self):
            super().__init__()
            self.attention_weights = None

    class Noise(Dropout):
        def __init__(self):
            super().__init__(0.5)
            self.mask = None

    class Counting(Momentum):
        def __init__(self):
            super().__init__()
            self.steps, self.state = 0, {}

    loss = Loss()
    loss.forward(numpy.zeros((2, 4)), numpy.zeros(2, int))
    assert (loss.y == 0.25).all()
    attention = Attention()
    attention.forward(numpy.ones((2, 3, 4)), numpy.ones((2, 5, 4)))
    assert len(attention.attention_weights) == 5
    assert Noise().forward(numpy.ones((2, 3))).shape == (2, 3)
    Counting().update([numpy.ones(2)], [numpy.ones(2)])
    layer = Affine(numpy.ones((2, 3)), numpy.ones(3))
    layer.name = "fc1"
    with pytest.raises(ValueError, match="fc1"):
        layer.forward(numpy.ones((2, 4)))


def test_a_trainer_with_a_history_of_its_own():
    class Scored(Trainer):
        def __init__(self, model, optimizer):
            super().__init__(model, optimizer)
            self.history = {"accuracy": []}

        def fit(self, x, t, max_epoch):
            for _ in range(max_epoch):
                super().fit(x, t, 1, 4)
                self.history["accuracy"].append((self.model.predict(x).argmax(axis=1) == t).mean())

    x, t = numpy.random.randn(8, 2), numpy.arange(8) % 3
    trainer = Scored(TwoLayerNet(2, 5, 3), SGD())
    trainer.fit(x, t, 3)
    assert len(trainer.history["accuracy"]) == len(trainer.loss_list) == 3
    ours = Trainer(TwoLayerNet(2, 5, 3), SGD())
    ours.fit(x, t, 2, 4)
    assert ours.history.column("epoch") == [1, 2] and ours.history is ours.history


def test_a_subclass_that_begins_all_by_itself():
    """Its __init__ sets what the book's does, and does not call that of its base."""

    class Decaying(SGD):
        def __init__(self, lr):
            self.lr = lr

        def update(self, params, grads):
            self.lr *= 0.5
            super().update(params, grads)

    class Heavy(Momentum):
        def __init__(self):
            self.lr, self.momentum, self.v = 1.0, 0.5, None

    class Averaged(AveragedSGD):
        def __init__(self):
            self.lr = 1.0

    for kind, args, expected in ((Decaying, (1.0,), 0.25), (Heavy, (), -1.5), (Averaged, (), -1)):
        optimizer, param = kind(*args), numpy.ones(1)
        for _ in range(2):
            optimizer.update([param], [numpy.ones(1)])
        assert param == expected
        copy.deepcopy(optimizer).update([param], [numpy.ones(1)])

    class Drop(TimeDropout):
        def __init__(self, ratio):
            self.params, self.grads, self.dropout_ratio, self.mask, self.train_flg = [], [], ratio, None, True

    class Rows(TimeEmbedding):
        def __init__(self, W):
            self.params, self.grads = [W], [np.zeros_like(W)]

    class Product(TimeAffine):
        def __init__(self, W, b):
            self.params, self.grads, self.x = [W, b], [np.zeros_like(W), np.zeros_like(b)], None

    class Loss(TimeSoftmaxWithLoss):
        def __init__(self):
            self.params, self.grads, self.cache = [], [], None

    class Look(TimeAttention):
        def __init__(self):
            self.params, self.grads, self.attention_weights = [], [], None

    def own(kind):
        class Own(kind):
            def __init__(self, Wx, Wh, b, stateful=False):
                self.params = [Wx, Wh, b]
                self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
                self.h, self.c, self.dh, self.stateful = None, None, None, stateful

        return Own

    randn = numpy.random.randn
    layers = [Rows(randn(9, 4))]
    layers += [own(kind)(randn(4, g * 4), randn(4, g * 4), randn(g * 4), True)
               for kind, g in ((TimeRNN, 1), (TimeLSTM, 4), (TimeGRU, 3))]  # fmt: skip
    layers += [Drop(0.5), Product(randn(4, 9), randn(9))]
    loss, ids = Loss(), numpy.arange(8).reshape(2, 4)
    for _ in range(2):
        xs = ids
        for layer in layers:
            xs = layer.forward(xs)
        assert numpy.isfinite(loss.forward(xs, ids))
        dout = loss.backward()
        for layer in reversed(layers):
            dout = layer.backward(dout)
    states, attention = randn(2, 3, 4), Look()
    assert attention.forward(states, states).shape == (2, 3, 4)
    attention.backward(states)
    for kind, columns, state in ((RNN, 4, 1), (LSTM, 16, 2), (GRU, 12, 1)):
        step = own(kind)(randn(4, columns), randn(4, columns), randn(columns))
        out = step.forward(*[randn(2, 4)] * (1 + state))
        assert len(step.backward(*([randn(2, 4)] * state))) == 1 + state and len(out) == 2


def test_dropout_of_integers():
    for layer in (Dropout(0.5), TimeDropout(0.5)):
        y = layer.forward(numpy.ones((10, 10, 3), int))
        assert set(y.ravel().tolist()) == {0.0, 2.0} and y.dtype == "f"
        assert layer.forward([[1, 2]], False).tolist() == [[1, 2]]


def test_a_sampler_with_nothing_but_get_negative_sample():
    class Fixed:
        def get_negative_sample(self, target):
            return numpy.zeros((len(target), 5), int)

    loss = NegativeSamplingLoss(numpy.ones((7, 3)), numpy.arange(7))
    loss.sampler = Fixed()
    assert numpy.isfinite(loss.forward(numpy.ones((2, 3)), numpy.array([1, 6])))
    assert loss.backward().shape == (2, 3)
    with pytest.raises(IndexError, match="NegativeSamplingLoss"):
        loss.forward(numpy.ones((2, 3)), numpy.array([1, 7]))
