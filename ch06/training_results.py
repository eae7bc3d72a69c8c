"""What the trainings with validation leave in their folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.plotting import plot_curve
from common.run import Run
from common.trainer import RnnlmTrainer


def keep_results(
    run: Run, trainer: RnnlmTrainer, id_to_word: Mapping[int, str], columns: Sequence[str], **curves: Sequence[float]
) -> list[Any]:
    """Write the trained model with its words, `curves` and the `columns` of the history, one of them
    "valid_perplexity", and a figure of that; returns that column.
    """
    trainer.model.save(run.out, id_to_word=id_to_word)
    by_epoch = {name: trainer.history.column(name) for name in columns}
    run.record(**curves, **by_epoch)
    run.plot("perplexity.png", plot_curve, by_epoch["valid_perplexity"], "epoch", "validation perplexity")
    return by_epoch["valid_perplexity"]
