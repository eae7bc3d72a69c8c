"""The way from the simple LSTM language model to the better one, step by step: a table of perplexities.

    python -m ch06.compare_improvements                     # Penn Treebank, 200 wide: hours
    python -m ch06.compare_improvements --resume            # goes on where it was cut off
    python -m ch06.compare_improvements --corpus mini --quick
    python -m ch06.compare_improvements --only dropout,gru  # some of the rows

Each row is a training of ch06.train_better_rnnlm in a folder of its own. The rows up to "dropconnect" add one
improvement each to those before; the others change the cell of the book's model, which is the row "tied".
"""

from typing import Annotated, Any

from ch06 import train_better_rnnlm
from common.experiment import TRAINING, Corpus, Run, experiment

START: dict[str, Any] = {"layers": 1, "dropout_ratio": 0.0, "tied": False}
TIED: dict[str, Any] = {"layers": 2, "tied": True}
VARIATIONAL: dict[str, Any] = {**TIED, "variational": True}

# name -> (what is new in it, arguments of train_better_rnnlm)
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "start": ("one LSTM layer", START),
    "deep": ("+ a second layer", {**START, "layers": 2}),
    "dropout": ("+ dropout between the layers", {"layers": 2, "tied": False}),
    "tied": ("+ tied weights", TIED),
    "variational": ("+ one mask for all steps, through time too", VARIATIONAL),
    "dropconnect": ("+ DropConnect on Wh", {**VARIATIONAL, "dropconnect": 0.2}),
    "gru": ("tied, with GRUs", {**TIED, "cell": "gru"}),
    "peephole": ("tied, with peephole LSTMs", {**TIED, "cell": "peephole"}),
    "rnn": ("tied, with RNNs", {**TIED, "cell": "rnn", "lr": 5.0}),
    "relu": ("tied, with ReLU RNNs", {**TIED, "cell": "relu", "lr": 5.0}),
}


@experiment(quick={"corpus": Corpus.mini, "max_epoch": 1, "train_size": 10_000, "width": 32}, options=TRAINING)
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the training text in each row."] = 6,
    width: Annotated[int, "Width of word vectors and states."] = 200,
    dropout_ratio: Annotated[float, "Of the rows with dropout; narrow models want less than the book's 0.5."] = 0.25,
    batch_size: int = 20,
    time_size: int = 35,
    train_size: Annotated[int | None, "Use only so many words of the training text."] = None,
    only: Annotated[str | None, f"Rows, by commas, of {', '.join(ROWS)}."] = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    names = list(ROWS) if only is None else only.split(",")
    for name in names:
        if name not in ROWS:
            raise ValueError(f"only: there is no row {name!r}, but {', '.join(ROWS)}")
    found: dict[str, dict[str, float]] = {}
    for name in names:
        _, options = ROWS[name]
        found[name] = train_better_rnnlm.main(
            max_epoch=max_epoch, wordvec_size=width, hidden_size=width, batch_size=batch_size, time_size=time_size,
            train_size=train_size, corpus=corpus, seed=run.seed, out=run.path(name), resume=run.checkpoint.resume,
            **{"dropout_ratio": dropout_ratio, **options},
        )  # fmt: skip
    print(table(found))
    return {name: scores["test_perplexity"] for name, scores in found.items()}


def table(found: dict[str, dict[str, float]]) -> str:
    """The rows, in Markdown."""
    lines = ["| Model | Parameters | Validation | Test |", "| --- | ---: | ---: | ---: |"]
    for name, scores in found.items():
        lines.append(
            f"| {ROWS[name][0]} | {scores['parameters']:,} | {scores['valid_perplexity']:.2f} | "
            f"{scores['test_perplexity']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main.cli()
