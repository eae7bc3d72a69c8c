"""Word vectors by counting, on a real corpus: counts, PPMI, singular value decomposition (book, section 2.4.4).

    python -m ch02.count_method_big [--corpus mini]

takes about two seconds for the 929,589 words of the Penn Treebank, as the matrices stay sparse. Leaves the vectors, in
the files of this project and of word2vec, and a map of the frequent words, on which those that would cover a more
frequent one are dots alone.
"""

import time
from typing import Annotated

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable

# isort: split
import numpy

from common.checks import check_counts
from common.counts import co_occurrences, ppmi
from common.experiment import Run, experiment
from common.plotting import plot_words
from common.progress import write
from common.reduction import pca, truncated_svd
from common.similarity import most_similar
from common.word_vectors import WordVectors
from dataset.corpora import Corpus

QUERIES = {
    Corpus.ptb: ("you", "year", "car", "toyota"),
    Corpus.mini: ("king", "queens", "wore", "yesterday"),
}


@experiment(quick={"corpus": Corpus.mini, "wordvec_size": 50})
def main(
    run: Run,
    corpus: Corpus = Corpus.ptb,
    window_size: Annotated[int, "Words on each side that count as near."] = 2,
    wordvec_size: Annotated[int, "Width of the vectors."] = 100,
    top: Annotated[int, "Neighbours to show."] = 5,
    mapped: Annotated[int, "Words on the map, or 0 for no map."] = 100,
) -> dict[str, float]:
    if mapped < 0 or mapped == 1:
        raise ValueError(f"mapped must be 0, for no map, or at least 2, not {mapped}")
    least = 2 if mapped else 1
    if wordvec_size < least:
        raise ValueError(f"wordvec_size must be at least {least}{' for a map' * bool(mapped)}, not {wordvec_size}")
    check_counts("count_method_big", window_size=window_size)
    if top < 0:
        raise ValueError(f"top must not be negative, it is {top}")
    start = time.perf_counter()

    def stage(text: str) -> None:
        write(f"{time.perf_counter() - start:5.1f} s | {text}")

    stage(f"loading {corpus}")
    ids, word_to_id, id_to_word = corpus.load()
    if wordvec_size > len(word_to_id):
        raise ValueError(f"wordvec_size must be at most {len(word_to_id)}, the number of words, not {wordvec_size}")
    stage(f"counting neighbours of {len(id_to_word)} words in {len(ids)}")
    C = co_occurrences(ids, len(word_to_id), window_size)
    stage(f"PPMI of {C.nnz} pairs of words")
    W = ppmi(C)
    stage(f"SVD of {W.nnz} positive ones to width {wordvec_size}")
    U, _, _ = truncated_svd(W, wordvec_size, rng=run.rng("svd"))
    stage("done")

    vectors = WordVectors(U, id_to_word)
    vectors.save(run.path("vectors.npz"))
    vectors.save(run.path("vectors.bin"))
    if mapped:
        frequent = numpy.argsort(-numpy.bincount(ids), kind="stable")[:mapped]
        run.plot("map.png", plot_words, pca(vectors.unit_vectors()[frequent]), [id_to_word[i] for i in frequent])
    for query in QUERIES[corpus]:
        most_similar(query, word_to_id, id_to_word, U, top)
    return {"tokens": len(ids), "words": len(id_to_word), "pairs": C.nnz}


if __name__ == "__main__":
    main.cli()
