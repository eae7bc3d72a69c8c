"""Draw the spiral: three classes of 100 points, which no straight line can part (book, figure 1-31).

python -m ch01.show_spiral_dataset
"""

from common.experiment import Run, experiment
from common.plotting import scatter_points
from dataset import spiral


@experiment(options=["out"])
def main(run: Run, seed: int = 1984) -> dict[str, tuple[int, ...]]:
    x, t = spiral.load_data(seed)
    run.plot("spiral.png", scatter_points, x, t)
    return {"x": x.shape, "t": t.shape}


if __name__ == "__main__":
    main.cli()
