"""The gradients of whole stretches held against those of the models, window by window."""

import numpy
import pytest

from ch04.cbow import CBOW
from ch04.skip_gram import SkipGram
from ch04.stretch import cbow_gradients, skip_gram_gradients, window_sums, window_sums_backward
from common.np import np, to_cpu

V, WIDTH, SIZE = 7, 3, 2
KINDS = [(CBOW, cbow_gradients), (SkipGram, skip_gram_gradients)]


def dense(gradient):
    total = numpy.zeros((V, WIDTH))
    numpy.add.at(total, to_cpu(gradient[0]).astype("int64"), to_cpu(gradient[1]))
    return total


def untrained(kind, window, rng):
    corpus = rng.integers(0, V, 60)
    model = kind(V, WIDTH, window, corpus, sample_size=SIZE, rng=0, sparse=False, dtype="d")
    for param in model.params:
        param += np.asarray(rng.standard_normal(param.shape))
    return model


def expected_of_model(model, ids, window):
    """The mean, over all negatives that the model may draw, of the sum of its gradients over the windows of ids.

    The loss is a sum over independent negatives. So its mean is that with each word as the only negative, weighted by
    the word's probability, where the positive is taken once and each negative SIZE times.
    """
    p = to_cpu(model.ns_loss.sampler.word_p)
    totals = [numpy.zeros((V, WIDTH)) for _ in range(2)]
    for place in range(window, len(ids) - window):
        around = numpy.delete(ids[place - window : place + window + 1], window)
        pairs = [(around[None], ids[place : place + 1])] if isinstance(model, CBOW) else [
            (word[None, None], ids[place : place + 1]) for word in around]
        for contexts, target in pairs:
            predicted = int(target[0]) if isinstance(model, CBOW) else int(contexts[0, 0])
            for negatives, weight in [
                ([], 1.0), *(([k], SIZE * p[k] / (1 - p[predicted])) for k in range(V) if k != predicted)
            ]:
                gradients = of_model(model, contexts, target, negatives)
                if negatives:  # less the positive's part
                    gradients = [a - b for a, b in zip(gradients, of_model(model, contexts, target, []), strict=True)]
                for total, gradient in zip(totals, gradients, strict=True):
                    total += weight * gradient
    return totals


def of_model(model, contexts, target, negatives):
    drawn = numpy.array(negatives, "int64")
    model.ns_loss.sampler.get_negative_sample = lambda t: numpy.broadcast_to(drawn, (*t.shape, len(drawn)))
    model.forward(contexts, target)
    model.backward()
    return [grad.copy() for grad in model.grads]


@pytest.mark.parametrize(("kind", "gradients"), KINDS)
@pytest.mark.parametrize("window", [1, 2, 3])
def test_expected_gradient_is_that_of_the_model(rng, kind, gradients, window):
    model, ids = untrained(kind, window, rng), rng.integers(0, V, 8 + 2 * window)
    expected = expected_of_model(model, ids, window)
    # Each word of the vocabulary as the only shared negative of both blocks, as likely as it is drawn.
    p = model.ns_loss.sampler.word_p
    share, totals = SIZE / (1 - p), [numpy.zeros((V, WIDTH)) for _ in range(2)]
    for k in range(V):
        found = gradients(*model.params, ids, window, numpy.full((2, 1), k), share)
        for total, gradient in zip(totals, found, strict=True):
            total += p[k] * dense(gradient)
    for total, gradient in zip(totals, expected, strict=True):
        numpy.testing.assert_allclose(total, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "gradients"), KINDS)
def test_many_negatives_are_the_mean_of_single_ones(rng, kind, gradients):
    model, ids = untrained(kind, 2, rng), rng.integers(0, V, 12)
    negatives, share = rng.integers(0, V, (4, 5)), 1 / (1 - model.ns_loss.sampler.word_p)
    together = gradients(*model.params, ids, 2, negatives, share / 5)
    single = [gradients(*model.params, ids, 2, negatives[:, i : i + 1], share) for i in range(5)]
    for weight in range(2):
        mean = numpy.mean([dense(each[weight]) for each in single], axis=0)
        numpy.testing.assert_allclose(dense(together[weight]), mean, rtol=1e-9, atol=1e-12)


def test_shrunk_windows_of_skip_gram_are_the_mean_over_all_windows(rng):
    model, ids, negatives = untrained(SkipGram, 3, rng), rng.integers(0, V, 14), rng.integers(0, V, (2, 4))
    share = 1 / (1 - model.ns_loss.sampler.word_p)
    shrunk = skip_gram_gradients(*model.params, ids, 3, negatives, share, shrink=True)
    single = [skip_gram_gradients(*model.params, ids[3 - w : 11 + w], w, negatives, share) for w in (1, 2, 3)]
    for weight in range(2):
        mean = numpy.mean([dense(each[weight]) for each in single], axis=0)
        numpy.testing.assert_allclose(dense(shrunk[weight]), mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "gradients"), KINDS)
def test_float32_and_gpu(gpu, rng, kind, gradients):
    model = kind(V, WIDTH, 2, rng.integers(0, V, 60), rng=0)
    share = (1 - model.ns_loss.sampler.word_p).astype("f")
    ids, negatives = np.asarray(rng.integers(0, V, 12)), np.asarray(rng.integers(0, V, (4, 5)))
    for _, rows in gradients(*model.params, ids, 2, negatives, share):
        assert isinstance(rows, np.ndarray)
        assert rows.dtype == numpy.float32


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 8])
def test_window_sums(rng, window):
    x = rng.standard_normal((9 + 2 * window, 2))
    sums = window_sums(x, window)
    places = range(window, len(x) - window)
    expected = [x[i - window : i + window + 1].sum(axis=0) - x[i] for i in places]
    numpy.testing.assert_allclose(sums, expected, rtol=1e-12)
    dsums = rng.standard_normal(sums.shape)
    assert (window_sums_backward(dsums, window) * x).sum() == pytest.approx((dsums * sums).sum(), rel=1e-12)
