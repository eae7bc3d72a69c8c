"""The scripts of the chapter start as modules, and one of them in each of the book's ways."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import ch04

CHAPTER = Path(ch04.__file__).parent
try:
    metadata.distribution("nlp-from-scratch")
except metadata.PackageNotFoundError:
    pytestmark = pytest.mark.skip("needs the project installed: pip install -e .")


def start(where, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=where, env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize(("where", "how"), [(None, ["-m", "ch04.eval"]), (CHAPTER, ["eval.py"])])
def test_ways_to_start(tmp_path, where, how):
    process = start(where or tmp_path, *how)
    assert (process.returncode, process.stderr) == (0, "")
    assert "[query] year" in process.stdout


def test_modules_import_by_their_bare_name_inside_the_chapter():
    code = "from cbow import CBOW; from skip_gram import SkipGram; from negative_sampling_layer import UnigramSampler"
    process = start(CHAPTER, "-c", code)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize("module", ["train", "eval", "train_glove"])
def test_help(tmp_path, module):
    process = start(tmp_path, "-m", f"ch04.{module}", "--help")
    assert (process.returncode, process.stderr) == (0, "")
    assert f"python -m ch04.{module}" in process.stdout
    assert list(tmp_path.iterdir()) == []
