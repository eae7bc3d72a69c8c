"""Layers know of no files, figures, command line or trainer: what importing them loads, seen from a fresh process."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAVED = {"common/base_model", "common/language_model", "common/dropout_language_model"}  # and its descendants


def rooms(title):
    """The modules of common under a heading of the map."""
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(common/\w+)`", text.split(f"### {title}\n")[1].split("###")[0]))


OTHERS = ["Training", "Going on after a break", "Words and text", "Files", "Scripts and figures"]
ALLOWED = {"common/rng", "common/memory", "common/tensor_names"}  # seeds, a context for many answers, names


def test_what_layers_do_not_load():
    modules = [name.replace("/", ".") for name in sorted(rooms("Layers and models") - SAVED)]
    command = [sys.executable, "-c", f"import sys, {', '.join(modules)}; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(done.stdout.split())
    assert loaded.issuperset(modules)
    others = set().union(*map(rooms, OTHERS)) - ALLOWED
    assert not {name.replace("/", ".") for name in others} & loaded
    assert not {"matplotlib", "typer", "tqdm", "platformdirs", "safetensors"} & loaded
