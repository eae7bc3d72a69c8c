"""The scripts of the chapter start as modules, and one of them in each of the book's ways."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import ch03

CHAPTER = Path(ch03.__file__).parent
try:
    metadata.distribution("nlp-from-scratch")
except metadata.PackageNotFoundError:
    pytestmark = pytest.mark.skip("needs the project installed: pip install -e .")


def start(where, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=where, env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize(("where", "how"), [(None, ["-m", "ch03.train"]), (CHAPTER, ["train.py"])])
def test_ways_to_start(tmp_path, where, how):
    process = start(where or tmp_path, *how, "--max-epoch", "1", "--model", "skipgram", "--out", str(tmp_path / "run"))
    assert (process.returncode, process.stderr) == (0, "")
    assert (tmp_path / "run" / "vectors.npz").exists()


def test_modules_import_by_their_bare_name_inside_the_chapter():
    code = "from simple_cbow import SimpleCBOW; from simple_skip_gram import SimpleSkipGram; SimpleSkipGram(7, 5)"
    process = start(CHAPTER, "-c", code)
    assert (process.returncode, process.stderr) == (0, "")


def test_cbow_predict(tmp_path):
    process = start(tmp_path, "-m", "ch03.cbow_predict")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("[[")
