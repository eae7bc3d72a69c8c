import numpy
import pytest
from gradient_check import check_model

from ch06.better_rnnlm import CELLS, BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.evaluation import eval_perplexity
from common.optimizer import SGD
from common.training import Step

V, H, N, T = 50, 16, 4, 5


def ids(*shape, seed=0):
    return numpy.random.default_rng(seed).integers(V, size=shape)


def small(dropout_ratio=0.5, dtype="f", **options):
    return BetterRnnlm(V, H, H, dropout_ratio, rng=0, dtype=dtype, **options)


def test_sizes_order_and_sharing():
    model = BetterRnnlm(rng=0)
    shapes = [(10000, 650), *[(650, 2600), (650, 2600), (2600,)] * 2, (650, 10000), (10000,)]
    assert [p.shape for p in model.params] == [g.shape for g in model.grads] == shapes
    assert sum(p.size for p in model.params) - 650 * 10000 == 13_275_200
    assert numpy.shares_memory(model.params[0], model.params[7])
    assert {p.dtype for p in model.params} == {numpy.dtype("f")}
    untied = BetterRnnlm(tied=False, rng=0)
    assert sum(p.size for p in untied.params) == 19_775_200
    assert not numpy.shares_memory(untied.params[0], untied.params[7])


def test_without_its_improvements_it_is_an_rnnlm():
    plain, other = BetterRnnlm(V, 8, 9, 0.0, layers=1, tied=False, rng=0), Rnnlm(V, 8, 9, rng=0)
    xs, ts = ids(2, N, T)
    assert plain.forward(xs, ts) == other.forward(xs, ts)


class TestDropout:
    def test_predict_has_none_forward_has_it_by_default(self):
        model, xs, ts = small(), ids(N, T), ids(N, T, seed=1)

        def fresh(function, *args):
            model.reset_state()
            return numpy.asarray(function(*args))

        assert (fresh(model.predict, xs) == fresh(model.predict, xs)).all()
        assert fresh(model.forward, xs, ts, False) == fresh(model.forward, xs, ts, False)
        assert (fresh(model.predict, xs, True) != fresh(model.predict, xs, True)).any()
        assert fresh(model.forward, xs, ts) != fresh(model.forward, xs, ts)

    def test_evaluation_is_repeatable_and_leaves_the_state(self):
        model, corpus = small(variational=True, dropconnect=0.5), ids(200)
        model.forward(ids(N, T), ids(N, T))
        before = [layer.h.copy() for layer in model.recurrent_layers]
        assert eval_perplexity(model, corpus) == eval_perplexity(model, corpus)
        for layer, h in zip(model.recurrent_layers, before, strict=True):
            numpy.testing.assert_array_equal(layer.h, h)

    def test_variational_masks_are_one_for_all_steps(self):
        model = small(variational=True)
        model.forward(ids(N, T), ids(N, T))
        *_, mask = model.drop_layers[0]._cached()
        assert mask.shape == (N, 1, H) and set(numpy.unique(mask)) == {0, 2}
        assert model.recurrent_layers[0]._mask.shape == (N, H)

    def test_plain_masks_differ_from_step_to_step(self):
        model = small()
        model.forward(ids(N, T), ids(N, T))
        *_, mask = model.drop_layers[0]._cached()
        assert mask.shape == (N, T, H) and (mask[:, 0] != mask[:, 1]).any()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"tied": False}, {"layers": 1}, {"layers": 3}, *({"cell": cell} for cell in CELLS),
        *({"cell": cell, "variational": True, "dropconnect": 0.3} for cell in CELLS),
    ],
    ids=str,
)  # fmt: skip
def test_gradients(options, rng):
    model = BetterRnnlm(V, H, H, 0.4, rng=0, dtype="d", **options)
    for drop in model.drop_layers:  # the same mask in every forward
        draw = drop.draw_mask
        drop.draw_mask = lambda shape, dtype, draw=draw, drop=drop: (setattr(drop, "rng", numpy.random.default_rng(7)),
                                                                draw(shape, dtype))[1]
    check_model(model, [ids(N, T), ids(N, T, seed=1)], rng, 1e-5)


def test_float32_stays_float32():
    model = small(variational=True, dropconnect=0.5, cell="gru")
    model.forward(ids(N, T), ids(N, T))
    model.backward()
    assert {g.dtype for g in model.grads} == {model.predict(ids(N, T)).dtype} == {numpy.dtype("f")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"wordvec_size": 8}, "tied weights need wordvec_size == hidden_size, not 8 and 16"),
        ({"cell": "mgu"}, "cell must be one of rnn, relu, lstm, peephole, peephole_diagonal, gru, not 'mgu'"),
        ({"cell": ["lstm"]}, r"cell must be one of rnn, relu, lstm, peephole, peephole_diagonal, gru, not \['lstm'\]"),
        ({"layers": 0}, "BetterRnnlm: layers must be at least 1, not 0"),
        ({"dropout_ratio": 1.0}, r"BetterRnnlm: dropout_ratio must be in \[0, 1\), not 1.0"),
        ({"dropconnect": None}, r"BetterRnnlm: dropconnect must be in \[0, 1\), not None"),
        ({"dtype": "i"}, "weights must have a dtype of floating-point numbers, not int32"),
        ({"dropconnect": -0.1}, r"BetterRnnlm: dropconnect must be in \[0, 1\), not -0.1"),
    ],
)
def test_misuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        BetterRnnlm(**{"vocab_size": V, "wordvec_size": H, "hidden_size": H, **arguments})


