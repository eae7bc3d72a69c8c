import json
import re
from pathlib import Path

import numpy
import pytest

from ch02 import count_method_big, count_method_small, most_similar, ppmi, show_ptb, similarity
from common import util
from common.word_vectors import WordVectors

BOOK = {  # neighbours in the book, section 2.4.5
    "you": {"i", "we", "'ve", "do", "else"},
    "year": {"month", "quarter", "last", "earlier", "next"},
    "car": {"luxury", "auto", "cars", "vehicle", "corsica"},
    "toyota": {"motor", "nissan", "motors", "honda", "lexus"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_similarity():
    assert similarity.main() == pytest.approx(0.7071067691154799, abs=1e-15)
    assert similarity.main("you", "say") == 0
    with pytest.raises(ValueError, match="'we' is not in the text, whose words are you, say"):
        similarity.main("you", "we")


def test_most_similar(capsys):
    most_similar.main()
    words = re.findall(r"^ (\S+): (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert [word for word, _ in words] == ["goodbye", "i", "hello", "say", "and"]
    assert [float(score) for _, score in words] == pytest.approx([0.7071067691154799] * 3 + [0, 0])


def test_ppmi(capsys):
    ppmi.main()
    counts, information = capsys.readouterr().out.split("-" * 50)
    assert "[1 0 1 0 1 1 0]" in counts
    assert "[1.807 0.    0.807 0.    0.807 0.807 0.   ]" in information


def test_count_method_small(capsys):
    assert count_method_small.main(out="run") == {"words": 7}
    out = capsys.readouterr().out
    assert "C[0] = [0 1 0 0 0 0 0]" in out
    assert all(f"{name}[0] = [" in out for name in "CWU")
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    assert Path("run/words.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_show_mini(capsys):
    show_ptb.main(corpus="mini")
    out = capsys.readouterr().out
    assert "corpus size: 500007" in out
    assert re.search(r"word_to_id\['king'\]: \d+", out)


def test_show_ptb(capsys, penn_treebank):
    show_ptb.main()
    lines = capsys.readouterr().out.splitlines()
    assert {"corpus size: 929589", "id_to_word[0]: aer", "id_to_word[1]: banknote", "id_to_word[2]: berlitz",
            "word_to_id['car']: 3856", "word_to_id['happy']: 4428", "word_to_id['lexus']: 7426"} < set(lines)


@pytest.mark.slow
def test_count_method_big_quick(capsys):
    scores = count_method_big.main(quick=True, out="run")
    assert scores == json.loads(Path("run/history.json").read_text(encoding="utf-8"))["scores"]
    vectors = WordVectors.load("run/vectors.npz")
    assert vectors.vectors.shape == (scores["words"], 50)
    assert (WordVectors.load("run/vectors.bin").vectors == vectors.vectors).all()
    assert capsys.readouterr().out.count("[query]") == 4
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    assert Path("run/map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_count_method_big_repeats_itself():
    runs = []
    for name in ("one", "two"):
        count_method_big.main(quick=True, out=name, seed=3)
        runs.append(WordVectors.load(f"{name}/vectors.npz").vectors)
    assert (runs[0] == runs[1]).all()


def test_count_method_big_finds_the_neighbours_of_the_book(penn_treebank):
    scores = count_method_big.main(out="run", mapped=20)
    assert scores == {"tokens": 929_589, "words": 10_000, "pairs": 962_242}
    vectors = WordVectors.load("run/vectors.npz")
    found = {query: {word for word, _ in vectors.most_similar(query, topn=5)} for query in BOOK}
    assert all(len(found[query] & BOOK[query]) >= 3 for query in BOOK)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"window_size": 0}, "window_size must be at least 1, not 0"),
    ({"wordvec_size": 0}, "wordvec_size must be at least 2 for a map, not 0"),
    ({"wordvec_size": 1}, "wordvec_size must be at least 2 for a map, not 1"),
    ({"wordvec_size": 0, "mapped": 0}, "wordvec_size must be at least 1, not 0"),
    ({"mapped": -1}, "mapped must be 0, for no map, or at least 2, not -1"),
    ({"mapped": 1}, "at least 2, not 1"),
    ({"wordvec_size": 1000}, "wordvec_size must be at most 328, the number of words, not 1000"),
    ({"top": -1}, "top must not be negative, it is -1"),
])  # fmt: skip
def test_impossible_settings_are_found_before_the_work(arguments, message, capsys):
    with pytest.raises(ValueError, match=message):
        count_method_big.main(corpus="mini", **arguments)
    assert "counting" not in capsys.readouterr().out


@pytest.mark.slow
def test_count_method_big_without_a_map():
    count_method_big.main(quick=True, out="run", mapped=0, wordvec_size=1)
    assert WordVectors.load("run/vectors.npz").vector_size == 1
    assert not Path("run/map.png").exists()


def test_count_method_small_needs_two_words():
    with pytest.raises(ValueError, match="text must have two different words at least, not 'hello hello'"):
        count_method_small.main("hello hello", out="run")
    count_method_small.main("hello you", out="run")


def test_a_text_with_a_byte_that_is_no_utf8():
    assert count_method_small.main("\udcff b", out="run") == {"words": 2}
    assert json.loads(Path("run/history.json").read_text(encoding="utf-8"))["scores"] == {"words": 2}


def test_i_and_goodbye_coincide_in_figure_2_11():
    corpus, word_to_id, _ = util.preprocess(similarity.TEXT)
    U, S, _ = numpy.linalg.svd(util.ppmi(util.create_co_matrix(corpus, 7)))
    assert S[:6] == pytest.approx([3.168, 3.168, 2.703, 2.703, 1.514, 1.514], abs=1e-3)
    assert U[word_to_id["i"], :2] == pytest.approx(U[word_to_id["goodbye"], :2], abs=1e-5)
