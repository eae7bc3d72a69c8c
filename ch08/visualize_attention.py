"""Where a model with attention looks (book, figures 8-27 and 8-28), with the trained date model that comes along.

    python ch08/visualize_attention.py                                  some dates of the book's forms
    python ch08/visualize_attention.py "september 27, 1994"             a date of one's own
    python ch08/visualize_attention.py "3+4" --model runs/ch07_train_seq2seq/model.npz

Each row belongs to a character of the answer and shows, the lighter the more, which characters of the question it was
made from; white is 1. The rows are printed as well: under the question, digits give the weights in tenths.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ch08.answerer import Answerer, AttentionMap
from common.experiment import Run, experiment
from common.plotting import plot_heatmap

DATE_MODEL = Path(__file__).resolve().parent / "date_model.npz"
DATES = ("9/27/94", "AUG 26, 1983", "september 27, 1994", "Wednesday, May 20, 2009")


@experiment(options=("gpu", "out"))
def main(
    run: Run,
    questions: Annotated[list[str] | None, typer.Argument(help="Dates, or questions to another model.")] = None,
    model: Annotated[Path, "What ch08/train.py has saved."] = DATE_MODEL,
) -> None:
    if isinstance(questions, str):
        questions = [questions]
    answerer = Answerer.load(model)
    for number, question in enumerate(questions or DATES, start=1):
        found = answerer.attention(question)
        print(as_text(found))
        run.plot(f"attention_{number}.png", plot_heatmap, found.weights, found.question, found.answer)


def as_text(found: AttentionMap) -> str:
    """The question, and below it, for each symbol of the answer, the weights in tenths; a dot is less than one.

    Each column is as wide as its symbol; words, as opposed to characters, have a blank between them.
    """
    digits = ".123456789"
    widths = [len(symbol) for symbol in found.question]
    left = max(map(len, found.answer), default=0)
    gap = " " if max(widths) > 1 else ""

    def line(name: str, cells: Iterable[str]) -> str:
        return f"{name:<{left}} " + gap.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))

    lines = [line("", found.question)]
    for symbol, row in zip(found.answer, found.weights, strict=True):
        lines.append(line(symbol, [digits[min(9, int(10 * weight))] for weight in row]))
    return "\n".join(lines)


if __name__ == "__main__":
    main.cli()
