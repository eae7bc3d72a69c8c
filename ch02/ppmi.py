"""From counts to information: the co-occurrence matrix of a sentence and its PPMI (book, section 2.4.1).

python -m ch02.ppmi
"""

from typing import Annotated

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable

# isort: split
import numpy

from ch02.similarity import TEXT
from common.experiment import script
from common.util import create_co_matrix, ppmi, preprocess


@script
def main(text: Annotated[str, "The corpus."] = TEXT) -> None:
    corpus, word_to_id, _ = preprocess(text)
    C = create_co_matrix(corpus, len(word_to_id))
    W = ppmi(C)
    with numpy.printoptions(precision=3, suppress=True):
        print("co-occurrence matrix")
        print(C)
        print("-" * 50)
        print("PPMI")
        print(W)


if __name__ == "__main__":
    main.cli()
