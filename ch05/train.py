"""Train the simplest recurrent language model on a short text with RnnlmTrainer: seconds, down to a perplexity near 6.

    python -m ch05.train

The first 1,000 words of a corpus are learnt by heart (book, figure 5-33). The same with a loop of your own is
``ch05/train_custom_loop.py``.
"""

from typing import Annotated, Any

from ch05.simple_rnnlm import SimpleRnnlm
from common.evaluation import perplexity_of
from common.experiment import TRAINING, Run, experiment
from common.np import np
from common.optimizer import SGD
from common.plotting import plot_curve
from common.progress import short
from common.trainer import RnnlmTrainer
from dataset.corpora import Corpus


def first_words(corpus: Corpus, corpus_size: int) -> tuple[Any, int]:
    """The first `corpus_size` ids of the training text, and the size of the vocabulary: the largest id + 1."""
    if corpus_size < 2:
        raise ValueError(f"corpus_size must be at least 2, not {corpus_size}")
    ids = corpus.load("train")[0][:corpus_size]
    vocab_size = int(ids.max()) + 1
    print(f"corpus size: {len(ids)}, vocabulary size: {vocab_size}")
    return np.asarray(ids), vocab_size


def report(run: Run, model: SimpleRnnlm, perplexities: list[float]) -> dict[str, float]:
    """Leave weights and curve in the run's folder; returns the last perplexity."""
    model.save_params(run.path("weights.npz"))
    run.record(perplexity=perplexities)
    run.plot("perplexity.png", plot_curve, perplexities, "epoch", "perplexity")
    return {"perplexity": perplexities[-1]}


@experiment(quick={"corpus": Corpus.mini, "max_epoch": 10}, options=TRAINING)
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the text."] = 100,
    batch_size: int = 10,
    wordvec_size: int = 100,
    hidden_size: Annotated[int, "Width of the RNN's state."] = 100,
    time_size: Annotated[int, "Steps of truncated backpropagation through time."] = 5,
    lr: float = 0.1,
    corpus_size: Annotated[int, "Words of the text."] = 1000,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    ids, vocab_size = first_words(corpus, corpus_size)
    model = SimpleRnnlm(vocab_size, wordvec_size, hidden_size, rng=run.rng("weights"))
    trainer = RnnlmTrainer(model, SGD(lr))
    trainer.fit(
        ids[:-1], ids[1:], max_epoch, batch_size, time_size, eval_interval=None, checkpoint=run.checkpoint
    )
    perplexities = []
    for epoch in trainer.history:
        perplexities.append(perplexity_of(epoch["loss"]))
        print(f"| epoch {epoch['epoch']} | perplexity {short(perplexities[-1])}")
    return report(run, model, perplexities)


if __name__ == "__main__":
    main.cli()
