"""train_rnnlm, eval, rnn_gradient_graph and clip_grads."""

import json
from pathlib import Path

import pytest

from ch06 import clip_grads, eval, rnn_gradient_graph, train_rnnlm
from common.files import FileFormatError
from dataset import mini

# Two passes over 3,000 words by a narrow model.
SMALL = {"corpus": "mini", "max_epoch": 2, "train_size": 3000, "wordvec_size": 12, "hidden_size": 16, "time_size": 10}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_training_leaves_what_evaluation_needs(capsys):
    scores = train_rnnlm.main(**SMALL, out="run")
    assert mini.perplexity() * 0.9 < scores["true_perplexity"] < scores["test_perplexity"] < 328
    history = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    assert history["scores"] == scores
    curve = history["curves"]["perplexity"]
    assert curve[0] == pytest.approx(328, rel=0.02)
    assert curve[-1] < curve[0] / 2
    assert "| epoch 2 |  iter 1 / 14 | time 0[s] | perplexity " in capsys.readouterr().out
    assert eval.main(Path("run/weights.npz"), corpus="mini") == {
        "perplexity": pytest.approx(scores["test_perplexity"], rel=1e-6)
    }


def test_seed_gives_the_result():
    first, again, other = (train_rnnlm.main(**SMALL, seed=seed, out=f"run{i}") for i, seed in enumerate((0, 0, 1)))
    assert first == again != other


def test_last_epoch_has_a_learning_rate_of_its_own():
    steady, slower = (train_rnnlm.main(**SMALL, final_lr=rate, out="run") for rate in (None, 0.0))
    assert steady["test_perplexity"] < slower["test_perplexity"]


def test_evaluation_of_other_weights():
    train_rnnlm.main(**SMALL, out="run")
    with pytest.raises(FileNotFoundError):
        eval.main(Path("nowhere.npz"), corpus="mini")
    with pytest.raises(ValueError, match="no split 'tset'"):
        eval.main(Path("run/weights.npz"), corpus="mini", split="tset")
    Path("cut.npz").write_bytes(Path("run/weights.npz").read_bytes()[:1000])
    with pytest.raises(FileFormatError, match=r"cut\.npz"):
        eval.main(Path("cut.npz"), corpus="mini")


@pytest.mark.parametrize("arguments", [{"max_epoch": 0}, {"batch_size": 0}, {"time_size": 0}, {"max_grad": 0.0}])
def test_impossible_settings(arguments):
    ((name, _),) = arguments.items()
    with pytest.raises(ValueError, match="max_grad must be a positive number" if name == "max_grad" else name):
        train_rnnlm.main(**{**SMALL, **arguments})


def test_gradients_explode_or_vanish_as_in_the_book():
    exploding, vanishing = rnn_gradient_graph.main(), rnn_gradient_graph.main(factor=0.5)
    assert exploding == pytest.approx({"first": 2.468, "last": 249.5, "largest_singular_value": 2.659}, rel=1e-3)
    assert vanishing == pytest.approx({"first": 1.234, "last": 2.38e-4, "largest_singular_value": 1.330}, rel=1e-3)


def test_clipping():
    norms = clip_grads.main()
    assert norms["norm_before"] > 5
    assert norms["norm_after"] == pytest.approx(5, rel=1e-5)
    assert clip_grads.main(max_norm=1000.0)["norm_after"] == norms["norm_before"]
