"""The checkpoints of a trainer: written while it fits, put back before, and blamed for what fails because of them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import resuming, training_state
from common.checkpoint import checkpoints_of
from common.progress import write

if TYPE_CHECKING:
    from common.base_trainer import BaseTrainer
else:
    BaseTrainer = Any  # for typing.get_type_hints; base_trainer imports this module


class TrainerCheckpoints:
    """The checkpoints of one fit. It begins by putting back the one to go on from, if there is one.

    From then to the end of :meth:`blamed` nobody else can train in the folder.

    where       a folder, or Checkpoints
    settings    what must be the same when the training goes on
    end         the epoch that this fit leads up to, should it be the one that is gone on with
    """

    def __init__(self, trainer: "BaseTrainer", where: Any, settings: dict[str, Any], end: int) -> None:
        self.trainer, self.settings = trainer, settings
        self.checkpoints = checkpoints_of(where, trainer._checkpoints)
        trainer._checkpoints = self.checkpoints
        state = self.checkpoints.start(alone=True)
        if state is not None:
            trainer._end = end
        try:
            self._check_done(state)
            self.restored = self._restore(state)
        except BaseException:
            self.checkpoints.restart()
            self.checkpoints.release()
            raise

    def _check_done(self, state: dict[str, Any] | None) -> None:
        """FileFormatError for a script's shorter training, by its settings, which has less to do than is done."""
        if state is not None:
            with self.checkpoints.restoring():
                was, now = (each.get("max_epoch") for each in (self.checkpoints.before, self.checkpoints.settings))
                resuming.check_done(was, now, state["trainer"]["current_epoch"], state["trainer"]["iteration"])

    def _restore(self, state: dict[str, Any] | None) -> bool:
        """Put a state back. That of a later fit is put back again when that fit begins: what a loop of fits does
        before, such as changing the learning rate, it had done before the checkpoint, too.
        """
        trainer = self.trainer
        is_of_this_fit = state is None and not self._is_later()
        found = trainer._later_state if is_of_this_fit else state
        if found is not None:
            with self.checkpoints.restoring():
                training_state.restore(trainer, self._settings_for(found), found)
        if state is not None:
            write(f"goes on {trainer._place()}")
            trainer._later_state = state
        if not self._is_later():
            trainer._later_state = None
        return found is not None

    def _settings_for(self, state: dict[str, Any]) -> dict[str, Any]:
        """What must be the same to go on with a state; that of a later fit is compared when that fit begins."""
        later = (state["trainer"]["current_epoch"], state["trainer"]["iteration"]) > (self.trainer._end, 0)
        return state["settings"] if later else self.settings

    def _is_later(self) -> bool:
        """Whether the training has got beyond the current fit."""
        return (self.trainer.current_epoch, self.trainer.iteration) > (self.trainer._end, 0)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """A context for the rest of the training: what fails before one more iteration is done, fails by what was put
        back, such as a layer's state of another batch size, and the error names the checkpoint.

        In the end other trainings may have the folder.
        """
        trainer = self.trainer
        begin = trainer.current_epoch, trainer.iteration
        try:
            yield
        except (FloatingPointError, BrokenPipeError):  # has diverged, or has lost its reader, nobody's mistake
            raise
        except Exception:
            if self.restored and (trainer.current_epoch, trainer.iteration) == begin:
                with self.checkpoints.restoring():
                    raise
            raise
        finally:
            self.checkpoints.release()

    def check(self) -> None:
        """TypeError for a training whose state cannot be saved: better now than after the first hour."""
        self.checkpoints.check(training_state.take(self.trainer, self.settings))

    def save(self) -> Path | None:
        """Write a checkpoint; its path. If that fails, say so and return None, as the training is worth more."""
        try:
            return self.checkpoints.save(training_state.take(self.trainer, self.settings))
        except (OSError, TypeError, ValueError) as error:  # the disk, or what others have put into the state
            stays = ", the one before it stays" if self.checkpoints.files() else ""
            write(f"the checkpoint could not be written{stays}: {error}")
            return None
