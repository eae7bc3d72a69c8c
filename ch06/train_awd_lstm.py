"""Train an AWD-LSTM by averaged SGD.

    python -m ch06.train_awd_lstm                           # Penn Treebank: days on a CPU
    python -m ch06.train_awd_lstm --resume                  # goes on where the training was cut off
    python -m ch06.train_awd_lstm --corpus mini --quick     # the whole path in seconds

As in the paper (Merity, Keskar & Socher 2018) the lengths of the blocks vary at random around time_size, and the
weights decay a little. The defaults are those of the authors' code for Penn Treebank: the paper itself reports a batch
size of 40 there, not 20.
"""

from functools import partial
from typing import Annotated, Any

from ch06.awd_lstm import AwdLstm
from ch06.training_options import LearningRate, MaxEpoch, MaxGrad, RandomBlocks, TimeSize, TrainSize, WeightDecay
from ch06.training_results import keep_results
from ch06.training_text import training_text
from common.averaged_sgd import AveragedSGD, BestAverages, NonMonotoneTrigger
from common.block_lengths import BlockLengths
from common.evaluation import eval_perplexity
from common.experiment import TRAINING, Run, experiment
from common.model_tree import count_params
from common.trainer import RnnlmTrainer
from dataset.corpora import Corpus


@experiment(
    quick={"corpus": Corpus.mini, "max_epoch": 1, "train_size": 10_000, "wordvec_size": 24, "hidden_size": 32},
    options=TRAINING,
)
def main(
    run: Run,
    max_epoch: MaxEpoch = 500,
    batch_size: int = 20,
    wordvec_size: Annotated[int, "Width of the word vectors and of the last LSTM."] = 400,
    hidden_size: Annotated[int, "Width of the other LSTMs."] = 1150,
    layers: int = 3,
    time_size: TimeSize = 70,
    random_blocks: RandomBlocks = True,
    lr: LearningRate = 30.0,
    weight_decay: WeightDecay = 1.2e-6,
    max_grad: MaxGrad = 0.25,
    patience: Annotated[int, "Epochs that the validation score may get worse before averaging starts."] = 5,
    train_size: TrainSize = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, Any]:
    train, word_to_id, id_to_word = corpus.load("train")
    valid, test = corpus.load("valid")[0], corpus.load("test")[0]
    xs, ts = training_text(train, train_size)
    model = AwdLstm(len(word_to_id), wordvec_size, hidden_size, layers=layers, rng=run.rng("weights"))
    optimizer = AveragedSGD(lr, weight_decay=weight_decay)
    trainer = RnnlmTrainer(model, optimizer)

    with run.kept_if_interrupted(partial(model.save, id_to_word=id_to_word)):  # of the best epoch
        trainer.fit(
            xs, ts, max_epoch, batch_size, time_size, max_grad,
            valid=valid, callbacks=[NonMonotoneTrigger(patience), BestAverages()], checkpoint=run.checkpoint,
            block_lengths=BlockLengths(run.rng("blocks")) if random_blocks else None,
        )  # fmt: skip
    valid_perplexity = keep_results(run, trainer, id_to_word, ("loss", "valid_perplexity", "seconds"))
    return {
        "parameters": count_params(model),
        "averaged": optimizer.averaging,
        "valid_perplexity": min(valid_perplexity),
        "test_perplexity": eval_perplexity(model, test),
    }


if __name__ == "__main__":
    main.cli()
