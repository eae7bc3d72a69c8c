"""Choosing the next word from a language model's scores."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy

from common.labels import checked_ids


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
    on the host. Raises ValueError for values that make no sense.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    banned: Collection[int] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "banned", tuple(self.banned))  # also of an array or an iterator
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be 0 (the likeliest word) or a positive number, not {self.temperature}")
        if self.top_k is not None and (self.top_k < 1 or self.top_k != int(self.top_k)):
            raise ValueError(f"top_k must be a whole number of words, 1 at least, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], not {self.top_p}")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ValueError(f"repetition_penalty must be a positive number, not {self.repetition_penalty}")

    def check(self, vocab_size: int) -> None:
        """Raise IdError for a banned id that is none of `vocab_size` words."""
        checked_ids("banned", numpy.array([*self.banned], None if self.banned else int), vocab_size)

    def probabilities(self, log_p: numpy.ndarray, seen: Collection[int] = ()) -> numpy.ndarray:
        """What the next word is drawn from, (V,), given the model's log p (V,) and the ids that the text has."""
        x = log_p.copy()
        if self.repetition_penalty != 1 and seen:
            x[list(seen)] *= self.repetition_penalty
        if self.banned:
            x[list(self.banned)] = -numpy.inf
        best = int(x.argmax())
        if x[best] == -numpy.inf:
            raise ValueError(f"all {len(x)} words are banned, none is left to come")
        if self.temperature == 0:
            return (numpy.arange(len(x)) == best).astype("d")
        x -= x[best]
        with numpy.errstate(over="ignore"):  # a tiny temperature makes -inf, of which exp is 0
            x /= self.temperature
        if self.top_k is not None and self.top_k < len(x):
            keep_best(x, int(self.top_k), -numpy.inf)
        p = numpy.exp(x, out=x)
        p /= p.sum()
        if self.top_p is not None and self.top_p < 1:
            sums = numpy.sort(p)[::-1].cumsum()
            keep_best(p, int(numpy.searchsorted(sums, self.top_p)) + 1, 0.0)
            p /= p.sum()
        return p

    def draw(
        self, scores: numpy.ndarray, rng: numpy.random.Generator, seen: Collection[int] = ()
    ) -> tuple[int, float]:
        """The next word, given the model's scores (V,), and its log p as the model has it, whatever the options."""
        log_p = log_softmax(scores)
        p = self.probabilities(log_p, seen)
        running = p.cumsum()
        # searchsorted passes over words with p = 0; only rounding up to the very end could lead beyond the last one.
        word = int(numpy.searchsorted(running, rng.random() * running[-1], side="right"))
        if word == len(p):
            word = int(p.nonzero()[0][-1])
        return word, float(log_p[word])


def log_softmax(scores: numpy.ndarray) -> numpy.ndarray:
    """log softmax(scores) (V,) in float64. FloatingPointError for scores that are not finite."""
    x = scores.astype("d")
    if not numpy.isfinite(x).all():
        raise FloatingPointError("the model's scores are not finite, so they say nothing about the next word")
    x -= x.max()
    x -= math.log(numpy.exp(x).sum())
    return x


def keep_best(x: numpy.ndarray, k: int, other: float) -> None:
    """Set all but the k largest of x (V,) to `other`; of equal ones those with the lower ids stay."""
    least = numpy.partition(x, -k)[-k]
    ties = numpy.flatnonzero(x == least)
    surplus = numpy.count_nonzero(x >= least) - k
    numpy.copyto(x, other, where=x < least)
    x[ties[len(ties) - surplus :]] = other
