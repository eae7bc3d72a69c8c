"""What may happen during a training beside its steps: ``trainer.fit(..., callbacks=[EarlyStopping(patience=3)])``.

They see the trainer, may change ``trainer.optimizer.lr`` and may end the training by ``trainer.stop(reason)``. Their
own state, `state` names it, is part of the checkpoints.
"""

import functools
import math
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from common.checks import check_counts, check_restored_count, check_restored_numbers, is_number
from common.model_tree import unique_params
from common.np import np


class Callback:
    """Base of all: does nothing. `state` names the attributes that change during a training."""

    state: tuple[str, ...] = ()

    def on_start(self, trainer: Any) -> None:
        """Before the first iteration of a fit, and after a checkpoint has been put back."""

    def on_iteration(self, trainer: Any) -> None:
        """After each iteration, of which `trainer.iteration` are done in this epoch."""

    def on_epoch(self, trainer: Any) -> None:
        """After each epoch; ``trainer.history[-1]`` has its means."""

    def while_scoring(self, trainer: Any) -> AbstractContextManager[Any]:
        """The context in which the validation scores of an epoch are found."""
        return nullcontext()

    def on_end(self, trainer: Any) -> None:
        """After the last iteration of a fit, and after its last checkpoint, also if Ctrl-C or weights that are not
        finite end it.
        """

    def state_dict(self) -> dict[str, Any]:
        """The attributes that `state` names."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        for name in self.state:
            setattr(self, name, state[name])


def _reference(model: Any) -> Callable[[], Any]:
    """What returns the model as long as there is one; it does not keep it, unless its class allows no other way."""
    try:
        return weakref.ref(model)
    except TypeError:
        return lambda: model


class Watcher(Callback):
    """Base of the callbacks that keep something of one training, and must not take it into another one."""

    _watched: Callable[[], Any] | None = None  # the model of the last fit; not known of what was put back, or copied

    def watch(self, trainer: Any) -> bool:
        """From now on watch the model of this fit; called in on_start. Returns whether that is a new training, or
        another model than before.

        What a checkpoint has put back belongs to the model of the fit.
        """
        other = self._watched is not None and self._watched() is not trainer.model
        self._watched = _reference(trainer.model)
        return other or (trainer.current_epoch, trainer.iteration) == (0, 0)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As for any callback."""
        super().load_state_dict(state)
        self._watched = None

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which may come with a copy of the model."""
        return {**vars(self), "_watched": None}


def check_monitor(callback: Any, trainer: Any) -> None:
    """ValueError if the score `callback.monitor` can never come, for want of validation data."""
    if callback.monitor.startswith("valid_") and not trainer.validates:
        name = type(callback).__name__
        raise ValueError(f"{name}: monitors {callback.monitor}, but fit has no validation data (valid)")


def last_score(callback: Any, trainer: Any) -> float:
    """The score `callback.monitor` of the last epoch; ValueError if it has none of that name."""
    epoch = trainer.history[-1]
    if callback.monitor not in epoch:
        raise ValueError(f"{type(callback).__name__}: an epoch has {', '.join(epoch)}, but no {callback.monitor}")
    return epoch[callback.monitor]


class Monitor(Watcher):
    """Base of the callbacks that compare epochs by a score of the history, such as "valid_loss" or "valid_accuracy".

    They begin anew with a new training or another model, and go on with a further fit of the same one.

    maximize    whether a higher score is better; by default so for an accuracy, a monitor that ends in this word
    best        the best score so far
    waited      the number of epochs since then
    """

    state: tuple[str, ...] = ("best", "waited")

    def __init__(self, monitor: str = "valid_loss", maximize: bool | None = None) -> None:
        self.monitor = monitor
        self.maximize = monitor.endswith("accuracy") if maximize is None else maximize
        self.best: float | None = None
        self.waited = 0

    def on_start(self, trainer: Any) -> None:
        """ValueError if the score can never come, for want of validation data."""
        check_monitor(self, trainer)
        if self.watch(trainer):
            self._forget()

    def _forget(self) -> None:
        self.best, self.waited = None, 0

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As for any callback; ValueError for a score that is no number."""
        check_restored_numbers("best", [] if state["best"] is None else [state["best"]])
        check_restored_count("waited", state["waited"])
        super().load_state_dict(state)

    def compare(self, trainer: Any) -> bool:
        """Count the last epoch in; called once an epoch. Returns whether it is the best so far."""
        score = last_score(self, trainer)
        if self.best is None:
            better = not math.isnan(score)
        else:
            better = score > self.best if self.maximize else score < self.best
        self.best, self.waited = (score, 0) if better else (self.best, self.waited + 1)
        return better


