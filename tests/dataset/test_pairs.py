import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import peak

from dataset import pairs, sequence


def write(path, text):
    path.write_bytes(text.encode("utf-8"))
    return path


def test_fixed_width_is_as_in_the_book():
    data, plain = pairs.load("addition.txt"), sequence.load("addition.txt")
    for name in ("x_train", "t_train", "x_test", "t_test"):
        assert (getattr(data, name) == getattr(plain, name)).all()
    assert data.codec.start == plain.char_to_id["_"] and data.codec.width == 7
    assert data.codec.question(data.x_train[0]) + data.codec.decode(data.t_train[0]) == (
        "".join(plain.id_to_char[i] for i in [*plain.x_train[0], *plain.t_train[0]])
    )


def test_reversed():
    data, plain = pairs.load("date.txt", reversed=True), sequence.load("date.txt")
    assert (data.x_train == plain.x_train[:, ::-1]).all()
    assert (data.codec.encode(["9/27/94"])[0] == [plain.char_to_id[c] for c in "9/27/94".ljust(29)][::-1]).all()
    assert data.codec.question(data.x_train[0]) == "".join(plain.id_to_char[i] for i in plain.x_train[0])


@given(
    st.lists(
        st.tuples(*[st.text("abcäß漢 +", min_size=1).map(str.strip).filter(bool)] * 2), min_size=1, max_size=30
    ),
    st.booleans(),
    st.booleans(),
)
def test_pairs_of_any_length_come_back(tmp_path_factory, lines, reversed, words):
    path = write(tmp_path_factory.mktemp("pairs") / "pairs.tsv", "".join(f"{q}\t{a}\n" for q, a in lines))
    data = pairs.load(path, reversed=reversed, words=words)
    codec = data.codec
    x, t = [numpy.concatenate(part) for part in ((data.x_train, data.x_test), (data.t_train, data.t_test))]
    assert len(data.x_test) == len(lines) // 10
    found = [(codec.question(q), codec.decode(a[1:])) for q, a in zip(x, t, strict=True)]
    expected = [tuple(" ".join(side.split()) if words else side for side in line) for line in lines]
    assert sorted(found) == sorted(expected)
    assert (t[:, 0] == codec.start).all() and ((t == codec.stop).sum(axis=1) == 1).all()
    for question, row in zip(x, codec.encode([q for q, _ in found]), strict=True):
        assert row[row >= 0].tolist() == question[question >= 0].tolist()


