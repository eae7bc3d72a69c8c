"""How CBOW predicts: two words around a gap, and a score for each word that may fill it (book, section 3.2.1).

    python -m ch03.cbow_predict

prints the scores (1, 7) of seven words for the words 0 and 2 around the gap, with random weights.
"""

from typing import Any

from common.experiment import script
from common.layers import MatMul
from common.np import np
from common.rng import generator


@script
def main(seed: int = 0) -> Any:
    rng = generator(seed)
    contexts = [np.asarray([[1, 0, 0, 0, 0, 0, 0]], "f"), np.asarray([[0, 0, 1, 0, 0, 0, 0]], "f")]
    W_in = np.asarray(rng.standard_normal((7, 3), "f"))
    W_out = np.asarray(rng.standard_normal((3, 7), "f"))

    # Two layers with the same weight; a product with a one-hot vector takes out a row of it.
    h0, h1 = (MatMul(W_in).forward(word) for word in contexts)
    return MatMul(W_out).forward(0.5 * (h0 + h1))


if __name__ == "__main__":
    main.cli()
