import numpy
import pytest
from gradient_check import check_gradients, check_results_belong_to_the_caller

from ch04.negative_sampling_layer import EmbeddingDot, NegativeSamplingLoss, UnigramSampler
from common.labels import IdError
from common.np import np, to_cpu
from common.sparse_gradient import RowGradient


class Fixed(UnigramSampler):
    """Draws what it is told."""

    def __init__(self, negatives, vocab_size):
        super().__init__(numpy.arange(vocab_size), 0.75, negatives.shape[-1])
        self.negatives = negatives

    def get_negative_sample(self, target):
        return self.negatives


class TestEmbeddingDot:
    def test_example_of_the_book(self):
        layer = EmbeddingDot(numpy.arange(21.0).reshape(7, 3))
        h = numpy.arange(9.0).reshape(3, 3)
        assert layer.forward(h, numpy.array([0, 3, 1])).tolist() == [5, 122, 86]
        assert layer.backward(numpy.ones(3)).tolist() == [[0, 1, 2], [9, 10, 11], [3, 4, 5]]
        assert layer.grads[0][[0, 3, 1]].tolist() == h.tolist()

    @pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
    def test_gradient(self, rng, shape):
        layer = EmbeddingDot(rng.standard_normal((5, 3)))
        check_gradients(layer, [rng.standard_normal((4, 3)), rng.integers(0, 5, shape)], rng)
        for rows in (1, 4):
            inputs = [rng.standard_normal((rows, 3)), rng.integers(0, 5, (rows, *shape[1:]))]
            check_results_belong_to_the_caller(layer, inputs, rng)

    def test_sparse_gives_the_same(self, rng):
        W, h, ids = rng.standard_normal((9, 3)), rng.standard_normal((4, 3)), rng.integers(0, 9, (4, 6))
        dout, grads = rng.standard_normal((4, 6)), []
        for sparse in (False, True):
            layer = EmbeddingDot(W, sparse)
            layer.forward(h, ids)
            layer.backward(dout)
            grads.append(layer.grads[0])
        assert isinstance(grads[1], RowGradient)
        numpy.testing.assert_allclose(grads[0], grads[1].to_dense(), rtol=1e-12)

    @pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0)])
    def test_no_scores(self, rng, shape):
        layer = EmbeddingDot(rng.standard_normal((5, 3)))
        h, ids = numpy.zeros((shape[0], 3)), numpy.zeros(shape, int)
        scores = layer.forward(h, ids)
        assert scores.shape == shape and layer.backward(scores).shape == h.shape and not layer.grads[0].any()

    def test_misuse(self, rng):
        layer = EmbeddingDot(rng.standard_normal((5, 3)))
        h = rng.standard_normal((4, 3))
        with pytest.raises(ValueError, match=r"EmbeddingDot.*ids"):
            layer.forward(h, numpy.array([1, 2]))
        with pytest.raises(IdError, match=r"EmbeddingDot.*5"):
            layer.forward(h, numpy.array([0, 1, 2, 5]))
        with pytest.raises(ValueError, match="EmbeddingDot"):
            layer.forward(h[:, :2], numpy.array([0, 1, 2, 3]))


