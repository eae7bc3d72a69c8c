"""The way from the simple LSTM language model to the better one, step by step: a table of perplexities.

    python -m ch06.compare_improvements                             # Penn Treebank, 200 wide: hours
    python -m ch06.compare_improvements --resume                    # goes on where it was cut off
    python -m ch06.compare_improvements --resume --only tied,gru    # these rows next, those before stay in the table
    python -m ch06.compare_improvements --resume --max-epoch 12     # all rows go on to 12 epochs
    python -m ch06.compare_improvements --no-train                  # prints what there is
    python -m ch06.compare_improvements --corpus mini --quick

Each row is a training of ch06.train_better_rnnlm in a folder of its own. The rows up to "dropconnect" add one
improvement each to those before; the others change the cell of the book's model, which is the row "tied". After each
row ``table.md`` and ``table.csv`` are written, with all rows that are finished with these settings, those of earlier
runs too. With --resume a row that has had its epochs is not trained again. Several rows train at once.
"""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

from ch06.training_options import TrainSize
from common.experiment import TRAINING, Run, experiment
from common.files import FileFormatError, parse_json, write_bytes
from common.parallel import Call, run_scripts
from common.progress import short, write
from common.run import plain
from dataset.corpora import Corpus

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
    "peephole": ("tied, with peephole LSTMs", {**TIED, "cell": "peephole_diagonal"}),
    "rnn": ("tied, with RNNs", {**TIED, "cell": "rnn", "lr": 5.0}),
    "relu": ("tied, with ReLU RNNs", {**TIED, "cell": "relu", "lr": 5.0}),
}

COLUMNS = ("model", "epochs", "parameters", "valid_perplexity", "test_perplexity")
Row = dict[str, Any]


@experiment(
    quick={"corpus": Corpus.mini, "max_epoch": 1, "train_size": 10_000, "width": 32},
    options=TRAINING,
    writes="train",
)
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the training text in each row."] = 6,
    width: Annotated[int, "Width of word vectors and states."] = 200,
    dropout_ratio: Annotated[float, "Of the rows with dropout; narrow models want less than the book's 0.5."] = 0.25,
    batch_size: int = 20,
    time_size: int = 35,
    train_size: TrainSize = None,
    only: Annotated[str | None, f"Train these rows only, by commas, of {', '.join(ROWS)}."] = None,
    jobs: Annotated[int | None, "Rows that train at once, by default as suits the cores."] = None,
    train: Annotated[bool, "Train; else only print the rows that are finished."] = True,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    names = list(ROWS) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in ROWS:
            raise ValueError(f"only: there is no row {name!r}, but {', '.join(ROWS)}")
    same = {
        "wordvec_size": width, "hidden_size": width, "dropout_ratio": dropout_ratio, "batch_size": batch_size,
        "time_size": time_size, "train_size": train_size, "corpus": corpus, "seed": run.seed,
    }  # fmt: skip
    settings = {name: {**same, **options} for name, (_, options) in ROWS.items()}
    if train:
        resume = run.checkpoint.resume
        rows = {name: read_row(run.path(name), settings[name]) if resume else None for name in names}
        todo = [name for name, row in rows.items() if row is None or row["epochs"] < max_epoch]
        more = {"max_epoch": max_epoch, "resume": resume}
        run_scripts(
            {name: Call("ch06.train_better_rnnlm", settings[name] | more | {"out": run.path(name)}) for name in todo},
            jobs,
            done=lambda name: write_tables_or_say(run, settings),
        )
    found = write_tables(run, settings)
    print(markdown(found))
    return {name: row["test_perplexity"] for name, row in found.items()}


def read_row(folder: Path, settings: Row) -> Row | None:
    """What the history of a training in the folder says, if there is one that was finished with these settings."""
    path = folder / "history.json"
    if not path.exists():
        return None
    try:
        history = parse_json(path.read_bytes())
        done = {**history["arguments"], "seed": history["seed"]}
        epochs, scores = len(history["curves"].get("valid_perplexity", [])), history["scores"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FileFormatError(path, f"this is no record of a training: {error!r}") from error
    if scores is None or any(done.get(name) != plain(value) for name, value in settings.items()):
        return None
    return {"epochs": epochs, **scores}


def write_tables(run: Run, settings: dict[str, Row]) -> dict[str, Row]:
    """Write table.md and table.csv with all rows that are finished with their settings; returns these by name."""
    found = {}
    for name, (model, _) in ROWS.items():
        if row := read_row(run.path(name), settings[name]):
            found[name] = {"model": model, **row}
    write_bytes(run.path("table.md"), (markdown(found) + "\n").encode())
    file = io.StringIO()
    writer = csv.DictWriter(file, ("row", *COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({"row": name, **row} for name, row in found.items())
    write_bytes(run.path("table.csv"), file.getvalue().encode())
    return found


def write_tables_or_say(run: Run, settings: dict[str, Row]) -> None:
    """As :func:`write_tables`, but an error is printed: it must not end the rows that still train."""
    try:
        write_tables(run, settings)
    except OSError as error:
        write(f"the tables could not be written: {error}")


def markdown(found: dict[str, Row]) -> str:
    """The rows as a table."""
    head = "| Model | Epochs | Parameters | Validation | Test |\n| --- | ---: | ---: | ---: | ---: |"
    lines = [
        f"| {row['model']} | {row['epochs']} | {row['parameters']:,} | {short(row['valid_perplexity'])} | "
        f"{short(row['test_perplexity'])} |"
        for row in found.values()
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    main.cli()
