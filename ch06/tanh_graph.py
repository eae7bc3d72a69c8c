"""tanh and its derivative, which is at most 1: one reason why an RNN's gradient fades (book, figure 6-6).

    python -m ch06.tanh_graph
"""

from typing import Any

import common  # noqa: F401 - before NumPy, for whose threads it sets a variable

# isort: split
import numpy

from common.experiment import Run, experiment


@experiment(options=["out"])
def main(run: Run) -> dict[str, float]:
    x = numpy.linspace(-5, 5, 501)
    y = numpy.tanh(x)
    dy = 1 - y**2
    run.record(x=x.tolist(), y=y.tolist(), dy=dy.tolist())
    run.plot("tanh.png", draw, x, y, dy)
    return {"largest_derivative": float(dy.max())}


def draw(x: Any, y: Any, dy: Any, ax: Any) -> None:
    """The function and its derivative in the same axes."""
    ax.plot(x, y, label="y = tanh(x)")
    ax.plot(x, dy, "--", label="dy/dx = 1 - y²")
    ax.set(xlabel="x")
    ax.legend()


if __name__ == "__main__":
    main.cli()
