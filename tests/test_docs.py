"""The documentation: its recipes run, its links lead somewhere, its commands have the options they show."""

import importlib
import re
import runpy
import shlex
import signal
from pathlib import Path

import pytest

from common.base_trainer import BaseTrainer
from common.experiment import Script
from dataset import mini

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
HOWTO = ROOT / "docs" / "howto.md"
CTRL_C = "Go on after Ctrl-C"


def blocks(page, language):
    """(the heading above it, the text) of each block of a language."""
    heading, found = "", []
    for match in re.finditer(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
        if match[1]:
            heading = match[1]
        elif match[2] == language:
            found.append((heading, match[3]))
    return found


RECIPES = [
    pytest.param(code, id=f"{heading.lower().replace(' ', '-')}-{number}")
    for number, (heading, code) in enumerate(blocks(HOWTO, "python"))
    if heading != CTRL_C  # which has a test of its own
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with the files that the recipes speak of, small."""
    monkeypatch.chdir(tmp_path)
    corpus, _, id_to_word = mini.load_data("train", size=4000)
    text = " ".join(id_to_word[i] for i in corpus.tolist()).replace(" <eos> ", "\n")
    Path("my_text.txt").write_text(text, encoding="utf-8")
    words = [*dict.fromkeys(word for word in id_to_word.values() if word.isalpha()), "stressed", "zebra", "quiz"][-200:]
    Path("my_pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    return tmp_path


def run(folder, code):
    """Run a block as a program of its own and return its names."""
    path = folder / "recipe.py"
    path.write_text(code, encoding="utf-8")
    return runpy.run_path(str(path), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("code", RECIPES)
def test_recipes_run(home, code):
    if "import torch" in code:
        pytest.importorskip("torch", reason="the recipe takes weights from PyTorch")
    run(home, code)


def test_a_wrong_gradient_is_named_as_the_page_says(home):
    code = next(code for heading, code in blocks(HOWTO, "python") if heading == "A layer of your own")
    (message,) = re.findall(r"`(Scale: the gradient [^`…]+)…`", HOWTO.read_text(encoding="utf-8"))
    assert code.count(".sum(axis=0)") == 1
    with pytest.raises(AssertionError, match=re.escape(message)):
        run(home, code.replace(".sum(axis=0)", "[0]"))


def test_the_recipe_for_ctrl_c_goes_on_to_the_bit(home, monkeypatch, capsys):
    (code,) = (code for heading, code in blocks(HOWTO, "python") if heading == CTRL_C)
    whole = run(home, code)["model"]
    Path("my_run").rename("whole")
    line = BaseTrainer._print_line

    def interrupting(trainer):
        line(trainer)
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(BaseTrainer, "_print_line", interrupting)
        stopped = run(home, code)["model"]
    assert "training stopped in epoch 2" in capsys.readouterr().out
    resumed = run(home, code)["model"]
    assert "goes on in epoch 2" in capsys.readouterr().out
    assert all((a == b).all() for a, b in zip(resumed.params, whole.params, strict=True))
    assert not all((a == b).all() for a, b in zip(stopped.params, whole.params, strict=True))
    run(home, code)
    assert "goes on after epoch 2" in capsys.readouterr().out


def test_the_map_names_every_module():
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    modules = {f"{path.parent.name}/{path.stem}" for package in ("common", "dataset") for path in files(package)}
    named = set(re.findall(r"`((?:common|dataset|ch0\d)/\w+)`", text))
    assert not modules - named, "docs/README.md lacks these"
    missing = [name for name in named if not (ROOT / f"{name}.py").exists()]
    assert not missing, "docs/README.md names what there is not"


def files(package):
    return [path for path in (ROOT / package).glob("*.py") if path.stem != "__init__"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            assert anchor in [slug(heading) for heading in headings], target


def slug(heading):
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:common|dataset|ch0\d|benchmarks|tests)/[\w/]+\.(?:py|npz))`", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_the_options_they_show(page):
    for command in re.findall(r"python (?:-m )?((?:ch0\d|dataset)[./]\w+[^`\n&]*)", page.read_text(encoding="utf-8")):
        name, *words = shlex.split(command, comments=True)
        script = importlib.import_module(name.removesuffix(".py").replace("/", ".")).main
        assert isinstance(script, Script), command
        parameters = {parameter.replace("_", "-") for parameter in script.__signature__.parameters}
        for option in [word.strip("[]") for word in words]:
            if option.startswith("--"):
                assert option[2:].removeprefix("no-") in parameters, command
