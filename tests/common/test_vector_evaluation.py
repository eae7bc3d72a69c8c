from pathlib import Path

import numpy
import pytest

from common.counts import co_occurrences, ppmi
from common.files import FileFormatError
from common.reduction import truncated_svd
from common.vector_evaluation import (
    evaluate_analogies,
    evaluate_word_pairs,
    read_analogies,
    read_word_pairs,
)
from common.word_vectors import WordVectors
from dataset import mini

SQUARE = WordVectors(numpy.array([[1, 0], [1, 1], [0, 1], [-1, 0]], "f"), ["east", "northeast", "north", "west"])


def count_vectors(window, width):
    ids, word_to_id, id_to_word = mini.load_data(size=200_000)
    U, _, _ = truncated_svd(ppmi(co_occurrences(ids, len(word_to_id), window)), width)
    return WordVectors(U, id_to_word)


class TestWordPairs:
    def test_correlation(self):
        pairs = [("east", "northeast", 9.0), ("east", "north", 5.0), ("East", "WEST", 1.0), ("east", "up", 3.0)]
        assert evaluate_word_pairs(SQUARE, pairs) == (pytest.approx(1), 3, 1)
        pairs[0] = ("east", "northeast", 0.0)
        assert evaluate_word_pairs(SQUARE, pairs).spearman == pytest.approx(-0.5)

    def test_a_word_as_it_is_comes_before_its_lower_case(self):
        vectors = WordVectors(numpy.array([[1, 0], [1, 0], [0, 1], [0, 1]], "f"), ["May", "June", "may", "might"])
        pairs = [("May", "June", 9.0), ("may", "might", 9.0), ("May", "might", 1.0), ("may", "June", 1.0)]
        assert evaluate_word_pairs(vectors, pairs).spearman == pytest.approx(1)

    @pytest.mark.parametrize("pairs", ["pairs.tsv", Path("pairs.tsv"), [("east", "north")], ["east"]])
    def test_what_are_no_pairs(self, pairs):
        with pytest.raises(TypeError, match=r"evaluate_word_pairs: expected pairs \(word, word, score\).*got"):
            evaluate_word_pairs(SQUARE, pairs)

    def test_nothing_to_correlate(self):
        assert numpy.isnan(evaluate_word_pairs(SQUARE, [("east", "north", 1.0), ("west", "north", 2.0)]).spearman)
        with pytest.raises(ValueError, match="1 of 2 pairs are known"):
            evaluate_word_pairs(SQUARE, [("east", "north", 1.0), ("east", "up", 2.0)])
        with pytest.raises(ValueError, match="0 of 0 pairs"):
            evaluate_word_pairs(SQUARE, [])

    @pytest.mark.parametrize(
        "text",
        [
            "# a comment\n# word\tword\tscore\nlove\tsex\t6.77\ntiger\tcat\t7.35\n",
            "Word 1,Word 2,Human (mean)\r\nlove,sex,6.77\r\n\r\ntiger,cat,7.35",
            "Word 1\tWord 2\tHuman (mean)\t1\nlove\tsex\t6.77\t9\ntiger\tcat\t7.35\t8\n",
            "\ufefflove,sex,6.77\ntiger,cat,7.35",
            "# a comment\n\nWord 1,Word 2,Human (mean)\nlove,sex,6.77\ntiger,cat,7.35\n",
        ],
    )
    def test_formats(self, tmp_path, text):
        path = tmp_path / "pairs.txt"
        path.write_bytes(text.encode())
        assert read_word_pairs(path) == [("love", "sex", 6.77), ("tiger", "cat", 7.35)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b"", "no pair of words"),
            (b"love sex 6.77\n", "line 1 is 'love sex 6.77'"),
            (b"love,sex,6\ntiger,cat\n", "line 2 is 'tiger,cat'"),
            (b"love,sex,6\ntiger,cat,x\n", "line 2"),
            (b"# a comment\nword,word,score\ntiger,cat,x\n", "line 3 is 'tiger,cat,x'"),
            (b"\xff,sex,6\n", "not UTF-8"),
        ],
    )
    def test_damaged_file(self, tmp_path, text, message):
        path = tmp_path / "pairs.txt"
        path.write_bytes(text)
        with pytest.raises(FileFormatError, match=f"pairs.txt: .*{message}"):
            read_word_pairs(path)


