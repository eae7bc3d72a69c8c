"""Teach a model with attention to write dates in one form: from the fourth of 10 epochs on, 99.98 to 100 % are right.

    python -m ch08.train                                  figure 8-25 of the book
    python -m ch08.train --model peeky                    the other curves of figure 8-26
    python -m ch08.train --model seq2seq

It is ``ch07/train_seq2seq.py``, which knows more options, with the book's settings for dates.
"""

from typing import Annotated

from ch07 import train_seq2seq
from ch08.answerer import ModelKind
from common.experiment import TRAINING, Run, experiment


@experiment(
    quick={"max_epoch": 1, "max_examples": 1280, "hidden_size": 32, "shown": 2}, options=TRAINING, free=("shown",)
)
def main(
    run: Run,
    model: ModelKind = ModelKind.attention,
    reverse: Annotated[bool, "Let the model read the questions from their end."] = True,
    hidden_size: int = 256,
    max_epoch: int = 10,
    shown: Annotated[int, "Test questions that are shown after each epoch."] = 10,
    max_examples: Annotated[int | None, "Train on so many examples only."] = None,
) -> dict[str, float]:
    settings = {"hidden_size": hidden_size, "max_epoch": max_epoch, "shown": shown, "max_examples": max_examples}
    return train_seq2seq.main.function(run, model, "date", reverse, **settings)


if __name__ == "__main__":
    main.cli()
