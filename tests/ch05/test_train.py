import json
import math
from pathlib import Path

import pytest

from ch05 import train, train_custom_loop
from ch05.simple_rnnlm import SimpleRnnlm
from dataset import mini

SCRIPTS = [train.main, train_custom_loop.main]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_loop_and_trainer_give_the_same_numbers():
    runs = [main(max_epoch=3, corpus="mini", seed=3, out=f"run{i}") for i, main in enumerate(SCRIPTS)]
    assert runs[0] == pytest.approx(runs[1], rel=1e-5)


@pytest.mark.parametrize("main", SCRIPTS)
def test_results_can_be_used(main):
    scores = main(quick=True, corpus="mini", hidden_size=20, wordvec_size=20, out="run")
    history = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    assert history["scores"] == scores
    assert history["curves"]["perplexity"][-1] == scores["perplexity"]
    assert len(history["curves"]["perplexity"]) == 10
    model = SimpleRnnlm(int(mini.load_data("train")[0][:1000].max()) + 1, 20, 20)
    model.load_params("run/weights.npz")


def test_thousand_words_are_learnt_by_heart(penn_treebank):
    assert train.main()["perplexity"] < 10


@pytest.mark.parametrize("main", SCRIPTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_perplexity_beyond_floats(main, monkeypatch):
    forward = SimpleRnnlm.forward
    monkeypatch.setattr(SimpleRnnlm, "forward", lambda *inputs: forward(*inputs) + 1e6)
    assert main(corpus="mini", max_epoch=1, out="run")["perplexity"] == math.exp(700)


def test_untrained_model_knows_nothing():
    ids = mini.load_data("train")[0][:1001]
    model = SimpleRnnlm(328, 100, 100, rng=0)
    loss = model.forward(ids[:-1].reshape(10, 100), ids[1:].reshape(10, 100))
    assert math.exp(loss) == pytest.approx(328, rel=0.01)


@pytest.mark.parametrize("main", SCRIPTS)
@pytest.mark.parametrize(
    "arguments",
    [{"max_epoch": 0}, {"batch_size": 0}, {"time_size": 0}, {"time_size": 999}, {"corpus_size": 1}, {"hidden_size": 0}],
)
def test_impossible_settings(main, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        main(corpus="mini", **arguments)
