"""Truncated backpropagation through time over blocks whose lengths are drawn at random.

So it is not always the same words that are last in their blocks, which no gradient reaches from what follows them.
Source: S. Merity, N. S. Keskar, R. Socher, "Regularizing and Optimizing LSTM Language
Models", ICLR 2018.
"""

import math
from typing import Any

from common.checks import check_counts, check_not_negative, is_number
from common.rng import Seed, generator
from common.training import Step

FAR = 6.0  # standard deviations that no length is away from the mean, but one of a billion


class BlockLengths:
    """The lengths of the blocks, for ``RnnlmTrainer.fit(..., block_lengths=BlockLengths(rng))``.

    A length is drawn from the normal distribution around time_size, with probability `full`, or else around half of it,
    with the standard deviation `deviation`; it is rounded, and at least `shortest`. The learning rate of a block's step
    is lr length / time_size: without that, the words of short blocks would count for more.

    Raises ValueError unless 0 <= full <= 1, deviation >= 0 and shortest >= 1, and TypeError unless that is whole.
    """

    def __init__(self, rng: Seed = None, *, full: float = 0.95, deviation: float = 5.0, shortest: int = 5) -> None:
        if not (is_number(full) and 0 <= full <= 1):
            raise ValueError(f"BlockLengths: full must be a probability, not {full!r}")
        check_not_negative("BlockLengths", deviation=deviation)
        check_counts("BlockLengths", shortest=shortest)
        self.rng, self.full, self.deviation, self.shortest = generator(rng), full, deviation, shortest

    def draw(self, time_size: int) -> int:
        """The length of the next block."""
        mean = time_size if self.rng.random() < self.full else time_size / 2
        return max(self.shortest, round(self.rng.normal(mean, self.deviation)))

    def mean(self, time_size: int) -> float:
        """The mean of the lengths. ValueError for a time_size below `shortest`, by which steps would be scaled up."""
        if time_size < self.shortest:
            raise ValueError(f"BlockLengths: blocks have {self.shortest} words at least, time_size is only {time_size}")
        return self.full * self._mean_around(time_size) + (1 - self.full) * self._mean_around(time_size / 2)

    def _mean_around(self, mean: float) -> float:
        """E max(shortest, X) for X rounded from the normal distribution; shortest + the sum of P(X > k), k from it on.

        Far above `shortest` this is the mean itself.
        """
        if self.deviation == 0:
            return max(self.shortest, round(mean))
        if mean - self.shortest > FAR * self.deviation:
            return mean
        last = math.ceil(mean + FAR * self.deviation)
        scale = self.deviation * math.sqrt(2)
        return self.shortest + sum(math.erfc((k + 0.5 - mean) / scale) / 2 for k in range(self.shortest, last + 1))

    @property
    def settings(self) -> list[float]:
        """What has to be the same in a training that goes on."""
        return [self.full, self.deviation, self.shortest]


class ScaledStep(Step):
    """A step with the learning rate lr T / time_size for a block (N, T); afterwards lr is what it was before."""

    def __init__(self, model: Any, optimizer: Any, time_size: int) -> None:
        super().__init__(model, optimizer)
        self.time_size = time_size

    def __call__(self, x: Any, t: Any, max_grad: float | None = None, measure: bool = False) -> float:
        lr = self.optimizer.lr
        self.optimizer.lr = lr * x.shape[1] / self.time_size
        try:
            return super().__call__(x, t, max_grad, measure)
        finally:
            self.optimizer.lr = lr
