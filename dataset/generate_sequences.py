"""Write ``addition.txt`` and ``date.txt``, the pairs of sequences that the sequence-to-sequence models learn from.

    python -m dataset.generate_sequences [--out DIR] [--seed 1984]

The same seed gives the same bytes on every system and with every version of Python and NumPy.
"""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy

from common.experiment import script

COUNT = 50_000  # lines of each file

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_DAY = datetime.date(1970, 1, 1)
DAYS = (datetime.date(2018, 1, 1) - FIRST_DAY).days
CASES = (str.lower, str.upper, str.title)


def addition_line(rng: numpy.random.RandomState) -> str:
    """A sum such as ``16+75  _91  ``: question 7 characters, answer ``_`` + 4.

    Each operand has 1, 2 or 3 digits with equal probability and is any number of so many digits, also 0.
    """
    a, b = (_draw(rng, *((0, 10), (10, 100), (100, 1000))[_draw(rng, 0, 3)]) for _ in range(2))
    return f"{f'{a}+{b}':<7}_{a + b:<4}"


def date_line(rng: numpy.random.RandomState) -> str:
    """A date such as ``september 27, 1994           _1994-09-27``: question 29 characters, answer ``_YYYY-MM-DD``.

    Every day of the years 1970 to 2017, each of the four forms, and each case of a form with letters is as likely as
    any other.
    """
    day = FIRST_DAY + datetime.timedelta(days=_draw(rng, 0, DAYS))
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    question = (
        f"{day.month}/{day.day}/{day.year % 100:02}",
        f"{month[:3]} {day.day}, {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{weekday}, {month} {day.day}, {day.year}",
    )[_draw(rng, 0, 4)]
    return f"{CASES[_draw(rng, 0, 3)](question):<29}_{day.isoformat()}"


def generate(line: Callable[[numpy.random.RandomState], str], count: int = COUNT, seed: int = 1984) -> str:
    """`count` different lines drawn by `line`, each closed by a newline.

    A line drawn before is drawn anew, so that no line of a test part was seen in training. Short questions run out
    first, and are therefore rarer than they are drawn.
    """
    # Not a Generator: the numbers of a RandomState never change with NumPy's version.
    rng = numpy.random.RandomState(seed)
    lines: dict[str, None] = {}
    while len(lines) < count:
        lines[line(rng)] = None
    return "".join(f"{text}\n" for text in lines)


def _draw(rng: numpy.random.RandomState, low: int, high: int) -> int:
    """One of low, …, high - 1."""
    return low + int(rng.random_sample() * (high - low))


@script
def main(
    out: Annotated[Path | None, "Folder for the files, by default that of this script."] = None,
    seed: Annotated[int, "Seed of all random numbers."] = 1984,
) -> None:
    folder = Path(__file__).resolve().parent if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    for name, line in (("addition.txt", addition_line), ("date.txt", date_line)):
        path = folder / name
        path.write_bytes(generate(line, seed=seed).encode("ascii"))
        print(f"{path}: {COUNT:,} lines")


if __name__ == "__main__":
    main.cli()