class TestAnalogies:
    def test_accuracy(self):
        words = WordVectors(
            numpy.array([[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1], [-1, -1, 0]], "f"),
            ["king", "queen", "boy", "girl", "table"],
        )
        total, scores = evaluate_analogies(
            words,
            {
                "right": [("king", "queen", "boy", "girl"), ("Boy", "Girl", "King", "Queen")],
                "wrong": [("king", "queen", "boy", "table")],
                "unknown": [("king", "queen", "boy", "lass")],
                "none": [],
            },
        )
        assert scores == {"right": (2, 2, 0), "wrong": (0, 1, 0), "unknown": (0, 0, 1), "none": (0, 0, 0)}
        assert total == (2, 3, 1)
        assert total.accuracy == 2 / 3
        assert scores["unknown"].accuracy == 0

    @pytest.mark.parametrize(
        ("sections", "message"),
        [
            ([("east", "north", "east", "north")], "expected sections .*, as of read_analogies, not list"),
            ("questions.txt", "not str"),
            ({"family": [("east", "north")]}, r"questions \(word, .*got \('east', 'north'\)"),
            ({"family": "east north"}, "got 'east north'"),
        ],
    )
    def test_what_are_no_sections(self, sections, message):
        with pytest.raises(TypeError, match=f"evaluate_analogies: .*{message}"):
            evaluate_analogies(SQUARE, sections)

    def test_blocks(self, monkeypatch):
        vectors = count_vectors(2, 20)
        whole = evaluate_analogies(vectors, mini.analogies())
        monkeypatch.setattr("common.vector_evaluation._SCORES", 10_000)
        assert evaluate_analogies(vectors, mini.analogies()) == whole

    def test_format(self, tmp_path):
        path = tmp_path / "questions.txt"
        text = ": family\nboy girl king queen\n\n: empty\n: past tense\ngo went  be was\n: family\nhe she his her"
        path.write_text(text, encoding="utf-8")
        family = [("boy", "girl", "king", "queen"), ("he", "she", "his", "her")]
        assert read_analogies(path) == {"family": family, "empty": [], "past tense": [("go", "went", "be", "was")]}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b"", "no question"),
            (b": family\n", "no question"),
            (b"boy girl king queen\n", "line 1 is 'boy girl king queen'"),
            (b": family\nboy girl king\n", "line 2 is 'boy girl king'"),
            (b": \xff\n", "not UTF-8"),
        ],
    )
    def test_damaged_file(self, tmp_path, text, message):
        path = tmp_path / "questions.txt"
        path.write_bytes(text)
        with pytest.raises(FileFormatError, match=f"questions.txt: .*{message}"):
            read_analogies(path)


class TestMini:
    """What is true of the words is known there."""

    def test_words_of_one_class_are_neighbours(self):
        vectors = count_vectors(1, 30)
        classes = {word: name for name, words in mini.word_classes().items() if len(words) > 5 for word in words}
        neighbours = [(word, other) for word in classes for other, _ in vectors.most_similar(word, topn=5)]
        assert numpy.mean([classes[word] == classes.get(other) for word, other in neighbours]) > 0.9

    def test_analogies_are_solved(self):
        total, scores = evaluate_analogies(count_vectors(5, 50), mini.analogies())
        assert total.unknown == 0
        assert scores["gender"].accuracy > 0.95
        assert scores["number"].accuracy > 0.95


def test_scores_are_those_of_gensim(tmp_path, rng):
    models = pytest.importorskip("gensim.models", reason="compares with gensim, whose data it uses")
    from gensim.test.utils import datapath

    pairs, sections = read_word_pairs(datapath("wordsim353.tsv")), read_analogies(datapath("questions-words.txt"))
    assert len(pairs) == 353
    assert sum(map(len, sections.values())) == 19544

    # Vectors in which a part of the words is unknown and some analogies hold.
    names = ("family", "gram7-past-tense")
    sections = {name: sections[name] for name in names}
    words = sorted({word for questions in sections.values() for question in questions for word in question[:3]}
                   | {word.lower() for *two, _ in pairs[::2] for word in two})
    vectors = rng.standard_normal((len(words), 30)).astype("f")
    number = {word: i for i, word in enumerate(words)}
    for i, name in enumerate(names):
        for a, b, _, _ in sections[name][:200]:
            vectors[number[b]] = vectors[number[a]] + 2 * numpy.eye(30)[i]
    ours, theirs = WordVectors(vectors, words), models.KeyedVectors(30)
    theirs.add_vectors(words, vectors)

    pair = evaluate_word_pairs(ours, pairs)
    _, expected, missing = theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))
    assert pair.spearman == pytest.approx(expected.statistic, abs=1e-6)
    assert pair.unknown / 353 * 100 == pytest.approx(missing)

    path = tmp_path / "questions.txt"
    path.write_text("".join(f": {name}\n" + "".join(" ".join(q) + "\n" for q in sections[name]) for name in names),
                    encoding="utf-8")
    total, scores = evaluate_analogies(ours, read_analogies(path))
    accuracy, rows = theirs.evaluate_word_analogies(str(path), case_insensitive=False)
    assert 0.05 < total.accuracy == pytest.approx(accuracy)
    assert [scores[row["section"]].right for row in rows[:2]] == [len(row["correct"]) for row in rows[:2]]
