"""Train the simple word2vec on a single sentence: a second, and the loss curve of the book's figure 3-21.

    python -m ch03.train [--model skipgram]

The vectors are printed. A text of eight words gives only the order of magnitude of the book's vectors. In skip-gram the
first and the last word are never in the middle of a window, so that their vectors stay as they were drawn.
"""

from typing import Annotated

from ch03.simple_cbow import SimpleCBOW
from ch03.simple_skip_gram import SimpleSkipGram
from common.choice import Choice
from common.experiment import TRAINING, Run, experiment
from common.np import to_cpu
from common.optimizer import Adam
from common.plotting import plot_curve
from common.text import convert_one_hot, create_contexts_target, preprocess
from common.trainer import Trainer
from common.word_vectors import WordVectors


class Model(Choice):
    cbow = "cbow"
    skipgram = "skipgram"


@experiment(quick={"max_epoch": 100}, options=TRAINING)
def main(
    run: Run,
    model: Annotated[Model, "Predict a word from those around it, or the other way round."] = Model.cbow,
    text: str = "You say goodbye and I say hello.",
    max_epoch: int = 1000,
    window_size: int = 1,
    hidden_size: int = 5,
    batch_size: int = 3,
) -> dict[str, float]:
    corpus, word_to_id, id_to_word = preprocess(text)
    contexts, target = create_contexts_target(corpus, window_size)
    contexts, target = (convert_one_hot(ids, len(word_to_id)) for ids in (contexts, target))

    rng = run.rng("weights")
    net: SimpleCBOW | SimpleSkipGram
    if model == Model.skipgram:
        net = SimpleSkipGram(len(word_to_id), hidden_size, rng=rng)
    else:
        net = SimpleCBOW(len(word_to_id), hidden_size, context_size=2 * window_size, rng=rng)
    trainer = Trainer(net, Adam(), rng=run.rng("shuffle"))
    trainer.fit(contexts, target, max_epoch, batch_size, checkpoint=run.checkpoint)

    # Not trainer.loss_list: with fewer iterations in an epoch than from line to line, its means are of one batch each.
    losses = trainer.history.column("loss")
    run.record(loss=losses)
    run.plot("loss.png", plot_curve, losses, "epoch", "loss")
    vectors = to_cpu(net.word_vecs)
    WordVectors(vectors, id_to_word).save(run.path("vectors.npz"))
    for i, word in id_to_word.items():
        print(word, vectors[i])
    return {"loss": float(net.forward(contexts, target))}


if __name__ == "__main__":
    main.cli()
