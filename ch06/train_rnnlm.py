"""Train the LSTM language model of the book's chapter 6 (figures 6-27 and 6-28).

    python -m ch06.train_rnnlm --corpus mini   # a minute: our own small language, whose true perplexity is known
    python -m ch06.train_rnnlm                 # a few minutes: Penn Treebank, test perplexity about 135

On the mini corpus the learning rate of the last epoch is a quarter of the others', which brings the model within a few
percent of the best possible one; on Penn Treebank all is as in the book. A training whose last epoch has a rate of its
own cannot be made longer by --resume with another --max-epoch.
"""

import math
from functools import partial
from typing import Annotated

from ch06.rnnlm import Rnnlm
from ch06.training_options import LearningRate, MaxGrad, TimeSize, TrainSize
from ch06.training_text import training_text
from common.callbacks import Schedule
from common.checks import check_counts
from common.evaluation import eval_perplexity
from common.experiment import TRAINING, Run, experiment
from common.optimizer import SGD
from common.plotting import plot_curve
from common.text_writer import sample_sentences
from common.trainer import RnnlmTrainer
from dataset import mini
from dataset.corpora import Corpus


@experiment(quick={"corpus": Corpus.mini, "max_epoch": 1, "train_size": 20_000}, options=TRAINING)
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the training text."] = 4,
    batch_size: int = 20,
    wordvec_size: int = 100,
    hidden_size: Annotated[int, "Width of the LSTM's state."] = 100,
    time_size: TimeSize = 35,
    lr: LearningRate = 20.0,
    final_lr: Annotated[float | None, "Learning rate of the last epoch, by default lr, or lr / 4 on mini."] = None,
    max_grad: MaxGrad = 0.25,
    train_size: TrainSize = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    check_counts("train_rnnlm", max_epoch=max_epoch)
    if final_lr is None:
        final_lr = lr / 4 if corpus is Corpus.mini else lr
    if not (lr > 0 and 0 <= final_lr < math.inf):  # the last epoch would be too late to find out
        raise ValueError(f"lr must be a positive number and final_lr one of at least 0, not {lr} and {final_lr}")
    if final_lr != lr:  # a longer training would not have had that rate there: unlike max_epoch, this is compared
        run.checkpoint.settings["max_epoch (the last epoch has a learning rate of its own)"] = max_epoch
    train, word_to_id, id_to_word = corpus.load("train")
    test = corpus.load("test")[0]
    xs, ts = training_text(train, train_size)
    model = Rnnlm(len(word_to_id), wordvec_size, hidden_size, rng=run.rng("weights"))
    trainer = RnnlmTrainer(model, SGD(lr))
    last = Schedule(lambda epochs: final_lr / lr if epochs >= max_epoch - 1 else 1.0)
    save = partial(model.save, id_to_word=id_to_word)
    with run.kept_if_interrupted(save):
        trainer.fit(xs, ts, max_epoch, batch_size, time_size, max_grad, callbacks=[last], checkpoint=run.checkpoint)

    save(run.out)
    run.record(perplexity=trainer.ppl_list)
    run.plot("perplexity.png", plot_curve, trainer.ppl_list, "iterations (x20)", "perplexity", ylim=(0, 500))
    scores = {"test_perplexity": eval_perplexity(model, test)}
    if corpus is Corpus.mini:
        scores["true_perplexity"] = mini.perplexity(test)
    print("\nWhat it says:")
    for sentence in sample_sentences(model, word_to_id, id_to_word, 4, rng=run.rng("sentences")):
        print(f"    {sentence}")
    print()
    return scores


if __name__ == "__main__":
    main.cli()
