"""What both trainers share: the loop over epochs and iterations, and all that may happen around a step."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from common import training_state
from common.callbacks import Callback
from common.checkpoint import Checkpoints
from common.files import FileFormatError, Location
from common.history import History, Sums
from common.interrupt import Interrupt, TrainingInterrupted
from common.progress import progress, write
from common.training import Step
from common.validation import own_scores

MEASURE_EVERY = 50  # iterations; the norm of gradients that are not clipped

Batches = Callable[[int], Iterator[tuple[Any, Any]]]


class BaseTrainer:
    """Base of the trainers: epochs, printed lines, curves, validation, callbacks, checkpoints.

    current_epoch  epochs finished; it goes on counting over repeated calls of fit
    iteration      iterations finished of the current epoch, which has `iterations`
    history        the means of each finished epoch, see :class:`common.history.History`
    stopped        why the last fit ended before its time, or None
    """

    state: tuple[str, ...] = ("current_epoch", "iteration", "seconds", "_interval")  # what checkpoints keep

    def __init__(self, model: Any, optimizer: Any) -> None:
        self.model, self.optimizer = model, optimizer
        self.current_epoch = self.iteration = self.iterations = 0
        self.history = History()
        self.callbacks: list[Callback] = []
        self.stopped: str | None = None
        self.seconds = 0.0  # spent on the iterations of the current fit
        self._interval: list[float] = []  # losses since the last printed line
        self._sums = Sums()
        self._end = 0  # the epoch that all fits so far lead up to
        self._restored = False  # to the middle of an epoch, which no fit has gone on with yet

    def stop(self, reason: str) -> None:
        """Let fit end after the current iteration; for callbacks."""
        self.stopped = reason

    def state_dict(self) -> dict[str, Any]:
        """What the rest of a training depends on, beside model, optimizer, callbacks and generators."""
        own = {name: getattr(self, name) for name in self.state}
        return own | {"history": list(self.history), "sums": vars(self._sums)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        for name in self.state:
            setattr(self, name, state[name])
        self.history[:] = state["history"]
        vars(self._sums).update(state["sums"])
        self._restored = True

    def _fit(
        self,
        batches: Batches,
        iterations: int,
        settings: dict[str, Any],
        max_epoch: int,
        max_grad: float | None,
        eval_interval: int | None,
        valid: Any,
        callbacks: Sequence[Callback],
        checkpoint: "Checkpoints | Location | None",
    ) -> None:
        """Train for `max_epoch` epochs of `iterations` steps on ``batches(first)``, which yields those from `first` on.

        A line is printed, and a point added to the curve, after the first iteration of an epoch and after each further
        `eval_interval` of them: the mean over the iterations since the last line. No mean spans two epochs.
        """
        step = Step(self.model, self.optimizer)
        # After a checkpoint of a later fit has been put back, the earlier ones have nothing left to do.
        self._end = min(self.current_epoch, self._end) + max_epoch
        self.callbacks, self.iterations, self.stopped, self.seconds = list(callbacks), iterations, None, 0.0
        if not self._restored:
            self._new_epoch()
        saver = _Saver(self, checkpoint, settings) if checkpoint is not None else None
        for callback in self.callbacks:
            callback.on_start(self)
        watching = [c for c in self.callbacks if type(c).on_iteration is not Callback.on_iteration]
        bar = progress(max_epoch * iterations, initial=max(0, self._done(max_epoch)))  # estimates the time left
        with Interrupt() as interrupt, bar:
            while self.current_epoch < self._end and not self.stopped:
                self._restored = False
                bar.set_description(f"epoch {self.current_epoch + 1}", refresh=False)
                last = time.perf_counter()
                for x, t in batches(self.iteration):
                    loss = self._step(step, x, t, max_grad)
                    self.iteration += 1
                    now = time.perf_counter()
                    self._count(loss, step.norm, now - last)
                    last = now
                    bar.update()
                    if eval_interval is not None and (self.iteration - 1) % eval_interval == 0:
                        self._line()
                    for callback in watching:
                        callback.on_iteration(self)
                    if interrupt.requested or self.stopped:
                        break
                    if saver and saver.checkpoints.due():
                        saver.save()
                        last = time.perf_counter()
                if self.iteration == iterations:
                    self._finish_epoch(valid)
                if interrupt.requested:
                    raise TrainingInterrupted(self._farewell(saver))
        if self.stopped:
            write(f"training ends in epoch {self.current_epoch + bool(self.iteration)}: {self.stopped}")
        if saver:
            saver.save()
        for callback in self.callbacks:
            callback.on_end(self)

    def _done(self, max_epoch: int) -> int:
        """The iterations that this fit has behind it."""
        return (self.current_epoch + max_epoch - self._end) * self.iterations + self.iteration

    def _new_epoch(self) -> None:
        self.iteration, self._sums = 0, Sums()
        self._interval.clear()

    def _step(self, step: Step, x: Any, t: Any, max_grad: float | None) -> float:
        try:
            return step(x, t, max_grad, measure=self.iteration % MEASURE_EVERY == 0)
        except FloatingPointError as error:
            place = f"epoch {self.current_epoch + 1}, iteration {self.iteration + 1}"
            raise FloatingPointError(f"{place}: {error}") from error

    def _count(self, loss: float, norm: float | None, seconds: float) -> None:
        self._sums.add(loss, norm, getattr(self.optimizer, "lr", None))
        self._interval.append(loss)
        self._sums.seconds += seconds
        self.seconds += seconds

    def _line(self) -> None:
        text = self._point(math.fsum(self._interval) / len(self._interval))
        self._interval.clear()
        write(
            f"| epoch {self.current_epoch + 1} |  iter {self.iteration} / {self.iterations} | "
            f"time {int(self.seconds)}[s] | {text}"
        )

    def _finish_epoch(self, valid: Any) -> None:
        means = self._sums.means(self.iterations, self._per_iteration())
        scores = {} if valid is None else own_scores(self.model, valid) if callable(valid) else self._scores(valid)
        self.current_epoch += 1
        self.history.append(
            {"epoch": self.current_epoch, **means, **self._more(means["loss"])}
            | {f"valid_{name}": value for name, value in scores.items()}
        )
        if scores:
            shown = " | ".join(f"valid {name} {value:.4g}" for name, value in scores.items())
            write(f"| epoch {self.current_epoch} | {shown}")
        self._new_epoch()
        for callback in self.callbacks:
            callback.on_epoch(self)

    def _farewell(self, saver: "_Saver | None") -> str:
        place = f"training stopped after epoch {self.current_epoch}, iteration {self.iteration} / {self.iterations}"
        if saver is None:
            return f"{place}. The model keeps what it has learnt; nothing was saved."
        path = saver.save()
        return f"{place} and was saved in {path}. It goes on with --resume, in Python resume=True." if path else place

    def _point(self, loss: float) -> str:
        """Add the mean loss of an interval to the curve; returns how the line shows it."""
        raise NotImplementedError

    def _per_iteration(self) -> dict[str, int]:
        """How many examples or tokens an iteration has."""
        raise NotImplementedError

    def _scores(self, valid: Any) -> dict[str, float]:
        """The scores on validation data."""
        raise NotImplementedError

    def _more(self, loss: float) -> dict[str, float]:
        """What else follows from the mean loss of an epoch."""
        return {}


class _Saver:
    """The checkpoints of a trainer. It begins by putting back the one to go on from, if there is one."""

    def __init__(self, trainer: BaseTrainer, where: Any, settings: dict[str, Any]) -> None:
        self.trainer, self.settings = trainer, settings
        self.checkpoints = where if isinstance(where, Checkpoints) else Checkpoints(where)
        state = self.checkpoints.start()
        if state is None:
            return
        try:
            training_state.restore(trainer, settings, state)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            reason = error if isinstance(error, ValueError) else f"damaged: {error!r}"
            raise FileFormatError(self.checkpoints.folder, f"this training cannot go on from it: {reason}") from error
        write(f"goes on after epoch {trainer.current_epoch}, iteration {trainer.iteration}")

    def save(self) -> Any:
        """Write a checkpoint; its path. If that fails, warn and return None, as the training is worth more."""
        try:
            return self.checkpoints.save(training_state.take(self.trainer, self.settings))
        except OSError as error:
            warnings.warn(f"the checkpoint could not be written, the one before it stays: {error}", stacklevel=3)
            return None
