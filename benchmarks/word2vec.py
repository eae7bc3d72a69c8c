"""Word2vec on the Penn Treebank against gensim: width 100, window 5, 5 negatives, every word kept.

    python benchmarks/word2vec.py [cbow | skipgram | plain | script] [--rounds 5]
    python benchmarks/word2vec.py cbow-quality skipgram-quality --rounds 1

Words per second count every word of the text in every epoch, with all that a side does beside: gensim's building of the
vocabulary, our model's. ``plain`` is the book's way, ``Trainer.fit`` on shuffled windows; ``script`` all of
``ch04/train.py``. ``-quality`` trains 10 epochs from three seeds and scores both sides with the same code: Spearman's
correlation on WordSim-353 and accuracy on Google's analogies, both from gensim's test data.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import side_by_side

WIDTH, WINDOW, NEGATIVES = 100, 5, 5
SEEDS = (0, 1, 2)
Vectors = Any


def train_ours(model: str, epochs: int, threads: int = 2, seed: int = 0) -> tuple[float, Vectors]:
    """(words per second, vectors)."""
    from ch04.cbow import CBOW
    from ch04.corpus_training import CorpusTrainer
    from ch04.skip_gram import SkipGram
    from common.word_vectors import WordVectors
    from dataset import ptb

    corpus, word_to_id, id_to_word = ptb.load_data()
    start = time.perf_counter()
    kind = SkipGram if model == "skipgram" else CBOW
    net = kind(len(word_to_id), WIDTH, WINDOW, corpus, sample_size=NEGATIVES, rng=seed)
    CorpusTrainer(net, threads=threads, rng=seed).fit(corpus, epochs, verbose=False)
    speed = len(corpus) * epochs / (time.perf_counter() - start)
    return speed, WordVectors(net.word_vecs, id_to_word)


def train_gensim(model: str, epochs: int, workers: int = 1, seed: int = 1) -> tuple[float, Vectors]:
    """(words per second, vectors)."""
    from gensim.models import Word2Vec

    from common.text import EOS
    from common.word_vectors import WordVectors
    from dataset import ptb

    corpus, _, id_to_word = ptb.load_data()
    text = " ".join(map(id_to_word.__getitem__, corpus.tolist()))
    sentences = [[*line.split(), EOS] for line in text.split(EOS)[:-1]]
    start = time.perf_counter()
    peer = Word2Vec(
        sentences, vector_size=WIDTH, window=WINDOW, negative=NEGATIVES, sg=int(model == "skipgram"), hs=0,
        min_count=1, sample=0, workers=workers, epochs=epochs, seed=seed,
    )  # fmt: skip
    speed = len(corpus) * epochs / (time.perf_counter() - start)
    return speed, WordVectors(peer.wv.vectors, peer.wv.index_to_key)


def plain() -> dict[str, float]:
    from ch04.cbow import CBOW
    from common.optimizer import Adam
    from common.text import create_contexts_target
    from common.trainer import Trainer
    from dataset import ptb

    corpus, word_to_id, _ = ptb.load_data()
    contexts, target = create_contexts_target(corpus[:200_000], WINDOW)
    trainer = Trainer(CBOW(len(word_to_id), WIDTH, WINDOW, corpus, rng=0), Adam(), rng=0)
    start = time.perf_counter()
    trainer.fit(contexts, target, 1, 100, eval_interval=None)
    return {"words_per_second": len(target) / (time.perf_counter() - start)}


def script() -> dict[str, float]:
    from ch04 import train

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train.main(out=folder)
        return {"seconds": time.perf_counter() - start}


def speed(train: Callable[..., tuple[float, Vectors]], *args: Any, epochs: int = 3) -> Callable[[], dict[str, float]]:
    return lambda: {"words_per_second": train(args[0], epochs, *args[1:])[0]}


def quality(train: Callable[..., tuple[float, Vectors]], model: str) -> Callable[[], dict[str, float]]:
    def measure() -> dict[str, float]:
        from gensim.test.utils import datapath

        from common.vector_evaluation import evaluate_analogies, evaluate_word_pairs, read_analogies, read_word_pairs

        pairs, questions = read_word_pairs(datapath("wordsim353.tsv")), read_analogies(datapath("questions-words.txt"))
        found = [train(model, 10, 2, seed + 1)[1] for seed in SEEDS]
        return {
            "wordsim": statistics.mean(evaluate_word_pairs(vectors, pairs).spearman for vectors in found),
            "analogies": statistics.mean(evaluate_analogies(vectors, questions)[0].accuracy for vectors in found),
        }

    return measure


TASKS: dict[str, side_by_side.SIDES] = {
    model: {
        "ours, 2 threads": speed(train_ours, model, 2),
        "ours, 1 thread": speed(train_ours, model, 1),
        "gensim, 1 worker": speed(train_gensim, model, 1),
        "gensim, 2 workers": speed(train_gensim, model, 2),
    }
    for model in ("cbow", "skipgram")
}
TASKS |= {"plain": {"ours": plain}, "script": {"ours": script}}
TASKS |= {
    f"{model}-quality": {"ours": quality(train_ours, model), "gensim": quality(train_gensim, model)}
    for model in ("cbow", "skipgram")
}

if __name__ == "__main__":
    side_by_side.main(TASKS, ("numpy", "scipy", "gensim"))
