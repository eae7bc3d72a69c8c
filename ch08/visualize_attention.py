"""Where a model with attention looks (book, figures 8-27 and 8-28), with the trained date model that is included.

    python ch08/visualize_attention.py                                  some dates of the book's forms
    python ch08/visualize_attention.py "september 27, 1994"             a date of your own

It shows other models with attention too, such as that of ``python -m ch07.train_seq2seq --model attention``:

    python ch08/visualize_attention.py "3+4" --model runs/ch07_train_seq2seq/model.npz

Each row belongs to a character of the answer and shows, the lighter the more, which characters of the question it was
made from; white is 1. The rows are printed as well: under the question, digits give the weights in tenths.
"""

import unicodedata
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
    maps = [answerer.attention(question) for question in questions or DATES]  # before anything is printed or removed
    for number, found in enumerate(maps, start=1):
        print(as_text(found))
        run.plot(f"attention_{number}.png", plot_heatmap, found.weights, found.question, found.answer)
    stale = len(maps) + 1
    while (path := run.out / f"attention_{stale}.png").is_file():  # the rest of an earlier run
        path.unlink()
        stale += 1


def as_text(found: AttentionMap) -> str:
    """The question, and below it, for each symbol of the answer, the weights in tenths; a dot is less than one.

    Each column is as wide as its symbol is in a terminal; words, as opposed to characters, have a blank between them.
    """
    digits = ".123456789"
    widths = [max(1, display_width(symbol)) for symbol in found.question]
    left = max(map(display_width, found.answer), default=0)
    gap = " " if max(map(len, found.question)) > 1 else ""

    def line(name: str, cells: Iterable[str]) -> str:
        return f"{padded(name, left)} " + gap.join(map(padded, cells, widths))

    lines = [line("", found.question)]
    for symbol, row in zip(found.answer, found.weights, strict=True):
        lines.append(line(symbol, [digits[min(9, int(10 * weight))] for weight in row]))
    return "\n".join(lines)


def display_width(text: str) -> int:
    """The columns of a terminal that a text takes: two for each wide character, none for a combining one."""
    visible = [char for char in text if unicodedata.category(char) not in ("Mn", "Me", "Cf")]
    return len(visible) + sum(unicodedata.east_asian_width(char) in "WF" for char in visible)


def padded(text: str, width: int) -> str:
    """The text with blanks behind it, so that it takes `width` columns of a terminal."""
    return text + " " * (width - display_width(text))


if __name__ == "__main__":
    main.cli()
