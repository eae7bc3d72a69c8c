"""Ask word vectors for similar words and analogies (book, section 4.3.2).

    python -m ch04.eval [--vectors runs/ch04_train/vectors.npz]

The default are the vectors that come with the project, which ``ch04/train.py`` made from the Penn Treebank. Any file
that word2vec, GloVe or gensim wrote will do as well. With ``--pairs wordsim353.tsv`` and ``--questions
questions-words.txt`` the vectors are scored, which is printed last: both files come with gensim, among its test data.
"""

from pathlib import Path
from typing import Annotated

from common.experiment import script
from common.similarity import analogy, most_similar
from common.vector_evaluation import evaluate_analogies, evaluate_word_pairs, read_analogies, read_word_pairs
from common.word_vectors import WordVectors

VECTORS = Path(__file__).with_name("vectors.npz")
QUERIES = ("you", "year", "car", "toyota")
ANALOGIES = (("king", "man", "queen"), ("take", "took", "go"), ("car", "cars", "child"), ("good", "better", "bad"))


@script
def main(
    vectors: Annotated[Path, "File of word vectors: .npz, .bin, .txt, .vec or .pkl."] = VECTORS,
    top: Annotated[int, "Answers to show."] = 5,
    pairs: Annotated[Path | None, "Pairs of words with people's scores, to correlate with."] = None,
    questions: Annotated[Path | None, "Analogies to solve, in sections."] = None,
) -> dict[str, float]:
    found = WordVectors.load(vectors)
    words = found.key_to_index, dict(enumerate(found.index_to_key)), found.vectors
    for query in QUERIES:
        most_similar(query, *words, top=top)
    for a, b, c in ANALOGIES:
        analogy(a, b, c, *words, top=top)

    scores: dict[str, float] = {}
    if pairs is not None:
        correlation = evaluate_word_pairs(found, read_word_pairs(pairs))
        scores |= {"spearman": correlation.spearman, "unknown pairs": correlation.unknown}
    if questions is not None:
        total, _ = evaluate_analogies(found, read_analogies(questions))
        scores |= {"analogies": total.accuracy, "unknown questions": total.unknown}
    return scores


if __name__ == "__main__":
    main.cli()
