"""Models as readers type them: star imports, arrays of np.random, lists collected by hand, the library's trainers."""

import copy
import pickle

import numpy
import pytest

from ch01.two_layer_net import TwoLayerNet
from ch04.cbow import CBOW
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07.peeky_seq2seq import PeekySeq2seq
from ch07.rnnlm_gen import RnnlmGen
from ch07.seq2seq import Decoder, Seq2seq
from ch08.attention_layer import TimeAttention
from ch08.attention_seq2seq import AttentionSeq2seq
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
    assert model.generate(numpy.zeros((2, 5), int), 8, 2) == [[7, 7]] * 2


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
        for each in (ours, model):
            each.forward(x, t)
            each.backward()
        for mine, theirs in zip(model.grads, ours.grads, strict=True):
            numpy.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)
        assert model.generate(x, 8, 4) == ours.generate(x, 8, 4)
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
        pickled = pickle.loads(pickle.dumps((model, optimizer))) if isinstance(model, Rnnlm) else copied
        expected = [step(model, optimizer) for _ in range(3)]
        assert [step(*copied) for _ in range(3)] == expected
        if pickled is not copied:
            assert [step(*pickled) for _ in range(3)] == expected
    tied = copied[0]
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
