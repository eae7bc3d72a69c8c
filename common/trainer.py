"""Training loops: Trainer for independent examples, RnnlmTrainer for a language model on one long text.

Both take, beside the book's arguments,

    valid        validation data, scored after each epoch, or a function of the model that returns scores
    callbacks    what else is to happen, see :mod:`common.callbacks`
    checkpoint   a folder, or :class:`common.checkpoint.Checkpoints`, from which a training that was cut off goes on

After Ctrl-C, fit ends with the current iteration, saves a checkpoint if it has a folder for it, and raises
TrainingInterrupted, a KeyboardInterrupt.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from numbers import Real
from typing import Any

import numpy

from common.base_trainer import BaseTrainer
from common.block_lengths import BlockLengths, ScaledStep
from common.callbacks import Callback
from common.checkpoint import Checkpoints
from common.checks import check_counts, check_restored_count, check_restored_numbers
from common.evaluation import perplexity_of
from common.files import Location
from common.np import np
from common.padding import as_rows
from common.plotting import plot_curve, show
from common.progress import short
from common.rng import Seed, generator
from common.shared_weights import remove_duplicate
from common.training import Step
from common.training_state import checksum, step_settings
from common.validation import checked_pair, checked_text, example_scores, language_model_scores

__all__ = ["RnnlmTrainer", "Trainer", "remove_duplicate"]


def check_fit_settings(
    x: Any, t: Any, batch_size: int, max_grad: float | None, eval_interval: int | None, **counts: int
) -> None:
    """ValueError or TypeError naming the setting that makes no sense; `counts` are whole numbers of at least 1."""
    for what, data in (("inputs", x), ("targets", t)):
        if data.ndim == 0:
            raise ValueError(f"fit: expected {what} (n, ...), one for each example or word, got {data.item()!r:.80}")
    if len(x) != len(t):
        raise ValueError(f"fit: {len(x)} inputs, but {len(t)} targets")
    if len(x) == 0:
        raise ValueError("fit: there are no data to train on")
    if eval_interval is not None:  # None stands for no lines
        counts["eval_interval"] = eval_interval
    check_counts("fit", **counts, batch_size=batch_size)
    if batch_size > len(x):
        raise ValueError(f"fit: batch_size {batch_size} is larger than the data, {len(x)}")
    if max_grad is not None and not (isinstance(max_grad, Real) and max_grad > 0):
        raise ValueError(f"fit: max_grad must be a positive number, or None for no clipping, not {max_grad!r}")


class Trainer(BaseTrainer):
    """Trains a model on examples, shuffled anew in each epoch.

    model       forward(x, t) -> loss, backward(), params, grads
    optimizer   update(params, grads)
    rng         what shuffles the examples; if None, numpy.random seeds it when the first fit begins
    """

    state = (*BaseTrainer.state, "loss_list", "order")
    batch_size = 0
    order: Any = None  # of the examples in the current epoch

    def __init__(self, model: Any, optimizer: Any, *, rng: Seed = None) -> None:
        super().__init__(model, optimizer)
        if rng is not None:
            self.rng = generator(rng)

    @cached_property
    def loss_list(self) -> list[float]:
        """The mean losses of the intervals."""
        return []

    @cached_property
    def rng(self) -> Any:
        """The generator that shuffles the examples; may be set. Without one, the first fit makes one."""
        return generator()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_restored_numbers("loss_list", state["loss_list"])
        super().load_state_dict(state)

    def fit(
        self,
        x: Any,
        t: Any,
        max_epoch: int = 10,
        batch_size: int = 32,
        max_grad: float | None = None,
        eval_interval: int | None = 20,
        *,
        valid: Any = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoints | Location | None = None,
    ) -> None:
        """Train for `max_epoch` passes over the examples x (n, ...) with targets t (n, ...).

        An epoch is n // batch_size iterations; which examples are left over differs from epoch to epoch. `max_grad`
        clips the joint norm of the gradients. `valid` is a pair like (x, t), which gives a loss and for a classifier
        an accuracy. Raises ValueError for settings that make no sense, and FloatingPointError, with epoch and
        iteration, if the loss is not finite.
        """
        x, t = as_rows("fit: inputs", x), as_rows("fit: targets", t)
        check_fit_settings(x, t, batch_size, max_grad, eval_interval, max_epoch=max_epoch)
        max_epoch, batch_size, eval_interval = int(max_epoch), int(batch_size), eval_interval and int(eval_interval)
        self.eval_interval, self.batch_size = eval_interval, batch_size
        iterations = len(x) // batch_size

        def batches(first: int) -> Iterator[tuple[Any, Any]]:
            if first == 0:
                self.order = self.rng.permutation(len(x))
            elif not numpy.array_equal(numpy.sort(self.order), numpy.arange(len(x))):
                raise ValueError("the order of the examples does not have each of them once")
            order = np.asarray(self.order)
            for i in range(first, iterations):
                batch = order[i * batch_size : (i + 1) * batch_size]
                yield x[batch], t[batch]

        settings: dict[str, Any] = {}
        if checkpoint is not None:
            settings = {"batch_size": batch_size, "checksum of the data": checksum(x, t)}
            settings |= step_settings(self.model, max_grad)
        self._fit(batches, iterations, settings, max_epoch, max_grad, valid, callbacks, checkpoint)

    def _add_point(self, loss: float) -> str:
        self.loss_list.append(loss)
        return f"loss {loss:.2f}"

    def _per_iteration(self) -> dict[str, int]:
        return {"examples": self.batch_size}

    def _checked_valid(self, valid: Any) -> Any:
        x, t = checked_pair(valid)
        self._scores((x[: self.batch_size], t[: self.batch_size]))  # or the wrong shape shows after a whole epoch
        return x, t

    def _scores(self, valid: Any) -> dict[str, float]:
        x, t = valid
        return example_scores(self.model, x, t, self.batch_size)

    def plot(self, ylim: Any = None) -> Any:
        """Draw `loss_list` and show it where there is a display; returns the axes."""
        ax = plot_curve(self.loss_list, self._interval_label(), "loss", ylim)
        show(ax)
        return ax


class RnnlmTrainer(BaseTrainer):
    """Trains a recurrent language model by truncated backpropagation through time on one long text.

    model       as for Trainer, with recurrent layers that keep their state from one block to the next
    time_idx    the place in the text, of row 0 of the next batch
    """

    state = (*BaseTrainer.state, "ppl_list", "time_idx")
    time_idx = batch_size = time_size = 0
    block_lengths: BlockLengths | None = None

    @cached_property
    def ppl_list(self) -> list[float]:
        """The perplexities, exp(mean loss), of the intervals."""
        return []

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_restored_numbers("ppl_list", state["ppl_list"])
        check_restored_count("time_idx", state["time_idx"])
        super().load_state_dict(state)

    def get_batch(self, x: Any, t: Any, batch_size: int, time_size: int) -> tuple[Any, Any]:
        """The next block (batch_size, time_size) of the ids x (n,) and of the targets t (n,).

        Row i starts at i (n // batch_size) and moves on by time_size with each call, wrapping round at the end.
        """
        x, t = np.asarray(x), np.asarray(t)
        starts = np.arange(batch_size) * (len(x) // int(batch_size)) + self.time_idx
        places = (starts[:, None] + np.arange(time_size)) % len(x)
        self.time_idx += int(time_size)
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
        *,
        valid: Any = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoints | Location | None = None,
        block_lengths: BlockLengths | None = None,
    ) -> None:
        """Train for `max_epoch` epochs of n // (batch_size time_size) iterations on ids xs (n,) with targets ts (n,).

        `max_grad` clips the joint norm of the gradients. `valid` is a corpus (n,), which gives a perplexity. With
        `block_lengths`, each block has another length, and an epoch as many iterations as blocks of the mean length fit
        into the text. Raises ValueError for settings that make no sense, and FloatingPointError, with epoch and
        iteration, if the loss is not finite.
        """
        xs, ts = as_rows("fit: inputs", xs), as_rows("fit: targets", ts)
        check_fit_settings(xs, ts, batch_size, max_grad, eval_interval, max_epoch=max_epoch, time_size=time_size)
        max_epoch, batch_size, eval_interval = int(max_epoch), int(batch_size), eval_interval and int(eval_interval)
        time_size = int(time_size)
        self.block_lengths = block_lengths
        # The __init__ of a subclass may set these two to None, as the book's does.
        self.time_idx = 0 if self.time_idx is None else self.time_idx
        self.ppl_list = [] if self.ppl_list is None else self.ppl_list
        iterations = int(len(xs) // (batch_size * self._mean_length(time_size)))
        if not iterations:
            raise ValueError(f"fit: batch_size {batch_size} times time_size {time_size} exceeds the {len(xs)} words")
        self.eval_interval, self.batch_size, self.time_size = eval_interval, batch_size, time_size

        def batches(first: int) -> Iterator[tuple[Any, Any]]:
            for _ in range(first, iterations):
                length = block_lengths.draw(time_size) if block_lengths else time_size
                yield self.get_batch(xs, ts, batch_size, length)

        settings: dict[str, Any] = {}
        if checkpoint is not None:
            settings = {"batch_size": batch_size, "time_size": time_size, "checksum of the data": checksum(xs, ts)}
            settings |= {"block_lengths": block_lengths.settings} if block_lengths else {}
            settings |= step_settings(self.model, max_grad)
        self._fit(batches, iterations, settings, max_epoch, max_grad, valid, callbacks, checkpoint)

    def _mean_length(self, time_size: int) -> float:
        return self.block_lengths.mean(time_size) if self.block_lengths else time_size

    def _make_step(self) -> Step:
        return ScaledStep(self.model, self.optimizer, self.time_size) if self.block_lengths else super()._make_step()

    def _add_point(self, loss: float) -> str:
        ppl = perplexity_of(loss)
        self.ppl_list.append(ppl)
        return f"perplexity {short(ppl)}"

    def _per_iteration(self) -> dict[str, int]:
        return {"tokens": round(self.batch_size * self._mean_length(self.time_size))}

    def _derived_scores(self, loss: float) -> dict[str, float]:
        return {"perplexity": perplexity_of(loss)}

    def _checked_valid(self, valid: Any) -> Any:
        return checked_text(valid, self.model)

    def _scores(self, valid: Any) -> dict[str, float]:
        return language_model_scores(self.model, valid, self.time_size)

    def plot(self, ylim: Any = None) -> Any:
        """Draw `ppl_list` and show it where there is a display; returns the axes."""
        ax = plot_curve(self.ppl_list, self._interval_label(), "perplexity", ylim)
        show(ax)
        return ax
