"""The scripts of a chapter start in each of the book's ways, from anywhere, without a change of sys.path."""

from pathlib import Path

import pytest
from starting import needs_installation, start

import ch01

CHAPTER = Path(ch01.__file__).parent
pytestmark = needs_installation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "how"),
    [
        (None, ["-m", "ch01.train"]),
        (None, [str(CHAPTER / "train.py")]),
        (CHAPTER.parent, ["ch01/train.py"]),
        (CHAPTER, ["train.py"]),
    ],
)
def test_ways_to_start(tmp_path, where, how):
    process = start(where or tmp_path, *how, "--max-epoch", "1", "--out", str(tmp_path / "run"))
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.splitlines()[-1] == f"results in {tmp_path / 'run'}"
    assert (tmp_path / "run" / "history.json").exists()


def test_modules_import_by_their_bare_name_inside_the_chapter(tmp_path):
    process = start(CHAPTER, "-c", "from two_layer_net import TwoLayerNet; print(len(TwoLayerNet(2, 3, 3).params))")
    assert (process.stdout.strip(), process.stderr) == ("4", "")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["forward_net", "show_spiral_dataset", "train", "train_custom_loop"])
def test_help(tmp_path, module):
    process = start(tmp_path, "-m", f"ch01.{module}", "--help")
    assert (process.returncode, process.stderr) == (0, "")
    assert f"python -m ch01.{module}" in process.stdout
    assert list(tmp_path.iterdir()) == []
