import math
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.functions import distribution
from common.labels import IdError
from common.sampling import Sampling, largest, nucleus

P = numpy.array([0.1, 0.4, 0.05, 0.25, 0.2])
LOG_P = numpy.log(P)


def test_plain_is_the_model():
    assert Sampling().probabilities(LOG_P) == pytest.approx(P)


def test_drawn_as_often_as_probable(rng):
    drawn = [Sampling().draw(LOG_P.astype("f"), rng)[0] for _ in range(4000)]
    assert numpy.bincount(drawn, minlength=5) / 4000 == pytest.approx(P, abs=0.03)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"temperature": 0}, [0, 1, 0, 0, 0]),
        ({"temperature": 0, "banned": [1]}, [0, 0, 0, 1, 0]),
        ({"temperature": 0.5}, P**2 / (P**2).sum()),
        ({"temperature": 1e-320}, [0, 1, 0, 0, 0]),
        ({"top_k": 1}, [0, 1, 0, 0, 0]),
        ({"top_k": 2}, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        ({"top_k": 9}, P),
        ({"top_p": 0.3}, [0, 1, 0, 0, 0]),
        ({"top_p": 0.7}, [0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85]),
        ({"top_p": 1.0}, P),
        ({"banned": [1, 3]}, [0.1 / 0.35, 0, 0.05 / 0.35, 0, 0.2 / 0.35]),
        ({"banned": [1], "top_k": 1}, [0, 0, 0, 1, 0]),
    ],
)
def test_options(options, expected):
    assert Sampling(**options).probabilities(LOG_P) == pytest.approx(expected)


@pytest.mark.parametrize("options", [{}, {"top_p": 0.7}, {"top_k": 2, "temperature": 0.5}, {"banned": [1]}])
def test_log_probabilities_of_float32(options):
    found = Sampling(**options).probabilities(LOG_P.astype("f"))
    assert found.dtype == numpy.float64
    assert found == pytest.approx(Sampling(**options).probabilities(LOG_P), rel=1e-6)


def test_repeated_words_come_more_seldom():
    raised = numpy.where([0, 1, 0, 0, 1], P**1.5, P)
    p = Sampling(repetition_penalty=1.5).probabilities(LOG_P, seen={1, 4})
    assert p == pytest.approx(raised / raised.sum())


def test_ties_go_to_lower_ids():
    flat = numpy.log(numpy.full(6, 1 / 6))
    assert Sampling(top_k=2).probabilities(flat) == pytest.approx([0.5, 0.5, 0, 0, 0, 0])
    assert Sampling(top_p=0.4).probabilities(flat) == pytest.approx([1 / 3] * 3 + [0] * 3)


@given(
    st.lists(st.floats(-30, 30), min_size=2, max_size=30),
    st.floats(0, 5),
    st.none() | st.integers(1, 40),
    st.none() | st.floats(0.01, 1),
    st.floats(0.5, 3),
)
def test_always_a_distribution_without_the_banned(scores, temperature, top_k, top_p, penalty):
    sampling = Sampling(temperature, top_k, top_p, penalty, banned=[0])
    p = sampling.probabilities(distribution(numpy.array(scores))[0], seen={1})
    assert p.sum() == pytest.approx(1)
    assert p[0] == 0
    assert (p >= 0).all()
    assert (p > 0).sum() <= (top_k or len(p))


def test_log_probability_is_the_models(rng):
    word, log_p = Sampling(temperature=0, banned=[1]).draw((LOG_P + 7).astype("f"), rng)
    assert (word, log_p) == (3, pytest.approx(math.log(0.25)))


@pytest.mark.parametrize(
    "options",
    [{"temperature": t} for t in (-0.1, math.nan, math.inf, "hot", None)]
    + [{"top_k": k} for k in (0, -1, 1.5, math.nan, math.inf, "all")]
    + [{"top_p": p} for p in (0.0, 1.1, math.nan, "all")]
    + [{"repetition_penalty": r} for r in (0.0, -1.0, math.inf)],
)
def test_impossible_options(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"^Sampling: {name} must .* not {value}"):
        Sampling(**options)


def test_banned_words_of_an_iterator_stay_banned():
    sampling = Sampling(banned=iter([1, 3]))
    for _ in range(2):
        assert sampling.probabilities(LOG_P) == pytest.approx(Sampling(banned=[1, 3]).probabilities(LOG_P))


def test_arrays_without_axes_are_numbers():
    options = {"temperature": 0.5, "top_k": 3, "top_p": 0.9, "repetition_penalty": 1.2}
    found = Sampling(**{name: numpy.array(value) for name, value in options.items()}).probabilities(LOG_P)
    numpy.testing.assert_array_equal(found, Sampling(**options).probabilities(LOG_P))


