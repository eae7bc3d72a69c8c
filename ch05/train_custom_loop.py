"""Train the simplest recurrent language model with a loop of your own (book, section 5.5.3).

    python -m ch05.train_custom_loop

The loop does what the RnnlmTrainer of ``ch05/train.py`` does and gives the same numbers.
"""

from ch05.simple_rnnlm import SimpleRnnlm
from ch05.train import first_words, report
from common.evaluation import perplexity_of
from common.experiment import Run, experiment
from common.np import np
from common.optimizer import SGD
from common.progress import short
from dataset.corpora import Corpus


@experiment(quick={"corpus": Corpus.mini, "max_epoch": 10})
def main(
    run: Run,
    max_epoch: int = 100,
    batch_size: int = 10,
    wordvec_size: int = 100,
    hidden_size: int = 100,
    time_size: int = 5,
    lr: float = 0.1,
    corpus_size: int = 1000,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    ids, vocab_size = first_words(corpus, corpus_size)
    xs, ts = ids[:-1], ids[1:]
    iterations = len(xs) // (batch_size * time_size) if min(batch_size, time_size) > 0 else 0
    if max_epoch < 1 or iterations < 1:
        raise ValueError(f"nothing to train with {max_epoch=}, {batch_size=}, {time_size=} and {len(xs)} words")
    model = SimpleRnnlm(vocab_size, wordvec_size, hidden_size, rng=run.rng("weights"))
    optimizer = SGD(lr)

    # Each row of a batch reads its own part of the text; all move on by time_size words with every iteration.
    offsets = np.arange(batch_size)[:, None] * (len(xs) // batch_size)
    time_idx = 0
    perplexities = []
    for epoch in range(max_epoch):
        total_loss = 0.0
        for _ in range(iterations):
            places = (offsets + time_idx + np.arange(time_size)) % len(xs)
            time_idx += time_size
            total_loss += model.forward(xs[places], ts[places])
            model.backward()
            optimizer.update(model.params, model.grads)
        perplexities.append(perplexity_of(total_loss / iterations))
        print(f"| epoch {epoch + 1} | perplexity {short(perplexities[-1])}")

    return report(run, model, perplexities)


if __name__ == "__main__":
    main.cli()
