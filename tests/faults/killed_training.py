"""A script to be killed: both trainers, with dropout, Adam, validation and all callbacks that have a state."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from small_trainings import ExampleTraining, LanguageTraining

from common.callbacks import BestWeights, EarlyStopping, Plateau, Schedule, cosine_decay
from common.checkpoint import Checkpoints
from common.experiment import TRAINING, Run, experiment


@experiment(options=TRAINING)
def main(run: Run, max_epoch: int = 20) -> dict[str, float]:
    scores = {}
    for kind in (LanguageTraining, ExampleTraining):
        name = kind.__name__
        checkpoints = Checkpoints(run.path(f"{name}-checkpoints"), resume=run.checkpoint.resume)
        callbacks = [Schedule(cosine_decay(max_epoch, 1)), Plateau(), EarlyStopping(8), BestWeights()]
        trainer = kind().fit(max_epoch, callbacks=callbacks, checkpoint=checkpoints).trainer
        trainer.model.save_params(run.path(f"{name}.npz"))
        run.record(**{name: trainer.history.column("valid_loss")})
        scores[name] = trainer.history[-1]["loss"]
    return scores


if __name__ == "__main__":
    main.cli()
