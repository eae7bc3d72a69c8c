import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import IdError
from common.sampling import Sampling, log_softmax

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
    p = sampling.probabilities(log_softmax(numpy.array(scores)), seen={1})
    assert p.sum() == pytest.approx(1)
    assert p[0] == 0
    assert (p >= 0).all()
    assert (p > 0).sum() <= (top_k or len(p))


def test_log_probability_is_the_models(rng):
    word, log_p = Sampling(temperature=0, banned=[1]).draw((LOG_P + 7).astype("f"), rng)
    assert (word, log_p) == (3, pytest.approx(math.log(0.25)))


@pytest.mark.parametrize(
    "options",
    [{"temperature": t} for t in (-0.1, math.nan, math.inf)]
    + [{"top_k": k} for k in (0, -1, 1.5)]
    + [{"top_p": p} for p in (0.0, 1.1, math.nan)]
    + [{"repetition_penalty": r} for r in (0.0, -1.0, math.inf)],
)
def test_impossible_options(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"^{name} must .* not {value}"):
        Sampling(**options)


def test_impossible_words(rng):
    with pytest.raises(IdError, match=r"0 … 4, got -1"):
        Sampling(banned=[-1]).check(5)
    with pytest.raises(TypeError, match="integers"):
        Sampling(banned=["the"]).check(5)
    with pytest.raises(ValueError, match="all 5 words are banned"):
        Sampling(banned=range(5)).draw(LOG_P, rng)
    with pytest.raises(FloatingPointError, match="not finite"):
        Sampling().draw(numpy.array([1, numpy.nan]), rng)
