"""Text from a trained BetterRnnlm (book, section 7.1.4), first of all what the meaning of life is.

    python -m ch06.train_better_rnnlm        # makes the weights, and with --resume goes on making them
    python -m ch07.generate_better_text
    python -m ch07.generate_better_text --prompt "the stock market" --count 5 --temperature 0.8

Weights of other options than the book's are understood too, and those of other models of chapter 6. The words N, <unk>
and $ are banned, and those that --banned names; --no-default-bans allows the three.
"""

from pathlib import Path
from typing import Annotated, Any

from ch06.trained_models import Cell, read_language_model
from ch07.writing_options import Vocabulary, make_writer, usual_prompt, with_writing_options, write_texts
from common.experiment import Run, experiment

MEANING = "the meaning of life is"
TRAINED = Path("runs/ch06_train_better_rnnlm")


@experiment(options=("seed", "gpu", "out"))
@with_writing_options
def main(
    run: Run,
    prompt: Annotated[str | None, f"What the text begins with; by default {MEANING!r}."] = None,
    *,
    weights: Annotated[Path, "What ch06.train_better_rnnlm has saved."] = TRAINED,
    cell: Cell = None,
    corpus: Vocabulary = None,
    **options: Any,
) -> None:
    if weights == TRAINED and not weights.exists():
        raise FileNotFoundError(
            f"there is no model {weights.absolute()}. `python -m ch06.train_better_rnnlm` makes it (a training of "
            "hours that --resume continues; with `--corpus mini --wordvec-size 200 --hidden-size 200 --max-epoch 6` of "
            "minutes); `python -m ch07.generate_text` needs none"
        )
    writer = make_writer(weights, read_language_model(weights, cell), corpus)
    prompt = usual_prompt(writer, MEANING) if prompt is None else prompt
    write_texts(run, writer, prompt, **options)


if __name__ == "__main__":
    main.cli()
