import itertools
import math

import numpy
import pytest

from common.decoding import as_lists, beam_search, greedy, log_softmax

V, LENGTH, START, STOP = 4, 3, 0, 1


def chain(rng):
    """A model whose scores depend on the last two symbols: its state is the symbol before the last."""
    table = 2 * rng.standard_normal((V, V, V))

    def step(ids, state):
        return table[state[0], ids], (ids,)

    return step


def exhaustive(step, penalty):
    """All sequences with their scores, the best first."""
    found = []
    for symbols in itertools.product(range(V), repeat=LENGTH):
        if STOP in symbols[:-1] and any(s != STOP for s in symbols[symbols.index(STOP) :]):
            continue
        symbols = symbols[: symbols.index(STOP) + 1] if STOP in symbols else symbols
        state, last, total = (numpy.zeros(1, int),), START, 0.0
        for symbol in symbols:
            scores, state = step(numpy.array([last]), state)
            total += log_softmax(scores)[0, symbol]
            last = symbol
        found.append((total / len(symbols) ** penalty, [s for s in symbols if s != STOP]))
    return sorted(found, key=lambda pair: -pair[0])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_a_wide_beam_is_exhaustive(seed, penalty):
    step = chain(numpy.random.default_rng(seed))
    best = exhaustive(step, penalty)
    wide = V**LENGTH
    found = beam_search(
        step, (numpy.zeros(1, int),), START, LENGTH, wide, stop_id=STOP, length_penalty=penalty, n_best=len(best)
    )
    assert [h.ids for h in found] == [ids for _, ids in best]
    assert [h.score for h in found] == pytest.approx([score for score, _ in best])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("stop", [None, STOP])
def test_width_1_is_greedy(seed, stop):
    step = chain(numpy.random.default_rng(seed))
    state = (numpy.zeros(1, int),)
    (found,) = beam_search(step, state, START, 6, 1, stop_id=stop)
    assert [found.ids] == as_lists(greedy(step, state, START, 6, stop), stop)


def test_the_best_of_a_beam_is_never_worse_than_greedy():
    for seed in range(20):
        step = chain(numpy.random.default_rng(seed))
        scores = [beam_search(step, (numpy.zeros(1, int),), START, LENGTH, width)[0].score for width in (1, V**LENGTH)]
        assert scores[0] <= scores[1] + 1e-12


@pytest.mark.parametrize(
    "options", [{"width": 0}, {"sample_size": 0}, {"n_best": 0}, {"width": 2, "n_best": 3}]
)
def test_impossible_sizes(options):
    settings = {"sample_size": 3, "width": 2} | options
    with pytest.raises(ValueError, match=next(reversed(options))):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, **settings)


@pytest.mark.parametrize("penalty", [math.nan, math.inf, -math.inf])
def test_impossible_penalty(penalty):
    with pytest.raises(ValueError, match=f"length_penalty must be a finite number, not {penalty}"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 3, length_penalty=penalty)


def test_several_questions_at_once():
    with pytest.raises(ValueError, match="one sequence"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(2, int),), START, 3)
