"""The likeliest next words, and their probabilities, after the beginning of a text (book, figure 7-2).

    python -m ch07.predict_word "the meaning of life is"
    python -m ch07.predict_word "the stock" --topn 20
    python -m ch07.predict_word "the queen" --weights runs/ch06_train_rnnlm
"""

from pathlib import Path
from typing import Annotated

import typer

from ch06.trained_models import SHIPPED, Cell, read_language_model
from ch07.writing_options import Vocabulary, make_writer, note_unknown, usual_prompt
from common.experiment import script

GOODBYE = "you say goodbye and i say"


@script
def main(
    prompt: Annotated[str | None, typer.Argument(help=f"The beginning of a text; by default {GOODBYE!r}.")] = None,
    topn: Annotated[int, "How many words."] = 10,
    weights: Annotated[Path, "The trained model."] = SHIPPED,
    cell: Cell = None,
    corpus: Vocabulary = None,
) -> None:
    writer = make_writer(weights, read_language_model(weights, cell), corpus)
    prompt = usual_prompt(writer, GOODBYE) if prompt is None else prompt
    note_unknown(writer, prompt)
    for word, p in writer.predict(prompt, topn):
        print(f"{p:7.4f}  {word:<16} {'#' * round(100 * p)}".rstrip())


if __name__ == "__main__":
    main.cli()
