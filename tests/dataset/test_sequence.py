import os
import time

import numpy
import pytest
from memory import peak

from dataset import sequence

LINES = [f"{a}+{b}".ljust(5) + f"_{a + b}".ljust(4) for a in (1, 20, 31) for b in (5, 6, 47, 98)]
TEXT = "\n".join(LINES) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="own.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def by_hand(lines, seed):
    """Everything that load returns, a character and a line at a time."""
    char_to_id = {}
    for line in lines:
        question, answer = line[: line.index("_")], line[line.index("_") :]
        for char in question + answer:
            char_to_id.setdefault(char, len(char_to_id))
    numbers = numpy.arange(len(lines))
    numpy.random.RandomState(seed).shuffle(numbers)
    ids = [[char_to_id[char] for char in lines[i]] for i in numbers]
    cut, at = len(lines) - len(lines) // 10, lines[0].index("_")
    x, t = [row[:at] for row in ids], [row[at:] for row in ids]
    return x[:cut], t[:cut], x[cut:], t[cut:], char_to_id


@pytest.mark.parametrize("seed", [1984, 3])
def test_against_the_definition(write, seed):
    data = sequence.load(write(TEXT), seed)
    *parts, char_to_id = by_hand(LINES, seed)
    for got, expected in zip(data[:4], parts, strict=True):
        assert got.tolist() == expected and got.dtype == numpy.int64 and got.flags.c_contiguous
    assert len(data.x_test) == 1
    assert data.char_to_id == char_to_id and list(data.char_to_id) == list(char_to_id)
    assert data.id_to_char == {i: char for char, i in char_to_id.items()}


@pytest.mark.parametrize(
    ("name", "question", "answer", "characters"), [("addition.txt", 7, 5, 13), ("date.txt", 29, 11, 59)]
)
def test_bundled_files_from_any_directory(tmp_path, monkeypatch, name, question, answer, characters):
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    (x_train, t_train), (x_test, t_test) = sequence.load_data(name)
    assert time.process_time() - began < 1  # 0.1 s of the processor
    assert x_train.shape == (45000, question) and t_train.shape == (45000, answer)
    assert x_test.shape == (5000, question) and t_test.shape == (5000, answer)
    char_to_id, id_to_char = sequence.get_vocab()
    assert sorted(id_to_char) == list(range(characters)) and len(char_to_id) == characters
    assert (t_train[:, 0] == char_to_id["_"]).all() and (t_test[:, 0] == char_to_id["_"]).all()


def test_default_is_addition():
    (x, t), _ = sequence.load_data()
    _, id_to_char = sequence.get_vocab()
    for question, answer in zip(x[:50], t[:50], strict=True):
        a, b = "".join(id_to_char[int(i)] for i in question).split("+")
        assert "".join(id_to_char[int(i)] for i in answer).strip() == f"_{int(a) + int(b)}"


def test_vocabulary_does_not_leak_between_files(write):
    sequence.load_data("date.txt")
    dates = sequence.get_vocab()
    sequence.load_data(write(TEXT))
    assert sequence.get_vocab()[0] == by_hand(LINES, 0)[-1]
    sequence.load_data("date.txt")
    assert sequence.get_vocab() == dates


def test_vocabulary_cannot_be_spoiled_by_its_readers(write):
    sequence.load_data(write(TEXT))
    sequence.get_vocab()[0].clear()
    assert sequence.get_vocab()[0] == by_hand(LINES, 0)[-1]


def test_a_failed_load_keeps_the_vocabulary(write):
    sequence.load_data(write(TEXT))
    before = sequence.get_vocab()
    with pytest.raises(ValueError, match="empty"):
        sequence.load_data(write("", "empty.txt"))
    assert sequence.get_vocab() == before


def test_pure_loader_leaves_the_vocabulary_alone(write):
    sequence.load_data("addition.txt")
    before = sequence.get_vocab()
    sequence.load(write("x_y\n"))
    assert sequence.get_vocab() == before


def test_vocabulary_before_any_file(monkeypatch):
    monkeypatch.setattr(sequence, "_last_vocabulary", None)
    with pytest.raises(RuntimeError, match="load_data first"):
        sequence.get_vocab()


@pytest.mark.parametrize(
    "content",
    [
        TEXT.removesuffix("\n"), TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT + "\n\n",
        (TEXT + "\n\n").replace("\n", "\r\n"),
    ],
    ids=["no final newline", "CRLF", "BOM", "blank lines at the end", "CRLF, blank lines at the end"],
)
def test_the_same_text_in_other_guises(write, content):
    expected, got = sequence.load(write(TEXT)), sequence.load(write(content, "other.txt"))
    assert got.char_to_id == expected.char_to_id
    for a, b in zip(got[:4], expected[:4], strict=True):
        assert (a == b).all()


