"""Choosing the next word from a language model's scores."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy

from common.checks import check_positive, is_number
from common.functions import distribution
from common.labels import checked_ids

BINS = 1000  # 16 to an octave, so that they reach from the largest p down to 1e-19 of it
LEAST = -300.0  # log p, far above where p is rounded to 0


@dataclass(frozen=True)
class Sampling:
    """How the next word is drawn. Each option changes the model's probabilities p, in this order:

    banned              words that must not come, as ids
    repetition_penalty  p of a word that the text has already becomes p ** penalty: above 1 it comes more seldom. In the
                        manner of Keskar et al. (2019), who divide its score; log p has a fixed zero, a score has not
    temperature         p becomes p ** (1 / temperature): below 1 likely words come more often; 0 takes the likeliest
    top_k               only the k likeliest words can come (Fan et al. 2018)
    top_p               only the likeliest words can come, the fewest whose p sum up to top_p (Holtzman et al. 2020)

    What is left is brought to the sum 1, and a single draw decides: no word is drawn and then rejected. All is float64
    on the host. Raises ValueError for values that make no sense, TypeError for banned ids that are no list.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    banned: Collection[int] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.banned, Iterable):
            raise TypeError(f"Sampling: banned must be a list of ids, not {self.banned!r:.80}")
        object.__setattr__(self, "banned", tuple(self.banned))  # also of an array or an iterator
        if not (is_number(self.temperature) and self.temperature >= 0):
            raise ValueError(
                f"Sampling: temperature must be 0 (the likeliest word) or a positive number, not {self.temperature}"
            )
        if self.top_k is not None and not (is_number(self.top_k) and self.top_k >= 1 and self.top_k == int(self.top_k)):
            raise ValueError(f"Sampling: top_k must be a whole number of words, 1 at least, not {self.top_k}")
        if self.top_p is not None and not (is_number(self.top_p) and 0 < self.top_p <= 1):
            raise ValueError(f"Sampling: top_p must lie in (0, 1], not {self.top_p}")
        check_positive("Sampling", repetition_penalty=self.repetition_penalty)

    def check(self, vocab_size: int) -> None:
        """Raise IdError for a banned id that is none of `vocab_size` words."""
        checked_ids("Sampling", list(self.banned), vocab_size, "banned ids")

    def probabilities(self, log_p: numpy.ndarray, seen: Collection[int] = ()) -> numpy.ndarray:
        """What the next word is drawn from, (V,), given the model's log p (V,) and the ids that the text has."""
        log_p = numpy.asarray(log_p, "d")
        ids, weights = self._left(log_p, numpy.exp(log_p), seen)
        p = numpy.zeros(len(log_p))
        p[ids] = weights / weights.sum()
        return p

    def draw(self, scores: numpy.ndarray, rng: numpy.random.Generator, seen: Collection[int] = ()) -> tuple[int, float]:
        """The next word, given the model's scores (V,), and its log p as the model has it, whatever the options."""
        log_p, p = distribution(scores)
        ids, weights = self._left(log_p, p, seen)
        running = weights.cumsum()
        # searchsorted passes over words with p = 0; only rounding up to the very end could lead beyond the last one.
        place = int(numpy.searchsorted(running, rng.random() * running[-1], side="right"))
        if place == len(weights):
            place = int(weights.nonzero()[0][-1])
        word = int(ids[place])
        return word, float(log_p[word])

    def _left(
        self, log_p: numpy.ndarray, p: numpy.ndarray, seen: Collection[int]
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The words that can come, ids (n,) in their order, and weights (n,) in proportion to what they are drawn with.

        log_p and p = exp(log_p), both (V,), are the model's and stay as they are.
        """
        penalised = list(seen) if self.repetition_penalty != 1 else []
        banned = list(self.banned)
        if changed := penalised + banned:
            log_p, p = log_p.copy(), p.copy()
            log_p[penalised] *= self.repetition_penalty
            log_p[banned] = -numpy.inf
            p[changed] = numpy.exp(log_p[changed])
        best = int(log_p.argmax())
        if log_p[best] == -numpy.inf:
            raise ValueError(f"Sampling: all {len(log_p)} words are banned, none is left to come")
        if self.temperature == 0:
            return numpy.array([best]), numpy.ones(1)
        # exp is half of the work, so it is done anew only if it has to: also where what is left is too improbable.
        if self.temperature != 1 or log_p[best] < LEAST:
            with numpy.errstate(over="ignore"):  # a tiny temperature makes -inf, of which exp is 0
                p = numpy.exp((log_p - log_p[best]) / self.temperature)
        ids = numpy.arange(len(p))
        if self.top_k is not None and self.top_k < len(p):
            ids = largest(p, int(self.top_k))
            p = p[ids]
        if self.top_p is not None and self.top_p < 1:
            kept = nucleus(p, self.top_p * p.sum())
            ids, p = ids[kept], p[kept]
        return ids, p


def largest(p: numpy.ndarray, k: int) -> numpy.ndarray:
    """The ids (k,), in their order, of the k largest of p (V,); of equal ones those with the lower ids."""
    least = numpy.partition(p, -k)[-k]
    return _at_least(p, least, int(numpy.count_nonzero(p >= least)) - k)


def nucleus(p: numpy.ndarray, mass: float) -> numpy.ndarray:
    """The ids, in their order, of the fewest of p (V,) whose sum reaches `mass`; of equal ones those with lower ids.

    p is float64 and not negative. Sorting all of it would be the largest part of a draw, so its numbers are put into
    bins by the leading bits of their floating-point form, the exponent and four bits of the fraction, and only that bin
    is sorted in which the sum, from the largest number on, reaches the mass.
    """
    bins = p.view(numpy.int64) >> 48
    bins -= bins.max() - BINS
    numpy.maximum(bins, 0, out=bins)  # one bin for all that is hardly more than 0
    sums = numpy.bincount(bins, p)[::-1].cumsum()
    mass = min(mass, sums[-1])  # which rounding may have left a little below it
    place = int(numpy.searchsorted(sums, mass))
    above, cut = (sums[place - 1] if place else 0.0), len(sums) - 1 - place
    piece = numpy.sort(p[bins == cut])[::-1]
    place = min(int(numpy.searchsorted(piece.cumsum(), mass - above)), len(piece) - 1)
    return _at_least(p, piece[place], int(numpy.count_nonzero(piece[place + 1 :] == piece[place])))


def _at_least(p: numpy.ndarray, least: float, surplus: int) -> numpy.ndarray:
    """The ids, in their order, of the p (V,) that are at least `least`, without the last `surplus` of those equal."""
    ids = numpy.flatnonzero(p >= least)
    if surplus:
        ids = numpy.delete(ids, numpy.flatnonzero(p[ids] == least)[-surplus:])
    return ids
