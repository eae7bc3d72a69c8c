"""From scores to sequences, one symbol after the other: greedy search, and beam search.

Both drive a model by a function ``step(ids, state) -> (scores, state)``: ids (N,) are the symbols that it reads,
scores (N, V) those of the symbols that may follow, and the state is a tuple of arrays (N, ...), one row for each
sequence; all but the first may be None.
"""

import math
import sys
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy

from common.checks import as_number, check_counts, check_whole
from common.functions import check_highest, distribution
from common.labels import IdError
from common.np import np, to_cpu
from common.padding import PAD

State = tuple[Any, ...]
StepFunction = Callable[[Any, State], tuple[Any, State]]


def greedy(step: StepFunction, state: State, start_id: int, sample_size: int, stop_id: int | None = None) -> Any:
    """The symbols (N, sample_size) after `start_id`, each the one with the highest score after those before it.

    The softmax, which does not change which score is the highest, is left out. A sequence that has reached `stop_id`
    goes on with PAD. ValueError or TypeError unless sample_size is a whole number of at least 1; FloatingPointError for
    scores that are not finite; TypeError or IdError for a stop_id that is no id of a symbol.
    """
    check_counts("generate", sample_size=sample_size)
    ids = np.full(len(state[0]), start_id)
    stopped = np.zeros(len(ids), bool)
    samples = np.full((len(ids), sample_size), PAD)
    rows = np.arange(len(ids))
    for k in range(sample_size):
        scores, state = step(ids, state)
        if k == 0:
            check_stop("generate", stop_id, scores.shape[1])
        ids = scores.argmax(axis=1)
        check_highest(scores[rows, ids])
        samples[:, k] = np.where(stopped, PAD, ids)
        if stop_id is not None:
            stopped |= ids == stop_id
            if bool(stopped.all()):
                break
    return samples


def check_stop(name: str, stop_id: int | None, size: int) -> None:
    """TypeError unless it is None or a whole number, IdError unless it is the id of one of the `size` symbols."""
    if stop_id is not None:
        check_whole(name, stop_id=stop_id)
        if not 0 <= stop_id < size:
            raise IdError(f"{name}: stop_id must lie in 0 … {size - 1}, got {stop_id}")


def as_lists(samples: Any, stop_id: int | None = None) -> list[list[int]]:
    """The rows of `samples` (N, L) as lists of ints, each of them ended before `stop_id` or padding."""
    ends = (PAD,) if stop_id is None else (PAD, stop_id)
    rows = to_cpu(samples).tolist()
    return [row[: min((row.index(end) for end in ends if end in row), default=len(row))] for row in rows]


class Hypothesis(NamedTuple):
    """A sequence that beam search has found: its symbols, without start and stop, and log p / length ** penalty."""

    ids: list[int]
    score: float


def beam_search(
    step: StepFunction,
    state: State,
    start_id: int,
    sample_size: int,
    width: int = 5,
    *,
    stop_id: int | None = None,
    length_penalty: float = 0.0,
    n_best: int = 1,
) -> list[Hypothesis]:
    """The `n_best` most probable sequences that a beam of `width` finds, the best first.

    After every step the beam keeps, of all its sequences prolonged by all symbols, and of those which have ended, the
    `width` with the highest log p / length ** length_penalty, where p is the product of the softmax of the scores and
    the length counts the stop symbol. Width 1 is greedy search, and a width that holds all sequences is exhaustive.
    A positive penalty (Wu et al. 2016) favours longer answers, which have a smaller p.

    The state has one row, of a single sequence. Raises ValueError for a state of several rows, for sizes below 1 and
    for a penalty that is not finite or too large; TypeError for sizes that are no whole numbers and a penalty that is
    no number; TypeError or IdError for a stop_id that is no id of a symbol; FloatingPointError for scores that are not
    finite.
    """
    check_counts("beam_search", sample_size=sample_size, width=width, n_best=n_best)
    if n_best > width:
        raise ValueError(f"beam_search: n_best must be at most the width, {width}, not {n_best}")
    if not isinstance(as_number(length_penalty), Real):
        raise TypeError(f"beam_search: length_penalty must be a number, not {length_penalty!r:.80}")
    if not math.isfinite(length_penalty):
        raise ValueError(f"beam_search: length_penalty must be a finite number, not {length_penalty}")
    if abs(length_penalty) * math.log(sample_size) > math.log(sys.float_info.max):
        raise ValueError(f"beam_search: {sample_size} ** length_penalty {length_penalty} is beyond floating point")
    if any(part is not None and len(part) != 1 for part in state):
        raise ValueError("beam_search: expected the state of one sequence, got a batch")
    live, log_p = numpy.empty((1, 0), int), numpy.zeros(1)  # (B, length) symbols and (B,)
    ended: list[Hypothesis] = []
    last = np.full(1, start_id)
    for length in range(1, sample_size + 1):
        scores, state = step(last, state)
        if length == 1:
            check_stop("beam_search", stop_id, scores.shape[1])
        prolonged = log_p[:, None] + distribution(to_cpu(scores))[0]  # (B, V)
        best = numpy.argsort(-prolonged, axis=None, kind="stable")[:width]
        rows, ids = numpy.unravel_index(best, prolonged.shape)
        candidates = numpy.concatenate([live[rows], ids[:, None]], axis=1)
        found = [
            Hypothesis(symbols, float(value) / length**length_penalty)
            for symbols, value in zip(candidates.tolist(), prolonged[rows, ids], strict=True)
        ]
        pool = [(h, None) for h in ended] + [(h, i) for i, h in enumerate(found)]
        kept = sorted(pool, key=lambda pair: -pair[0].score)[:width]
        goes_on = [i for _, i in kept if i is not None and ids[i] != stop_id]
        ended = [h for h, i in kept if i is None or ids[i] == stop_id]
        live, log_p = candidates[goes_on], prolonged[rows, ids][goes_on]
        if not goes_on:
            break
        chosen = np.asarray(rows[goes_on])
        state = tuple(None if part is None else part[chosen] for part in state)
        last = np.asarray(ids[goes_on])
    else:
        ended += [found[i] for i in goes_on]  # as long as allowed, without a stop symbol
    best_first = sorted(ended, key=lambda h: -h.score)[:n_best]
    return [Hypothesis([i for i in h.ids if i != stop_id], h.score) for h in best_first]