class TestUnigramSampler:
    def test_powers_of_the_book(self):
        corpus = numpy.repeat([0, 1, 2], [70, 29, 1])
        sampler = UnigramSampler(corpus, 0.75, 2)
        assert sampler.word_p == pytest.approx([0.64196878, 0.33150408, 0.02652714], abs=1e-8)

    def test_counts_serve_as_well(self):
        corpus, target = numpy.repeat([0, 1, 2, 4], [60, 25, 5, 10]), numpy.arange(6).repeat(20)
        counts = numpy.bincount(corpus, minlength=6)
        one = UnigramSampler(corpus, 0.75, 3, vocab_size=6, rng=0)
        for given in (counts, counts.tolist(), counts.astype("uint8")):
            two = UnigramSampler.from_counts(given, 0.75, 3, rng=0)
            assert (one.word_p == two.word_p).all() and two.vocab_size == 6
        assert (one.get_negative_sample(target) == two.get_negative_sample(target)).all()
        assert (one.draw((4, 5)) == two.draw((4, 5))).all()

    @pytest.mark.parametrize("counts", [[1.0, 2.0], [[1, 2]], [3, -1], "ab", None])
    def test_counts_that_are_none(self, counts):
        with pytest.raises(ValueError, match=r"UnigramSampler: counts must be integers \(V,\), none of them below 0"):
            UnigramSampler.from_counts(counts, 0.75, 5)
        with pytest.raises(ValueError, match="one word only"):
            UnigramSampler.from_counts([0, 3], 0.75, 5)

    def test_distribution_without_the_target(self):
        corpus = numpy.repeat([0, 1, 2, 4], [60, 25, 5, 10])  # 3 does not occur
        sampler = UnigramSampler(corpus, 0.5, 4, vocab_size=6, rng=0)
        for target in range(6):
            drawn = sampler.get_negative_sample(numpy.full(5000, target))
            assert drawn.shape == (5000, 4)
            expected = sampler.word_p.copy()
            expected[target] = 0
            expected /= expected.sum()
            found = numpy.bincount(drawn.ravel(), minlength=6) / drawn.size
            assert found[expected == 0].tolist() == [0.0] * int((expected == 0).sum())
            assert found == pytest.approx(expected, abs=0.015)

    @pytest.mark.parametrize("power", [20.0, 400.0, -400.0])
    def test_powers_that_leave_one_word_all_of_p(self, power):
        corpus = numpy.repeat([0, 1, 2, 4], [60, 25, 5, 10])  # 3 does not occur
        sampler = UnigramSampler(corpus, power, 4, vocab_size=6, rng=0)
        assert numpy.isfinite(sampler.word_p).all()
        first = sampler.word_p.argmax()
        for target in range(6):
            drawn = sampler.get_negative_sample(numpy.full(500, target))
            assert numpy.isin(drawn, [0, 1, 2, 4]).all()
            assert (drawn != target).all() if target == first else (drawn == first).all()

    @pytest.mark.parametrize("power", [0.0, 0.75, 3.0])
    def test_never_the_target(self, rng, power):
        corpus = rng.zipf(1.5, 5000) % 50
        targets = rng.integers(0, 50, (300, 4))
        drawn = UnigramSampler(corpus, power, 7, vocab_size=50, rng=1).get_negative_sample(targets)
        assert drawn.shape == (300, 4, 7)
        assert (drawn != targets[..., None]).all()
        assert numpy.isin(drawn, corpus).all()

    @pytest.mark.parametrize("number", [0.0, numpy.nextafter(1.0, 0.0)])
    def test_extreme_places_are_no_targets_either(self, monkeypatch, number):
        corpus = numpy.repeat(numpy.arange(4), [1, 7, 3, 5])
        sampler = UnigramSampler(corpus, 0.75, 3, vocab_size=6)
        monkeypatch.setattr("ch04.negative_sampling_layer.random", lambda shape, *_: numpy.full(shape, number))
        for target in range(6):
            drawn = sampler.get_negative_sample(numpy.array([target]))
            assert (drawn != target).all()
            assert (drawn < 4).all()

    def test_no_targets(self):
        sampler = UnigramSampler([0, 1], 0.75, 5)
        assert sampler.get_negative_sample([]).shape == sampler.get_negative_sample(numpy.zeros(0, int)).shape == (0, 5)

    def test_seed_gives_the_draws(self):
        corpus, target = numpy.arange(10), numpy.arange(10)
        first, again, other = (
            UnigramSampler(corpus, 0.75, 5, rng=seed).get_negative_sample(target).tolist() for seed in (0, 0, 1)
        )
        assert first == again != other

    def test_gpu(self, gpu):
        sampler = UnigramSampler(numpy.array([0, 1, 2, 2, 4]), 0.75, 5, vocab_size=6, rng=0)
        target = np.asarray(numpy.arange(5).repeat(50))
        drawn = to_cpu(sampler.get_negative_sample(target))
        assert (drawn != to_cpu(target)[:, None]).all()
        assert not numpy.isin(drawn, [3, 5]).any()

    def test_misuse(self):
        with pytest.raises(ValueError, match="one word only"):
            UnigramSampler(numpy.array([3, 3]), 0.75, 5)
        with pytest.raises(ValueError, match="sample_size"):
            UnigramSampler(numpy.array([0, 1]), 0.75, 0)
        for power in (numpy.nan, numpy.inf, "0.75"):
            with pytest.raises(ValueError, match=f"UnigramSampler: power must be a finite number, not {power!r}"):
                UnigramSampler(numpy.array([0, 1]), power, 5)
        with pytest.raises(TypeError, match=r"sample_size must be a whole number, not 2\.5"):
            UnigramSampler(numpy.array([0, 1]), 0.75, 2.5)
        with pytest.raises(ValueError, match="empty"):
            UnigramSampler(numpy.zeros(0, int), 0.75, 5)
        with pytest.raises(ValueError, match="got 7"):
            UnigramSampler(numpy.array([0, 7]), 0.75, 5, vocab_size=7)
        with pytest.raises(IdError, match="2"):
            UnigramSampler(numpy.array([0, 1]), 0.75, 5).get_negative_sample(numpy.array([2]))


