import numpy
import pytest
from gradient_check import check_model

from ch07.peeky_seq2seq import PeekySeq2seq
from ch07.seq2seq import Seq2seq
from ch08.attention_seq2seq import AttentionDecoder, AttentionSeq2seq
from ch08.deep_seq2seq import DeepSeq2seq
from common.model_tree import named_params
from common.optimizer import Adam
from common.padding import pad
from common.trainer import Trainer

V, D, H = 7, 3, 4
XS = pad([[1, 2, 3, 4, 0], [5, 6], [2, 2, 1]])
TS = pad([[0, 3, 1], [0, 2, 5, 4, 1], [0, 1]])
VARIANTS = [
    {"layers": 1, "bidirectional": False},
    {"layers": 1, "score": "additive"},
    {"layers": 2, "cell": "gru", "score": "scaled"},
    {"layers": 3, "bidirectional": False},
    {"layers": 3, "cell": "gru", "score": "additive"},
]
MODELS = [(AttentionSeq2seq, {}), *((DeepSeq2seq, variant) for variant in VARIANTS)]


def build(kind, options, **more):
    model = kind(V, D, H, rng=0, dtype="d", **options, **more)
    for param in model.params:  # as wide as the gradients need to matter
        param *= 2
    return model


def gradients(model, xs, ts):
    loss = model.forward(xs, ts)
    model.backward()
    return loss, [grad.copy() for grad in model.grads]


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_gradients(kind, options, rng):
    check_model(build(kind, options), [rng.integers(V, size=(3, 5)), rng.integers(V, size=(3, 4))], rng)
    check_model(build(kind, options, target_size=6), [XS, TS], rng)


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_padded_batch_equals_its_pairs_one_by_one(kind, options):
    model = build(kind, options)
    loss, grads = gradients(model, XS, TS)
    weights = model.attention_weights(XS, TS[:, :-1])
    losses, sums, count = 0.0, [0.0] * len(grads), 0
    for x, t, padded in zip(XS, TS, weights, strict=True):
        x, t = x[x >= 0][None], t[t >= 0][None]
        one, parts = gradients(model, x, t)
        labels = t.shape[1] - 1
        alone = model.attention_weights(x, t[:, :-1])[0]
        numpy.testing.assert_allclose(padded[:labels, : x.shape[1]], alone, atol=1e-12)
        assert not padded[:, x.shape[1] :].any()
        losses, count = losses + one * labels, count + labels
        sums = [total + part * labels for total, part in zip(sums, parts, strict=True)]
    assert loss == pytest.approx(losses / count)
    for grad, total in zip(grads, sums, strict=True):
        numpy.testing.assert_allclose(grad, total / count, atol=1e-12)


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_answers(kind, options):
    model = build(kind, options)
    answers = model.generate(XS, 0, 6)
    assert answers == [model.generate(x[x >= 0][None], 0, 6) for x in XS]
    for x, answer in zip(XS, answers, strict=True):
        x = x[x >= 0][None]
        assert model.predict(x, numpy.array([[0, *answer[:-1]]]))[0].argmax(axis=1).tolist() == answer
        assert model.beam_search(x, 0, 6, width=1)[0].ids == model.beam_search(x[0], 0, 6, width=1)[0].ids == answer
        best = model.beam_search(x, 0, 3, width=V**3)[0]
        assert best.score >= model.beam_search(x, 0, 3, width=1)[0].score - 1e-12


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_generation_attends_to_no_padding(kind, options):
    def scores(xs):
        decoder, encoded = model.decoder, model._encode(xs)
        return decoder._read(numpy.zeros(len(xs), int), decoder._first_state(*encoded))[0]

    model = build(kind, options)
    for x, padded in zip(XS, scores(XS), strict=True):
        numpy.testing.assert_allclose(padded, scores(x[x >= 0][None])[0], atol=1e-12)


def test_the_state_of_a_deep_decoder_is_that_of_its_cells():
    for cell, parts in (("lstm", 2), ("gru", 1)):
        model = build(DeepSeq2seq, {"layers": 3, "cell": cell})
        assert len(model.decoder._first_state(*model._encode(XS))) == 2 + 3 * parts


def test_one_layer_of_the_deep_model_is_the_books():
    book, deep = build(AttentionSeq2seq, {}), build(DeepSeq2seq, {"layers": 1, "bidirectional": False})
    for own, other in zip(deep.params, book.params, strict=True):
        own[...] = other
    (loss, grads), (deep_loss, deep_grads) = gradients(book, XS, TS), gradients(deep, XS, TS)
    assert deep_loss == pytest.approx(loss)
    for grad, deep_grad in zip(grads, deep_grads, strict=True):
        numpy.testing.assert_allclose(deep_grad, grad, atol=1e-12)