def test_layers_that_are_no_whole_number():
    with pytest.raises(TypeError, match=r"^BetterRnnlm: layers must be a whole number, not 1\.5$"):
        BetterRnnlm(V, H, H, layers=1.5)


def test_another_batch_size_needs_a_reset():
    model = small()
    model.predict(ids(N, T))
    with pytest.raises(ValueError, match=r"reset_state\(\) forgets it"):
        model.predict(ids(N + 1, T))


def test_weights_go_through_a_file_and_stay_tied(tmp_path):
    model, other = small(), BetterRnnlm(V, H, H, rng=1)
    for name in ("a.npz", "a.pkl"):
        model.save_params(tmp_path / name)
        other.load_params(tmp_path / name)
        assert numpy.shares_memory(other.params[0], other.params[7])
        model.reset_state()
        other.reset_state()
        numpy.testing.assert_allclose(other.predict(ids(N, T)), model.predict(ids(N, T)), atol=1e-3)
    with pytest.raises(ValueError, match="expects the shape"):
        BetterRnnlm(V + 1, H, H).load_params(tmp_path / "a.npz")


class Peer:
    """The same model in PyTorch, with the weights of ours copied, and dropout off."""

    def __init__(self, torch, model):
        self.torch = torch
        embed, *middle, W, b = [torch.tensor(numpy.ascontiguousarray(p)) for p in model.params]
        self.embed, self.b = embed.requires_grad_(), b.requires_grad_()
        self.lstms = [self.lstm(*middle[i : i + 3]) for i in range(0, len(middle), 3)]
        self.W = self.embed.T if numpy.shares_memory(model.params[0], model.params[-2]) else W.requires_grad_()
        self.states = [None] * len(self.lstms)

    def reordered(self, p):
        f, g, i, o = p.chunk(4, dim=-1)  # PyTorch's columns are i, f, g, o
        return self.torch.cat([i, f, g, o], dim=-1)

    def lstm(self, Wx, Wh, b):
        layer = self.torch.nn.LSTM(*Wx[:, : len(Wh)].shape, batch_first=True)
        with self.torch.no_grad():
            for own, p in zip(layer.parameters(), (Wx, Wh, b, b * 0), strict=True):
                own.copy_(self.reordered(p).t())
        layer.bias_hh_l0.requires_grad_(False)
        return layer.to(Wx.dtype)

    def loss(self, xs, ts):
        torch = self.torch
        hs = self.embed[torch.tensor(xs)]
        for i, lstm in enumerate(self.lstms):
            hs, state = lstm(hs, self.states[i])
            self.states[i] = tuple(s.detach() for s in state)
        return torch.nn.functional.cross_entropy((hs @ self.W + self.b).flatten(0, 1), torch.tensor(ts).flatten())

    @property
    def weights(self):
        return [self.embed, *(p for lstm in self.lstms for p in lstm.parameters() if p.requires_grad), self.b]

    def named_like_ours(self, grads):
        """Gradients in the order and layout of our params without the tied one."""
        embed, *middle, b = grads

        def back(p):
            i, f, g, o = p.T.chunk(4, dim=-1) if p.ndim == 2 else p.chunk(4)
            return self.torch.cat([f, g, i, o], dim=-1)

        return [embed, *map(back, middle), b]


def test_gradients_are_pytorchs_over_five_blocks_of_truncated_bptt(torch):
    model = BetterRnnlm(300, 48, 48, 0.0, rng=0)
    peer = Peer(torch, model)
    step = Step(model, SGD(0.0))
    rng = numpy.random.default_rng(0)
    for _ in range(5):
        xs, ts = rng.integers(300, size=(2, 6, 12))
        loss = peer.loss(xs, ts)
        assert step(xs, ts) == pytest.approx(loss.item(), rel=1e-6)
        expected = peer.named_like_ours(torch.autograd.grad(loss, peer.weights))
        model.backward()
        grads = step.weights.merge(model.grads)
        assert len(grads) == len(expected) == 8
        for ours, theirs in zip(grads, expected, strict=True):
            error = numpy.linalg.norm(ours - theirs.numpy()) / numpy.linalg.norm(theirs.numpy())
            assert error < 1e-5


@pytest.mark.slow
def test_learning_curve_lies_on_pytorchs(torch):
    """100 iterations with clipping and SGD from the same weights, on text with something to learn in it."""
    V, rng = 40, numpy.random.default_rng(0)
    corpus = rng.permutation(V)[numpy.cumsum(rng.integers(1, 4, size=100 * 60 + 1)) % V]
    model = BetterRnnlm(V, 24, 24, 0.0, rng=0)
    peer = Peer(torch, model)
    step, optimizer = Step(model, SGD(5.0)), torch.optim.SGD(peer.weights, lr=5.0)
    ours, theirs = [], []
    for block in range(100):
        xs, ts = (corpus[s:][:6000].reshape(6, 1000)[:, block * 10 : block * 10 + 10] for s in (0, 1))
        ours.append(step(xs, ts, 0.25))
        loss = peer.loss(xs, ts)
        theirs.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.weights, 0.25)
        optimizer.step()
    assert ours[-1] < ours[0] - 1
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize(
    "options", [{}, *({"cell": cell, "variational": True, "dropconnect": 0.3} for cell in CELLS)], ids=str
)
def test_on_the_gpu_path(gpu, options):
    model = small(**options)
    step = Step(model, SGD(1.0))
    losses = [step(ids(N, T), ids(N, T, seed=1), 0.25) for _ in range(3)]
    assert all(0 < loss < 10 for loss in losses)
    assert model.predict(ids(N, T)).shape == (N, T, V)
