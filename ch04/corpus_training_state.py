"""All that the rest of a training by :class:`ch04.corpus_training.CorpusTrainer` depends on: taken, and put back."""

from typing import TYPE_CHECKING, Any

import numpy

from common.checks import check_restored_numbers
from common.np import np
from common.object_tree import generator_states, set_generator_states
from common.resuming import check_same
from common.training_state import checksum, step_settings

if TYPE_CHECKING:
    from ch04.corpus_training import CorpusTrainer
else:
    CorpusTrainer = Any  # for typing.get_type_hints; corpus_training imports this module


def settings_of(trainer: CorpusTrainer, ids: numpy.ndarray, max_epoch: int) -> dict[str, Any]:
    """What must be the same when a fit goes on: all but `threads`, on which the results do not depend."""
    return {
        **step_settings(trainer.model, None),
        "learning_rate": list(trainer.learning_rate),
        "sample": None if trainer.sample is None else float(trainer.sample),
        "shrink_windows": bool(trainer.shrink_windows),
        "shared": int(trainer.shared),
        "stretch": int(trainer.stretch),
        "max_epoch": int(max_epoch),  # the learning rates depend on it
        "checksum of the data": checksum(ids),
    }


def take(trainer: CorpusTrainer) -> dict[str, Any]:
    """The state of a trainer. The generators are as they were when the epoch began: its steps are drawn again."""
    return {
        "trainer": {
            "current_epoch": trainer.current_epoch,
            "iteration": trainer.iteration,
            "loss_list": trainer.loss_list,
        },
        "generators": trainer.drawn if trainer.iteration else generator_states(trainer),
        "params": trainer.model.params,
        "squares": [optimizer.s for optimizer in trainer.optimizers],
    }


def restore(trainer: CorpusTrainer, state: dict[str, Any]) -> None:
    """Put a state back. ValueError, before any weight is changed, if it does not fit."""
    own = state["trainer"]
    check_restored_numbers("loss_list", own["loss_list"])
    arrays = [*trainer.model.params, *(optimizer.s for optimizer in trainer.optimizers)]
    saved = [*state["params"], *state["squares"]]
    check_same({"shapes": [a.shape for a in saved]}, {"shapes": [a.shape for a in arrays]})
    for array, values in zip(arrays, saved, strict=True):
        array[...] = np.asarray(values)
    set_generator_states(trainer, state["generators"])
    trainer.current_epoch, trainer.iteration = own["current_epoch"], own["iteration"]
    trainer.loss_list[:] = own["loss_list"]
