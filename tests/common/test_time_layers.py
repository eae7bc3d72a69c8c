import numpy
import pytest
from gradient_check import check_model

from ch05.simple_rnnlm import SimpleRnnlm
from ch06.rnnlm import Rnnlm
from common.clipping import clip_grads
from common.optimizer import SGD
from common.shared_weights import remove_duplicate
from common.time_layers import TimeAffine, TimeEmbedding, TimeLSTM, TimeSoftmaxWithLoss


class Tied:
    """A language model whose affine layer has the embedding's weight, transposed; float64."""

    def __init__(self, rng, V=5, H=3):
        W = rng.standard_normal((V, H))
        weights = [rng.standard_normal(shape) for shape in ((H, 4 * H), (H, 4 * H), (4 * H,))]
        self.layers = [TimeEmbedding(W), TimeLSTM(*weights, stateful=True), TimeAffine(W.T, rng.standard_normal(V))]
        self.loss_layer = TimeSoftmaxWithLoss()
        self.params = [p for layer in self.layers for p in layer.params]
        self.grads = [g for layer in self.layers for g in layer.grads]

    def forward(self, xs, ts):
        for layer in self.layers:
            xs = layer.forward(xs)
        return self.loss_layer.forward(xs, ts)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)

    def reset_state(self):
        self.layers[1].reset_state()


def test_affine_is_one_product_over_all_steps(rng):
    xs, W, b = rng.standard_normal((2, 5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    numpy.testing.assert_allclose(TimeAffine(W, b).forward(xs)[1, 3], xs[1, 3] @ W + b)


def test_tied_weights_stay_tied_after_a_step_in_place(rng):
    model = Tied(rng)
    model.params[0] -= 0.1
    numpy.testing.assert_array_equal(model.layers[2].params[0], model.layers[0].params[0].T)


@pytest.mark.parametrize("make", [Tied, lambda rng: Rnnlm(5, 3, 4, rng=rng, dtype="d"),
                                  lambda rng: SimpleRnnlm(5, 3, 4, rng=rng, dtype="d")])  # fmt: skip
def test_gradients_of_language_models(make, rng):
    check_model(make(rng), [rng.integers(0, 5, (2, 4)), rng.integers(-1, 5, (2, 4))], rng)


def their_scores(torch, weights, xs, state):
    """Embedding, LSTM and affine layer in PyTorch: the scores (N, T, V) of the ids xs, and the state after them."""
    embed_W, Wx, Wh, b, affine_W, affine_b = weights
    h, c = state
    hs = []
    for x in embed_W[torch.tensor(xs)].unbind(1):
        f, g, i, o = (x @ Wx + h @ Wh + b).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.tanh(g) * torch.sigmoid(i)
        h = torch.sigmoid(o) * torch.tanh(c)
        hs.append(h)
    return torch.stack(hs, dim=1) @ affine_W + affine_b, (h.detach(), c.detach())


@pytest.mark.parametrize("tied", [False, True])
def test_language_model_is_pytorchs_over_blocks_of_truncated_backpropagation(torch, rng, tied):
    """Losses, gradients and, after clipped steps, weights."""
    model = Tied(rng, V=6, H=4) if tied else Rnnlm(6, 3, 4, rng=rng, dtype="d")
    optimizer, max_norm = SGD(2.0), 0.25
    params, _ = remove_duplicate(model.params, model.grads)
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    their_optimizer = torch.optim.SGD(theirs, 2.0)
    state = (torch.zeros(2, 4, dtype=torch.double),) * 2
    for _ in range(4):
        xs, ts = rng.integers(0, 6, (2, 5)), rng.integers(0, 6, (2, 5))
        loss = model.forward(xs, ts)
        model.backward()
        params, grads = remove_duplicate(model.params, model.grads)

        weights = [*theirs[:4], theirs[0].T, theirs[4]] if tied else theirs
        scores, state = their_scores(torch, weights, xs, state)
        their_loss = torch.nn.functional.cross_entropy(scores.reshape(10, 6), torch.tensor(ts).reshape(10))
        their_optimizer.zero_grad()
        their_loss.backward()
        assert loss == pytest.approx(their_loss.item(), rel=1e-12)
        for grad, their in zip(grads, theirs, strict=True):
            numpy.testing.assert_allclose(grad, their.grad, rtol=1e-8, atol=1e-13)

        clip_grads(grads, max_norm)
        optimizer.update(params, grads)
        torch.nn.utils.clip_grad_norm_(theirs, max_norm)
        their_optimizer.step()
        for p, their in zip(params, theirs, strict=True):
            numpy.testing.assert_allclose(p, their.detach(), rtol=1e-8, atol=1e-13)
