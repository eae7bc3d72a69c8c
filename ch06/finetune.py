"""Fine-tune a trained language model by SGD that is averaged from the first step (Merity et al. 2018).

    python -m ch06.finetune                                             # what ch06.train_awd_lstm left
    python -m ch06.finetune runs/ch06_train_better_rnnlm --lr 5 --time-size 35 --no-random-blocks --weight-decay 0
    python -m ch06.finetune --resume                                    # goes on where it was cut off
    python -m ch06.finetune --quick                                     # what ch06.train_awd_lstm --quick left, seconds

The mean of all weights since the beginning is what is scored and saved, or the model as it was, if that is better. It
ends when the mean has not become better on the validation text for some epochs, which is simpler than the paper's rule.
The learning rate is the paper's for an AWD-LSTM; other models need one that suits them.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ch06.trained_models import check_vocabulary, folder_of, new_like, read_language_model
from ch06.training_options import LearningRate, MaxGrad, RandomBlocks, TimeSize, TrainSize, WeightDecay
from ch06.training_results import keep_results
from ch06.training_text import training_text
from common.averaged_sgd import AveragedSGD, BestAverages
from common.block_lengths import BlockLengths
from common.callbacks import EarlyStopping
from common.evaluation import eval_perplexity
from common.experiment import TRAINING, Run, experiment
from common.language_model import LanguageModel
from common.trainer import RnnlmTrainer
from common.validation import language_model_scores
from dataset.corpora import Corpus

TRAINED = Path("runs/ch06_train_awd_lstm")


class BestIncludingFirst(BestAverages):
    """BestAverages which keeps the weights of the beginning, too, for as long as no means are better.

    score     a function of the model: the loss on the validation text
    before    what it gave in the beginning
    """

    state = (*BestAverages.state, "before")

    def __init__(self, score: Callable[[Any], float]) -> None:
        super().__init__()
        self.score, self.before = score, math.nan

    def on_start(self, trainer: Any) -> None:
        """As that of BestAverages."""
        super().on_start(trainer)
        if self.weights is None:
            self.before = self.best = self.score(trainer.model)
            self._keep(trainer.model)


@experiment(
    quick={
        "weights": TRAINED.with_name(f"{TRAINED.name}-quick"),
        "corpus": Corpus.mini,
        "max_epoch": 1,
        "train_size": 10_000,
    },
    options=TRAINING,
)
def main(
    run: Run,
    weights: Annotated[Path, typer.Argument(help="Folder that a training of chapter 6 left.")] = TRAINED,
    max_epoch: Annotated[int, "Passes over the training text at most, those before --resume included."] = 100,
    batch_size: int = 20,
    time_size: TimeSize = 70,
    random_blocks: RandomBlocks = True,
    lr: LearningRate = 30.0,
    weight_decay: WeightDecay = 1.2e-6,
    max_grad: MaxGrad = 0.25,
    patience: Annotated[int, "Epochs without a better validation score after which it ends."] = 5,
    train_size: TrainSize = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    if weights.resolve() == run.out.resolve():
        raise ValueError(f"out: {run.out} has the model that is to be tuned, name another folder for the result")
    model = trained_model(weights, run)
    train, _, id_to_word = corpus.load("train")
    valid, test = corpus.load("valid")[0], corpus.load("test")[0]
    xs, ts = training_text(train, train_size)
    check_vocabulary(weights, model, corpus, id_to_word)
    best = BestIncludingFirst(lambda model: language_model_scores(model, valid, time_size)["loss"])
    optimizer = AveragedSGD(lr, weight_decay=weight_decay)
    optimizer.start_averaging()
    trainer = RnnlmTrainer(model, optimizer)

    with run.kept_if_interrupted(partial(model.save, id_to_word=id_to_word)):  # of the best epoch
        trainer.fit(
            xs, ts, max_epoch, batch_size, time_size, max_grad,
            valid=valid, callbacks=[EarlyStopping(patience), best], checkpoint=run.checkpoint,
            block_lengths=BlockLengths(run.rng("blocks")) if random_blocks else None,
        )  # fmt: skip
    valid_perplexity = keep_results(run, trainer, id_to_word, ("loss", "valid_perplexity", "seconds"))
    if best.best == best.before:
        print("no mean was better than the model itself, which is saved as it was")
    before = math.exp(best.before)
    return {
        "valid_perplexity_before": before,
        "valid_perplexity": min(before, *valid_perplexity),
        "test_perplexity": eval_perplexity(model, test),
    }


def trained_model(weights: Path, run: Run) -> LanguageModel:
    """The model of the folder, whose dropout draws from the run's seed.

    ValueError for a file of weights: it does not say what is to be dropped.
    """
    if not folder_of(weights):
        raise ValueError(f"{weights}: weights alone do not say what to drop while training; name a training's folder")
    trained = read_language_model(weights)
    model = new_like(trained, rng=run.rng("dropout"))
    for param, value in zip(model.params, trained.params, strict=True):
        param[...] = value
    return model


if __name__ == "__main__":
    main.cli()