class TestNegativeSamplingLoss:
    corpus = numpy.arange(6)

    def layer(self, rng, negatives):
        layer = NegativeSamplingLoss(rng.standard_normal((6, 3)), self.corpus, sample_size=negatives.shape[-1])
        layer.sampler = Fixed(negatives, 6)
        return layer

    @pytest.mark.parametrize("shape", [(4,), (4, 2)])
    def test_gradient(self, rng, shape):
        layer = self.layer(rng, rng.integers(0, 6, (*shape, 5)))
        check_gradients(layer, [rng.standard_normal((4, 3)), rng.integers(0, 6, shape)], rng)

    def test_is_pytorchs(self, torch, rng):
        layer = self.layer(rng, rng.integers(0, 6, (4, 5)))
        h, target = rng.standard_normal((4, 3)), rng.integers(0, 6, 4)
        W, x = (torch.tensor(array, requires_grad=True) for array in (layer.params[0], h))
        positive = (W[torch.tensor(target)] * x).sum(1)
        negative = torch.einsum("nkh,nh->nk", W[torch.tensor(layer.sampler.negatives)], x)
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        loss = bce(positive, torch.ones(4, dtype=torch.float64))
        loss = loss + bce(negative, torch.zeros(4, 5, dtype=torch.float64)) * 5
        loss.backward()
        assert layer.forward(h, target) == pytest.approx(float(loss.detach()), rel=1e-12)
        numpy.testing.assert_allclose(layer.backward(), x.grad.numpy(), rtol=1e-10, atol=1e-12)
        numpy.testing.assert_allclose(layer.grads[0], W.grad.numpy(), rtol=1e-10, atol=1e-12)

    def test_a_sampler_of_ones_own(self, rng):
        W, sampler = rng.standard_normal((6, 3)), UnigramSampler(self.corpus, 0.5, 4)
        for size in (5, 7):
            with pytest.raises(ValueError, match=f"NegativeSamplingLoss: W has {size} words, the sampler 6"):
                NegativeSamplingLoss.from_sampler(numpy.zeros((size, 3)), sampler)
        layer = NegativeSamplingLoss.from_sampler(W, sampler)
        assert layer.sampler is sampler
        assert layer.forward(numpy.zeros((2, 3)), numpy.array([0, 1])) == pytest.approx(5 * numpy.log(2))

    def test_several_targets_are_summed(self, rng):
        negatives, h, target = rng.integers(0, 6, (4, 2, 5)), rng.standard_normal((4, 3)), rng.integers(0, 6, (4, 2))
        layer = self.layer(rng, negatives)
        both = layer.forward(h, target)
        single = 0.0
        for place in range(2):
            layer.sampler.negatives = negatives[:, place]
            single += layer.forward(h, target[:, place])
        assert both == pytest.approx(single, rel=1e-12)

    def test_words_that_the_corpus_lacks(self, rng):
        layer = NegativeSamplingLoss(rng.standard_normal((9, 3)), numpy.array([0, 1, 2, 1]), rng=0)
        assert numpy.isfinite(layer.forward(rng.standard_normal((2, 3)), numpy.array([8, 3])))
        layer.backward()
        assert set(numpy.flatnonzero(layer.grads[0].any(axis=1)).tolist()) <= {0, 1, 2, 3, 8}

    def test_untrained(self):
        layer = NegativeSamplingLoss(numpy.zeros((6, 3), "f"), self.corpus, sample_size=5, rng=0)
        loss = layer.forward(numpy.ones((2, 3), "f"), numpy.array([0, 1]))
        assert loss == pytest.approx(6 * numpy.log(2), rel=1e-6)
        assert layer.backward().dtype == layer.grads[0].dtype == numpy.float32

    @pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0)])
    def test_empty_batch(self, shape):
        layer = NegativeSamplingLoss(numpy.zeros((6, 3), "f"), self.corpus)
        with pytest.raises(ValueError, match=r"NegativeSamplingLoss: expected targets .* one at least, got"):
            layer.forward(numpy.ones((shape[0], 3), "f"), numpy.zeros(shape, int))
        with pytest.raises(ValueError, match="one at least, got"):
            layer.forward(numpy.ones((shape[0], 3), "f"), numpy.zeros(shape).tolist())

    def test_gpu(self, gpu, rng):
        layer = NegativeSamplingLoss(np.asarray(rng.standard_normal((6, 3))), self.corpus, rng=0)
        h = np.asarray(rng.standard_normal((4, 3)))
        assert layer.forward(h, np.asarray(rng.integers(0, 6, 4))) > 0
        assert layer.backward().shape == h.shape
