import math
import re

import numpy
import pytest

from ch06 import cache, eval_cache
from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.evaluation import eval_perplexity
from common.labels import IdError
from dataset import mini
from dataset.corpora import Corpus

V, TEXT = 12, numpy.random.default_rng(0).integers(12, size=60)


@pytest.fixture
def model():
    made = Rnnlm(V, 7, 8, rng=0, dtype="d")
    for param in made.params[1:]:
        param *= 4
    return made


def naive(hs, words, t, theta, window):
    """p_cache (V,) at position t, from the equation."""
    p = numpy.zeros(V)
    for i in range(max(0, t - window), t):
        p[words[i]] += math.exp(theta * float(hs[t] @ hs[i]))
    return p / p.sum() if t else p


@pytest.mark.parametrize("window", [1, 5, 200])
@pytest.mark.parametrize("block", [1, 7, 500])
def test_equals_a_loop(model, window, block, monkeypatch):
    monkeypatch.setattr(cache, "BLOCK", block)
    reading = cache.read(model, TEXT)
    thetas = (0.0, 0.3, 2.0)
    p = cache.cache_probability(reading.hs, reading.words, thetas, window)
    for k, theta in enumerate(thetas):
        expected = [naive(reading.hs, reading.words, t, theta, window)[w] for t, w in enumerate(reading.words)]
        assert p[k] == pytest.approx(expected)


def test_probabilities_sum_to_one(model):
    reading = cache.read(model, TEXT)
    for t in (1, 30, 58):
        total = 0.0
        for word in range(V):
            words = reading.words.copy()
            words[t] = word
            total += cache.cache_probability(reading.hs[: t + 1], words[: t + 1], [0.7], 20)[0, t]
        assert total == pytest.approx(1)


@pytest.mark.parametrize("time_size", [1, 9, 200])
def test_reading_is_the_models(model, time_size):
    reading = cache.read(model, TEXT, time_size)
    scores = model.predict(TEXT[None, :-1])[0]
    p = numpy.exp(scores) / numpy.exp(scores).sum(axis=1, keepdims=True)
    assert reading.p == pytest.approx(p[numpy.arange(59), TEXT[1:]])
    assert (reading.words == TEXT[1:]).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rnnlm(V, 8, 8, rng=0),
        lambda: BetterRnnlm(V, 8, 8, rng=0, variational=True, dropconnect=0.2),
        lambda: AwdLstm(V, 6, 8, rng=0),
    ],
)
def test_without_lambda_it_is_the_model(make):
    made = make()
    expected = eval_perplexity(made, TEXT, batch_size=1)
    assert cache.cache_perplexity(made, TEXT, 0.5, 0.0) == pytest.approx(expected, rel=1e-5)
    made.predict(numpy.ones((3, 2), int))
    states = [layer.h for layer in made.recurrent_layers]
    assert cache.cache_perplexity(made, TEXT, 0.5, 0.0) == pytest.approx(expected, rel=1e-5)
    assert all(layer.h is h for layer, h in zip(made.recurrent_layers, states, strict=True))


def test_tuning_finds_the_best_pair(model):
    text = numpy.tile(TEXT[:15], 4)  # what a cache is good at
    found = cache.tune(cache.read(model, text))
    assert found.lam > 0
    assert found.perplexity < eval_perplexity(model, text, batch_size=1)
    assert cache.cache_perplexity(model, text, found.theta, found.lam) == pytest.approx(found.perplexity)
    pairs = [cache.cache_perplexity(model, text, theta, lam) for theta in cache.THETAS[::3] for lam in (0, 0.3, 0.6)]
    assert found.perplexity <= min(pairs) + 1e-9


def test_probabilities_too_small_for_float32():
    made = Rnnlm(V, 7, 8, rng=0)
    made.params[-1][3] = -200
    expected = eval_perplexity(made, TEXT, batch_size=1)
    assert math.isfinite(expected)
    assert cache.cache_perplexity(made, TEXT, 0.5, 0.0) == pytest.approx(expected, rel=1e-5)
    assert cache.cache_perplexity(made, TEXT, 0.5, 0.2) < expected


