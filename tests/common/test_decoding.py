import itertools
import math

import numpy
import pytest

from common.decoding import as_lists, beam_search, greedy
from common.functions import distribution
from common.labels import IdError

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
            total += distribution(scores)[0][0, symbol]
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


def plain_beam(step, sample_size, width, penalty):
    """The sequences that a beam search ends with, prolonged one by one, with their scores, the best first."""
    beam = [(0.0, [], (numpy.zeros(1, int),))]
    for _ in range(sample_size):
        pool = []
        for total, symbols, state in beam:
            if STOP in symbols:
                pool.append((total, symbols, state))
                continue
            scores, after = step(numpy.array([[START, *symbols][-1]]), state)
            pool += [(total + log_p, [*symbols, s], after) for s, log_p in enumerate(distribution(scores)[0][0])]
        beam = sorted(pool, key=lambda h: -h[0] / len(h[1]) ** penalty)[:width]
    return [(total / len(symbols) ** penalty, [s for s in symbols if s != STOP]) for total, symbols, _ in beam]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("penalty", [0.0, 0.7])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_narrow_beam_keeps_the_best_of_each_step(seed, penalty, width):
    step = chain(numpy.random.default_rng(seed))
    best = plain_beam(step, 5, width, penalty)
    found = beam_search(
        step, (numpy.zeros(1, int),), START, 5, width, stop_id=STOP, length_penalty=penalty, n_best=width
    )
    assert [h.ids for h in found] == [ids for _, ids in best]
    assert [h.score for h in found] == pytest.approx([score for score, _ in best])


def test_lists_end_before_padding_and_before_the_stop_symbol():
    samples = numpy.array([[2, -1, -1], [3, STOP, 2], [3, 2, 3], [STOP, -1, -1]])
    assert as_lists(samples, STOP) == [[2], [3], [3, 2, 3], []]
    assert as_lists(samples) == [[2], [3, STOP, 2], [3, 2, 3], [STOP]]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("stop", [None, STOP])
def test_width_1_is_greedy(seed, stop):
    step = chain(numpy.random.default_rng(seed))
    state = (numpy.zeros(1, int),)
    (found,) = beam_search(step, state, START, 6, 1, stop_id=stop)
    assert [found.ids] == as_lists(greedy(step, state, START, 6, stop), stop)


def test_greedy_reads_no_further_than_the_last_stop_symbol():
    def step(ids, state):
        read.append(ids.tolist())
        return numpy.eye(V)[[2, STOP] if len(read) == 1 else [STOP, 3]], state

    read = []
    assert greedy(step, (numpy.zeros(2, int),), START, 50, STOP)[:, :3].tolist() == [[2, STOP, -1], [STOP, -1, -1]]
    assert read == [[START, START], [2, STOP]]


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


@pytest.mark.parametrize("options", [{"width": 2.5}, {"sample_size": 3.0}, {"n_best": 1.5}])
def test_sizes_that_are_no_whole_numbers(options):
    ((name, value),) = options.items()
    with pytest.raises(TypeError, match=f"^beam_search: {name} must be a whole number, not {value}$"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, **{"sample_size": 3} | options)


def test_greedy_takes_whole_numbers_of_symbols_only():
    with pytest.raises(TypeError, match=r"^generate: sample_size must be a whole number, not 2\.5$"):
        greedy(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 2.5)
    with pytest.raises(ValueError, match=r"^generate: sample_size must be at least 1, not 0$"):
        greedy(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 0)


@pytest.mark.parametrize("penalty", [math.nan, math.inf, -math.inf])
def test_impossible_penalty(penalty):
    with pytest.raises(ValueError, match=f"length_penalty must be a finite number, not {penalty}"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 3, length_penalty=penalty)


@pytest.mark.parametrize("penalty", [700.0, -700.0])
def test_penalty_beyond_floating_point(penalty):
    with pytest.raises(ValueError, match=rf"^beam_search: 5 \*\* length_penalty {penalty} is beyond floating point"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 5, length_penalty=penalty)
    best = beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 1, length_penalty=penalty)
    assert math.isfinite(best[0].score)


@pytest.mark.parametrize("penalty", ["a", None])
def test_penalty_that_is_no_number(penalty):
    with pytest.raises(TypeError, match=f"^beam_search: length_penalty must be a number, not {penalty!r}$"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 3, length_penalty=penalty)


@pytest.mark.parametrize("search", [greedy, beam_search])
@pytest.mark.parametrize("stop", [V, -1, 1.0, "a"])
def test_stop_symbols_that_are_none(search, stop):
    kind = IdError if isinstance(stop, int) else TypeError
    with pytest.raises(kind, match=rf"^(generate|beam_search): stop_id must .*{stop}"):
        search(chain(numpy.random.default_rng(0)), (numpy.zeros(1, int),), START, 3, stop_id=stop)


def test_several_questions_at_once():
    with pytest.raises(ValueError, match="one sequence"):
        beam_search(chain(numpy.random.default_rng(0)), (numpy.zeros(2, int),), START, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("search", [greedy, beam_search])
def test_scores_that_are_not_finite(search, bad):
    step = chain(numpy.random.default_rng(0))

    def diverges(ids, state):
        scores, state = step(ids, state)
        scores = scores.copy()
        scores[0, 2] = bad
        return scores, state

    with pytest.raises(FloatingPointError, match="the model's scores are not finite"):
        search(diverges, (numpy.zeros(1, int),), START, 3)


def test_a_score_of_minus_infinity_forbids_a_symbol():
    def step(ids, state):
        return numpy.array([[0.0, -math.inf, 1.0, -math.inf]]), state

    state = (numpy.zeros(1, int),)
    assert greedy(step, state, START, 2).tolist() == [[2, 2]]
    found = beam_search(step, state, START, 2, 4, n_best=4)
    assert [h.ids for h in found] == [[2, 2], [2, 0], [0, 2], [0, 0]]
    with pytest.raises(FloatingPointError):
        greedy(lambda ids, state: (numpy.full((1, 4), -math.inf), state), state, START, 2)
