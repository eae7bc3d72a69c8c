"""finetune, on the mini corpus."""

from pathlib import Path

import pytest
from run_folder import history, tensors

from ch06 import eval, finetune, train_awd_lstm, train_better_rnnlm
from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.trained_models import read_language_model
from common.averaged_sgd import AveragedSGD
from common.base_model import BaseModel
from common.evaluation import eval_perplexity
from common.layers import Dropout
from common.trainer import RnnlmTrainer
from dataset import mini

TEXT = {"corpus": "mini", "train_size": 1200, "time_size": 10}
SMALL = {**TEXT, "max_epoch": 2, "lr": 5.0}
pytestmark = pytest.mark.usefixtures("small_splits")


@pytest.fixture
def trained():
    train_awd_lstm.main(**TEXT, wordvec_size=12, hidden_size=16, max_epoch=1, out="trained")
    return Path("trained")


def drops(model):
    return [layer for layer in model.training_mode_layers if isinstance(layer, Dropout)]


def validation(folder):
    return eval_perplexity(read_language_model(folder), mini.load_data("valid")[0])


def test_it_begins_with_the_trained_model_and_leaves_one(trained):
    scores = finetune.main(trained, **SMALL, out="tuned")
    assert scores["valid_perplexity_before"] == pytest.approx(validation(trained), rel=1e-6)
    assert scores["valid_perplexity"] == pytest.approx(validation("tuned"), rel=1e-6)
    assert scores["valid_perplexity"] < 0.98 * scores["valid_perplexity_before"]
    assert eval.main(Path("tuned"))["perplexity"] == pytest.approx(scores["test_perplexity"], rel=1e-6)
    curves = history("tuned")["curves"]
    assert min(curves["valid_perplexity"]) == pytest.approx(scores["valid_perplexity"])
    before, after = BaseModel.load(trained), BaseModel.load("tuned")
    assert isinstance(after, AwdLstm) and after.saved_arguments() == before.saved_arguments()
    assert after.id_to_word == before.id_to_word


def test_it_averages_from_the_first_step_and_drops_what_the_training_dropped(trained, monkeypatch):
    fit, step = RnnlmTrainer.fit, AveragedSGD.update
    given, averaging = [], []

    def recorded_fit(self, *args, **options):
        given.append(self.model)
        fit(self, *args, **options)

    def recorded_step(self, *args):
        averaging.append(self.averaging)
        step(self, *args)

    monkeypatch.setattr(RnnlmTrainer, "fit", recorded_fit)
    monkeypatch.setattr(AveragedSGD, "update", recorded_step)
    finetune.main(trained, **{**SMALL, "max_epoch": 1}, out="tuned")
    (model,) = given
    assert averaging and all(averaging)
    ratios, usual = ([drop.dropout_ratio for drop in drops(one)] for one in (model, AwdLstm(9, 4, 5)))
    assert ratios == usual and min(ratios) > 0


@pytest.mark.slow
def test_a_better_rnnlm_with_blocks_of_one_length():
    train_better_rnnlm.main(**TEXT, wordvec_size=12, hidden_size=12, max_epoch=1, out="trained")
    options = {**SMALL, "random_blocks": False, "weight_decay": 0.0}
    first, again = (finetune.main("trained", **options, out=out) for out in ("one", "two"))
    assert first == again and isinstance(BaseModel.load("one"), BetterRnnlm)
    assert finetune.main("trained", **options, seed=1, out="three") != first


def test_resumed_is_the_unbroken_one_to_the_bit(trained):
    unbroken = finetune.main(trained, **SMALL, out="whole")
    finetune.main(trained, **{**SMALL, "max_epoch": 1}, out="parts")
    assert finetune.main(trained, **SMALL, out="parts", resume=True) == unbroken
    one, two = tensors("whole"), tensors("parts")
    assert one.keys() == two.keys() and all((one[name] == two[name]).all() for name in one)
    with pytest.raises(ValueError, match=r"lr was 5\.0 and is now 6\.0"):
        finetune.main(trained, **{**SMALL, "lr": 6.0}, out="parts", resume=True)


def test_it_ends_when_the_means_get_no_better(trained, capsys):
    finetune.main(trained, **{**SMALL, "lr": 1e-12, "max_epoch": 9}, patience=2, out="tuned")
    curves = history("tuned")["curves"]
    assert len(curves["valid_perplexity"]) < 9
    assert "for 2 epochs" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, True])
def test_a_model_that_gets_no_better_stays_as_it_was(trained, resumed, capsys):
    ruinous = {**SMALL, "lr": 3000.0, "weight_decay": 0.0}
    if resumed:
        finetune.main(trained, **{**ruinous, "max_epoch": 1}, out="tuned")
        train_awd_lstm.main(**TEXT, wordvec_size=12, hidden_size=16, max_epoch=1, seed=1, out="trained")  # another one
    before = tensors("tuned" if resumed else trained)
    scores = finetune.main(trained, **ruinous, out="tuned", resume=resumed)
    assert scores["valid_perplexity"] == scores["valid_perplexity_before"]
    assert min(history("tuned")["curves"]["valid_perplexity"]) > scores["valid_perplexity"]
    after = tensors("tuned")
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)
    assert scores["valid_perplexity"] == pytest.approx(validation("tuned"), rel=1e-6)
    assert capsys.readouterr().out.count("is saved as it was") == 1 + resumed


def test_the_result_has_a_folder_of_its_own(trained):
    before = tensors(trained)
    for out in ("trained", "./trained", trained.resolve()):
        with pytest.raises(ValueError, match="trained has the model that is to be tuned, name another folder"):
            finetune.main(trained, **SMALL, out=out)
    after = tensors(trained)
    assert all((before[name] == after[name]).all() for name in before)


def test_settings_are_checked_before_the_text_is_read(trained, monkeypatch):
    monkeypatch.setattr(finetune, "language_model_scores", lambda *args: pytest.fail("scored"))
    for wrong, message in [({"lr": -1.0}, "lr must be"), ({"max_epoch": 0}, "max_epoch must be at least 1")]:
        with pytest.raises(ValueError, match=message):
            finetune.main(trained, **{**SMALL, **wrong}, out="tuned")


def test_a_missing_folder_says_what_leaves_it():
    for quick, name in ((False, "ch06_train_awd_lstm"), (True, "ch06_train_awd_lstm-quick")):
        command = f"python -m ch06.train_awd_lstm{' --quick' * quick}"
        with pytest.raises(FileNotFoundError, match=f"leave such a folder, `{command}` in runs/{name}$"):
            finetune.main(quick=quick)


def test_what_cannot_be_tuned(trained):
    with pytest.raises(ValueError, match=r"weights\.npz: weights alone do not say what to drop while training"):
        finetune.main(trained / "weights.npz", **SMALL, out="tuned")
    with pytest.raises(FileNotFoundError, match="nowhere: there is no folder of a model"):
        finetune.main("nowhere", **SMALL, out="tuned")
    other = AwdLstm(17, 4, 5, rng=0).save("other")
    with pytest.raises(ValueError, match="other cannot read the corpus mini: it is a model of 17 words"):
        finetune.main(other, **SMALL, out="tuned")
    assert not Path("tuned").exists()