class EarlyStopping(Monitor):
    """Ends the training after `patience` epochs without a better score.

    Raises TypeError or ValueError unless patience is a whole number of at least 1.
    """

    def __init__(self, patience: int = 3, monitor: str = "valid_loss", maximize: bool | None = None) -> None:
        check_counts("EarlyStopping", patience=patience)
        super().__init__(monitor, maximize)
        self.patience = patience

    def on_start(self, trainer: Any) -> None:
        super().on_start(trainer)
        self._check(trainer)  # a training put back may have ended here

    def on_epoch(self, trainer: Any) -> None:
        self.compare(trainer)
        self._check(trainer)

    def _check(self, trainer: Any) -> None:
        if self.waited >= self.patience:
            trainer.stop(f"{self.monitor} has not improved on {self.best} for {self.waited} epochs")


class BestWeights(Monitor):
    """Keeps the weights of the best epoch, and gives them to the model when the training ends."""

    state: tuple[str, ...] = ("best", "waited", "weights")

    def __init__(self, monitor: str = "valid_loss", maximize: bool | None = None) -> None:
        super().__init__(monitor, maximize)
        self.weights: dict[str, Any] | None = None

    def on_start(self, trainer: Any) -> None:
        super().on_start(trainer)
        own = {name: param.shape for name, param in unique_params(trainer.model).items()}
        if self.weights is not None and {name: weight.shape for name, weight in self.weights.items()} != own:
            raise ValueError("BestWeights: the weights it keeps are those of another model")

    def _forget(self) -> None:
        super()._forget()
        self.weights = None

    def on_epoch(self, trainer: Any) -> None:
        if self.compare(trainer):
            self._keep(trainer.model)

    def _keep(self, model: Any) -> None:
        self.weights = {name: param.copy() for name, param in unique_params(model).items()}

    def on_end(self, trainer: Any) -> None:
        if self.weights is not None:
            for name, param in unique_params(trainer.model).items():
                param[...] = np.asarray(self.weights[name])


class Plateau(Monitor):
    """Multiplies the learning rate by `factor` after each `patience` epochs without a better score.

    Raises ValueError unless 0 < factor < 1, and as EarlyStopping.
    """

    def __init__(
        self, factor: float = 0.25, patience: int = 1, monitor: str = "valid_loss", maximize: bool | None = None
    ) -> None:
        check_counts("Plateau", patience=patience)
        if not (is_number(factor) and 0 < factor < 1):
            raise ValueError(f"Plateau: factor must lie between 0 and 1, not {factor!r}")
        super().__init__(monitor, maximize)
        self.factor, self.patience = factor, patience

    def on_epoch(self, trainer: Any) -> None:
        if not self.compare(trainer) and self.waited % self.patience == 0:
            trainer.optimizer.lr *= self.factor


