"""All that the rest of a training by :class:`ch04.corpus_training.CorpusTrainer` depends on: taken, and put back."""

from typing import TYPE_CHECKING, Any

import numpy

from common import resuming
from common.checks import check_restored_count, check_restored_numbers
from common.np import np
from common.object_tree import set_generator_states
from common.training_state import ARGUMENT, checksum, step_settings

if TYPE_CHECKING:
    from ch04.corpus_training import CorpusTrainer
else:
    CorpusTrainer = Any  # for typing.get_type_hints; corpus_training imports this module


def settings_of(trainer: CorpusTrainer, ids: numpy.ndarray, max_epoch: int) -> dict[str, Any]:
    """What must be the same when a fit goes on: all but `threads`, on which the results do not depend."""
    return {
        **step_settings(trainer.model, None),
        "kind": type(trainer.model).__name__,
        "learning_rate": list(trainer.learning_rate),
        "sample": None if trainer.sample is None else float(trainer.sample),
        "shrink_windows": bool(trainer.shrink_windows),
        "shared": int(trainer.shared),
        "stretch": int(trainer.stretch),
        "max_epoch": int(max_epoch),  # the learning rates depend on it
        "data": checksum(ids),
    }


def take(
    trainer: CorpusTrainer, settings: dict[str, Any], epoch: int, step: int, drawn: dict[str, Any]
) -> dict[str, Any]:
    """The state of a fit that has done so many epochs, and steps of the next one.

    `drawn` are the generators' states when that epoch began.
    """
    return {
        "settings": settings,
        "epoch": epoch,
        "step": step,
        "generators": drawn,
        "current_epoch": trainer.current_epoch,
        "loss_list": trainer.loss_list,
        "params": trainer.model.params,
        "squares": [optimizer.s for optimizer in trainer.optimizers],
    }


def restore(trainer: CorpusTrainer, settings: dict[str, Any], end: int, state: dict[str, Any]) -> bool:
    """Put a state back; whether it is that of a later fit than the one which leads up to the epoch `end`.

    ValueError, before any weight is changed, if it does not fit. The settings of a later fit are not compared with
    `settings`, but when that begins.
    """
    for name in ("epoch", "step", "current_epoch"):
        check_restored_count(name, state[name])
    check_restored_numbers("loss_list", state["loss_list"])
    begin = state["current_epoch"] - state["epoch"]  # of the fit that the state is of
    later = begin >= end
    arrays = [*trainer.model.params, *(optimizer.s for optimizer in trainer.optimizers)]
    saved = [*state["params"], *state["squares"]]
    before = {**state["settings"], "shapes": [a.shape for a in saved]}
    now = {**(state["settings"] if later else settings), "shapes": [a.shape for a in arrays]}
    # An argument of the model that is no setting on one side, such as an array, cannot be compared.
    one_sided = {name for name in before.keys() ^ now.keys() if name.startswith(ARGUMENT)}
    if found := resuming.differences(before, now, one_sided):
        raise ValueError(f"it belongs to another training: {found}")
    for array, values in zip(arrays, saved, strict=True):
        array[...] = np.asarray(values)
    set_generator_states(trainer, state["generators"])
    trainer.current_epoch, trainer.loss_list[:] = state["current_epoch"], state["loss_list"]
    return later
