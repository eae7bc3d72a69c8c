"""Train word2vec on a corpus, by default CBOW on the Penn Treebank: ten epochs in some ten seconds on two cores.

    python -m ch04.train [--model skipgram] [--corpus mini] [--plain]

Leaves the vectors, the most frequent words first, in the files of this project and of word2vec, and the book's
``cbow_params.pkl``. ``python -m ch04.eval --vectors runs/ch04_train/vectors.npz`` asks them questions.

The text is read in long stretches (:mod:`ch04.corpus_training`). ``--plain`` trains as the book does, on shuffled
single windows with Adam: the same model, and the expected gradient that the fast way has with ``--no-shrink-windows``,
in more than ten seconds instead of one an epoch, for skip-gram more than a minute. Only the fast way shrinks windows
and sub-samples.

The vectors that come with the project, ``ch04/vectors.npz``, were made by ``python -m ch04.train --half``.
"""

from typing import Annotated

from ch03.train import Model
from ch04.cbow import CBOW
from ch04.corpus_training import CorpusTrainer
from ch04.skip_gram import SkipGram
from ch04.word_frequency import keep_frequent, most_frequent_first
from common import word_vector_pickle
from common.checks import check_counts
from common.experiment import TRAINING, Run, experiment
from common.np import to_cpu
from common.optimizer import Adam
from common.plotting import plot_curve
from common.text import create_contexts_target
from common.trainer import Trainer
from dataset.corpora import Corpus


@experiment(
    quick={"corpus": Corpus.mini, "max_epoch": 1},
    options=TRAINING,
    free=("threads", "batch_size"),  # the results are the same; the trainer compares it, its default too
)
def main(
    run: Run,
    model: Annotated[Model, "Predict a word from those around it, or the other way round."] = Model.cbow,
    corpus: Corpus = Corpus.ptb,
    max_epoch: int = 10,
    window_size: Annotated[int, "Words on each side of a word."] = 5,
    hidden_size: Annotated[int, "Width of the vectors."] = 100,
    sample_size: Annotated[int, "Negatives for each word."] = 5,
    min_count: Annotated[int, "Leave out words that are rarer."] = 1,
    sample: Annotated[float | None, "Sub-sample words that are more frequent, 0.001 for example."] = None,
    shrink_windows: Annotated[bool, "Windows from 1 to window_size, so that near words count more."] = True,
    threads: Annotated[int | None, "1 or 2, which is the default; the results are the same."] = None,
    plain: Annotated[bool, "Train on shuffled single windows, as the book does."] = False,
    batch_size: Annotated[int | None, "Windows of a step of the plain way, by default 100."] = None,
    half: Annotated[bool, "Write vectors.npz in float16."] = False,
) -> dict[str, float]:
    for name, value in (("sample", sample), ("threads", threads)):
        if plain and value is not None:
            raise ValueError(f"{name} {value} makes no sense with plain, which does not use it")
    if not plain and batch_size is not None:
        raise ValueError(f"batch_size {batch_size} makes no sense without plain, which alone uses it")
    check_counts("train", min_count=min_count)
    ids, word_to_id, id_to_word = corpus.load()
    if min_count > 1:
        ids, word_to_id, id_to_word = keep_frequent(ids, word_to_id, min_count)
    kind = SkipGram if model == Model.skipgram else CBOW
    net = kind(len(word_to_id), hidden_size, window_size, ids, sample_size=sample_size, rng=run.rng("model"))
    if plain:
        contexts, target = create_contexts_target(ids, window_size)
        trainer = Trainer(net, Adam(), rng=run.rng("shuffle"))
        batch_size = 100 if batch_size is None else batch_size
        trainer.fit(contexts, target, max_epoch, batch_size, eval_interval=1000, checkpoint=run.checkpoint)
        losses = trainer.history.column("loss")
    else:
        fast = CorpusTrainer(
            net, sample=sample, shrink_windows=shrink_windows, threads=2 if threads is None else threads,
            rng=run.rng("training"),
        )  # fmt: skip
        fast.fit(ids, max_epoch, checkpoint=run.checkpoint)
        losses = fast.loss_list

    run.record(loss=losses)
    run.plot("loss.png", plot_curve, losses, "epoch", "loss")
    vectors = to_cpu(net.word_vecs)
    word_vector_pickle.write(run.path("cbow_params.pkl"), vectors, word_to_id, id_to_word)
    saved = most_frequent_first(vectors.astype("f2" if half else "f4"), ids, id_to_word)
    saved.save(run.path("vectors.npz"))
    saved.save(run.path("vectors.bin"))
    return {"loss": losses[-1], "words": len(saved)}


if __name__ == "__main__":
    main.cli()
