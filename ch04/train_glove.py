"""Train GloVe on the counts of a corpus, by default the Penn Treebank.

    python -m ch04.train_glove [--corpus mini]

Leaves the vectors, the most frequent words first, for ``ch04/eval.py`` and other tools. The Trainer
needs to know nothing about words: it shuffles pairs of ids and their counts like any other examples.
"""

from typing import Annotated

from ch04.glove import GloVe, weighted_counts
from ch04.word_frequency import most_frequent_first
from common.callbacks import Callback
from common.experiment import TRAINING, Run, experiment
from common.np import to_cpu
from common.optimizer import AdaGrad
from common.plotting import plot_curve
from common.progress import write
from common.trainer import Trainer
from dataset.corpora import Corpus


class EpochLine(Callback):
    """Prints the mean loss of each epoch."""

    def on_epoch(self, trainer: Trainer) -> None:
        epoch = trainer.history[-1]
        write(f"| epoch {epoch['epoch']} | time {trainer.seconds:.1f}[s] | loss {epoch['loss']:.4f}")


@experiment(quick={"corpus": Corpus.mini, "max_epoch": 1}, options=TRAINING)
def main(
    run: Run,
    corpus: Corpus = Corpus.ptb,
    max_epoch: int = 15,
    window_size: Annotated[int, "Words on each side of a word."] = 10,
    hidden_size: Annotated[int, "Width of the vectors."] = 100,
    x_max: Annotated[float, "Count from which on all pairs weigh the same."] = 10.0,
    batch_size: Annotated[int, "Pairs of a step."] = 16384,
    lr: float = 0.1,
) -> dict[str, float]:
    ids, word_to_id, id_to_word = corpus.load()
    pairs, counts = weighted_counts(ids, len(word_to_id), window_size)
    print(f"{len(pairs)} pairs of {len(word_to_id)} words")
    model = GloVe(len(word_to_id), hidden_size, x_max=x_max, rng=run.rng("weights"))
    trainer = Trainer(model, AdaGrad(lr), rng=run.rng("shuffle"))
    batch_size = min(batch_size, len(pairs))
    trainer.fit(
        pairs, counts, max_epoch, batch_size, callbacks=[EpochLine()], eval_interval=None, checkpoint=run.checkpoint
    )

    losses = trainer.history.column("loss")
    run.record(loss=losses)
    run.plot("loss.png", plot_curve, losses, "epoch", "loss")
    saved = most_frequent_first(to_cpu(model.word_vecs), ids, id_to_word)
    saved.save(run.path("vectors.npz"))
    saved.save(run.path("vectors.bin"))
    return {"loss": losses[-1], "pairs": len(pairs)}


if __name__ == "__main__":
    main.cli()
