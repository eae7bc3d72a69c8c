"""train, eval and train_glove."""

import json
from pathlib import Path

import numpy
import pytest
from killing import Killed, kill_after, left

from ch04 import eval, train, train_glove
from common import word_vector_pickle
from common.trainer import Trainer
from common.word_vectors import WordVectors
from dataset import mini


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(monkeypatch):
    """Load 5,000 words only."""
    load = mini.load_data
    monkeypatch.setattr(mini, "load_data", lambda split: load(split, size=5000))


@pytest.mark.parametrize("options", [{}, {"plain": True}, {"model": "skipgram"}, {"model": "skipgram", "plain": True}])
def test_training(small, options):
    scores = train.main(corpus="mini", max_epoch=2, hidden_size=8, out="run", **options)
    history = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    assert history["scores"] == scores
    assert len(history["curves"]["loss"]) == 2
    vectors = WordVectors.load("run/vectors.npz")
    assert len(vectors) == scores["words"] == 328
    corpus, word_to_id, _ = mini.load_data("train")
    counts = numpy.bincount(corpus, minlength=328)[[word_to_id[word] for word in vectors.index_to_key]]
    assert (numpy.diff(counts) <= 0).all()
    book_vectors, book_ids, _ = word_vector_pickle.read("run/cbow_params.pkl")
    assert book_ids == word_to_id
    assert book_vectors[book_ids["king"]] == pytest.approx(vectors["king"], rel=1e-3)
    assert WordVectors.load("run/vectors.bin")["king"].tolist() == vectors["king"].tolist()


def test_options(small):
    scores = train.main(corpus="mini", max_epoch=1, min_count=20, sample=1e-3, half=True, out="run")
    vectors = WordVectors.load("run/vectors.npz")
    assert len(vectors) == scores["words"] < 328
    assert vectors.vectors.dtype == numpy.float16


@pytest.mark.parametrize(("arguments", "message"), [
    ({"plain": True, "sample": 1e-3}, r"sample 0.001 makes no sense with plain"),
    ({"plain": True, "threads": 1}, "threads 1 makes no sense with plain"),
    ({"batch_size": 100}, "batch_size 100 makes no sense without plain"),
    ({"sample": -1.0}, r"sample must be positive, .*not -1\.0"),
    ({"threads": 0}, "threads must be at least 1, not 0"),
    ({"threads": 3}, "threads must be 1 or 2, not 3"),
    ({"min_count": 0}, "min_count must be at least 1, not 0"),
])  # fmt: skip
def test_impossible_settings(small, arguments, message):
    with pytest.raises(ValueError, match=message):
        train.main(corpus="mini", max_epoch=1, hidden_size=8, **arguments)


def test_a_training_goes_on_with_defaults_that_are_stated(small):
    for first, later in (({"plain": True}, {"plain": True, "batch_size": 100}), ({}, {"threads": 1})):
        settings = {"corpus": "mini", "max_epoch": 1, "hidden_size": 8, "out": f"run{len(first)}"}
        assert train.main(**settings, **first) == train.main(**settings, **later, resume=True)
    with pytest.raises(ValueError, match="batch_size was 100 and is now 50"):
        train.main(**settings | {"out": "run1"}, plain=True, batch_size=50, resume=True)


@pytest.mark.parametrize("arguments", [{"sample": 1e-18}, {"window_size": 300_000}])
def test_a_mistaken_setting_leaves_the_checkpoints_of_a_good_training(small, arguments):
    train.main(corpus="mini", max_epoch=1, hidden_size=8, out="run")
    before = sorted(Path("run/checkpoints").iterdir())
    with pytest.raises(ValueError, match="a window of"):
        train.main(corpus="mini", max_epoch=1, hidden_size=8, out="run", **arguments)
    assert sorted(Path("run/checkpoints").iterdir()) == before != []
    assert not Path("run/checkpoints-before").exists()


def test_glove(small):
    scores = train_glove.main(corpus="mini", max_epoch=3, hidden_size=8, out="run")
    history = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    curve = history["curves"]["loss"]
    assert len(curve) == 3
    assert curve[2] == scores["loss"] < curve[0]
    assert WordVectors.load("run/vectors.npz").vectors.shape == (328, 8)


def test_losses_of_glove_are_those_of_whole_epochs(small, monkeypatch, capsys):
    trainers = []

    def new_trainer(*args, **options):
        trainers.append(Trainer(*args, **options))
        return trainers[0]

    monkeypatch.setattr(train_glove, "Trainer", new_trainer)
    scores = train_glove.main(corpus="mini", max_epoch=2, hidden_size=8, batch_size=500, out="run")
    losses = [epoch["loss"] for epoch in trainers[0].history]
    assert trainers[0].history[0]["iterations"] > 1
    assert losses == json.loads(Path("run/history.json").read_text(encoding="utf-8"))["curves"]["loss"]
    assert scores["loss"] == losses[-1]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| epoch")]
    assert [line.rpartition(" ")[2] for line in lines] == [f"{loss:.4f}" for loss in losses]


def test_a_killed_glove_goes_on_with_the_same_bits(small, monkeypatch):
    arguments = {"corpus": "mini", "max_epoch": 3, "hidden_size": 8, "batch_size": 5000}
    whole = train_glove.main(**arguments, out="whole")
    for saves in (1, 5):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, saves)
            train_glove.main(**arguments, out="parts")
        assert train_glove.main(**arguments, out="parts", resume=True) == whole
        assert left(Path("parts")) == left(Path("whole"))
    assert set(left(Path("whole"))) == {"vectors.npz", "vectors.bin"}


class TestEval:
    def test_shipped_vectors(self, capsys):
        """The book's questions: what year is like, and two of the three analogies that have an answer."""
        assert eval.main() == {}
        output = capsys.readouterr().out
        answers = {}
        for part in output.split("\n\n"):
            heading, *lines = part.strip().splitlines()
            answers[heading] = [line.split(":")[0].strip() for line in lines]
        assert {"month", "week"} <= set(answers["[query] year"])
        assert {"we", "i"} <= set(answers["[query] you"])
        found = [
            "woman" in answers["[analogy] king:man = queen:?"],
            "went" in answers["[analogy] take:took = go:?"],
            "children" in answers["[analogy] car:cars = child:?"],
        ]
        assert sum(found) >= 2
        assert "[analogy] good:better = bad:?" in answers

    def test_shipped_file_is_small(self):
        assert eval.VECTORS.stat().st_size < 2_500_000

    def test_without_scores_nothing_follows_the_answers(self, capsys):
        with pytest.raises(SystemExit) as end:
            eval.main.cli(["--top", "1"])
        out = capsys.readouterr().out
        assert end.value.code == 0
        assert out.endswith("\n") and not out.endswith("\n\n")

    def test_scores(self):
        Path("pairs.csv").write_text("word 1,word 2,score\ncar,cars,9\ncar,said,1\nking,xyzzy,5\n", encoding="utf-8")
        Path("questions.txt").write_text(": verbs\ntake took go went\ntake took xyzzy went\n", encoding="utf-8")
        scores = eval.main(pairs=Path("pairs.csv"), questions=Path("questions.txt"))
        assert scores == {
            "spearman": pytest.approx(1.0), "unknown pairs": 1, "analogies": 1.0, "unknown questions": 1}

    def test_no_file(self):
        with pytest.raises(FileNotFoundError, match=r"none\.npz"):
            eval.main(Path("none.npz"))