class Schedule(Watcher):
    """Multiplies the learning rate of the beginning by ``factor(epochs)``, before each iteration.

    `factor` is a function of the time since the beginning in epochs, 2.5 in the middle of the third one, such as
    :func:`step_decay` and :func:`cosine_decay` make. What others do to the learning rate, a Plateau or a second
    Schedule, stays: it changes that of the beginning by the same factor.
    """

    state = ("lr", "result")

    def __init__(self, factor: Callable[[float], float]) -> None:
        self.factor = factor
        self.lr: Any = None  # of the beginning
        self.result: Any = None  # what it has become by this callback
        self._optimizer: Any = None  # whose learning rates these are, if they have not been put back

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As for any callback; ValueError for a learning rate that is no number."""
        for name in self.state:
            check_restored_numbers(name, [] if state[name] is None else [state[name]])
        super().load_state_dict(state)
        self._optimizer = None

    def on_start(self, trainer: Any) -> None:
        # A fit that has ended before its first iteration leaves the result behind, and so does its checkpoint.
        own = self._optimizer in (None, trainer.optimizer) and trainer.optimizer.lr == self.result
        if (self.watch(trainer) and not own) or self.lr is None:
            self.lr = self.result = trainer.optimizer.lr
        self._optimizer = trainer.optimizer
        # What others have changed is in force until the next iteration ends, whether the training is put back or not.
        if trainer.optimizer.lr == self.result:
            self._set(trainer)

    def on_iteration(self, trainer: Any) -> None:
        lr = trainer.optimizer.lr
        if self.result and lr != self.result:
            self.lr *= lr / self.result
        self._set(trainer)

    def _set(self, trainer: Any) -> None:
        epochs = trainer.current_epoch + trainer.iteration / trainer.iterations
        self.result = trainer.optimizer.lr = self.lr * self.factor(epochs)


def step_decay(factor: float, every: int = 1, after: int = 0) -> Callable[[float], float]:
    """1 for `after` epochs, by default `every`, then times `factor` every so many: (0.5, 2) gives 1 1 ½ ½ ¼ ¼ …

    Raises ValueError unless 0 < factor <= 1, and TypeError or ValueError unless `every` and `after` are whole numbers
    of at least 1, which `after` may also be left at 0 for.
    """
    first = after or every
    check_counts("step_decay", every=every, after=first)
    if not (is_number(factor) and 0 < factor <= 1):
        raise ValueError(f"step_decay: factor must be a number above 0 and at most 1, not {factor!r}")
    return functools.partial(_step_factor, factor, every, first)


# Functions of the module, as a trainer that has a Schedule is pickled with it.
def _step_factor(factor: float, every: int, first: int, epochs: float) -> float:
    return factor ** max(0, (int(epochs) - first) // every + 1)


def cosine_decay(max_epoch: float, warm_up: float = 0.0, floor: float = 0.0) -> Callable[[float], float]:
    """From near 0 up to 1 in a line during `warm_up` epochs, then along a cosine down to `floor` at `max_epoch`.

    Without warm-up, f(e) = floor + (1 - floor) (1 + cos(pi e / max_epoch)) / 2 (Loshchilov & Hutter 2017). Raises
    ValueError unless 0 <= warm_up < max_epoch and 0 <= floor <= 1.
    """
    if not (is_number(warm_up) and (is_number(max_epoch) or max_epoch == math.inf) and 0 <= warm_up < max_epoch):
        raise ValueError(f"cosine_decay: expected 0 <= warm_up < max_epoch, not {warm_up=}, {max_epoch=}")
    if not (is_number(floor) and 0 <= floor <= 1):
        raise ValueError(f"cosine_decay: floor must be a number from 0 to 1, not {floor!r}")
    return functools.partial(_cosine_factor, max_epoch, warm_up, floor)


def _cosine_factor(max_epoch: float, warm_up: float, floor: float, epochs: float) -> float:
    if epochs < warm_up:
        return max(epochs / warm_up, 1e-3)  # a first step of 0 would be none
    share = min(1.0, (epochs - warm_up) / (max_epoch - warm_up))
    return floor + (1 - floor) * (1 + math.cos(math.pi * share)) / 2


class TimeLimit(Callback):
    """Ends the training after so many minutes, in the middle of an epoch too. A resumed training has them anew.

    Raises ValueError unless minutes is a number of at least 0; infinity is one.
    """

    def __init__(self, minutes: float) -> None:
        if not (is_number(minutes) or minutes == math.inf) or minutes < 0:
            raise ValueError(f"TimeLimit: minutes must be a number of at least 0, not {minutes!r}")
        self.minutes = minutes
        self._end = math.inf

    def on_start(self, trainer: Any) -> None:
        self._end = time.monotonic() + 60 * self.minutes

    def on_iteration(self, trainer: Any) -> None:
        if time.monotonic() >= self._end:
            trainer.stop(f"the time limit of {self.minutes:g} minutes is reached")
