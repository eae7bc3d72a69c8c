"""SGD whose result is the mean of its path: averaged SGD, non-monotonically triggered (Merity et al. 2018).

SGD with a constant learning rate ends up wandering around the minimum; the mean of the places it visits lies closer to
it (Polyak & Juditsky 1992). Averaging starts when the validation score has stopped improving.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from common.callbacks import BestWeights, Callback, Watcher, check_monitor, last_score
from common.checks import check_counts
from common.optimizer import SGD
from common.sparse_gradient import RowGradient

__all__ = ["AveragedSGD", "BestAverages", "NonMonotoneTrigger"]


class AveragedSGD(SGD):
    """The steps of SGD, and from :meth:`start_averaging` on the mean of all p since then, mean += (p - mean) / steps.

    Training goes on from p itself; :meth:`averages` lets the means take the place of the weights.

    averaging    whether means are being taken
    """

    slots = 1
    averaging = False

    def __init__(self, lr: float = 0.01, *, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay=weight_decay)
        self.averaging = False  # an attribute of its own, as these are its state

    def start_averaging(self) -> None:
        """Take the means of what the following steps lead to. Started once, they go on; another call does nothing."""
        if not self.averaging:
            self.averaging = True
            for state in self._states_of_params:  # each weight has its own count: it may come later, or be used twice
                state.steps = 0

    @contextmanager
    def averages(self) -> Iterator[None]:
        """Inside, the weights hold their means; afterwards what they held before. Without means it does nothing."""
        averaged = [state for state in self._states_of_params if self.averaging and state.steps]
        before = [state.param.copy() for state in averaged]
        for state in averaged:
            state.param[...] = state.arrays[0]
        try:
            yield
        finally:
            for state, value in zip(averaged, before, strict=True):
                state.param[...] = value

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        super()._update_array(step, scale, p, g)
        if self.averaging:
            (mean,) = state
            mean += (p - mean) * (1 / step)

    def _update_rows(self, step: int, scale: float, g: RowGradient, *arrays: Any) -> None:
        self._update_array(step, scale, arrays[0], g.to_dense(), *arrays[1:])  # the means of all rows move on


def check_averages(callback: Callback, trainer: Any) -> None:
    """TypeError unless the optimizer is an AveragedSGD, or has its methods."""
    if not hasattr(trainer.optimizer, "start_averaging") or not hasattr(trainer.optimizer, "averages"):
        kind = type(trainer.optimizer).__name__
        raise TypeError(f"{type(callback).__name__}: the optimizer must be an AveragedSGD, not {kind}")


class NonMonotoneTrigger(Watcher):
    """Starts averaging after an epoch whose score is worse than the best of all but the last `patience` before it.

    It begins anew with a new training or another model, and ends the averaging of the one before. Raises TypeError or
    ValueError unless patience is a whole number of at least 1.
    """

    state = ("scores",)

    def __init__(self, patience: int = 5, monitor: str = "valid_loss") -> None:
        check_counts("NonMonotoneTrigger", patience=patience)
        self.patience, self.monitor = patience, monitor
        self.scores: list[float] = []

    def on_start(self, trainer: Any) -> None:
        """ValueError if the score can never come, TypeError if the optimizer takes no means."""
        check_monitor(self, trainer)
        check_averages(self, trainer)
        if self.watch(trainer):
            if self.scores:  # of another training: without any, averaging has been started by hand
                trainer.optimizer.averaging = False
            self.scores = []

    def on_epoch(self, trainer: Any) -> None:
        score = last_score(self, trainer)
        earlier = self.scores[: -self.patience]
        if earlier and score > min(earlier):
            trainer.optimizer.start_averaging()
        self.scores.append(score)


class BestAverages(BestWeights):
    """BestWeights of an AveragedSGD: keeps, and in the end gives to the model, the means instead of the weights.

    With it the trainers score the means, once there are any, on validation data too.
    """

    def on_start(self, trainer: Any) -> None:
        """As that of BestWeights; TypeError if the optimizer takes no means."""
        check_averages(self, trainer)
        super().on_start(trainer)

    def while_scoring(self, trainer: Any) -> AbstractContextManager[None]:
        return trainer.optimizer.averages()

    def on_epoch(self, trainer: Any) -> None:
        with trainer.optimizer.averages():
            super().on_epoch(trainer)