def test_vocabularies_are_separate(tmp_path):
    codec = pairs.load(write(tmp_path / "p.tsv", "ab\txyz\nb\tx\n")).codec
    assert list(codec.questions) == ["a", "b"]
    assert list(codec.answers) == [pairs.START, pairs.STOP, "x", "y", "z"]
    assert codec.decode([3, 4, -1, -1]) == "yz"
    for ids in (codec.questions, codec.answers):
        with pytest.raises(KeyError):
            ids["zz"]  # no symbol gets an id by being asked for


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("1+1 _2 \n1+2 3 \n", "line 2"),
        ("1+1 _2 \n10+2 _12 \n", "line 2"),
        ("a\tb\nc d\n", "line 2.*tab"),
        ("a\tb\n\tc\n", "line 2"),
        ("a\tb\tc\n", "line 1"),
        ("a\tb\n\nc\td\n", "line 2"),
        ("c d\na\tb\n", r"line 1: .*'c d' \(.*with '_' .*, or, with a tab in line 1"),
        ("1+2_1\n1+2_ \n", "line 2: expected a question, '_' and an answer, got '1\\+2_ '"),
        ("1+2_1\n   _1\n", "line 2: expected a question, '_' and an answer, got '   _1'"),
        ("c_d\na\tb\n", r"line 2: .* \(.*with a tab in line 1"),
        ("a\tb" + 100 * "\rc\td", r"line 1: .*got 'a\\tb.{70,130}' …$"),
    ],
)
def test_bad_files(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        pairs.load(write(tmp_path / "bad.txt", text))


@pytest.mark.parametrize("lines", [["a\tb", "c\td"], ["ab_c", "de_f"]])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_at_the_end(tmp_path, lines, end):
    expected = pairs.load(write(tmp_path / "plain.txt", end.join(lines)))
    found = pairs.load(write(tmp_path / "blank.txt", end.join([*lines, "", "", ""])))
    assert found.codec == expected.codec
    assert all((a == b).all() for a, b in zip(found[:4], expected[:4], strict=True))


def test_lines_that_have_run_together(tmp_path):
    text = "a\tb\n" * 5000 + "a" * 5000 + "\tb\n"
    with pytest.raises(ValueError, match=r"line 5001: a question of 5000 symbols, where the mean is 2; have lines"):
        pairs.load(write(tmp_path / "long.txt", text))


@pytest.mark.slow
@pytest.mark.parametrize("words", [True, False])
def test_memory(tmp_path, words):
    text = "".join(f"{i} plus one\t{i + 1}\n" for i in range(40_000))
    path = write(tmp_path / "sums.tsv", text)
    worst, data = peak(lambda: pairs.load(path, words=words))
    held = sum(part.nbytes for part in data[:4])
    for ids in data.codec[:2]:
        held += sys.getsizeof(ids) + sum(sys.getsizeof(item) for pair in ids.items() for item in pair)
    assert worst < 2 * held
    write(path, text + "no tab\n")
    worst, error = peak(lambda: pairs.load(path, words=words))
    assert "line 40001" in str(error) and worst < 2 * len(text)


def test_words_need_tabs(tmp_path):
    with pytest.raises(ValueError, match="characters"):
        pairs.load("addition.txt", words=True)


def test_words_that_look_like_symbols_of_control(tmp_path):
    lines = [("say <stop> twice", "<stop> <stop>"), ("start", "<start> a")]
    data = pairs.load(write(tmp_path / "p.tsv", "".join(f"{q}\t{a}\n" for q, a in lines)), words=True)
    codec = data.codec
    assert codec.answers.keys() == {pairs.START, pairs.STOP, "<stop>", "<start>", "a"}
    assert sorted(codec.decode(t[1:]) for t in data.t_train) == sorted(answer for _, answer in lines)
    for symbol in (pairs.START, pairs.STOP):
        assert len(symbol.split()) > 1


@pytest.mark.parametrize("words", [True, False])
def test_typed_questions_are_read_as_those_of_the_file(tmp_path, words):
    data = pairs.load(write(tmp_path / "p.tsv", " ab cd \tx\n"), words=words)
    for typed in ("ab cd", "  ab cd ", "ab cd\n"):
        assert (data.codec.encode([typed]) == data.x_train).all()
        assert data.codec.symbols(typed) == (["ab", "cd"] if words else list("ab cd"))


def test_blanks_at_the_ends_of_questions_of_fixed_width_stay():
    codec = pairs.load("addition.txt").codec
    assert codec.symbols(" 1+2 ") == [" ", "1", "+", "2", " ", " ", " "]


@pytest.mark.parametrize("words", [True, False])
def test_questions_of_blanks_only_are_empty(tmp_path, words):
    with_tabs = pairs.load(write(tmp_path / "p.tsv", "a b\tx\n"), words=words).codec
    for codec in (with_tabs, pairs.load("addition.txt").codec):
        for question in ("", "   "):
            with pytest.raises(ValueError, match="the question is empty"):
                codec.encode([question])


@pytest.mark.parametrize(
    ("seed", "kind"), [(-1, ValueError), (2**32, ValueError), (1.5, TypeError), ("a", TypeError)]
)
@pytest.mark.parametrize("text", ["1+2_1\n", "a\tb\n"])
def test_bad_seeds_are_not_the_files(tmp_path, text, seed, kind):
    with pytest.raises(kind) as error:
        pairs.load(write(tmp_path / "p.txt", text), seed=seed)
    assert str(error.value) == f"seed must be a whole number from 0 to 2**32 - 1, not {seed!r}"


@pytest.mark.parametrize("path", [None, 3, b"date.txt"])
def test_what_is_no_path(path):
    with pytest.raises(TypeError, match=f"^a sequence file must be given by its path, not {path!r}$"):
        pairs.load(path)


@pytest.mark.parametrize("question", [None, 5, b"1+2", ["1+2"]])
def test_what_is_no_question(question):
    codec = pairs.load("addition.txt").codec
    with pytest.raises(TypeError) as error:
        codec.encode(["1+2", question])
    assert str(error.value) == f"a question must be a str, not {question!r}"


def test_questions_that_cannot_be_encoded(tmp_path):
    codec = pairs.load("addition.txt").codec
    with pytest.raises(ValueError, match=r"'1\*2'.*no '\*'.*symbol 2"):
        codec.encode(["1+2", "1*2"])
    with pytest.raises(ValueError, match=r"8 characters.*7"):
        codec.encode(["1000+999"])
    with pytest.raises(ValueError, match="empty"):
        codec.encode([""])
    with pytest.raises(ValueError, match="encode: there are no questions, expected one at least"):
        codec.encode([])
    with pytest.raises(TypeError, match=r"encode: expected a list of questions, not the str '1\+1'"):
        codec.encode("1+1")
