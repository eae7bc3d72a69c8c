"""Training loops: Trainer for independent examples, RnnlmTrainer for a language model on one long text."""

import math
import time
from collections.abc import Iterator
from typing import Any

from common.np import np
from common.plotting import plot_curve, show
from common.progress import progress, write
from common.rng import Seed, generator
from common.shared_weights import remove_duplicate
from common.training import Step

__all__ = ["RnnlmTrainer", "Trainer", "remove_duplicate"]


class BaseTrainer:
    """What both trainers share: epochs, the printed lines, the curves.

    current_epoch  epochs finished; it goes on counting over repeated calls of fit
    history        a dictionary for each finished epoch: its number, mean loss, iterations and seconds
    """

    def __init__(self, model: Any, optimizer: Any) -> None:
        self.model, self.optimizer = model, optimizer
        self.current_epoch = 0
        self.history: list[dict[str, float]] = []

    def _fit(
        self, batches: Any, iterations: int, max_epoch: int, max_grad: float | None, eval_interval: int | None
    ) -> None:
        """Train for `max_epoch` epochs of `iterations` steps on what ``batches()`` yields, anew for each epoch.

        A line is printed, and a point added to the curve, after the first iteration of an epoch and after each further
        `eval_interval` of them: the mean over the iterations since the last line. No mean spans two epochs.
        """
        step = Step(self.model, self.optimizer)
        start = time.perf_counter()
        for _ in range(max_epoch):
            epoch_start, epoch_loss, interval = time.perf_counter(), 0.0, []
            with progress(iterations, f"epoch {self.current_epoch + 1}") as bar:
                for iteration, (x, t) in enumerate(batches(), start=1):
                    try:
                        loss = step(x, t, max_grad)
                    except FloatingPointError as error:
                        raise FloatingPointError(
                            f"epoch {self.current_epoch + 1}, iteration {iteration}: {error}"
                        ) from error
                    epoch_loss += loss
                    interval.append(loss)
                    bar.update()
                    if eval_interval is not None and (iteration - 1) % eval_interval == 0:
                        text = self._point(math.fsum(interval) / len(interval))
                        interval.clear()
                        place = f"epoch {self.current_epoch + 1} |  iter {iteration} / {iterations}"
                        write(f"| {place} | time {int(time.perf_counter() - start)}[s] | {text}")
            self.current_epoch += 1
            self.history.append(
                {
                    "epoch": self.current_epoch,
                    "loss": epoch_loss / iterations,
                    "iterations": iterations,
                    "seconds": time.perf_counter() - epoch_start,
                }
            )

    def _point(self, loss: float) -> str:
        """Add the mean loss of an interval to the curve; returns how the line shows it."""
        raise NotImplementedError


def check_settings(x: Any, t: Any, max_epoch: int, batch_size: int, eval_interval: int | None) -> None:
    """ValueError naming the setting that makes no sense."""
    if len(x) != len(t):
        raise ValueError(f"fit: {len(x)} inputs, but {len(t)} targets")
    if len(x) == 0:
        raise ValueError("fit: there are no data to train on")
    if max_epoch < 1:
        raise ValueError(f"fit: max_epoch must be at least 1, not {max_epoch}")
    if batch_size < 1:
        raise ValueError(f"fit: batch_size must be at least 1, not {batch_size}")
    if batch_size > len(x):
        raise ValueError(f"fit: batch_size {batch_size} is larger than the data, {len(x)}")
    if eval_interval is not None and eval_interval < 1:
        raise ValueError(f"fit: eval_interval must be at least 1, or None for no lines, not {eval_interval}")


