"""The scripts of the chapter start as modules, and one of them in each of the book's ways."""

from pathlib import Path

import pytest
from starting import needs_installation, start

import ch04

CHAPTER = Path(ch04.__file__).parent
pytestmark = needs_installation


@pytest.mark.parametrize(("where", "how"), [(None, ["-m", "ch04.eval"]), (CHAPTER, ["eval.py"])])
def test_ways_to_start(tmp_path, where, how):
    process = start(where or tmp_path, *how)
    assert (process.returncode, process.stderr) == (0, "")
    assert "[query] year" in process.stdout


def test_modules_import_by_their_bare_name_inside_the_chapter():
    code = "from cbow import CBOW; from skip_gram import SkipGram; from negative_sampling_layer import UnigramSampler"
    process = start(CHAPTER, "-c", code)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["train", "eval", "train_glove"])
def test_help(tmp_path, module):
    process = start(tmp_path, "-m", f"ch04.{module}", "--help")
    assert (process.returncode, process.stderr) == (0, "")
    assert f"python -m ch04.{module}" in process.stdout
    assert list(tmp_path.iterdir()) == []
