"""train_better_rnnlm, train_awd_lstm and compare_improvements, on the mini corpus."""

import csv
import re
import shutil
import signal
from pathlib import Path

import pytest
from run_folder import history, tensors

from ch06 import compare_improvements, finetune, train_awd_lstm, train_better_rnnlm, train_rnnlm
from ch06.better_rnnlm import BetterRnnlm
from ch06.trained_models import read_language_model
from common.callbacks import Callback
from common.evaluation import eval_perplexity
from common.files import FileFormatError, write_bytes
from common.interrupt import TrainingInterrupted
from common.layers import Dropout
from common.trainer import RnnlmTrainer
from dataset import mini

SMALL = {"corpus": "mini", "max_epoch": 3, "train_size": 1200, "wordvec_size": 12, "hidden_size": 12, "time_size": 10}
AWD = {**SMALL, "hidden_size": 16, "lr": 5.0, "patience": 1}
both = pytest.mark.parametrize(
    ("script", "arguments"), [(train_better_rnnlm, SMALL), (train_awd_lstm, AWD)], ids=["better", "awd"]
)
whole_load_data = mini.load_data
pytestmark = pytest.mark.usefixtures("small_splits")


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
    calls, forward = [], Dropout.draw_mask

    def killed(self, *args):
        calls.append(1)
        if len(calls) == 37:
            raise MemoryError("as if killed")
        return forward(self, *args)

    monkeypatch.setattr("common.checkpoint.SECONDS", 0.0)
    monkeypatch.setattr("common.checkpoint.SHARE", 1e9)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Dropout, "draw_mask", killed)
        train_better_rnnlm.main(**SMALL, out="parts")
    assert train_better_rnnlm.main(**SMALL, out="parts", resume=True) == unbroken


