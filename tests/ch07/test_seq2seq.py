import numpy
import pytest
from gradient_check import check_model

from ch07.peeky_seq2seq import PeekySeq2seq
from ch07.seq2seq import Decoder, Encoder, Seq2seq
from ch08.attention_seq2seq import AttentionSeq2seq
from ch08.deep_seq2seq import DeepSeq2seq
from common.evaluation import seq2seq_accuracy
from common.labels import IdError
from common.optimizer import Adam
from common.padding import pad
from common.trainer import Trainer

MODELS = [Seq2seq, PeekySeq2seq]
XS = pad([[1, 2, 3, 4, 0], [5, 6], [2, 2, 1]])
TS = pad([[0, 3, 1], [0, 2, 5, 4, 1], [0, 1]])


def small(model, **options):
    return model(7, 3, 4, rng=0, dtype="d", **options)


def gradients(model, xs, ts):
    loss = model.forward(xs, ts)
    model.backward()
    return loss, [grad.copy() for grad in model.grads]


def test_order_and_start_of_weights():
    model = Seq2seq(13, 16, 128, rng=0)
    part = [(13, 16), (16, 512), (128, 512), (512,)]
    assert [p.shape for p in model.params] == [*part, *part, (128, 13), (13,)]
    assert model.params == model.encoder.params + model.decoder.params
    assert {p.dtype for p in model.params} == {numpy.dtype("f")}
    peeky = PeekySeq2seq(13, 16, 128, rng=0)
    assert [p.shape for p in peeky.decoder.params] == [(13, 16), (144, 512), (128, 512), (512,), (256, 13), (13,)]
    for place, deviation in ((0, 0.01), (1, 0.25), (2, 128**-0.5), (5, 144**-0.5), (8, 256**-0.5)):
        assert peeky.params[place].std() == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("model", MODELS)
def test_gradients(model, rng):
    check_model(small(model), [rng.integers(7, size=(3, 5)), rng.integers(7, size=(3, 4))], rng)
    check_model(small(model, target_size=6), [XS, TS], rng)