def test_equals_torch(torch, rng):
    N, S, T, V, D, H = 8, 9, 6, 11, 5, 12
    model = AttentionSeq2seq(V, D, H, rng=0, dtype="d")
    model.params[3][...], model.params[7][...] = rng.standard_normal((2, 4 * H))
    xs, ts = rng.integers(V, size=(N, S)), rng.integers(V, size=(N, T))
    loss, grads = gradients(model, xs, ts)

    f, g, i, o = (slice(k * H, (k + 1) * H) for k in range(4))
    columns = numpy.r_[i, f, g, o]  # PyTorch's order of the gates
    lstms = []
    for start in (1, 5):
        lstm = torch.nn.LSTM(D, H, batch_first=True, dtype=torch.float64)
        Wx, Wh, b = (torch.tensor(p[..., columns]) for p in model.params[start : start + 3])
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(Wx.T)
            lstm.weight_hh_l0.copy_(Wh.T)
            lstm.bias_ih_l0.copy_(b)
            lstm.bias_hh_l0.zero_()
        lstms.append(lstm)
    embeds = [torch.tensor(model.params[k], requires_grad=True) for k in (0, 4)]
    W, b = (torch.tensor(p, requires_grad=True) for p in model.params[8:])
    hs, (h, _) = lstms[0](embeds[0][torch.tensor(xs)])
    d, _ = lstms[1](embeds[1][torch.tensor(ts[:, :-1])], (h, torch.zeros_like(h)))
    weights = torch.softmax(d @ hs.transpose(1, 2), -1)
    scores = torch.cat([weights @ hs, d], 2) @ W + b
    expected = torch.nn.functional.cross_entropy(scores.reshape(-1, V), torch.tensor(ts[:, 1:]).reshape(-1))
    expected.backward()

    assert loss == pytest.approx(expected.item(), abs=1e-12)
    back = numpy.argsort(columns)
    of_lstms = [
        [lstm.weight_ih_l0.grad.numpy().T[:, back], lstm.weight_hh_l0.grad.numpy().T[:, back],
         lstm.bias_ih_l0.grad.numpy()[back]] for lstm in lstms
    ]
    true = [embeds[0].grad, *of_lstms[0], embeds[1].grad, *of_lstms[1], W.grad, b.grad]
    for grad, t in zip(grads, true, strict=True):
        numpy.testing.assert_allclose(grad, numpy.asarray(t), atol=1e-10)
    numpy.testing.assert_allclose(model.decoder.attention.weights, weights.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "options", "bias"),
    [
        (Seq2seq, {}, 0),
        (PeekySeq2seq, {}, 0),
        (AttentionSeq2seq, {}, 1),
        (DeepSeq2seq, {}, 1),
        (DeepSeq2seq, {"cell": "gru"}, 0),
    ],
)
def test_forget_gates_start_open_where_the_model_attends(kind, options, bias):
    biases = {
        name: b for name, b in named_params(kind(V, D, H, rng=0, **options)).items()
        if name.endswith(".b") and "affine" not in name
    }  # fmt: skip
    assert len(biases) >= 2
    for b in biases.values():
        width = len(b) // 4
        assert (b[:width] == bias).all() and not b[width:].any()


def test_float32_stays(rng):
    for kind, options in MODELS:
        model = kind(V, D, H, rng=0, **options)
        model.forward(XS, TS)
        model.backward()
        assert {x.dtype for x in [*model.grads, model.predict(XS, TS)]} == {numpy.dtype("f")}
        assert all(grad.any() for grad in model.grads)


def test_generation_keeps_the_attention_of_the_last_forward(rng):
    model = build(AttentionSeq2seq, {})
    model.forward(XS, TS)
    before = [weights.copy() for weights in model.decoder.attention.attention_weights]
    assert [weights.shape for weights in before] == [(3, 5)] * 4
    model.generate(XS, 0, 2)
    numpy.testing.assert_array_equal(model.decoder.attention.attention_weights, before)


def test_a_decoder_takes_lengths_as_a_list(rng):
    decoder, enc_hs = AttentionDecoder(V, D, H, rng=0, dtype="d"), rng.standard_normal((3, 5, H))
    ts = rng.integers(V, size=(3, 4))
    of_array = decoder.forward(ts, enc_hs, numpy.array([1, 2, 5])), decoder.backward(numpy.ones((3, 4, V)))
    of_list = decoder.forward(ts, enc_hs, [1, 2, 5]), decoder.backward(numpy.ones((3, 4, V)))
    for mine, theirs in zip(of_list, of_array, strict=True):
        numpy.testing.assert_array_equal(mine, theirs)
    for lengths in ([9, 9, 9], [1, 2], [1, 2, 0]):
        with pytest.raises(ValueError, match=r"^AttentionDecoder: lengths must be whole numbers \(3,\) in 1 … 5, got "):
            decoder.forward(ts, enc_hs, lengths)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "options"), [MODELS[0], MODELS[2], MODELS[5]])
def test_it_learns_to_reverse(kind, options, rng):
    xs = rng.integers(1, 5, size=(300, 5))
    ts = numpy.concatenate([numpy.zeros((300, 1), int), xs[:, ::-1]], axis=1)
    model = kind(5, 8, 24, rng=0, **options)
    Trainer(model, Adam(0.02), rng=0).fit(xs, ts, max_epoch=30, batch_size=50, max_grad=5.0, eval_interval=None)
    assert (model.generate_batch(xs, 0, 5) == ts[:, 1:]).mean() > 0.9


@pytest.mark.parametrize("options", [{"layers": 0}, {"cell": "rnn"}, {"score": "cosine"}, {"hidden_size": 5}])
def test_impossible_options(options):
    settings = {"vocab_size": V, "wordvec_size": D, "hidden_size": H} | options
    (value,) = options.values()
    with pytest.raises(ValueError, match=str(value)):
        DeepSeq2seq(**settings)


@pytest.mark.parametrize("name", ["hidden_size", "layers", "target_size"])
def test_sizes_that_are_no_whole_numbers(name):
    settings = {"vocab_size": V, "wordvec_size": D, "hidden_size": H, name: 2.5}
    with pytest.raises(TypeError, match=rf"^DeepSeq2seq: {name} must be a whole number, not 2\.5$"):
        DeepSeq2seq(**settings)
