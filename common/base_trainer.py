"""What both trainers share: the loop over epochs and iterations, and all that may happen around a step."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from tqdm import tqdm

from common.callbacks import Callback
from common.checkpoint import Checkpoints
from common.checks import check_restored_count, check_restored_numbers
from common.files import Location
from common.fit_checkpoints import FitCheckpoints
from common.history import History, Sums
from common.interrupt import Interrupt
from common.memory import keep_freed_memory
from common.object_tree import make_generators
from common.progress import progress, write
from common.resuming import VALID
from common.training import Step
from common.training_state import checksum, restore, take
from common.validation import own_scores

MEASURE_EVERY = 50  # iterations; the norm of gradients that are not clipped

Batches = Callable[[int], Iterator[tuple[Any, Any]]]


def checked_callbacks(callbacks: Any, saved: bool) -> list[Callback]:
    """The callbacks as a list; TypeError for what is none. They need not be derived from Callback, but must have
    the methods that are called: two more where their state is `saved` in checkpoints.
    """
    try:
        found = list(callbacks)
    except TypeError as error:
        kind = type(callbacks).__name__
        raise TypeError(f"fit: callbacks must be a list, such as [EarlyStopping()], not a {kind}") from error
    methods = ["on_start", "on_iteration", "on_epoch", "on_end", *(["state_dict", "load_state_dict"] if saved else [])]
    for callback in found:
        if isinstance(callback, type):
            name = callback.__name__
            raise TypeError(f"fit: expected a callback, such as {name}(), not the class {name}")
        if missing := [name for name in methods if not hasattr(callback, name)]:
            raise TypeError(f"fit: {callback!r:.80} is no callback, it has no method {', '.join(missing)}")
    return found


class BaseTrainer:
    """Base of the trainers: epochs, printed lines, curves, validation, callbacks, checkpoints.

    current_epoch  epochs finished; it goes on counting over repeated calls of fit
    iteration      iterations finished of the current epoch, which has `iterations`
    history        the means of each finished epoch, see :class:`common.history.History`
    stopped        why the last fit ended before its time, or None
    validates      whether the current fit has validation data
    """

    state: tuple[str, ...] = ("current_epoch", "iteration", "seconds", "_interval")  # what checkpoints keep

    # First values are class attributes and cached properties: the __init__ of a subclass may set the book's alone.
    current_epoch = iteration = iterations = 0
    callbacks: Sequence[Callback] = ()
    stopped: str | None = None
    validates = False
    eval_interval: int | None = None
    seconds = 0.0  # spent on the iterations of the current fit
    _last = 0.0  # when the time was taken last
    _restored = False  # to the middle of an epoch, maybe, which no fit has gone on with yet

    def __init__(self, model: Any, optimizer: Any) -> None:
        self.model, self.optimizer = model, optimizer

    @cached_property
    def history(self) -> History:
        """The means of each finished epoch; a subclass may keep something else under this name."""
        return self._history

    @cached_property
    def _history(self) -> History:
        return History()

    @cached_property
    def _sums(self) -> Sums:
        """Those of the current epoch."""
        return Sums()

    @cached_property
    def _interval(self) -> list[float]:
        """The losses since the last printed line."""
        return []

    @cached_property
    def _fits(self) -> FitCheckpoints:
        return FitCheckpoints(take, restore)

    def stop(self, reason: str) -> None:
        """Let fit end after the current iteration; for callbacks."""
        self.stopped = reason

    def state_dict(self) -> dict[str, Any]:
        """What the rest of a training depends on, beside model, optimizer, callbacks and generators."""
        own = {name: getattr(self, name) for name in self.state}
        return own | {"history": list(self._history), "sums": vars(self._sums)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned. ValueError for values that no training has."""
        check_restored_count("current_epoch", state["current_epoch"])
        check_restored_count("iteration", state["iteration"])
        check_restored_numbers("the losses", state["_interval"])
        check_restored_numbers("seconds", [state["seconds"], state["sums"]["seconds"]], finite=True)
        if not all(isinstance(epoch, dict) for epoch in state["history"]):
            raise ValueError("the history is no list of epochs")
        for name in self.state:
            setattr(self, name, state[name])
        self._history[:] = state["history"]
        vars(self._sums).update(state["sums"])
        self._restored = True

    def _fit(
        self,
        batches: Batches,
        iterations: int,
        settings: dict[str, Any],
        max_epoch: int,
        max_grad: float | None,
        valid: Any,
        callbacks: Sequence[Callback],
        checkpoint: "Checkpoints | Location | None",
    ) -> None:
        """Train for `max_epoch` epochs of `iterations` steps on ``batches(first)``, which yields those from `first` on.

        A line is printed, and a point added to the curve, after the first iteration of an epoch and after each further
        `eval_interval` of them: the mean over the iterations since the last line. No mean spans two epochs.
        """
        callbacks = checked_callbacks(callbacks, checkpoint is not None)
        settings = settings | {"optimizer": type(self.optimizer).__name__}
        if valid is not None and not callable(valid):
            valid = self._checked_valid(valid)
            arrays = valid if isinstance(valid, tuple) else (valid,)
            if checkpoint is not None and all(hasattr(array, "dtype") for array in arrays):
                settings = settings | {VALID: checksum(*arrays)}
        step, fits = self._make_step(), self._fits
        self.callbacks, self.iterations, self.stopped, self.seconds = callbacks, iterations, None, 0.0
        self.validates = valid is not None
        make_generators(self)  # in one order, with checkpoints and without
        if not self._restored:
            self._new_epoch()
        fits.start(self, checkpoint, settings, max_epoch)
        with keep_freed_memory(), fits.blamed():
            for callback in self.callbacks:
                callback.on_start(self)
            fits.check()
            with Interrupt() as interrupt:
                try:
                    done = (self.current_epoch - fits.begin) * iterations + self.iteration
                    with progress(max_epoch * iterations, initial=max(0, done)) as bar:  # estimates the time left
                        self._epochs(step, batches, max_grad, valid, bar, interrupt)
                    if self.stopped is not None:
                        reason = f": {self.stopped}" if self.stopped else ""
                        write(f"training ends in epoch {self.current_epoch + bool(self.iteration)}{reason}")
                    path = fits.save()
                except FloatingPointError:
                    self._end_callbacks()
                    raise
                self._end_callbacks()
            if interrupt.requested:
                raise fits.interrupted(path)

    def _epochs(
        self,
        step: Step,
        batches: Batches,
        max_grad: float | None,
        valid: Any,
        bar: tqdm,
        interrupt: Interrupt,
    ) -> None:
        """All that is left of the epochs, or until something asks to stop."""
        while self.current_epoch < self._fits.end and self.stopped is None and not interrupt.requested:
            self._restored = False
            bar.set_description(f"epoch {self.current_epoch + 1}", refresh=False)
            self._iterate(step, batches, max_grad, bar, interrupt)
            if self.iteration == self.iterations:
                self._finish_epoch(valid)
                if self.stopped is None and not interrupt.requested:
                    self._fits.save_after_epoch()

    def _end_callbacks(self) -> None:
        for callback in self.callbacks:
            callback.on_end(self)

    def _iterate(
        self,
        step: Step,
        batches: Batches,
        max_grad: float | None,
        bar: tqdm,
        interrupt: Interrupt,
    ) -> None:
        """The iterations from the current one to the end of the epoch, or until something asks to stop.

        With a small network an iteration takes 50 us, so what is not needed in each of them is not done in each.
        """
        sums, interval = self._sums, self._interval
        watching = [c for c in self.callbacks if getattr(c.on_iteration, "__func__", None) is not Callback.on_iteration]
        shown, due = not bar.disable, self._fits.due
        self._last = time.perf_counter()
        for done, (x, t) in enumerate(batches(self.iteration), start=self.iteration):
            try:
                loss = step(x, t, max_grad, done % MEASURE_EVERY == 0)
            except FloatingPointError as error:
                place = f"epoch {self.current_epoch + 1}, iteration {done + 1}"
                raise FloatingPointError(f"{place}: {error}") from error
            self.iteration = done + 1
            sums.add(loss, step.norm, getattr(self.optimizer, "lr", None))
            interval.append(loss)
            if shown:
                bar.update()
            if self.eval_interval is not None and done % self.eval_interval == 0:
                self._print_line()
            if watching:
                self._take_time()
                for callback in watching:
                    callback.on_iteration(self)
            if interrupt.requested or self.stopped is not None:
                break
            if due():
                self._take_time()
                self._check_weights(step)
                self._fits.save()
                self._last = time.perf_counter()
        self._take_time()
        self._check_weights(step)

    def _check_weights(self, step: Step) -> None:
        """As :meth:`Step.check_weights`, with the place in the training."""
        try:
            step.check_weights()
        except FloatingPointError as error:
            raise FloatingPointError(f"epoch {self.current_epoch + 1}, iteration {self.iteration}: {error}") from error

    def _make_step(self) -> Step:
        """What does the work of an iteration."""
        return Step(self.model, self.optimizer)

    def _new_epoch(self) -> None:
        self.iteration, self._sums, self._interval = 0, Sums(), []

    def _take_time(self) -> None:
        """Add the time since the last call."""
        now = time.perf_counter()
        self._sums.seconds += now - self._last
        self.seconds += now - self._last
        self._last = now

    def _print_line(self) -> None:
        self._take_time()
        text = self._add_point(math.fsum(self._interval) / len(self._interval))
        self._interval.clear()
        write(
            f"| epoch {self.current_epoch + 1} |  iter {self.iteration} / {self.iterations} | "
            f"time {int(self.seconds)}[s] | {text}"
        )

    def _finish_epoch(self, valid: Any) -> None:
        means = self._sums.means(self.iterations, self._per_iteration())
        scores = {} if valid is None else self._validate(valid)
        self.current_epoch += 1
        self._history.append(
            {"epoch": self.current_epoch, **means, **self._derived_scores(means["loss"])}
            | {f"valid_{name}": value for name, value in scores.items()}
        )
        if scores:
            shown = " | ".join(f"valid {name} {value:.4g}" for name, value in scores.items())
            write(f"| epoch {self.current_epoch} | {shown}")
        self._new_epoch()
        for callback in self.callbacks:
            callback.on_epoch(self)

    def _validate(self, valid: Any) -> dict[str, float]:
        """The scores on validation data, in the contexts that the callbacks ask for."""
        with contextlib.ExitStack() as contexts:
            for callback in self.callbacks:
                if hasattr(callback, "while_scoring"):  # one that is not derived from Callback need not have it
                    contexts.enter_context(callback.while_scoring(self))
            return own_scores(self.model, valid) if callable(valid) else self._scores(valid)

    def _interval_label(self) -> str:
        """What a point of the curve stands for."""
        return "iterations" if self.eval_interval is None else f"iterations (x{self.eval_interval})"

    def _add_point(self, loss: float) -> str:
        """Add the mean loss of an interval to the curve; returns how the line shows it."""
        raise NotImplementedError

    def _per_iteration(self) -> dict[str, int]:
        """How many examples or tokens an iteration has."""
        raise NotImplementedError

    def _checked_valid(self, valid: Any) -> Any:
        """The validation data as arrays. ValueError or TypeError, before the first iteration, for what can be seen to
        be none.
        """
        return valid

    def _scores(self, valid: Any) -> dict[str, float]:
        """The scores on validation data that have been checked."""
        raise NotImplementedError

    def _derived_scores(self, loss: float) -> dict[str, float]:
        """What else follows from the mean loss of an epoch."""
        return {}
