import io
import re

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.np import is_active, np
from common.similarity import analogy, best, cos_similarity, cosines, most_similar, normalize
from common.text import preprocess
from common.util import create_co_matrix

CORPUS, WORD_TO_ID, ID_TO_WORD = preprocess("You say goodbye and I say hello.")
C = create_co_matrix(CORPUS, 7)

WORDS = ["king", "man", "queen", "woman", "child"]
IDS = {word: i for i, word in enumerate(WORDS)}
# Royalty, sex, age, of very different lengths: only cosines between unit vectors give the right order.
VECTORS = numpy.array([[5, 5, 0], [0.0, 0.1, 0], [7, -7, 0], [0, -3, 0], [0, 0, 1]], "f")


class TestCosine:
    def test_books_number(self):
        assert cos_similarity(C[0], C[4]) == pytest.approx(0.7071067691154799, abs=1e-15)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
    def test_zero_vector(self, dtype):
        assert cos_similarity(numpy.zeros(3, dtype), numpy.ones(3, dtype)) == 0
        assert cos_similarity(numpy.zeros(3, dtype), numpy.zeros(3, dtype)) == 0

    def test_float16_does_not_overflow(self):
        x = numpy.full(4, 60000, "float16")
        assert cos_similarity(x, x) == pytest.approx(1)

    @pytest.mark.parametrize("y", [numpy.ones(2), numpy.ones((3, 3)), 1.0])
    def test_shapes(self, y):
        with pytest.raises(ValueError, match="two vectors of the same length"):
            cos_similarity(numpy.ones(3), y)


class TestNormalize:
    @given(arrays("f8", array_shapes(min_dims=1, max_dims=3), elements=st.floats(-1e6, 1e6)))
    def test_lengths(self, x):
        kept = x.copy()
        y = normalize(x)
        assert (x == kept).all()
        before, after = (numpy.sqrt((z * z).sum(axis=-1)) for z in (x, y))
        assert after == pytest.approx(before / (before + 1e-8), abs=1e-12)

    @pytest.mark.parametrize("given, expected", [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8")])
    def test_dtypes(self, given, expected):
        x = numpy.array([[3, 4], [0, 0]], given)
        assert normalize(x).dtype == expected
        assert normalize(x) == pytest.approx(numpy.array([[0.6, 0.8], [0, 0]]))
        assert normalize(x) is not x


class TestMostSimilar:
    def test_prints_like_the_book_and_returns_pairs(self, capsys):
        pairs = most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=5)
        assert [word for word, _ in pairs] == ["goodbye", "i", "hello", "say", "and"]
        assert [score for _, score in pairs] == pytest.approx([0.7071067691154799] * 3 + [0, 0])
        assert capsys.readouterr().out.splitlines() == [
            "", "[query] you", *(f" {word}: {score}" for word, score in pairs)
        ]  # fmt: skip

    def test_float16(self):
        rng = numpy.random.default_rng(0)
        vectors = rng.standard_normal((7, 4)).astype("float16")
        vectors[3] = 0
        expected = most_similar("you", WORD_TO_ID, ID_TO_WORD, vectors.astype("f8"), top=6)
        found = most_similar("you", WORD_TO_ID, ID_TO_WORD, vectors, top=6)
        assert [word for word, _ in found] == [word for word, _ in expected]
        assert dict(found)["and"] == 0
        assert all(type(score) is float for _, score in found)

    def test_unknown_word(self, capsys):
        assert most_similar("goodby", WORD_TO_ID, ID_TO_WORD, C) == []
        assert capsys.readouterr().out == "goodby is not found, the nearest known words are: goodbye\n"
        assert most_similar("xyz", WORD_TO_ID, ID_TO_WORD, C) == []
        assert capsys.readouterr().out == "xyz is not found\n"

    def test_what_the_encoding_lacks_is_printed_as_escapes(self, monkeypatch):
        stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
        monkeypatch.setattr("sys.stdout", stream)
        words = {0: "日", 1: "é"}
        assert most_similar("日", {"日": 0, "é": 1}, words, numpy.eye(2))[0][0] == "é"
        stream.flush()
        assert stream.buffer.getvalue() == b"\n[query] \\u65e5\n \\xe9: 0.0\n"

    def test_top(self):
        assert len(most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=100)) == 6
        assert most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=0) == []
        with pytest.raises(ValueError, match="-1"):
            most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=-1)

    def test_rows_and_words_that_have_each_other_are_ranked(self):
        """As after ``corpus = corpus[:3000]``, with the dictionaries of the whole text; or with rows to spare."""
        whole = most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=9)
        part = most_similar("you", WORD_TO_ID, ID_TO_WORD, C[:5], top=9)
        assert part == [pair for pair in whole if WORD_TO_ID[pair[0]] < 5]
        more = numpy.concatenate([C, C[:3]])
        assert most_similar("you", WORD_TO_ID, ID_TO_WORD, more, top=9) == whole
        assert most_similar("you", WORD_TO_ID, [*ID_TO_WORD.values()], more, top=2) == whole[:2]
        gaps = {i: word for i, word in ID_TO_WORD.items() if word != whole[0][0]}
        assert most_similar("you", WORD_TO_ID, gaps, C, top=2) == whole[1:3]

    def test_matrix_without_a_row_for_the_query(self):
        with pytest.raises(ValueError, match=r"word_matrix \(6, 7\) has no row 6, that of '\.'"):
            most_similar(".", WORD_TO_ID, ID_TO_WORD, C[:6])
        with pytest.raises(ValueError, match=r"word_matrix \(7, 7\) has no row -1, that of 'you'"):
            most_similar("you", {"you": -1}, ID_TO_WORD, C)
        with pytest.raises(ValueError, match=r"must have a row for each word, \(V, D\), it is \(7,\)"):
            most_similar("you", WORD_TO_ID, ID_TO_WORD, C[0])