class CtrlC(Callback):
    """In the first iteration after an epoch."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_iteration(self, trainer):
        if trainer.current_epoch == self.epochs:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [(train_better_rnnlm, SMALL), (train_awd_lstm, AWD), (finetune, {}), (train_rnnlm, SMALL)],
    ids=["better", "awd", "finetune", "rnnlm"],
)
def test_after_ctrl_c_the_model_so_far_is_in_a_folder_of_its_own(script, arguments, monkeypatch):
    if script is finetune:
        train_better_rnnlm.main(**SMALL, out="trained")
        arguments = {**{name: SMALL[name] for name in ("corpus", "train_size")}, "weights": Path("trained"), "lr": 2.0}
        arguments |= {"time_size": 10, "random_blocks": False, "max_epoch": 2}
    fit, trained = RnnlmTrainer.fit, []

    def interrupted(self, *args, callbacks, **options):
        trained.append(self)
        fit(self, *args, callbacks=[*callbacks, CtrlC(1)], **options)

    script.main(**{**arguments, "max_epoch": 1}, out="run")
    before = tensors("run")
    monkeypatch.setattr(RnnlmTrainer, "fit", interrupted)
    message = rf"stopped in epoch 2, .*\. The model so far is in {re.escape(str(Path('run', 'interrupted')))}\.$"
    with pytest.raises(TrainingInterrupted, match=message):
        script.main(**arguments, out="run")
    assert all((weight == before[name]).all() for name, weight in tensors("run").items())
    model = read_language_model("run/interrupted")
    (trainer,) = trained
    assert all((ours == own).all() for ours, own in zip(model.params, trainer.model.params, strict=True))
    valid = trainer.history.column("valid_perplexity") if script is not train_rnnlm else []
    if script in (train_better_rnnlm, train_awd_lstm):  # the best epoch, not the last iteration
        assert eval_perplexity(model, mini.load_data("valid")[0]) == pytest.approx(valid[0])


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


def test_awd_options_are_what_the_training_is_given(monkeypatch):
    given, fit = [], RnnlmTrainer.fit

    def recorded(self, *args, **options):
        given.append((self, options))
        fit(self, *args, **options)

    monkeypatch.setattr(RnnlmTrainer, "fit", recorded)
    paper = train_awd_lstm.main(**{**AWD, "max_epoch": 1}, out="a")
    plain = train_awd_lstm.main(**{**AWD, "max_epoch": 1}, random_blocks=False, weight_decay=0.0, out="b")
    assert paper["test_perplexity"] != plain["test_perplexity"]
    (one, paper_options), (two, plain_options) = given
    assert (one.optimizer._sgd_decay, two.optimizer._sgd_decay) == (1.2e-6, 0.0)
    assert paper_options["block_lengths"].settings == [0.95, 5.0, 5] and plain_options["block_lengths"] is None


@both
@pytest.mark.parametrize("train_size", [-5, 0, 1, 500_001])
def test_a_training_text_without_words(script, arguments, train_size):
    message = f"train_size must be 2 at least, and [0-9]+, the whole text, at most, not {train_size}$"
    with pytest.raises(ValueError, match=message):
        script.main(**{**arguments, "train_size": train_size}, out="run")


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


TABLE = {**{name: value for name, value in SMALL.items() if name not in ("wordvec_size", "hidden_size", "max_epoch")},
         "max_epoch": 1, "width": 12, "jobs": 1, "out": "run"}  # fmt: skip


def trained(monkeypatch):
    """A list that fills with the folders of the rows that are trained from now on."""
    folders, execute = [], train_better_rnnlm.main.execute

    def recorded(**options):
        folders.append(options["out"].name)
        return execute(**options)

    monkeypatch.setattr(train_better_rnnlm.main, "execute", recorded)
    return folders


@pytest.mark.slow
def test_table_of_improvements(capsys, monkeypatch):
    rows = compare_improvements.main(**TABLE, only="start,tied,gru")
    table = capsys.readouterr().out
    assert list(rows) == ["start", "tied", "gru"]
    for name, test_perplexity in rows.items():
        assert Path("run", name, "weights.npz").exists()
        assert f"| {test_perplexity:.2f} |" in table
    folders = trained(monkeypatch)
    assert compare_improvements.main(**TABLE, only="start, tied,gru ", resume=True) == rows and folders == []
    with pytest.raises(ValueError, match="only: there is no row 'nothing'"):
        compare_improvements.main(**{**TABLE, "only": "nothing"})


def test_a_table_that_cannot_be_written_now_is_written_in_the_end(capsys, monkeypatch):
    """As while it is open in another program."""

    def refusing(path, data):
        if path.name == "table.csv" and len(refused) < 2:
            refused.append(path)
            raise PermissionError(13, "Permission denied", str(path))
        write_bytes(path, data)

    refused = []
    monkeypatch.setattr(compare_improvements, "write_bytes", refusing)
    assert list(compare_improvements.main(**TABLE, only="start,gru")) == ["start", "gru"]
    assert capsys.readouterr().out.count("the tables could not be written: [Errno 13]") == len(refused) == 2
    assert Path("run/table.csv").read_text("utf-8").count("\n") == 3


@pytest.mark.slow
def test_rows_side_by_side_are_the_rows_one_by_one(capsys, monkeypatch):
    monkeypatch.setattr(mini, "load_data", whole_load_data)  # which the other processes have
    one_by_one = compare_improvements.main(**{**TABLE, "out": "one_by_one"}, only="start,tied")
    rows = compare_improvements.main(**{**TABLE, "jobs": 2}, only="start,tied")
    assert rows == pytest.approx(one_by_one, rel=1e-4) and list(rows) == ["start", "tied"]
    assert "tied: | epoch 1 |" in capsys.readouterr().out


def test_rows_of_improvements_one_after_another(capsys, monkeypatch):
    first = compare_improvements.main(**TABLE, only="gru")
    folders = trained(monkeypatch)
    both = compare_improvements.main(**TABLE, only="start", resume=True)
    assert list(both) == ["start", "gru"] and both["gru"] == first["gru"] and folders == ["start"]
    markdown = Path("run/table.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert compare_improvements.main(**TABLE, train=False) == both and folders == ["start"]
    assert capsys.readouterr().out.strip() == markdown.strip()
    with Path("run/table.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["row"] for row in table] == ["start", "gru"]
    for row in table:
        scores = history(f"run/{row['row']}")["scores"]
        assert {name: float(row[name]) for name in scores} == scores
        assert f"| {row['model']} | 1 | {int(row['parameters']):,} | {scores['valid_perplexity']:.2f} |" in markdown


def test_rows_go_on_to_more_epochs(monkeypatch):
    whole = compare_improvements.main(**{**TABLE, "max_epoch": 2, "out": "whole"}, only="tied")
    compare_improvements.main(**TABLE, only="tied")
    folders = trained(monkeypatch)
    assert compare_improvements.main(**{**TABLE, "max_epoch": 2}, only="tied", resume=True) == whole
    assert folders == ["tied"]
    assert "| + tied weights | 2 |" in Path("run/table.md").read_text(encoding="utf-8")


def test_a_row_that_was_cut_off_goes_on_and_is_in_no_table_before(monkeypatch):
    whole = compare_improvements.main(**{**TABLE, "max_epoch": 2, "out": "whole"}, only="tied")
    compare_improvements.main(**TABLE, only="start")
    arguments = {**TABLE, "max_epoch": 2}
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(BetterRnnlm, "save_params", lambda self, path: (_ for _ in ()).throw(MemoryError("as if killed")))
        compare_improvements.main(**arguments, only="tied", resume=True)
    assert list(compare_improvements.main(**TABLE, train=False)) == ["start"]
    assert compare_improvements.main(**arguments, only="tied", resume=True)["tied"] == whole["tied"]


def test_rows_of_other_settings_are_in_no_table_and_do_not_go_on():
    compare_improvements.main(**TABLE, only="tied")
    for other in ({"width": 16}, {"dropout_ratio": 0.1}, {"seed": 1}, {"train_size": 1000}):
        assert compare_improvements.main(**{**TABLE, **other}, train=False) == {}
        (name,) = other
        with pytest.raises(ValueError, match=f"other settings: .*{'size' if name == 'width' else name} was"):
            compare_improvements.main(**{**TABLE, **other}, only="tied", resume=True)


def test_a_damaged_record_of_a_row_is_named():
    compare_improvements.main(**TABLE, only="tied")
    for text in ('{"arguments": {', '{"arguments": {}}', "[]"):
        Path("run/tied/history.json").write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match=r"history\.json.*no record of a training"):
            compare_improvements.main(**TABLE, train=False)
