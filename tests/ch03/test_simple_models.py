"""SimpleCBOW and SimpleSkipGram."""

import numpy
import pytest
from gradient_check import check_model

from ch03.simple_cbow import SimpleCBOW
from ch03.simple_skip_gram import SimpleSkipGram
from common.np import np
from common.optimizer import Adam
from common.shared_weights import remove_duplicate
from common.text import convert_one_hot, create_contexts_target, preprocess
from common.trainer import Trainer

CORPUS = preprocess("You say goodbye and I say hello.")[0]
CONTEXTS, TARGET = (convert_one_hot(ids, 7) for ids in create_contexts_target(CORPUS))
both = pytest.mark.parametrize("kind", [SimpleCBOW, SimpleSkipGram])


@both
def test_start(kind):
    model = kind(7, 5, rng=0)
    assert model.word_vecs is model.params[0]
    assert model.word_vecs.shape == (7, 5)
    assert model.params[-1].shape == (5, 7)
    assert {p.dtype for p in model.params} == {numpy.dtype("f")}
    words = 2 if kind is SimpleSkipGram else 1
    assert model.forward(CONTEXTS, TARGET) == pytest.approx(words * numpy.log(7), rel=1e-3)


@both
def test_gradient(kind, rng):
    model = kind(7, 5, rng=0, dtype="d")
    for param in remove_duplicate(model.params, model.grads)[0]:
        param += rng.standard_normal(param.shape)
    check_model(model, [CONTEXTS, TARGET], rng)


def test_cbow_is_its_equation(rng):
    model = SimpleCBOW(7, 5, rng=0, dtype="d")
    W_in, W_out = model.params[0], model.params[-1]
    h = (W_in[CONTEXTS[:, 0].argmax(axis=1)] + W_in[CONTEXTS[:, 1].argmax(axis=1)]) / 2
    numpy.testing.assert_allclose(model.predict(CONTEXTS), h @ W_out, rtol=1e-12)


def test_skip_gram_is_its_equation():
    model = SimpleSkipGram(7, 5, rng=0, dtype="d")
    W_in, W_out = model.params
    scores = W_in[TARGET.argmax(axis=1)] @ W_out
    log_p = scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True))
    expected = -(log_p[:, None] * CONTEXTS).sum() / len(TARGET)
    assert model.forward(CONTEXTS, TARGET) == pytest.approx(expected, rel=1e-12)


@both
def test_is_pytorchs(torch, kind):
    model = kind(7, 5, rng=0, dtype="d")
    W_in, W_out = (torch.tensor(p, requires_grad=True) for p in (model.params[0], model.params[-1]))
    contexts, target = (torch.tensor(x.argmax(axis=-1)) for x in (CONTEXTS, TARGET))
    loss_of = torch.nn.functional.cross_entropy
    if kind is SimpleCBOW:
        loss = loss_of(W_in[contexts].mean(1) @ W_out, target)
    else:
        scores = W_in[target] @ W_out
        loss = loss_of(scores, contexts[:, 0]) + loss_of(scores, contexts[:, 1])
    loss.backward()
    assert model.forward(CONTEXTS, TARGET) == pytest.approx(float(loss.detach()), rel=1e-12)
    model.backward()
    _, grads = remove_duplicate(model.params, model.grads)
    for ours, theirs in zip(grads, (W_in, W_out), strict=True):
        numpy.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.slow
@both
def test_training_learns_the_sentence(kind):
    losses = []
    for seed in range(3):
        model = kind(7, 5, rng=seed)
        trainer = Trainer(model, Adam(), rng=seed)
        trainer.fit(CONTEXTS, TARGET, 1000, 3, eval_interval=None)
        losses.append(float(model.forward(CONTEXTS, TARGET)))
    # Word 1, say, has two kinds of contexts, and each word but it two neighbours: more cannot be known.
    assert numpy.mean(losses) < (0.75 if kind is SimpleCBOW else 2.2)


def test_wider_windows(rng):
    contexts, target = (convert_one_hot(ids, 7) for ids in create_contexts_target(CORPUS, 2))
    for model in (SimpleCBOW(7, 5, context_size=4, rng=0, dtype="d"), SimpleSkipGram(7, 5, rng=0, dtype="d")):
        check_model(model, [contexts, target], rng)


@both
def test_gpu(kind, gpu):
    model = kind(7, 5, rng=0)
    Trainer(model, Adam(), rng=0).fit(CONTEXTS.copy(), TARGET.copy(), 2, 3, eval_interval=None)
    assert isinstance(model.word_vecs, np.ndarray)


@both
def test_misuse(kind):
    model = kind(7, 5)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: expected one-hot contexts.*\(6, 2\)"):
        model.forward(CONTEXTS.argmax(axis=-1), TARGET)
    with pytest.raises(ValueError, match=kind.__name__):
        model.forward(CONTEXTS, TARGET[:5])
    with pytest.raises(ValueError, match="hidden_size must be at least 1, not 0"):
        kind(7, 0)


def test_cbow_needs_its_number_of_context_words():
    model = SimpleCBOW(7, 5, rng=0)
    for contexts in (CONTEXTS[:, :1], numpy.concatenate([CONTEXTS, CONTEXTS], axis=1)):
        for use in (lambda x: model.forward(x, TARGET), model.predict):
            with pytest.raises(ValueError, match=r"SimpleCBOW: made for 2 context words.*\(N, 2, 7\), got"):
                use(contexts)
    with pytest.raises(ValueError, match="SimpleCBOW"):
        model.predict(CONTEXTS[0])
    assert (model.predict(CONTEXTS.tolist()) == model.predict(CONTEXTS)).all()


def test_skip_gram_needs_a_forward():
    with pytest.raises(RuntimeError, match="SimpleSkipGram"):
        SimpleSkipGram(7, 5).backward()


@pytest.mark.parametrize("kind", [SimpleCBOW, SimpleSkipGram])
def test_first_weights(kind):
    params = kind(50, 400, rng=0).params
    for W, shape in ((params[0], (50, 400)), (params[-1], (400, 50))):
        assert W.shape == shape and W.dtype == "f4" and W.std() == pytest.approx(0.01, rel=0.05)
