"""Word vectors of two numbers: the singular value decomposition of a sentence's PPMI (book, figure 2-11).

    python -m ch02.count_method_small

"i" and "goodbye" stand between the same neighbours, so their vectors are the same. Some of the singular values come in
equal pairs: within a pair the decomposition is free to turn, so other programs may draw another picture as right.
"""

from typing import Annotated, Any

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable

# isort: split
import numpy

from ch02.similarity import TEXT
from common.experiment import Run, experiment
from common.np import to_cpu
from common.plotting import plot_words
from common.util import create_co_matrix, ppmi, preprocess


@experiment(options=["out"])
def main(run: Run, text: Annotated[str, "The corpus."] = TEXT) -> dict[str, Any]:
    corpus, word_to_id, _ = preprocess(text)
    if len(word_to_id) < 2:
        raise ValueError(f"text must have two different words at least, not {text!r}")
    C = create_co_matrix(corpus, len(word_to_id))
    W = ppmi(C)
    U, _, _ = numpy.linalg.svd(to_cpu(W))
    run.plot("words.png", plot_words, U[:, :2], list(word_to_id))
    for name, matrix in (("C", C), ("W", W), ("U", U)):
        print(f"{name}[0] = {matrix[0]}")
    return {"words": len(word_to_id)}


if __name__ == "__main__":
    main.cli()