def test_any_script(write):
    data = sequence.load(write("日本 _nihon\n猫😀 _cat  \n"), seed=0)
    assert list(data.char_to_id) == list(dict.fromkeys("日本 _nihon猫😀 _cat  "))
    lines = {"".join(data.id_to_char[int(i)] for i in (*x, *t)) for x, t in zip(data[0], data[1], strict=True)}
    assert lines == {"日本 _nihon", "猫😀 _cat  "}
    assert data.x_test.shape == (0, 3) and data.t_test.shape == (0, 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "own.txt is empty"),
        ("\n", "own.txt is empty"),
        ("\r\n\r\n", "own.txt is empty"),
        ("1+1_2 \n1+2 3 \n", "line 2: expected a question, '_' and an answer, got '1\\+2 3 '"),
        ("1+1_2 \n\n1+2_3 \n", "line 2: expected a question, '_' and an answer, got ''"),
        ("_12\n", "line 1: expected a question"),
        ("  _12\n", "line 1: expected a question"),
        ("12_  \n", "line 1: expected a question"),
        ("12_\n", "line 1: expected a question"),
        ("1+1_2 \n1+2_3 \n1+3_4\n", "line 3: question of 3 and answer of 2 characters.*line 1 have 3 and 3"),
        ("1+1_2 \n12+2_4\n", "line 2: question of 4 and answer of 2 characters.*line 1 have 3 and 3"),
        ("1+1 2" + 100 * "\r1+1 2", r"line 1: expected .* got '1\+1 2.{70,100}' …$"),
        ("1+1_2" + "\n" + 100 * "\r1+1_2", r"line 2: question of .*spaces: '.{70,100}' …$"),
        (b"1+1_2\n1+\xff_3\n", "own.txt: not UTF-8 text: invalid start byte at byte 8"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(ValueError, match=message):
        sequence.load(write(content))


@pytest.mark.parametrize("name", ["no_such_file.txt", "", "/no/such/file.txt"])
def test_missing_file_says_where_it_was_looked_for(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"addition\.txt and date\.txt") as error:
        sequence.load_data(name)
    assert str(sequence.FOLDER / name) in str(error.value) and str(tmp_path / name) in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with a name")
def test_what_is_no_file_says_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe, .*"), ("/dev/null", "a device")):
        with pytest.raises(ValueError, match=rf"^{path}: expected a file of sequences, this is {kind}$"):
            sequence.load(path)


def test_path_relative_to_the_working_directory(write, tmp_path, monkeypatch):
    write(TEXT)
    monkeypatch.chdir(tmp_path)
    assert len(sequence.load("own.txt").x_train) == 11


def test_a_bare_name_is_the_packages_unless_the_current_folder_has_it(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(sequence.load("date.txt").x_train) == 45000
    for name in ("./date.txt", str(tmp_path / "date.txt")):
        with pytest.raises(FileNotFoundError) as error:
            sequence.load(name)
        assert str(sequence.FOLDER) not in str(error.value)
    write(TEXT, "date.txt")
    for name in ("date.txt", "./date.txt", str(tmp_path / "date.txt")):
        assert len(sequence.load(name).x_train) == 11


@pytest.mark.parametrize(("seed", "kind"), [(-1, ValueError), (1.5, TypeError)])
def test_bad_seeds(seed, kind):
    with pytest.raises(kind, match=f"^seed must be a whole number from 0 to 2.*, not {seed}$"):
        sequence.load("addition.txt", seed)


def test_global_random_state_is_not_touched(write, global_random_state):
    sequence.load(write(TEXT))
    assert global_random_state.is_untouched()


class TestLargeFiles:
    def lines(self, count):
        return "".join(f"{i % 1000:4}+{i % 97:2}_{i % 1000 + i % 97:<4}\n" for i in range(count))

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_pieces_give_what_the_whole_gives(self, write, end):
        text = self.lines(5_000) + "日本   😀+_é   \n"  # the last piece has the widest characters
        data = sequence.load(write(text.replace("\n", end)), 3)
        *parts, char_to_id = by_hand(text.splitlines(), 3)
        for got, expected in zip(data[:4], parts, strict=True):
            assert got.tolist() == expected
        assert list(data.char_to_id) == list(char_to_id)

    def test_an_error_far_from_the_start(self, write):
        text = self.lines(5_000)
        with pytest.raises(ValueError, match="line 5001: question of 7 and answer of 4 characters"):
            sequence.load(write(text + text.splitlines()[0][:-1] + "\n"))
        with pytest.raises(ValueError, match="not UTF-8 text: invalid start byte at byte 65003"):
            sequence.load(write(text.encode() + b"abc\xff"))

    @pytest.mark.slow
    def test_memory(self, write):
        path = write(self.lines(40_000))
        worst, data = peak(sequence.load, path)
        assert worst < 2 * sum(part.nbytes for part in data[:4])
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:-3])
        worst, error = peak(sequence.load, path)
        assert isinstance(error, ValueError) and worst < 2 * size

    def test_a_line_without_an_end_in_sight(self, write):
        path = write("1+1" + " " * 3_000_000 + "_2")
        worst, error = peak(sequence.load, path)
        assert "a line of more than 1048576 bytes; have lines run together?" in str(error) and worst < 7_000_000
