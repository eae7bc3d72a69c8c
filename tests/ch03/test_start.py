"""The scripts of the chapter start as modules, and one of them in each of the book's ways."""

from pathlib import Path

import pytest
from starting import needs_installation, start

import ch03

CHAPTER = Path(ch03.__file__).parent
pytestmark = needs_installation


@pytest.mark.slow
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
