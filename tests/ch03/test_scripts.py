import json
from pathlib import Path

import numpy
import pytest
from killing import Killed, kill_after, left

from ch03 import cbow_predict, train
from common.word_vectors import WordVectors


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_scores_of_the_words_that_may_fill_the_gap():
    scores = cbow_predict.main()
    assert scores.shape == (1, 7)
    assert (scores == cbow_predict.main(seed=0)).all()
    assert (scores != cbow_predict.main(seed=1)).all()


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_training(model, capsys):
    scores = train.main(model=model, quick=True, out="run")
    history = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    assert history["scores"] == scores
    assert scores["loss"] < history["curves"]["loss"][0]
    vectors = WordVectors.load("run/vectors.npz")
    assert vectors.index_to_key == ["you", "say", "goodbye", "and", "i", "hello", "."]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-7].startswith("you [")


@pytest.mark.parametrize("model", ["cbow", "skipgram"])
def test_a_killed_training_goes_on_with_the_same_bits(model, monkeypatch):
    whole = train.main(model=model, max_epoch=5, out="whole")
    for saves in (1, 4, 5, 7):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, saves)
            train.main(model=model, max_epoch=5, out="parts")
        assert train.main(model=model, max_epoch=5, out="parts", resume=True) == whole
        assert left(Path("parts")) == left(Path("whole"))


def test_figure():
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    train.main(max_epoch=2, out="run")
    assert Path("run/loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_words_with_the_same_contexts_become_alike():
    """You and hello, goodbye and i: as in the book, with the full number of epochs."""
    train.main(out="run")
    vectors = WordVectors.load("run/vectors.npz")
    assert vectors.similarity("goodbye", "i") > 0.95
    assert vectors.similarity("you", "hello") > 0.95
    assert numpy.isfinite(vectors.vectors).all()


def test_text_that_is_too_short():
    with pytest.raises(ValueError, match="window_size 2"):
        train.main(text="You say.", window_size=2)
