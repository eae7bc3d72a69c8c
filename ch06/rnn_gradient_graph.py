"""How a gradient grows or shrinks on its way back through an RNN's matrix products (book, figures 6-8 and 6-9).

    python -m ch06.rnn_gradient_graph             # Wh as drawn: it explodes
    python -m ch06.rnn_gradient_graph --factor 0.5  # half of it: it vanishes

At each of 20 steps the gradient dh (2, 3) is multiplied by the transpose of the same Wh (3, 3). What decides in the
long run is Wh's largest singular value: below 1 the gradient must vanish, above 1 it may explode.
"""

from typing import Annotated

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable

# isort: split
import numpy

from common.checks import is_number
from common.experiment import Run, experiment
from common.plotting import plot_curve

N, H, T = 2, 3, 20


@experiment(options=["out"])
def main(
    run: Run, factor: Annotated[float, "What Wh is multiplied by."] = 1.0, seed: int = 3
) -> dict[str, float]:
    if not is_number(factor):
        raise ValueError(f"factor must be a finite number, not {factor}")
    # The legacy generator gives the same numbers in every version of NumPy: the book's.
    Wh = numpy.random.RandomState(seed).standard_normal((H, H)) * factor
    dh = numpy.ones((N, H))
    norms = []
    for _ in range(T):
        dh = dh @ Wh.T
        norms.append(float(numpy.sqrt((dh**2).sum()) / N))
    run.record(norm=norms)
    run.plot("gradient_norm.png", plot_curve, norms, "time step", "norm")
    print(" ".join(f"{norm:.4g}" for norm in norms))
    largest = float(numpy.linalg.svd(Wh, compute_uv=False)[0])
    return {"first": norms[0], "last": norms[-1], "largest_singular_value": largest}


if __name__ == "__main__":
    main.cli()
