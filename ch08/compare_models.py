"""All models of chapters 7 and 8 on the same data, their curves in one figure.

    python -m ch08.compare_models addition      figures 7-24 and 7-28: plain, reversed, reversed and Peeky
    python -m ch08.compare_models date          figures 8-26, and 8-27/8-28, the attention maps

Each model's run has a folder of its own in the results'. Several models train at once.
"""

import json
from typing import Annotated, Any

import typer

from ch08.answerer import Answerer, ModelKind
from ch08.visualize_attention import DATES
from common.choice import Choice
from common.experiment import TRAINING, Run, experiment
from common.parallel import Call, run_scripts
from common.plotting import callers_axes, plot_curve, plot_heatmap


class Data(Choice):
    addition = "addition"
    date = "date"


Settings = dict[str, Any]
MODELS: dict[Data, dict[str, Settings]] = {
    Data.addition: {
        "baseline": {"model": ModelKind.seq2seq},
        "reverse": {"model": ModelKind.seq2seq, "reverse": True},
        "reverse + peeky": {"model": ModelKind.peeky, "reverse": True},
    },
    Data.date: {
        "seq2seq": {"model": ModelKind.seq2seq, "reverse": True},
        "peeky": {"model": ModelKind.peeky, "reverse": True},
        "attention": {"model": ModelKind.attention, "reverse": True},
    },
}
BOOK: dict[Data, Settings] = {
    Data.addition: {"hidden_size": 128, "max_epoch": 25},
    Data.date: {"hidden_size": 256, "max_epoch": 10},
}


@experiment(quick={"max_epoch": 1, "max_examples": 640, "hidden_size": 16}, options=TRAINING)
def main(
    run: Run,
    data: Annotated[Data, typer.Argument(help="addition or date.")] = Data.addition,
    max_epoch: Annotated[int | None, "By default 25 for additions, 10 for dates."] = None,
    hidden_size: Annotated[int | None, "By default 128 for additions, 256 for dates."] = None,
    max_examples: Annotated[int | None, "Train on so many examples only."] = None,
    jobs: Annotated[int | None, "Models that train at once, by default as suits the cores."] = None,
) -> dict[str, float]:
    given = {"max_epoch": max_epoch, "hidden_size": hidden_size, "max_examples": max_examples}
    settings = BOOK[data] | {name: value for name, value in given.items() if value is not None}
    shared = {"data": data.value, "shown": 0, "seed": run.seed, "resume": run.checkpoint.resume, **settings}
    folders = {label: run.path(label.replace(" ", "")) for label in MODELS[data]}
    curves: dict[str, list[float]] = {}

    def done(label: str) -> None:
        history = json.loads((folders[label] / "history.json").read_text(encoding="utf-8"))
        curves[label] = history["curves"]["accuracy"]
        run.record(**{label: curves[label] for label in folders if label in curves})

    run_scripts(
        {
            label: Call("ch07.train_seq2seq", {**shared, **model, "out": folders[label]})
            for label, model in MODELS[data].items()
        },
        jobs,
        done,
    )
    curves = {label: curves[label] for label in folders}
    if data is Data.addition:
        run.plot("figure_7-24.png", plot_curves, {label: curves[label] for label in ("baseline", "reverse")})
    run.plot("figure_7-28.png" if data is Data.addition else "figure_8-26.png", plot_curves, curves)
    if data is Data.date:
        answerer = Answerer.load(run.path("attention") / "model.npz")
        for number, question in enumerate(DATES, start=1):
            found = answerer.attention(question)
            run.plot(f"figure_8-27_{number}.png", plot_heatmap, found.weights, found.question, found.answer)
    return {label: curve[-1] for label, curve in curves.items()}


def plot_curves(curves: dict[str, list[float]], ax: Any = None) -> Any:
    """The accuracies after each epoch, a labelled curve for each model."""
    ax = ax or callers_axes()
    for label, curve in curves.items():
        plot_curve(curve, "epoch", "accuracy", (-0.05, 1.05), label, ax)
    return ax


if __name__ == "__main__":
    main.cli()
