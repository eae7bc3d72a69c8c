"""train_rnnlm, eval, rnn_gradient_graph and clip_grads."""

import json
import math
import re
from pathlib import Path

import pytest

from ch06 import clip_grads, eval, rnn_gradient_graph, train_rnnlm
from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.evaluation import eval_perplexity
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
    for path in (Path("run"), Path("run/weights.npz")):
        assert eval.main(path, corpus="mini") == {"perplexity": pytest.approx(scores["test_perplexity"], rel=1e-6)}


@pytest.mark.slow
def test_seed_gives_the_result():
    first, again, other = (train_rnnlm.main(**SMALL, seed=seed, out=f"run{i}") for i, seed in enumerate((0, 0, 1)))
    assert first == again != other


@pytest.mark.slow
def test_last_epoch_has_a_learning_rate_of_its_own():
    steady, slower = (train_rnnlm.main(**SMALL, final_lr=rate, out="run") for rate in (None, 0.0))
    assert steady["test_perplexity"] < slower["test_perplexity"]


@pytest.mark.parametrize("ending", ["npz", "pkl"])
@pytest.mark.parametrize(
    "model", [BetterRnnlm(328, 8, 8, rng=0), BetterRnnlm(328, 8, 8, cell="relu", rng=0), AwdLstm(328, 8, 9, rng=0)]
)
def test_evaluation_of_all_models(model, ending):
    path = model.save_params(f"weights.{ending}")
    cell = "relu" if len(model.params[3]) == 8 else None
    expected = eval_perplexity(model, mini.load_data("test")[0])
    assert eval.main(path, cell=cell)["perplexity"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_evaluation_of_other_weights():
    train_rnnlm.main(**SMALL, out="run")
    with pytest.raises(FileNotFoundError):
        eval.main(Path("nowhere.npz"), corpus="mini")
    with pytest.raises(ValueError, match="no split 'tset'"):
        eval.main(Path("run/weights.npz"), corpus="mini", split="tset")
    with pytest.raises(ValueError, match="a model of 17 words, which neither ptb"):
        eval.main(Rnnlm(17, 4, 5, rng=0).save("other"))
    Path("cut.npz").write_bytes(Path("run/weights.npz").read_bytes()[:1000])
    with pytest.raises(FileFormatError, match=r"cut\.npz"):
        eval.main(Path("cut.npz"), corpus="mini")


def test_a_vocabulary_that_is_not_the_corpus_s():
    id_to_word = mini.load_vocab()[1]
    other = {**id_to_word, 3: id_to_word[5], 5: id_to_word[3]}
    model = Rnnlm(328, 8, 8, rng=0)
    folder, own = model.save("other", id_to_word=other), model.save("own", id_to_word=id_to_word)
    message = f" cannot read the corpus mini: word 3 of the model is {other[3]!r}, there it is {id_to_word[3]!r}. Take"
    for path in (folder, folder / "weights.npz"):
        for corpus in (None, "mini"):
            with pytest.raises(ValueError, match="^" + re.escape(f"{path}{message}")):
                eval.main(path, corpus=corpus)
    assert eval.main(own) == eval.main(model.save("without"))
    with pytest.raises(ValueError, match=r"other cannot read the corpus mini: it is a model of 17 words, .* has 328"):
        eval.main(Rnnlm(17, 8, 8, rng=0).save("other"), corpus="mini")


@pytest.mark.parametrize("rates", [{"final_lr": -1.0}, {"final_lr": math.nan}, {"lr": 0.0}])
def test_rates_are_checked_before_the_first_epoch(rates):
    with pytest.raises(ValueError, match="lr must be a positive number and final_lr one of at least 0, not"):
        train_rnnlm.main(**{**SMALL, **rates}, out="run")
    assert not Path("run/checkpoints").exists()


@pytest.mark.slow
def test_resuming_with_a_rate_of_its_own_in_the_last_epoch():
    """A longer training would not have had that rate there; one of the same length, or with a single rate, goes on."""
    whole = train_rnnlm.main(**SMALL, out="run")
    for max_epoch in (1, 3):
        message = rf"settings: max_epoch \(the last .* rate of its own\) was 2 and is now {max_epoch}$"
        with pytest.raises(ValueError, match=message):
            train_rnnlm.main(**{**SMALL, "max_epoch": max_epoch}, out="run", resume=True)
    assert train_rnnlm.main(**SMALL, out="run", resume=True) == whole
    steady = {**SMALL, "final_lr": 20.0}
    longer = train_rnnlm.main(**{**steady, "max_epoch": 3}, out="longer")
    train_rnnlm.main(**steady, out="parts")
    assert train_rnnlm.main(**{**steady, "max_epoch": 3}, out="parts", resume=True) == longer


@pytest.mark.slow
def test_resuming_where_nothing_was_saved_may_have_any_length():
    assert train_rnnlm.main(**SMALL, out="run", resume=True) == train_rnnlm.main(**SMALL, out="other")
    for path in Path("run/checkpoints").glob("*.npz"):
        path.unlink()
    train_rnnlm.main(**{**SMALL, "max_epoch": 1}, out="run", resume=True)


@pytest.mark.parametrize(
    "arguments",
    [{"max_epoch": 0}, {"train_size": -5}, {"train_size": 1}, {"batch_size": 0}, {"time_size": 0}, {"max_grad": 0.0}],
)
def test_impossible_settings(arguments):
    ((name, _),) = arguments.items()
    with pytest.raises(ValueError, match="max_grad must be a positive number" if name == "max_grad" else name):
        train_rnnlm.main(**{**SMALL, **arguments})


def test_gradients_explode_or_vanish_as_in_the_book():
    exploding, vanishing = rnn_gradient_graph.main(), rnn_gradient_graph.main(factor=0.5)
    assert exploding == pytest.approx({"first": 2.468, "last": 249.5, "largest_singular_value": 2.659}, rel=1e-3)
    assert vanishing == pytest.approx({"first": 1.234, "last": 2.38e-4, "largest_singular_value": 1.330}, rel=1e-3)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_factor_is_finite(factor, tmp_path):
    with pytest.raises(ValueError, match=f"factor must be a finite number, not {factor}"):
        rnn_gradient_graph.main(factor=factor, out=tmp_path)


def test_clipping():
    norms = clip_grads.main()
    assert norms["norm_before"] > 5
    assert norms["norm_after"] == pytest.approx(5, rel=1e-5)
    assert clip_grads.main(max_norm=1000.0)["norm_after"] == norms["norm_before"]