@pytest.mark.parametrize("model", MODELS)
def test_padded_batch_equals_its_pairs_one_by_one(model):
    whole = small(model)
    loss, grads = gradients(whole, XS, TS)
    losses, sums, count = 0.0, [0.0] * len(grads), 0
    for x, t in zip(XS, TS, strict=True):
        x, t = x[x >= 0][None], t[t >= 0][None]
        one, parts = gradients(whole, x, t)
        labels = t.shape[1] - 1
        losses, count = losses + one * labels, count + labels
        sums = [total + part * labels for total, part in zip(sums, parts, strict=True)]
    assert loss == pytest.approx(losses / count)
    for grad, total in zip(grads, sums, strict=True):
        numpy.testing.assert_allclose(grad, total / count, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_answers_in_a_batch_equal_those_one_by_one(model):
    model = small(model)
    answers = model.generate(XS, 0, 6)
    assert answers == [model.generate(x[x >= 0][None], 0, 6) for x in XS]
    assert all(type(i) is int for answer in answers for i in answer)
    assert model.generate(XS[0], 0, 6) == answers[0]
    assert model.generate_batch(XS[:1], 0, 6).shape == (1, 6)


@pytest.mark.parametrize("model", MODELS)
def test_generation_follows_predict(model):
    model = small(model)
    answer = model.generate(XS[:1], 0, 6)
    scores = model.predict(XS[:1], numpy.array([[0, *answer[:-1]]]))
    assert scores[0].argmax(axis=1).tolist() == answer


def test_stop_symbol_ends_an_answer():
    model = small(Seq2seq)
    free = model.generate_batch(XS, 0, 6)
    stop = int(free[0, 2])
    stopped = model.generate_batch(XS, 0, 6, stop_id=stop)
    for row, ended in zip(free.tolist(), stopped.tolist(), strict=True):
        kept = row.index(stop) + 1 if stop in row else len(row)
        assert ended == row[:kept] + [-1] * (6 - kept)
    assert model.generate(XS[:1], 0, 6, stop_id=stop) == free[0, : free[0].tolist().index(stop)].tolist()


class TestDecoderOfOnesOwn:
    @pytest.fixture
    def model(self):
        class Own(Decoder):
            def generate(self, h, start_id, sample_size):
                return [4, 2, 3]

        model = small(Seq2seq)
        model.decoder = Own(7, 3, 4)
        return model

    def test_its_answer_ends_before_the_stop_symbol(self, model):
        assert model.generate(XS[:1], 0, 3) == [4, 2, 3]
        assert model.generate(XS[:1], 0, 3, stop_id=2) == [4]

    def test_a_question_reaches_its_encoder_without_padding(self, model):
        class Own(Encoder):
            def forward(self, xs):
                self.asked = xs.tolist()
                return super().forward(xs)

        model.encoder = Own(7, 3, 4)
        model.generate(XS[1:2], 0, 3)
        assert model.encoder.asked == [[5, 6]]
        model.generate_batch(XS[[0, 1]], 0, 3)
        assert model.encoder.asked == [[5, 6]]


def test_the_decoders_state_is_forgotten():
    model = small(Seq2seq)
    model.predict(XS, TS)
    assert model.decoder.lstm.h is not None
    model.reset_state()
    assert model.decoder.lstm.h is None and model.decoder.lstm.c is None


def test_halves_as_the_book_uses_them(rng):
    encoder, decoder = Encoder(7, 3, 4, rng=0), Decoder(7, 3, 4, rng=0)
    h = encoder.forward(XS)
    assert h.shape == (3, 4) and h.dtype == numpy.float32
    scores = decoder.forward(rng.integers(7, size=(3, 5)), h)
    assert scores.shape == (3, 5, 7)
    dh = decoder.backward(numpy.ones_like(scores))
    assert dh.shape == h.shape
    assert encoder.backward(dh) is None
    assert len(decoder.generate(h[:1], 0, 4)) == 4


@pytest.mark.parametrize("peeky", [False, True])
def test_equals_torch(peeky, torch, rng):
    V, H = 7, 4
    model = small(PeekySeq2seq if peeky else Seq2seq)
    xs, ts = rng.integers(V, size=(3, 5)), rng.integers(V, size=(3, 4))
    loss, grads = gradients(model, xs, ts)
    p = [torch.tensor(param, requires_grad=True) for param in model.params]
    e, Wx, Wh, b, de, dWx, dWh, db, W, c = p

    def lstm(x, h, Wx, Wh, b):
        cell, hs = torch.zeros_like(h), []
        for t in range(x.shape[1]):
            f, g, i, o = (x[:, t] @ Wx + h @ Wh + b).split(H, dim=1)
            cell = torch.sigmoid(f) * cell + torch.tanh(g) * torch.sigmoid(i)
            h = torch.sigmoid(o) * torch.tanh(cell)
            hs.append(h)
        return torch.stack(hs, 1)

    h = lstm(e[torch.tensor(xs)], torch.zeros(3, H, dtype=torch.float64), Wx, Wh, b)[:, -1]
    x = de[torch.tensor(ts[:, :-1])]
    peek = h[:, None].expand(-1, 3, -1)
    x = torch.cat([peek, x], 2) if peeky else x
    d = lstm(x, h, dWx, dWh, db)
    d = torch.cat([peek, d], 2) if peeky else d
    expected = torch.nn.functional.cross_entropy((d @ W + c).reshape(-1, V), torch.tensor(ts[:, 1:]).reshape(-1))
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-10)
    for grad, param in zip(grads, p, strict=True):
        numpy.testing.assert_allclose(grad, param.grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_to_copy(model, rng):
    xs = rng.integers(1, 5, size=(200, 3))
    ts = numpy.concatenate([numpy.zeros((200, 1), int), xs], axis=1)
    model = model(5, 8, 32, rng=0)
    Trainer(model, Adam(0.02), rng=0).fit(xs, ts, max_epoch=30, batch_size=50, eval_interval=None)
    assert (model.generate_batch(xs, 0, 3) == ts[:, 1:]).mean() > 0.95


def test_weights_go_through_a_file(tmp_path):
    model, other = Seq2seq(7, 3, 4, rng=0), Seq2seq(7, 3, 4, rng=1)
    for name in ("seq2seq.npz", "seq2seq.pkl"):
        model.save_params(tmp_path / name)
        other.load_params(tmp_path / name)
        assert other.generate(XS, 0, 6) == model.generate(XS, 0, 6)
    with pytest.raises(ValueError, match=r"embed.*\(8, 3\).*\(7, 3\)"):
        Seq2seq(8, 3, 4, rng=0).load_params(tmp_path / "seq2seq.npz")


class TestMisuse:
    model = small(Seq2seq)

    def test_sizes(self):
        with pytest.raises(ValueError, match="hidden_size must be at least 1, not 0"):
            Seq2seq(7, 3, 0)

    @pytest.mark.parametrize("bad", [7, -2])
    def test_unknown_ids(self, bad):
        with pytest.raises(IdError, match="0 … 6"):
            self.model.forward(numpy.array([[1, bad]]), TS[:1])

    def test_padding_inside_and_only_padding(self):
        with pytest.raises(ValueError, match="end of a row"):
            self.model.forward(numpy.array([[-1, 1]]), TS[:1])
        with pytest.raises(ValueError, match="end of a row"):
            self.model.forward(XS[:1], numpy.array([[0, -1, 1]]))
        with pytest.raises(ValueError, match="nothing but padding"):
            self.model.forward(numpy.array([[-1, -1], [1, 1]]), TS[:2])

    def test_shapes(self):
        with pytest.raises(ValueError, match="3 questions, but 2 answers"):
            self.model.forward(XS, TS[:2])
        with pytest.raises(ValueError, match="one symbol more"):
            self.model.forward(XS, TS[:, :1])
        for empty in (numpy.zeros((0, 3), int), numpy.zeros((2, 0), int), numpy.zeros((1, 2, 3), int)):
            with pytest.raises(ValueError, match=r"\(N, T\)"):
                self.model.generate(empty, 0, 3)

    def test_generation(self):
        with pytest.raises(ValueError, match="sample_size"):
            self.model.generate(XS, 0, 0)
        with pytest.raises(IdError, match="9"):
            self.model.generate(XS, 9, 3)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize(
        ("stop", "kind", "message"),
        [
            (7, IdError, "must lie in 0 … 6, got 7"),
            (-1, IdError, "must lie in 0 … 6, got -1"),
            (1.0, TypeError, r"must be a whole number, not 1\.0"),
            ("a", TypeError, "must be a whole number, not 'a'"),
        ],
    )
    def test_stop_symbol(self, model, stop, kind, message):
        model = small(model)
        for name, ask in (
            ("generate", lambda: model.generate(XS, 0, 3, stop)),
            ("generate", lambda: model.generate_batch(XS[:1], 0, 3, stop_id=stop)),
            ("beam_search", lambda: model.beam_search(XS[:1], 0, 3, stop_id=stop)),
        ):
            with pytest.raises(kind, match=f"^{name}: stop_id {message}$"):
                ask()

    def test_stop_symbol_of_a_decoder_of_ones_own(self):
        class Own(Decoder):
            def generate(self, h, start_id, sample_size):
                return [1] * sample_size

        model = small(Seq2seq)
        model.decoder = Own(7, 3, 4)
        with pytest.raises(TypeError, match=r"^generate: stop_id must be a whole number, not 1\.0$"):
            model.generate(XS, 0, 3, stop_id=1.0)

    def test_rows_of_unequal_length(self):
        rows = [[1, 2], [1]]
        for ask in (
            lambda: self.model.generate(rows, 0, 3),
            lambda: self.model.generate_batch(rows, 0, 3),
            lambda: self.model.forward(XS[:2], rows),
        ):
            with pytest.raises(ValueError, match=r"^(Seq2seq|Encoder): .*to be padded \(.*, got \[\[1, 2\], \[1\]\]$"):
                ask()

    @pytest.mark.parametrize("shape", [(1, 4), (4,), (), (3, 5), (3, 1)])
    @pytest.mark.parametrize("xs", [XS, XS[:, :1]])
    def test_gradient_of_another_shape(self, shape, xs):
        encoder = Encoder(7, 3, 4, rng=0)
        encoder.forward(xs)
        with pytest.raises(ValueError) as error:
            encoder.backward(numpy.ones(shape))
        assert str(error.value) == f"Encoder: the output is (3, 4), its gradient must be so too, got {shape}"

    def test_backward_first(self):
        with pytest.raises(RuntimeError, match=r"^Encoder: backward needs a forward before it$"):
            Encoder(7, 3, 4).backward(numpy.ones((1, 4)))

    def test_weights_that_are_not_finite(self):
        model = small(Seq2seq)
        model.decoder.affine.params[1][2] = numpy.nan
        for answer in (
            lambda: model.generate(XS, 0, 3),
            lambda: model.beam_search(XS[:1], 0, 3),
            lambda: seq2seq_accuracy(model, XS, TS),
        ):
            with pytest.raises(FloatingPointError, match="the model's scores are not finite"):
                answer()

    def test_a_longer_question_than_any_before_and_a_batch_of_one(self):
        assert len(self.model.generate(numpy.ones((1, 100), int), 0, 3)) == 3
        assert self.model.forward(XS[:1], TS[:1]) > 0


@pytest.mark.parametrize("kind", [Seq2seq, PeekySeq2seq, AttentionSeq2seq, DeepSeq2seq])
def test_sizes_of_few_bits(kind):
    model = kind(numpy.int8(100), numpy.int8(100), numpy.int8(100), rng=0)
    assert model.predict(numpy.array([[1, 2]]), numpy.array([[0, 1]])).shape == (1, 2, 100)