class Trainer(BaseTrainer):
    """Trains a model on examples, shuffled anew in each epoch.

    model       forward(x, t) -> loss, backward(), params, grads
    optimizer   update(params, grads)
    rng         what shuffles the examples

    loss_list   the mean losses of the intervals
    """

    def __init__(self, model: Any, optimizer: Any, *, rng: Seed = None) -> None:
        super().__init__(model, optimizer)
        self.rng = generator(rng)
        self.eval_interval: int | None = None
        self.loss_list: list[float] = []

    def fit(
        self,
        x: Any,
        t: Any,
        max_epoch: int = 10,
        batch_size: int = 32,
        max_grad: float | None = None,
        eval_interval: int | None = 20,
    ) -> None:
        """Train for `max_epoch` passes over the examples x (n, ...) with targets t (n, ...).

        An epoch is n // batch_size iterations; which examples are left over differs from epoch to epoch. `max_grad`
        clips the joint norm of the gradients. Raises ValueError for settings that make no sense, and
        FloatingPointError, with epoch and iteration, if the loss is not finite.
        """
        x, t = np.asarray(x), np.asarray(t)
        check_settings(x, t, max_epoch, batch_size, eval_interval)
        self.eval_interval = eval_interval
        iterations = len(x) // batch_size

        def batches() -> Iterator[tuple[Any, Any]]:
            order = np.asarray(self.rng.permutation(len(x)))
            for i in range(iterations):
                batch = order[i * batch_size : (i + 1) * batch_size]
                yield x[batch], t[batch]

        self._fit(batches, iterations, max_epoch, max_grad, eval_interval)

    def _point(self, loss: float) -> str:
        self.loss_list.append(loss)
        return f"loss {loss:.2f}"

    def plot(self, ylim: Any = None) -> Any:
        """Draw `loss_list` and show it where there is a display; returns the axes."""
        ax = plot_curve(self.loss_list, f"iterations (x{self.eval_interval})", "loss", ylim)
        show(ax)
        return ax


class RnnlmTrainer(BaseTrainer):
    """Trains a recurrent language model by truncated backpropagation through time on one long text.

    model       as for Trainer, with recurrent layers that keep their state from one block to the next
    time_idx    the place in the text, of row 0 of the next batch
    ppl_list    the perplexities, exp(mean loss), of the intervals
    """

    def __init__(self, model: Any, optimizer: Any) -> None:
        super().__init__(model, optimizer)
        self.time_idx = 0
        self.eval_interval: int | None = None
        self.ppl_list: list[float] = []

    def get_batch(self, x: Any, t: Any, batch_size: int, time_size: int) -> tuple[Any, Any]:
        """The next block (batch_size, time_size) of the ids x (n,) and of the targets t (n,).

        Row i starts at i (n // batch_size) and moves on by time_size with each call, wrapping round at the end.
        """
        x, t = np.asarray(x), np.asarray(t)
        starts = np.arange(batch_size) * (len(x) // batch_size) + self.time_idx
        places = (starts[:, None] + np.arange(time_size)) % len(x)
        self.time_idx += time_size
        return x[places], t[places]

    def fit(
        self,
        xs: Any,
        ts: Any,
        max_epoch: int = 10,
        batch_size: int = 20,
        time_size: int = 35,
        max_grad: float | None = None,
        eval_interval: int | None = 20,
    ) -> None:
        """Train for `max_epoch` epochs of n // (batch_size time_size) iterations on ids xs (n,) with targets ts (n,).

        `max_grad` clips the joint norm of the gradients. Raises ValueError for settings that make no sense, and
        FloatingPointError, with epoch and iteration, if the loss is not finite.
        """
        xs, ts = np.asarray(xs), np.asarray(ts)
        check_settings(xs, ts, max_epoch, batch_size, eval_interval)
        if time_size < 1:
            raise ValueError(f"fit: time_size must be at least 1, not {time_size}")
        iterations = len(xs) // (batch_size * time_size)
        if not iterations:
            raise ValueError(f"fit: {batch_size=} times {time_size=} is more than the data, {len(xs)} words")
        self.eval_interval = eval_interval

        def batches() -> Iterator[tuple[Any, Any]]:
            for _ in range(iterations):
                yield self.get_batch(xs, ts, batch_size, time_size)

        self._fit(batches, iterations, max_epoch, max_grad, eval_interval)

    def _point(self, loss: float) -> str:
        ppl = math.exp(min(loss, 700))
        self.ppl_list.append(ppl)
        return f"perplexity {ppl:.2f}"

    def plot(self, ylim: Any = None) -> Any:
        """Draw `ppl_list` and show it where there is a display; returns the axes."""
        ax = plot_curve(self.ppl_list, f"iterations (x{self.eval_interval})", "perplexity", ylim)
        show(ax)
        return ax
