"""The scripts of the chapter start as modules, and one of them in each of the book's ways."""

from pathlib import Path

import pytest
from starting import needs_installation, start

import ch02

CHAPTER = Path(ch02.__file__).parent
pytestmark = needs_installation


@pytest.mark.parametrize("where, how", [(None, ["-m", "ch02.similarity"]), (CHAPTER, ["similarity.py"])])
def test_ways_to_start(tmp_path, where, how):
    process = start(where or tmp_path, *how)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("0.70710676911")


def test_every_script_explains_itself(tmp_path):
    scripts = sorted(path.stem for path in CHAPTER.glob("*.py") if path.stem != "__init__")
    assert scripts == ["count_method_big", "count_method_small", "most_similar", "ppmi", "show_ptb", "similarity",
                       "wordnet"]
    code = f"""
import importlib
for name in {scripts}:
    try:
        importlib.import_module("ch02." + name).main.cli(["--help"])
    except SystemExit as end:
        assert not end.code, name
"""
    process = start(tmp_path, "-c", code)
    assert (process.returncode, process.stderr) == (0, "")
    assert all(f"python -m ch02.{name}" in process.stdout for name in scripts)
    assert list(tmp_path.iterdir()) == []
