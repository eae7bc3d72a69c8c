import sys

import pytest

from ch02 import wordnet


@pytest.fixture(scope="module")
def installed():
    pytest.importorskip("nltk", reason="WordNet is read by nltk")
    try:
        return wordnet.load()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def loaded(installed, monkeypatch):
    """Reading WordNet takes seconds: once is enough."""
    monkeypatch.setattr(wordnet, "load", lambda folder: installed)


def test_appendix_of_the_book(loaded, capsys):
    scores = wordnet.main()
    assert scores == pytest.approx({"novel": 1 / 18, "dog": 1 / 13, "motorcycle": 1 / 3})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "meanings of car: car.n.01, car.n.02, car.n.03, car.n.04, cable_car.n.01"
    assert lines[1].startswith("definition of car.n.01: a motor vehicle with four wheels")
    assert lines[2] == "synonyms: car, auto, automobile, machine, motorcar"
    assert lines[3].startswith("path: entity.n.01 > physical_entity.n.01 > ")
    assert lines[3].count(" > ") == 10
    assert lines[3].endswith(" > car.n.01")


def test_words(installed, loaded):
    assert wordnet.main("dog", ["dog", "dogs"]) == {"dog": 1, "dogs": 1}
    assert installed.synset("run.v.01").lexname().startswith("verb.")
    with pytest.raises(ValueError, match="'qwertz' is not in WordNet"):
        wordnet.main("qwertz")


def test_no_wordnet_in_the_folder(tmp_path):
    pytest.importorskip("nltk", reason="WordNet is read by nltk")
    with pytest.raises(FileNotFoundError, match=r"no WordNet in .*nltk.downloader wordnet, or apt install"):
        wordnet.main(folder=tmp_path)


def test_no_wordnet_anywhere(tmp_path, monkeypatch):
    nltk = pytest.importorskip("nltk", reason="WordNet is read by nltk")
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path)
    monkeypatch.setenv("WNSEARCHDIR", "/nowhere")
    with pytest.raises(FileNotFoundError, match=r"in the data of nltk, nor in /nowhere or "):
        wordnet.load()


def test_no_nltk(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(ImportError, match=r"pip install nltk \("):
        wordnet.main()


def test_names_of_the_lexicographers_files():
    assert len(wordnet.LEXNAMES.split()) == 45
