"""Scripts side by side in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path

import pytest

from common import config
from common.parallel import THREADS, Call, _Processes, cores, how_many, options, run_scripts

ENDLESS = '''
import numpy
from ch01.two_layer_net import TwoLayerNet
from common.experiment import TRAINING, Run, experiment
from common.optimizer import SGD
from common.trainer import Trainer

@experiment(options=TRAINING)
def main(run: Run) -> None:
    x, t = numpy.zeros((10**6, 2), "f"), numpy.zeros(10**6, int)  # a minute for an epoch, after which it would save
    trainer = Trainer(TwoLayerNet(2, 4, 3, rng=0), SGD(0.1), rng=0)
    trainer.fit(x, t, 10**3, 1, eval_interval=1, checkpoint=run.checkpoint)
'''

TELLS = '''
import os, pathlib
from common.experiment import Run, experiment

@experiment()
def main(run: Run, text: str, fail: bool = False, killed: bool = False) -> dict[str, float]:
    print(text, os.environ.get("OPENBLAS_NUM_THREADS"), flush=True)
    if killed:
        os.kill(os.getpid(), 9)
    if fail:
        raise ValueError(f"what is {text}?")
    run.path("text").write_text(text, encoding="utf-8")
    return {"length": len(text)}
'''

PARENT = '''
import sys
sys.path.insert(0, ".")
from common.parallel import Call, run_scripts
try:
    run_scripts({name: Call("endless", {"out": name}) for name in ("one", "two")}, 2, print)
except KeyboardInterrupt as interrupt:
    print(type(interrupt).__name__, interrupt)
'''


@pytest.fixture(autouse=True)
def scripts(tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text(ENDLESS, encoding="utf-8")
    (tmp_path / "tells.py").write_text(TELLS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tells", raising=False)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_options():
    class Kind(Enum):
        plain = "gru"

    numbers = {"max_epoch": 3, "tied": False, "resume": True, "lr": 0.1}
    arguments = {**numbers, "only": None, "cell": Kind.plain, "out": Path("a b")}
    assert options(arguments) == [
        "--max-epoch=3", "--no-tied", "--resume", "--lr=0.1", "--cell=gru", f"--out={Path('a b')}",
    ]  # fmt: skip


def test_on_the_gpu_the_scripts_use_it_and_one_runs_at_a_time(monkeypatch):
    monkeypatch.setattr(config, "GPU", True)
    assert options({"seed": 1}) == ["--gpu", "--seed=1"]
    assert how_many(None, 3) == 1 and how_many(2, 3) == 2


def test_how_many():
    assert how_many(None, 1) == how_many(5, 1) == how_many(1, 7) == how_many(3, 0) == 1
    assert how_many(None, 100) == how_many(None, 2 * cores()) == cores() and how_many(5, 3) == 3
    assert how_many(None, 2 * cores() - 1) == 2 * cores() - 1
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"jobs must be at least 1, not {wrong}"):
            how_many(wrong, 3)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 2])
def test_results_and_order(at_once, capfd, monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    finished = []
    calls = {name: Call("tells", {"text": f"«{name}»", "out": name}) for name in ("a", "b", "c")}
    run_scripts(calls, at_once, finished.append)
    assert sorted(finished) == ["a", "b", "c"]
    out = capfd.readouterr().out.splitlines()
    for name in finished:
        assert Path(name, "text").read_text(encoding="utf-8") == f"«{name}»"
        assert f"{name}: «{name}» 7" in out if at_once > 1 else f"--- {name}" in out


def test_each_blas_gets_its_share_of_the_cores(capfd, monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    run_scripts({name: Call("tells", {"text": name, "out": name}) for name in "ab"}, 2, lambda name: None)
    assert f"a: a {max(1, cores() // 2)}" in capfd.readouterr().out


def test_a_limit_of_the_user_holds(monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    assert _Processes(3).environment["OPENBLAS_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OPENBLAS_NUM_THREADS" not in _Processes(3).environment  # OpenBLAS would read that first


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_one_that_is_killed_has_failed():
    """As by a system that has no more memory."""
    calls = {name: Call("tells", {"text": "x", "killed": name == "large", "out": name}) for name in ("large", "small")}
    with pytest.raises(ChildProcessError, match="large: tells ended by signal 9: x"):
        run_scripts(calls, 2, lambda name: None)


def test_a_failure_names_the_script_and_stops_the_others():
    calls = {"long": Call("endless", {"out": "long"}), "bad": Call("tells", {"text": "x", "fail": True, "out": "bad"})}
    with pytest.raises(ChildProcessError, match=r"(?s)bad: tells ended with exit code 2: .*Error: what is x\?\Z"):
        run_scripts(calls, 2, lambda name: None)


def test_one_script_at_a_time_raises_its_own_error():
    with pytest.raises(ValueError, match=r"^what is x\?$"):
        run_scripts({"bad": Call("tells", {"text": "x", "fail": True, "out": "bad"})}, None, lambda name: None)


def test_a_script_that_is_not_there():
    with pytest.raises(ChildProcessError, match=r"(?s)[ab]: nowhere .*No module named 'nowhere'"):
        run_scripts({name: Call("nowhere", {}) for name in "ab"}, 2, lambda name: None)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("how", ["Ctrl-C", "interrupt", "kill"])
def test_stopped_trainings_save(how):
    """A terminal's Ctrl-C goes to all processes; the others here only to the one that has started them."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )
    folders = [Path(name, "checkpoints") for name in ("one", "two")]
    wait_for(lambda: all(folder.is_dir() for folder in folders))
    time.sleep(0.3)
    if how == "Ctrl-C":
        os.killpg(parent.pid, signal.SIGINT)
    else:
        os.kill(parent.pid, signal.SIGINT if how == "interrupt" else signal.SIGKILL)
    output = parent.communicate(timeout=60)[0]
    wait_for(lambda: all(len(list(folder.glob("*.npz"))) == 1 for folder in folders))
    if how != "kill":
        assert parent.returncode == 0 and "TrainingInterrupted All trainings were stopped. With --resume" in output
        assert "one: training stopped" in output
