"""The benchmarks say what they do, and what they lack, without measuring anything."""

import functools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from ch06 import train_better_rnnlm

FOLDER = Path(__file__).parents[1] / "benchmarks"
HELPERS = {"side_by_side.py", "torch_language_model.py"}
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in HELPERS)


def start(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, FOLDER / name, *arguments], env={**os.environ, **environment}, capture_output=True,
        encoding="utf-8", timeout=60,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name):
    if name == "parity_language_models.py":
        pytest.importorskip("torch", reason="it compares with PyTorch")
    found = start(name, "--help")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.lower().startswith("usage:") and "[]" not in found.stdout


def test_without_pytorch_the_extra_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no PyTorch here')\n", encoding="utf-8")
    found = start("parity_language_models.py", "--help", PYTHONPATH=str(tmp_path))
    assert found.returncode == 1
    assert found.stderr == 'this comparison needs PyTorch: pip install -e ".[peers]" (no PyTorch here)\n'


@pytest.mark.slow
def test_a_users_own_training_stays(tmp_path, monkeypatch):
    """The benchmark that runs a script leaves alone the folder where the script keeps its results."""
    quick = functools.partial(train_better_rnnlm.main, layers=1, train_size=1000, corpus="mini")
    monkeypatch.setattr(train_better_rnnlm, "main", quick)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / "better_rnnlm_ptb.py"))["ours"](1, 8)
    assert not list(tmp_path.iterdir())


def test_unknown_task():
    found = start("language_models.py", "rnnlm", "lstm")
    assert found.returncode == 2
    assert "'lstm' is not one of rnnlm, better, gru, awd" in found.stderr
