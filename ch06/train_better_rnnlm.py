"""Train the better language model of the book's section 6.5, with all its improvements or some.

    python -m ch06.train_better_rnnlm                          # as in the book: 40 epochs on Penn Treebank, hours
    python -m ch06.train_better_rnnlm --resume                 # goes on where the training was cut off
    python -m ch06.train_better_rnnlm --corpus mini --quick    # the whole path in seconds
    python -m ch06.train_better_rnnlm --layers 1 --no-tied --dropout-ratio 0    # without the improvements

After each epoch the model is scored on the validation text; if that is no better than the best so far, the learning
rate is divided by four. The weights of the best epoch are saved and tested.
"""

from functools import partial
from typing import Annotated

from ch06.better_rnnlm import BetterRnnlm
from ch06.training_options import MaxEpoch, MaxGrad, TimeSize, TrainSize
from ch06.training_results import keep_results
from ch06.training_text import training_text
from common.callbacks import BestWeights, Plateau
from common.evaluation import eval_perplexity
from common.experiment import TRAINING, Run, experiment
from common.model_tree import count_params
from common.optimizer import SGD
from common.trainer import RnnlmTrainer
from dataset.corpora import Corpus


@experiment(
    quick={"corpus": Corpus.mini, "max_epoch": 1, "train_size": 10_000, "wordvec_size": 32, "hidden_size": 32},
    options=TRAINING,
)
def main(
    run: Run,
    max_epoch: MaxEpoch = 40,
    batch_size: int = 20,
    wordvec_size: int = 650,
    hidden_size: Annotated[int, "Width of each recurrent layer's state."] = 650,
    time_size: TimeSize = 35,
    lr: Annotated[float, "Learning rate of the beginning."] = 20.0,
    max_grad: MaxGrad = 0.25,
    dropout_ratio: float = 0.5,
    layers: Annotated[int, "How many recurrent layers."] = 2,
    cell: Annotated[str, "rnn, relu, lstm, peephole, peephole_diagonal or gru"] = "lstm",
    tied: Annotated[bool, "Let the affine layer share the embedding's weight."] = True,
    variational: Annotated[bool, "One dropout mask for all time steps, through time too."] = False,
    dropconnect: Annotated[float, "Share of the recurrent weights dropped in each iteration."] = 0.0,
    train_size: TrainSize = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    train, word_to_id, id_to_word = corpus.load("train")
    valid, test = corpus.load("valid")[0], corpus.load("test")[0]
    xs, ts = training_text(train, train_size)
    model = BetterRnnlm(
        len(word_to_id),
        wordvec_size,
        hidden_size,
        dropout_ratio,
        layers=layers,
        cell=cell,
        tied=tied,
        variational=variational,
        dropconnect=dropconnect,
        rng=run.rng("weights"),
    )
    trainer = RnnlmTrainer(model, SGD(lr))
    with run.kept_if_interrupted(partial(model.save, id_to_word=id_to_word)):  # of the best epoch
        trainer.fit(
            xs, ts, max_epoch, batch_size, time_size, max_grad,
            valid=valid, callbacks=[Plateau(0.25), BestWeights()], checkpoint=run.checkpoint,
        )  # fmt: skip
    columns = ("perplexity", "valid_perplexity", "lr", "seconds")
    valid_perplexity = keep_results(run, trainer, id_to_word, columns, interval_perplexity=trainer.ppl_list)
    return {
        "parameters": count_params(model),
        "valid_perplexity": min(valid_perplexity),
        "test_perplexity": eval_perplexity(model, test),
    }


if __name__ == "__main__":
    main.cli()
