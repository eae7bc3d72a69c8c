"""Models as readers type them: star imports, arrays of np.random, lists collected by hand, the library's trainers."""

import numpy
import pytest

from common.base_model import BaseModel
from common.np import *  # noqa: F403
from common.optimizer import SGD, Adam
from common.time_layers import *  # noqa: F403
from common.trainer import RnnlmTrainer, Trainer, remove_duplicate
from common.util import clip_grads, convert_one_hot, create_contexts_target, eval_perplexity, preprocess
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
