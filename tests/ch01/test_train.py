import json
from pathlib import Path

import numpy
import pytest

from ch01 import train, train_custom_loop
from ch01.two_layer_net import TwoLayerNet
from dataset import spiral

SCRIPTS = [train.main, train_custom_loop.main]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("main", SCRIPTS)
def test_spiral_is_learnt(main):
    runs = [main(seed=seed, out=f"run{seed}") for seed in range(3)]
    assert numpy.mean([run["loss"] for run in runs]) < 0.15
    assert numpy.mean([run["accuracy"] for run in runs]) >= 0.96


def test_fewer_iterations_than_a_point_of_the_curve_has():
    assert train.main(max_epoch=2, batch_size=300)["loss"] > 0


@pytest.mark.slow
def test_loop_and_trainer_give_the_same_numbers():
    runs = [main(max_epoch=5, seed=3) for main in SCRIPTS]
    assert runs[0] == pytest.approx(runs[1], rel=1e-6)


@pytest.mark.slow
def test_loop_and_trainer_give_the_same_curve():
    curves = []
    for main in SCRIPTS:
        main(max_epoch=5, seed=3, out="run")
        curves.append(json.loads(Path("run/history.json").read_text(encoding="utf-8"))["curves"]["loss"])
    assert len(curves[0]) == 5 and curves[0] == pytest.approx(curves[1], rel=1e-6)


@pytest.mark.parametrize("main", SCRIPTS)
def test_results_can_be_used(main):
    scores = main(quick=True, hidden_size=6, out="run")
    content = json.loads(Path("run/history.json").read_text(encoding="utf-8"))
    assert content["scores"] == scores
    assert len(content["curves"]["loss"]) == 30

    model = TwoLayerNet(2, 6, 3)
    model.load_params("run/weights.npz")
    x, t = spiral.load_data()
    assert (model.predict(x).argmax(axis=1) == t.argmax(axis=1)).mean() == scores["accuracy"]


@pytest.mark.parametrize("main", SCRIPTS)
def test_figures_are_drawn(main):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    main(max_epoch=1, out="run")
    for name in ("loss.png", "boundary.png"):
        assert Path("run", name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("main", SCRIPTS)
@pytest.mark.parametrize("arguments", [{"max_epoch": 0}, {"batch_size": 0}, {"batch_size": 301}, {"hidden_size": 0}])
def test_impossible_settings(main, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        main(**arguments)
