import datetime
import itertools
import re
import string
from pathlib import Path

import numpy
import pytest

from dataset import sequence
from dataset.generate_sequences import COUNT, addition_line, date_line, generate, main

MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences") / "new" / "folder"
    main(out=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["addition.txt", "date.txt"]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["addition.txt", "date.txt"])
def test_bundled_files_are_made_by_the_script(generated, name):
    assert (generated / name).read_bytes() == (sequence.FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--out", "file/sub"], "file.*: .+"), (["--seed", "-1"], "Seed must be between 0 and .*")],
)
def test_misuse_from_the_shell_gives_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(SystemExit) as end:
        main.cli([*arguments, *([] if "--out" in arguments else ["--out", "new"])])
    first, second = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert re.fullmatch(f"Error: {message}", first) and second == "(--traceback shows where)"


@pytest.mark.parametrize("line", [addition_line, date_line])
def test_seed(line):
    assert generate(line, 100, seed=5) == generate(line, 100, seed=5) != generate(line, 100, seed=6)


def read(name):
    text = (sequence.FOLDER / name).read_text(encoding="ascii")
    assert text.endswith("\n")
    lines = text.splitlines()
    assert len(lines) == len(set(lines)) == COUNT == 50_000
    return lines


def test_sums():
    for line in read("addition.txt"):
        match = re.fullmatch(r"(\d{1,3})\+(\d{1,3}) *_(\d{1,4}) *", line)
        assert match and line[7] == "_" and len(line) == 12, line
        a, b, total = match.groups()
        assert int(a) + int(b) == int(total) and str(int(a)) == a and str(int(b)) == b, line


def test_operands_have_one_to_three_digits_equally_often():
    rng, draws = numpy.random.RandomState(0), 9000
    digits = [len(operand) for _ in range(draws) for operand in addition_line(rng)[:7].strip().split("+")]
    for count in (1, 2, 3):
        # 18,000 draws of probability 1/3: standard deviation 63
        assert abs(digits.count(count) - 2 * draws / 3) < 5 * 63


def test_dates():
    forms = set()
    for line in read("date.txt"):
        question, answer = line[:29].rstrip(), line[29:]
        assert len(line) == 40 and answer[0] == "_"
        day = datetime.date.fromisoformat(answer[1:])
        assert 1970 <= day.year <= 2017
        month, rest = MONTHS[day.month - 1], f"{day.day}, {day.year}"
        forms_of_day = {
            f"{day.month}/{day.day}/{str(day.year)[2:]}": "short",
            f"{month[:3]} {rest}": "medium",
            f"{month} {rest}": "long",
            f"{WEEKDAYS[day.weekday()]}, {month} {rest}": "full",
        }
        assert question.lower() in forms_of_day, line
        case = next(name for name in ("lower", "upper", "title") if getattr(question, name)() == question)
        forms.add((forms_of_day[question.lower()], case))
    cases = itertools.product(("medium", "long", "full"), ("lower", "upper", "title"))
    assert forms == {("short", "lower"), *cases}  # a form without letters is in every case


def test_every_day_and_every_form_of_a_date_is_drawn():
    lines = read("date.txt")
    years = [int(line[30:34]) for line in lines]
    assert set(years) == set(range(1970, 2018))
    assert {line[35:] for line in lines} >= {f"{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 29)} | {"02-29"}
    letters = {char for line in lines for char in line} & set(string.ascii_letters)
    assert letters == {char for name in MONTHS + WEEKDAYS for char in name + name.upper()}
