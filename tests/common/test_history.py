import csv
import json
import math

import numpy
import pytest
from small_trainings import ExampleTraining, LanguageTraining

from common.history import History, Sums


@pytest.fixture(scope="module")
def language():
    return LanguageTraining().fit().trainer.history


@pytest.fixture(scope="module")
def examples():
    return ExampleTraining().fit().trainer.history


def test_a_language_model_s_epochs(language):
    assert [epoch["epoch"] for epoch in language] == [1, 2]
    for epoch in language:
        assert epoch["perplexity"] == math.exp(epoch["loss"])
        assert epoch["valid_loss"] == pytest.approx(math.log(epoch["valid_perplexity"]))
        assert epoch["iterations"] == 5 and epoch["lr"] == 0.01 and epoch["gradient_norm"] > 0
        assert epoch["tokens_per_second"] == pytest.approx(5 * 4 * 6 / epoch["seconds"])


def test_a_classifier_s_epochs(examples):
    for epoch in examples:
        assert 0 <= epoch["valid_accuracy"] <= 1 and epoch["valid_loss"] > 0
        assert epoch["gradient_norm"] > 0  # measured now and then, though nothing is clipped
        assert epoch["examples_per_second"] == pytest.approx(5 * 4 / epoch["seconds"])


def test_what_was_not_measured_and_a_clock_that_stood_still():
    means = Sums().means(2, {"tokens": 30})
    assert means["gradient_norm"] is None and math.isfinite(means["tokens_per_second"])


def test_numbers_in_a_function_s_place(tmp_path):
    training = ExampleTraining()
    training.trainer.fit(*training.data, 1, 4, valid=lambda model: numpy.float32(0.5))
    assert json.loads(training.trainer.history.save(tmp_path / "h.json").read_text("utf-8"))[0]["valid_score"] == 0.5


def test_scores_of_ones_own():
    training = ExampleTraining()
    training.trainer.fit(*training.data, 2, 4, valid=lambda model: {"accuracy": 0.5, "letters": 3})
    assert training.trainer.history.column("valid_letters") == [3, 3]
    training.trainer.fit(*training.data, 1, 4, valid=lambda model: 7)
    assert training.trainer.history[-1]["valid_score"] == 7
    assert training.trainer.history.column("valid_letters") == [3, 3, None]


@pytest.mark.parametrize("number", [numpy.float32(0.5), numpy.int64(3), numpy.array(0.5)])
def test_scores_as_numpy_has_them(number, tmp_path):
    training = ExampleTraining()
    training.trainer.fit(*training.data, 1, 4, valid=lambda model: {"accuracy": number})
    (row,) = json.loads(training.trainer.history.save(tmp_path / "h.json").read_text(encoding="utf-8"))
    assert row["valid_accuracy"] == number


def test_validation_scores_are_the_mean_over_all_examples(examples):
    training = ExampleTraining()
    x, t = training.data
    training.fit()
    model = training.trainer.model
    assert examples[-1]["valid_loss"] == pytest.approx(model.forward(x, t, train_flg=False), rel=1e-6)
    assert examples[-1]["valid_accuracy"] == (model.predict(x).argmax(axis=1) == t).mean()


def test_validation_data_that_do_not_fit():
    training = ExampleTraining()
    with pytest.raises(ValueError, match="valid has 21 inputs and 20 targets"):
        training.trainer.fit(*training.data, 1, 4, valid=(training.data[0], training.data[1][1:]))


def test_json(language, tmp_path):
    assert json.loads(language.save(tmp_path / "h.json").read_text(encoding="utf-8")) == list(language)


def test_csv(language, tmp_path):
    with language.save(tmp_path / "h.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == language.column("loss")
    assert list(rows[0]) == language.names()


def test_numbers_that_are_not_finite(tmp_path):
    history = History([{"epoch": 1, "loss": math.nan}, {"epoch": 2, "loss": math.inf, "valid_loss": None}])
    assert json.loads(history.save(tmp_path / "h.json").read_text(encoding="utf-8"))[1]["loss"] is None
    assert history.save(tmp_path / "h.csv").read_bytes() == b"epoch,loss,valid_loss\n1,,\n2,,\n"


def test_a_column_that_later_epochs_lack(tmp_path):
    history = History([{"epoch": 1, "valid_loss": 2.5}, {"epoch": 2}])
    assert history.names() == ["epoch", "valid_loss"] and history.column("valid_loss") == [2.5, None]
    assert history.save(tmp_path / "h.csv").read_bytes() == b"epoch,valid_loss\n1,2.5\n2,\n"


def test_misuse(language, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.json or \.csv, not as '\.txt'"):
        language.save(tmp_path / "h.txt")
    with pytest.raises(KeyError, match="no epoch has 'accuracy', they have epoch, loss"):
        language.column("accuracy")