@pytest.mark.parametrize("p", [0.0, math.nan])
def test_words_without_a_probability(p):
    p_model = numpy.array([0.5, p, 0.5])
    with pytest.raises(FloatingPointError, match=f"the probability of a word is {p}"):
        cache.perplexity(p_model, numpy.zeros(3), 0.1)


def test_the_first_word_has_the_model_alone():
    assert cache.perplexity(numpy.array([0.5, 0.5]), numpy.array([0.0, 0.5]), 0.2) == pytest.approx(2)


def test_a_perplexity_beyond_floats():
    assert cache.perplexity(numpy.array([5e-324, 5e-324]), numpy.zeros(2), 0.0) == math.exp(700)


@pytest.mark.parametrize("place", [0, 30, 59])
@pytest.mark.parametrize("word", [-1, V])
def test_ids_that_the_model_does_not_know(model, place, word):
    text = TEXT.copy()
    text[place] = word
    with pytest.raises(IdError, match=f"cache: ids of the corpus must lie in 0 … 11, got {word}"):
        cache.read(model, text)


def test_ids_and_sizes_that_are_no_whole_numbers(model):
    with pytest.raises(TypeError, match="cache: ids of the corpus must be integers"):
        cache.read(model, TEXT.astype("d"))
    with pytest.raises(TypeError, match=r"cache: window must be a whole number, not 2\.5"):
        cache.cache_perplexity(model, TEXT, 0.5, 0.1, 2.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": TEXT[:1]}, "2 words"),
        ({"theta": -1.0}, "theta"),
        ({"theta": math.nan}, "theta"),
        ({"lam": 1.0}, "lambda"),
        ({"lam": -0.1}, "lambda"),
        ({"lam": "a"}, "lambda must be a number in .* not 'a'"),
        ({"theta": None}, "theta must be a number"),
        ({"window": 0}, "window"),
    ],
)
def test_misuse(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        cache.cache_perplexity(model, **{"corpus": TEXT, "theta": 0.5, "lam": 0.1, **arguments})


@pytest.mark.parametrize("choices", [{"thetas": []}, {"lambdas": ()}])
def test_nothing_to_choose_from(model, choices):
    with pytest.raises(ValueError, match="expected one theta and one lambda at least"):
        cache.tune(cache.read(model, TEXT), **choices)


def test_script_by_the_command_line_of_eval(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    BetterRnnlm(328, 8, 8, rng=0).save("model")
    monkeypatch.setattr(Corpus, "load", lambda self, split="train": mini.load_data(split, size=500))
    with pytest.raises(SystemExit) as end:
        eval_cache.main.cli(["model", "--window", "20"])
    assert end.value.code == 0
    assert "test perplexity without 32" in capsys.readouterr().out
    scores = eval_cache.main(weights="model", window=20)
    assert scores["test_perplexity_without"] == pytest.approx(328, rel=0.02)
    with pytest.raises(ValueError, match="a model of 17 words, which neither ptb"):
        eval_cache.main(BetterRnnlm(17, 8, 8, rng=0).save("other"))


@pytest.mark.slow
def test_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    BetterRnnlm(328, 8, 8, rng=0).save_params("better.npz")
    scores = eval_cache.main("better.npz", corpus="mini", window=20)
    assert scores["test_perplexity"] <= scores["test_perplexity_without"] * 1.01
    assert scores["test_perplexity_without"] == pytest.approx(328, rel=0.02)
    AwdLstm(328, 8, 10, rng=0).save_params("awd.npz")
    scores = eval_cache.main("awd.npz", corpus="mini", window=20)
    assert scores["test_perplexity_without"] == pytest.approx(328, rel=0.02)
    with pytest.raises(ValueError, match="328"):
        eval_cache.main(corpus="mini")


def test_script_refuses_another_vocabulary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*mini.load_vocab()[1].values()]
    folder = BetterRnnlm(328, 8, 8, rng=0).save("other", id_to_word=dict(enumerate(words[::-1])))
    message = f"corpus mini: word 0 of the model is {words[-1]!r}, there it is {words[0]!r}"
    for path in (folder, folder / "weights.npz"):
        with pytest.raises(ValueError, match=re.escape(message)):
            eval_cache.main(path, corpus="mini", window=20)


def test_on_the_gpu(gpu):
    assert cache.cache_perplexity(Rnnlm(V, 8, 8, rng=0), TEXT, 0.3, 0.1, 20) > 1
