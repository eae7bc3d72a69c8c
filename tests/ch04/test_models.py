"""CBOW and SkipGram."""

import pickle

import numpy
import pytest
from gradient_check import check_model
from memory import peak

from ch04.cbow import CBOW
from ch04.skip_gram import SkipGram
from common.np import np
from common.optimizer import Adam
from common.sparse_gradient import RowGradient
from common.text import create_contexts_target
from common.trainer import Trainer

CORPUS = numpy.random.default_rng(0).integers(0, 8, 200)
BATCH = create_contexts_target(CORPUS[:10], 2)
both = pytest.mark.parametrize("kind", [CBOW, SkipGram])


def repeatable(model):
    """The same negatives in each forward."""
    sampler = model.ns_loss.sampler
    drawn = {}
    draw = sampler.get_negative_sample
    sampler.get_negative_sample = lambda target: drawn.setdefault("ids", draw(target))
    return model


@both
def test_contract(kind):
    model = kind(9, 4, 2, CORPUS, rng=0)  # word 8 does not occur
    assert [p.shape for p in model.params] == [(9, 4), (9, 4)]
    assert {p.dtype for p in model.params} == {numpy.dtype("f")}
    assert model.word_vecs is model.params[0]
    own = list(model.grads)
    loss = model.forward(*BATCH)
    words_a_target = 6 * (4 if kind is SkipGram else 1)
    assert loss == pytest.approx(words_a_target * numpy.log(2), rel=1e-3)
    model.backward()
    assert all(grad is before for grad, before in zip(model.grads, own, strict=True))


@both
def test_gradient(kind, rng):
    model = repeatable(kind(8, 4, 2, CORPUS, rng=0, dtype="d"))
    for param in model.params:
        param += rng.standard_normal(param.shape)
    check_model(model, list(BATCH), rng)


@both
def test_sparse_and_dense_gradients_are_equal(kind):
    sparse, dense = (kind(8, 4, 2, CORPUS, rng=0, sparse=sparse) for sparse in (True, False))
    for model in (sparse, dense):
        model.forward(*BATCH)
        model.backward(0.5)
    for ours, theirs in zip(sparse.grads, dense.grads, strict=True):
        assert isinstance(ours, RowGradient)
        assert isinstance(theirs, numpy.ndarray)
        numpy.testing.assert_allclose(ours.to_dense(), theirs, rtol=1e-6)


@both
@pytest.mark.parametrize("sparse", [True, False])
def test_trainer_teaches_it(kind, sparse):
    corpus = numpy.tile([0, 1, 2, 3, 4, 5, 6, 7], 30)  # each word has the same neighbours everywhere
    model = kind(8, 6, 1, corpus, rng=0, sparse=sparse)
    trainer = Trainer(model, Adam(0.01), rng=0)
    trainer.fit(*create_contexts_target(corpus, 1), 10, 20, eval_interval=None)
    assert trainer.history[-1]["loss"] < 0.75 * trainer.history[0]["loss"]


@both
def test_save_and_load(kind, tmp_path):
    first, second = (kind(8, 4, 2, CORPUS, rng=seed) for seed in (0, 1))
    first.save_params(tmp_path / "weights.npz")
    second.load_params(tmp_path / "weights.npz")
    assert all((a == b).all() for a, b in zip(first.params, second.params, strict=True))


@both
def test_counts_serve_as_the_corpus(kind):
    text = numpy.repeat(numpy.arange(8), numpy.bincount(CORPUS, minlength=8))
    one, two = kind(8, 4, 2, text, rng=0), kind(8, 4, 2, {"counts": numpy.bincount(text).tolist()}, rng=0)
    assert one.forward(*BATCH) == two.forward(*BATCH)
    for counts in ([1, 2], None, "text", [[1]] * 8):
        with pytest.raises(ValueError, match=f"{kind.__name__}: corpus must be ids .* or have the counts of 8 words"):
            kind(8, 4, 2, {"counts": counts})
    for counts in ([-1, *range(7)], [0.5] * 8):
        with pytest.raises(ValueError, match="UnigramSampler: counts must be integers"):
            kind(8, 4, 2, {"counts": counts})


@both
def test_counts_take_no_more_memory_if_they_are_large(kind):
    worst, _ = peak(kind, 8, 4, 2, {"counts": [10**12] * 8})
    assert worst < 1 << 20


@both
def test_a_folder_keeps_the_counts(kind):
    corpus = {"counts": numpy.bincount(CORPUS, minlength=9).tolist()}
    for model in (kind(9, 4, 2, CORPUS), kind(9, 4, 2, corpus=CORPUS), kind(9, 4, 2, corpus)):
        for made in (model, pickle.loads(pickle.dumps(model))):
            expected = {"vocab_size": 9, "hidden_size": 4, "window_size": 2, "corpus": corpus}
            assert made.saved_arguments() == expected

    class OfText(kind):
        def __init__(self, text, *, rng=None):
            super().__init__(8, 4, 2, numpy.array([int(c) for c in text]), rng=rng)

    assert OfText("0012").saved_arguments() == {"text": "0012"}


@both
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_ids_of_any_integer_dtype(kind, dtype):
    contexts, target = BATCH
    one, two = kind(8, 4, 2, CORPUS, rng=0), kind(8, 4, 2, CORPUS.astype(dtype), rng=0)
    assert one.forward(contexts, target) == two.forward(contexts.astype(dtype), target.astype(dtype))
    for model in (one, two):
        model.backward()
    assert all((a.to_dense() == b.to_dense()).all() for a, b in zip(one.grads, two.grads, strict=True))


@both
def test_gpu(kind, gpu):
    model = kind(8, 4, 2, CORPUS, rng=0)
    trainer = Trainer(model, Adam(), rng=0)
    trainer.fit(*create_contexts_target(CORPUS, 2), 1, 50, eval_interval=None)
    assert isinstance(model.word_vecs, np.ndarray)


@both
def test_misuse(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: window_size must be at least 1, not 0"):
        kind(8, 4, 0, CORPUS)
    with pytest.raises(ValueError, match=f"{kind.__name__}: ids of the corpus .* got 7"):
        kind(7, 4, 2, CORPUS)
    for window in (2.5, "2", None):
        with pytest.raises(TypeError, match=f"{kind.__name__}: window_size must be a whole number, not {window!r}"):
            kind(8, 4, window, CORPUS)
    model = kind(8, 4, 2, CORPUS)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: expected .* one at least, got \(0, 4\), \(0,\)"):
        model.forward(BATCH[0][:0], BATCH[1][:0])
    with pytest.raises(ValueError, match=kind.__name__):
        model.forward(BATCH[0], BATCH[1][:3])
    with pytest.raises(ValueError, match=kind.__name__):
        model.forward(BATCH[1], BATCH[1])
    with pytest.raises(IndexError, match=r"0 … 7"):
        model.forward(BATCH[0] + 8, BATCH[1])


@pytest.mark.parametrize("kind", [CBOW, SkipGram])
def test_first_weights(kind):
    for W in kind(50, 400, 2, numpy.arange(50), rng=0).params:
        assert W.dtype == "f4" and W.std() == pytest.approx(0.01, rel=0.05)
