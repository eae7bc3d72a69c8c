import numpy
import pytest
from gradient_check import check_model

from ch04.glove import GloVe, weighted_counts
from common.counts import create_co_matrix
from common.np import to_cpu
from common.optimizer import AdaGrad
from common.trainer import Trainer

PAIRS, COUNTS = numpy.array([[0, 1], [1, 0], [2, 2], [0, 3]]), numpy.array([3.0, 3.0, 0.5, 120.0])


def test_counts_by_distance(rng):
    corpus = rng.integers(0, 6, 40)
    pairs, counts = weighted_counts(corpus, 7, 3)
    found = numpy.zeros((7, 7))
    found[tuple(pairs.T)] = counts
    windows = [create_co_matrix(corpus, 7, window).astype(float) for window in (1, 2, 3)]
    expected = windows[0] + (windows[1] - windows[0]) / 2 + (windows[2] - windows[1]) / 3
    numpy.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(pairs) == numpy.count_nonzero(expected)


def test_loss():
    model = GloVe(4, 3, x_max=100.0, rng=0, dtype="d")
    (w, b), (v, c) = ((table[:, :3], table[:, 3]) for table in model.params)
    b += 0.3
    c -= 0.1
    total = 0.0
    for (i, j), x in zip(PAIRS, COUNTS, strict=True):
        total += min(x / 100, 1) ** 0.75 * (w[i] @ v[j] + b[i] + c[j] - numpy.log(x)) ** 2
    assert model.forward(PAIRS, COUNTS) == pytest.approx(total / 4, rel=1e-12)


def test_gradient(rng):
    model = GloVe(4, 3, rng=0, dtype="d")
    for param in model.params:
        param += rng.standard_normal(param.shape)
    check_model(model, [PAIRS, COUNTS], rng)


def test_products_become_logarithms_of_counts(rng):
    u = rng.standard_normal((8, 2))
    counts = numpy.exp(u @ u.T)
    pairs = numpy.stack(numpy.unravel_index(numpy.arange(64), (8, 8)), axis=1)
    model = GloVe(8, 5, x_max=1.0, rng=0)
    trainer = Trainer(model, AdaGrad(0.2), rng=0)
    trainer.fit(pairs, counts.reshape(-1), 300, 16, eval_interval=None)
    assert trainer.history[-1]["loss"] < 1e-3
    assert (model.word_vecs == model.params[0][:, :5] + model.params[1][:, :5]).all()
    assert model.word_vecs.shape == (8, 5)
    assert model.word_vecs.dtype == numpy.float32


def test_gpu(gpu):
    model = GloVe(4, 3, rng=0)
    Trainer(model, AdaGrad(), rng=0).fit(PAIRS, COUNTS, 2, 2, eval_interval=None)
    assert numpy.isfinite(to_cpu(model.word_vecs)).all()


def test_misuse():
    model = GloVe(4, 3)
    for counts in (COUNTS - 3, COUNTS * numpy.inf, COUNTS * numpy.nan):
        with pytest.raises(ValueError, match="GloVe: counts must be positive and finite"):
            model.forward(PAIRS, counts)
    for pairs, shape in ((PAIRS[:0], r"\(0, 2\)"), ([], r"\(0,\)")):
        with pytest.raises(ValueError, match=rf"GloVe: expected pairs \(N, 2\), .* one at least, got {shape}, \(0,\)"):
            model.forward(pairs, COUNTS[:0])
    with pytest.raises(ValueError, match=r"GloVe.*\(3,\)"):
        model.forward(PAIRS, COUNTS[:3])
    with pytest.raises(IndexError, match="4"):
        model.forward(PAIRS + 1, COUNTS)
    with pytest.raises(ValueError, match="hidden_size must be at least 1, not 0"):
        GloVe(4, 0)
    for x_max in (0, -1.0, numpy.nan, "100"):
        with pytest.raises(ValueError, match=f"GloVe: x_max must be a positive number, not {x_max!r}"):
            GloVe(4, 3, x_max=x_max)
    for alpha in (-0.5, numpy.nan, numpy.inf, "x"):
        with pytest.raises(ValueError, match=f"GloVe: alpha must be a number of at least 0, not {alpha!r}"):
            GloVe(4, 3, alpha=alpha)
    assert GloVe(4, 3, alpha=0).forward(PAIRS, COUNTS) > 0
    with pytest.raises(ValueError, match="window_size"):
        weighted_counts([0, 1], 2, 0)
    with pytest.raises(RuntimeError, match=r"^GloVe: backward needs a forward before it$"):
        GloVe(4, 3).backward()


def test_first_weights():
    for table in GloVe(50, 400, rng=0).params:
        assert not table[:, -1].any()
        assert abs(table[:, :-1]).max() == pytest.approx(0.5 / 400, rel=0.01)
        assert abs(table[:, :-1].mean()) < 1e-5


@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8])
def test_sizes_of_numpys_integers_of_few_bits(kind):
    largest = numpy.iinfo(kind).max
    model = GloVe(kind(5), kind(largest), rng=0)
    assert model.word_vecs.shape == (5, largest)