@pytest.mark.parametrize("word", [3, ["you"], None])
def test_what_is_no_word(word):
    message = f"expected a word, a str, not {re.escape(repr(word))}"
    with pytest.raises(TypeError, match=message):
        most_similar(word, WORD_TO_ID, ID_TO_WORD, C)
    with pytest.raises(TypeError, match=message):
        analogy("you", word, "say", WORD_TO_ID, ID_TO_WORD, C)


@pytest.mark.parametrize("top", [2.5, None, "3"])
def test_top_is_a_whole_number(top, capsys):
    with pytest.raises(TypeError, match=f"most_similar: top must be a whole number, not {top!r}"):
        most_similar("you", WORD_TO_ID, ID_TO_WORD, C, top=top)
    with pytest.raises(TypeError, match=f"analogy: top must be a whole number, not {top!r}"):
        analogy("you", "say", "i", WORD_TO_ID, ID_TO_WORD, C, top=top)
    assert capsys.readouterr().out == ""


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.5, 0.9, numpy.nan]), min_size=1, max_size=12),
    st.integers(0, 14),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_the_best_are_those_of_a_whole_sort(scores, top, without):
    scores, words = numpy.array(scores), [f"w{i}" for i in range(len(scores))]
    order = [i for i in numpy.argsort(-scores, kind="stable") if i not in without][:top]
    for named in (words, dict(enumerate(words))):
        assert [word for word, _ in best(scores, named, top, without)] == [words[i] for i in order]
    odd = {i + 1: word for i, word in enumerate(words)}  # no word for 0, and one for no score
    order = [i for i in numpy.argsort(-scores, kind="stable") if i not in without and i][:top]
    assert [word for word, _ in best(scores, odd, top, without)] == [odd[i] for i in order]


@given(arrays("d", (5, 3), elements=st.floats(-100, 100)), arrays("d", 3, elements=st.floats(-100, 100)))
def test_cosines_are_those_of_the_rows(X, y):
    numpy.testing.assert_allclose(cosines(X, y), [cos_similarity(x, y) for x in X], rtol=1e-9, atol=1e-12)


class TestAnalogy:
    def test_ranks_by_cosine_of_unit_vectors(self, capsys):
        kept = VECTORS.copy()
        pairs = analogy("man", "king", "woman", IDS, dict(enumerate(WORDS)), VECTORS, answer="queen")
        assert (kept == VECTORS).all()
        assert [word for word, _ in pairs] == ["queen", "child"]
        unit = VECTORS / numpy.linalg.norm(VECTORS, axis=1, keepdims=True)
        query = unit[0] - unit[1] + unit[3]
        assert pairs[0][1] == pytest.approx(float(unit[2] @ query) / numpy.linalg.norm(query))
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == ["", "[analogy] man:king = woman:?"]
        assert lines[2].startswith("==>queen:0.9")
        assert lines[3].startswith(" queen: 0.9")

    @pytest.mark.parametrize("words", [("mam", "king", "woman"), ("man", "kingg", "woman"), ("man", "king", "womn")])
    def test_unknown_word(self, capsys, words):
        assert analogy(*words, IDS, dict(enumerate(WORDS)), VECTORS) == []
        assert "is not found, the nearest known words are: " in capsys.readouterr().out

    def test_rows_and_words_that_have_each_other_are_ranked(self):
        words = dict(enumerate(WORDS))
        whole = analogy("man", "king", "woman", IDS, words, VECTORS)
        assert analogy("man", "king", "woman", IDS, words, VECTORS[:4]) == whole[:1]
        assert analogy("man", "king", "woman", IDS, words, numpy.concatenate([VECTORS, VECTORS[2:3]])) == whole
        for missing in (("child", "king", "woman"), ("man", "king", "woman", "child")):
            with pytest.raises(ValueError, match=r"word_matrix \(4, 3\) has no row 4, that of 'child'"):
                analogy(*missing[:3], IDS, words, VECTORS[:4], answer=missing[-1])

    def test_unknown_answer(self, capsys):
        assert analogy("man", "king", "woman", IDS, dict(enumerate(WORDS)), VECTORS, answer="qween")
        assert "qween is not found, the nearest known words are: queen" in capsys.readouterr().out

    def test_repeated_words_and_zero_query(self):
        assert analogy("man", "queen", "man", IDS, dict(enumerate(WORDS)), VECTORS, top=1)[0][0] == "woman"
        zeros = numpy.zeros((5, 2), "float16")
        assert [score for _, score in analogy("man", "king", "woman", IDS, dict(enumerate(WORDS)), zeros)] == [0, 0]


def test_on_the_gpu(gpu):
    vectors = np.asarray(VECTORS)
    assert is_active(normalize(vectors))
    assert float(cos_similarity(vectors[0], vectors[0])) == pytest.approx(1)
    for matrix in (vectors, VECTORS):  # on the device, and in host memory
        assert most_similar("queen", IDS, dict(enumerate(WORDS)), matrix, top=1)[0][0] == "woman"
        assert analogy("man", "king", "woman", IDS, dict(enumerate(WORDS)), matrix, answer="queen")[0][0] == "queen"
