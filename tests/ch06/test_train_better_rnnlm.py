"""train_better_rnnlm, train_awd_lstm and compare_improvements, on the mini corpus."""

import functools
import json
import shutil
from pathlib import Path

import pytest

from ch06 import compare_improvements, train_awd_lstm, train_better_rnnlm
from ch06.better_rnnlm import BetterRnnlm
from common import weight_files
from common.evaluation import eval_perplexity
from common.layers import Dropout
from dataset import mini

SMALL = {"corpus": "mini", "max_epoch": 3, "train_size": 1200, "wordvec_size": 12, "hidden_size": 12, "time_size": 10}
AWD = {**SMALL, "hidden_size": 16, "lr": 5.0, "patience": 1}
both = pytest.mark.parametrize(
    ("script", "arguments"), [(train_better_rnnlm, SMALL), (train_awd_lstm, AWD)], ids=["better", "awd"]
)


load_data = functools.cache(functools.partial(mini.load_data, size=2000))


@pytest.fixture(autouse=True)
def small_splits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mini, "load_data", load_data)


def history(out):
    return json.loads(Path(out, "history.json").read_text(encoding="utf-8"))


def tensors(out):
    return weight_files.read(Path(out, "weights.npz"))[0]


def test_the_weights_of_the_best_epoch_are_saved_and_tested():
    scores = train_better_rnnlm.main(**{**SMALL, "lr": 60.0}, out="run")
    curve = history("run")["curves"]["valid_perplexity"]
    assert scores["valid_perplexity"] == pytest.approx(min(curve))
    model = BetterRnnlm(328, 12, 12)
    model.load_params("run/weights.npz")
    assert eval_perplexity(model, mini.load_data("test")[0]) == pytest.approx(scores["test_perplexity"])
    assert eval_perplexity(model, mini.load_data("valid")[0]) == pytest.approx(min(curve))


def test_learning_rate_is_quartered_after_each_epoch_that_is_no_better():
    overfitting = {"lr": 300.0, "max_epoch": 8, "train_size": 600, "dropout_ratio": 0.0}
    train_better_rnnlm.main(**{**SMALL, **overfitting}, out="run")
    curves = history("run")["curves"]
    rates, valid, expected = curves["lr"], curves["valid_perplexity"], [300.0]
    for epoch in range(1, 8):
        expected.append(expected[-1] / (1 if valid[epoch - 1] == min(valid[:epoch]) else 4))
    assert rates == expected and rates[-1] < 300


@both
def test_resumed_training_is_the_unbroken_one_to_the_bit(script, arguments, monkeypatch):
    unbroken = script.main(**arguments, out="whole")
    script.main(**{**arguments, "max_epoch": 1}, out="parts")
    resumed = script.main(**arguments, out="parts", resume=True)
    assert resumed == unbroken
    one, two = tensors("whole"), tensors("parts")
    assert one.keys() == two.keys() and all((one[name] == two[name]).all() for name in one)


def test_resumed_after_being_killed_within_an_epoch(monkeypatch):
    unbroken = train_better_rnnlm.main(**SMALL, out="whole")
    calls, forward = [], Dropout.mask

    def killed(self, *args):
        calls.append(1)
        if len(calls) == 37:
            raise MemoryError("as if killed")
        return forward(self, *args)

    monkeypatch.setattr("common.checkpoint.SECONDS", 0.0)
    monkeypatch.setattr("common.checkpoint.SHARE", 1e9)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Dropout, "mask", killed)
        train_better_rnnlm.main(**SMALL, out="parts")
    assert train_better_rnnlm.main(**SMALL, out="parts", resume=True) == unbroken


@both
def test_other_settings_are_named_when_resuming(script, arguments):
    script.main(**{**arguments, "max_epoch": 1}, out="run")
    with pytest.raises(ValueError, match=r"other settings: lr was .* and is now 7\.0; seed was 0 and is now 1"):
        script.main(**{**arguments, "lr": 7.0}, seed=1, out="run", resume=True)
    shutil.rmtree("run/checkpoints")
    script.main(**{**arguments, "max_epoch": 1, "lr": 7.0}, seed=1, out="run")  # a new training may have any


def test_averaging_starts_and_its_means_are_tested():
    scores = train_awd_lstm.main(**{**AWD, "lr": 40.0, "max_epoch": 6}, out="run")
    assert scores["averaged"] is True
    assert 20 < scores["test_perplexity"] < 328


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"wordvec_size": 8}, "tied weights need wordvec_size == hidden_size"),
        ({"cell": "mgu"}, "cell must be one of"),
        ({"max_epoch": 0}, "max_epoch must be at least 1"),
        ({"lr": float("nan")}, "lr|loss|not finite|diverged"),
    ],
)
def test_misuse(arguments, message):
    with pytest.raises((ValueError, FloatingPointError), match=message):
        train_better_rnnlm.main(**{**SMALL, **arguments}, out="run")


def test_table_of_improvements(capsys):
    arguments = {name: value for name, value in SMALL.items() if name not in ("wordvec_size", "hidden_size")}
    rows = compare_improvements.main(**{**arguments, "max_epoch": 1}, width=12, out="run", only="start,tied,gru")
    table = capsys.readouterr().out
    assert list(rows) == ["start", "tied", "gru"]
    for name, test_perplexity in rows.items():
        assert Path("run", name, "weights.npz").exists()
        assert f"| {test_perplexity:.2f} |" in table
    again = compare_improvements.main(
        **{**arguments, "max_epoch": 1}, width=12, out="run", only="start,tied,gru", resume=True
    )
    assert again == rows
    with pytest.raises(ValueError, match="only: there is no row 'nothing'"):
        compare_improvements.main(**arguments, width=12, out="run", only="nothing")