def test_impossible_words(rng):
    with pytest.raises(IdError, match=r"Sampling: banned ids must lie in 0 … 4, got -1"):
        Sampling(banned=[-1]).check(5)
    with pytest.raises(TypeError, match="integers"):
        Sampling(banned=["the"]).check(5)
    with pytest.raises(ValueError, match="Sampling: all 5 words are banned"):
        Sampling(banned=range(5)).draw(LOG_P, rng)
    with pytest.raises(FloatingPointError, match="not finite"):
        Sampling().draw(numpy.array([1, numpy.nan]), rng)


def plain_probabilities(sampling, log_p, seen=()):
    """What Sampling.probabilities computes, by sorting and one option after the other."""
    x = log_p.copy()
    x[[*seen]] *= sampling.repetition_penalty
    x[[*sampling.banned]] = -numpy.inf
    p = numpy.exp((x - x.max()) / sampling.temperature)
    order = numpy.argsort(-p, kind="stable")
    if sampling.top_k is not None:
        p[order[sampling.top_k :]] = 0
    p /= p.sum()
    if sampling.top_p is not None:
        p[order[numpy.searchsorted(p[order].cumsum(), sampling.top_p) + 1 :]] = 0
    return p / p.sum()


def plain_draw(sampling, scores, rng, seen=()):
    running = plain_probabilities(sampling, distribution(scores)[0], seen).cumsum()
    return int(numpy.searchsorted(running, rng.random() * running[-1], side="right"))


@pytest.mark.parametrize("spread", [0.1, 2.5, 30.0], ids=["flat", "text", "steep"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        *({"top_p": top_p} for top_p in (0.001, 0.5, 0.9, 0.99, 0.99999)),
        {"top_p": 0.9, "temperature": 2.0},
        {"top_p": 0.9, "banned": [1, 5, 7], "repetition_penalty": 1.3},
        {"top_k": 40},
        {"top_k": 500, "top_p": 0.8, "temperature": 0.7, "banned": [3], "repetition_penalty": 0.8},
    ],
    ids=str,
)
def test_equals_the_plain_way_on_a_whole_vocabulary(options, spread, rng):
    sampling, seen = Sampling(**options), {2, 5, 9}
    for k in range(5):
        scores = (spread * rng.standard_normal(10_000)).astype("f")
        log_p = distribution(scores)[0]
        expected = plain_probabilities(sampling, log_p, seen)
        numpy.testing.assert_allclose(sampling.probabilities(log_p, seen), expected, rtol=1e-10)
        one, two = numpy.random.default_rng(k), numpy.random.default_rng(k)
        for _ in range(10):
            assert sampling.draw(scores, one, seen)[0] == plain_draw(sampling, scores, two, seen)


@pytest.mark.parametrize(("number", "banned", "word"), [(0.0, 0, 1), (1.0, 4, 3)])
def test_no_random_number_draws_a_banned_word(number, banned, word):
    rng = SimpleNamespace(random=lambda: number)  # 1, as random() * sum may be rounded to the sum
    assert Sampling(banned=[banned]).draw(LOG_P, rng)[0] == word


def test_draws_leave_scores_and_model_as_they_are(rng):
    scores = rng.standard_normal(50).astype("f")
    before, sampling = scores.copy(), Sampling(0.5, 10, 0.9, 1.2, banned=[0])
    sampling.draw(scores, rng, {1, 2})
    numpy.testing.assert_array_equal(scores, before)
    sampling.probabilities(log_p := distribution(scores)[0], {1, 2})
    numpy.testing.assert_array_equal(log_p, distribution(scores)[0])


# Whole numbers, so that sums are exact; few different ones, so that many are equal.
@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 1000.0, 1024.0]), min_size=1, max_size=60).filter(any),
    st.integers(1, 100),
)
def test_selection_is_that_of_a_stable_sort(numbers, percent):
    p = numpy.array(numbers)
    order = numpy.argsort(-p, kind="stable")
    mass = max(1.0, int(p.sum() * percent / 100))
    count = int(numpy.searchsorted(p[order].cumsum(), mass)) + 1
    assert nucleus(p, mass).tolist() == sorted(order[:count])
    k = 1 + percent * (len(p) - 1) // 100
    assert largest(p, k).tolist() == sorted(order[:k])


def test_a_mass_beyond_the_sum_by_rounding_takes_all():
    assert nucleus(numpy.array([0.3, 0.7]), 1 + 1e-15).tolist() == [0, 1]


def test_words_come_whose_probability_is_rounded_to_nothing(rng):
    """Where the banned words are all that the model thinks possible."""
    scores = numpy.array([2000.0, 0.0, 1.0])
    p = Sampling(banned=[0]).probabilities(distribution(scores)[0])
    assert p == pytest.approx([0, 1 / (1 + math.e), math.e / (1 + math.e)])
    assert {Sampling(banned=[0]).draw(scores, rng)[0] for _ in range(50)} == {1, 2}
