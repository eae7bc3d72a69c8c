import math

import numpy
import pytest

from ch05.simple_rnnlm import SimpleRnnlm
from ch06.rnnlm import Rnnlm
from ch07.seq2seq import Seq2seq
from dataset import mini


def test_sizes_and_start():
    model = Rnnlm(rng=0)
    shapes = [(10000, 100), (100, 400), (100, 400), (400,), (100, 10000), (10000,)]
    assert [p.shape for p in model.params] == [g.shape for g in model.grads] == shapes
    assert sum(p.size for p in model.params) == 2_090_400
    assert {p.dtype for p in model.params} == {numpy.dtype("float32")}
    assert model.params[0].std() == pytest.approx(0.01, rel=0.01)
    for place in (1, 2, 4):
        assert model.params[place].std() == pytest.approx(0.1, rel=0.02)
    assert not model.params[3].any()
    assert not model.params[5].any()


def test_untrained_model_knows_nothing():
    rng = numpy.random.default_rng(0)
    xs, ts = rng.integers(10000, size=(2, 20, 35))
    assert math.exp(Rnnlm(rng=0).forward(xs, ts)) == pytest.approx(10000, rel=0.01)


def test_state_is_carried_and_reset():
    model = Rnnlm(30, 8, 9, rng=0)
    ids = numpy.random.default_rng(0).integers(30, size=(2, 10))
    whole = model.predict(ids)
    model.reset_state()
    parts = numpy.concatenate([model.predict(ids[:, :4]), model.predict(ids[:, 4:])], axis=1)
    assert parts == pytest.approx(whole, abs=1e-6)
    assert model.predict(ids[:, :4]) != pytest.approx(whole[:, :4], abs=1e-6)


def test_weights_go_through_a_file(tmp_path):
    model, other = Rnnlm(30, 8, 9, rng=0), Rnnlm(30, 8, 9, rng=1)
    ids = numpy.arange(6).reshape(2, 3)
    for name in ("a.npz", "a.safetensors", "a.pkl"):
        model.save_params(tmp_path / name)
        other.load_params(tmp_path / name)
        assert other.predict(ids) == pytest.approx(model.predict(ids), abs=1e-3 if name == "a.pkl" else 0)
        model.reset_state()
        other.reset_state()


@pytest.mark.parametrize("sizes", [(0, 8, 9), (30, 0, 9), (30, 8, -1)])
def test_impossible_sizes(sizes):
    with pytest.raises(ValueError, match=r"Rnnlm: (vocab|wordvec|hidden)_size must be at least 1, not (0|-1)"):
        Rnnlm(*sizes)


@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8])
@pytest.mark.parametrize("model", [SimpleRnnlm, Rnnlm, Seq2seq])
def test_sizes_of_few_bits(model, kind):
    few, plain = model(kind(100), kind(100), kind(100), rng=0), model(100, 100, 100, rng=0)
    assert all(map(numpy.array_equal, few.params, plain.params))


def test_unknown_word():
    with pytest.raises(IndexError, match="TimeEmbedding: ids must lie in 0 … 29, got 30"):
        Rnnlm(30, 8, 9).predict(numpy.array([[30]]))


def test_mini_has_as_many_words_as_the_tests_say():
    assert len(mini.load_vocab()[0]) == 328
