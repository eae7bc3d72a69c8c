"""Scripts called from Python."""

import errno
import inspect
import io
import json
import platform
import sys
from pathlib import Path
from typing import Annotated, get_args

import numpy
import pytest
from other_process import OtherProcess

from ch04.train import Model
from ch08.answerer import ModelKind
from ch08.compare_models import Data
from common import config, folder_lock
from common.choice import Choice
from common.experiment import TRAINING, Run, experiment, script
from common.plotting import plot_curve
from common.rng import stream
from dataset import mini, ptb
from dataset.corpora import Corpus

NAME = "common_test_experiment"  # <folder>_<file> of this file, where main is defined


@experiment(quick={"max_epoch": 2})
def main(
    run: Run, max_epoch: int = 300, learning_rate: Annotated[float, "Step."] = 1.0, corpus: Corpus = Corpus.ptb
) -> dict[str, float]:
    run.record(loss=[1.0 / (epoch + 1) for epoch in range(max_epoch)])
    return {"loss": 1.0 / max_epoch, "noise": run.rng("weights").random()}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def history(folder=None):
    return json.loads((Path(folder or f"runs/{NAME}") / "history.json").read_text(encoding="utf-8"))


class TestCall:
    def test_signature_is_the_function_s_with_the_shared_parameters(self):
        parameters = inspect.signature(main).parameters
        own, shared = ["max_epoch", "learning_rate", "corpus"], ["seed", "gpu", "out", "quick"]
        assert list(parameters) == own + shared
        assert [parameters[name].default for name in own + shared] == [300, 1.0, "ptb", 0, False, None, False]
        assert {parameters[name].kind for name in shared} == {inspect.Parameter.KEYWORD_ONLY}

    def test_result_is_returned(self):
        assert main(max_epoch=4)["loss"] == 0.25
        assert main(4)["loss"] == 0.25

    @pytest.mark.parametrize(
        ("args", "kwargs", "message"),
        [
            ((), {"max_epochs": 4}, f"{NAME}: no parameter is called max_epochs, the nearest is max_epoch; the param"),
            ((), {"nosuch": 4}, "is called nosuch; the parameters are max_epoch, learning_rate, corpus, seed, gpu,"),
            ((1, 1.0, "mini", 0), {}, f"{NAME}: too many positional arguments; the parameters are max_epoch, "),
            ((1,), {"max_epoch": 4}, f"{NAME}: multiple values for argument 'max_epoch'; the parameters are "),
        ],
    )
    def test_arguments_that_fit_no_parameter(self, args, kwargs, message):
        with pytest.raises(TypeError, match=message):
            main(*args, **kwargs)
        assert not Path("runs").exists()

    def test_argument_of_a_script_without_parameters(self):
        with pytest.raises(TypeError, match="no parameter is called word; the parameters are none"):
            script(lambda: None)(word=1)

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"max_epoch": "3"}, "max_epoch must be a whole number, not '3'"),
            ({"max_epoch": 3.0}, "max_epoch must be a whole number, not 3.0"),
            ({"max_epoch": None}, "max_epoch must be a whole number, not None"),
            ({"learning_rate": "0.1"}, "learning_rate must be a number, not '0.1'"),
            ({"seed": "1"}, "seed must be a whole number, not '1'"),
            ({"out": 5}, "out must be a path, not 5"),
        ],
    )
    def test_what_is_no_number(self, kwargs, message):
        with pytest.raises(TypeError, match=message):
            main(**kwargs)
        assert not Path("runs").exists()

    def test_numbers_of_every_kind_and_none_where_it_is_allowed(self):
        @script
        def main(
            size: int = None,  # noqa: RUF013
            rate: Annotated[float | None, "Rate."] = 0.1,
            either: int | str = 3,
            both: int | float = 1,
        ):
            return size, rate, either, both

        assert main() == (None, 0.1, 3, 1)
        assert main(numpy.int32(2), None, "a", 0.5) == (2, None, "a", 0.5)
        assert main(2, numpy.float32(0.5)) == (2, 0.5, 3, 1)
        assert main(rate=2) == (None, 2, 3, 1)
        with pytest.raises(TypeError, match="rate must be a number, not 'a'"):
            main(rate="a")
        with pytest.raises(TypeError, match=r"both must be a number, not \[1\]"):
            main(both=[1])

    def test_numbers_and_flags_of_numpys_become_pythons(self):
        @script
        def main(size: int = 1, rate: float = 0.1, tied: bool = True):
            return size, rate, tied

        given = main(numpy.int8(2), numpy.float64(0.5), numpy.False_)
        assert given == (2, 0.5, False) and [type(value) for value in given] == [int, float, bool]
        assert main(tied=0) == (1, 0.1, False)
        for value in ("no", "False", None, 2):
            with pytest.raises(TypeError, match=rf"^tied must be True or False, not {value!r}$"):
                main(tied=value)

    @pytest.mark.parametrize(("arguments", "epochs"), [({}, 2), ({"max_epoch": 5}, 5), ({"max_epoch": 300}, 300)])
    def test_quick_changes_defaults_only(self, arguments, epochs):
        assert main(quick=True, **arguments)["loss"] == 1 / epochs

    def test_quick_names_parameters_of_the_function(self):
        with pytest.raises(ValueError, match="has no parameter epochs"):
            experiment(quick={"epochs": 1})(lambda run, max_epoch=1: None)

    def test_free_names_parameters_of_the_function(self):
        with pytest.raises(ValueError, match=r"free=\('thread',\): .* has no parameter thread$"):
            experiment(free=("thread",))(lambda run, threads=1: None)

    def test_a_training_goes_on_with_other_values_of_what_is_free(self):
        @experiment(options=TRAINING, free=("threads",))
        def train(run: Run, width: int = 3, threads: int | None = None) -> int:
            state = run.checkpoint.start() or {"step": 0}
            run.checkpoint.save({"step": state["step"] + 1})
            run.checkpoint.release()
            return state["step"]

        assert [train(threads=threads, resume=True, out="run") for threads in (None, 1, 2)] == [0, 1, 2]
        assert history("run")["arguments"] == {"width": 3, "threads": 2}
        with pytest.raises(ValueError, match=r"other settings: width was 3 and is now 4$"):
            train(width=4, threads=1, resume=True, out="run")

    def test_seed_gives_the_streams(self):
        runs = [main(quick=True, seed=seed)["noise"] for seed in (0, 0, 1, numpy.int64(1))]
        assert runs[0] == runs[1] != runs[2] == runs[3] == stream(1, "weights").random()

    @pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.5, TypeError), (None, TypeError)])
    def test_bad_seed(self, seed, error):
        with pytest.raises(error):
            main(seed=seed)
        assert not Path("runs").exists()

    def test_plain_string_stands_for_an_enum(self):
        main(corpus="mini")
        assert history()["arguments"]["corpus"] == "mini"
        with pytest.raises(ValueError, match="corpus must be one of 'ptb', 'mini', not 'brown'"):
            main(corpus="brown")

    def test_plain_string_stands_for_a_path(self):
        @script
        def main(weights: Path | None = None):
            return weights

        assert main(weights="a.npz") == Path("a.npz")
        assert main() is None

    def test_declared_seed_has_its_own_default_and_arrives(self):
        @experiment(options=("seed", "out"))
        def main(run, seed: int = 3):
            return seed, run.seed

        assert main() == (3, 3)
        assert main(seed=4) == (4, 4)
        assert list(inspect.signature(main).parameters) == ["seed", "out"]

    def test_script_has_nothing_but_its_parameters(self):
        @script
        def main(window_size: int = 1):
            return window_size

        assert main(window_size=2) == 2
        assert list(inspect.signature(main).parameters) == ["window_size"]
        assert list(Path().iterdir()) == []

    def test_help_is_the_docstring_of_the_function_or_else_of_its_module(self):
        @script
        def explained():
            """What it does."""

        @script
        def silent():
            pass

        assert (explained.__doc__, silent.__doc__) == ("What it does.", __doc__)


class TestGpu:
    @pytest.mark.parametrize(
        ("before", "gpu", "inside"), [(False, False, False), (True, False, True), (False, True, True)]
    )
    def test_flag_holds_during_the_call_only(self, monkeypatch, before, gpu, inside):
        monkeypatch.setattr(config, "GPU", before)
        monkeypatch.setattr(Run, "finish", lambda *_: None)  # it asks CuPy for its version
        assert experiment()(lambda run: config.GPU)(gpu=gpu) is (before or gpu)
        assert config.GPU is before

    def test_flag_is_restored_after_an_error(self, monkeypatch):
        monkeypatch.setattr(config, "GPU", False)

        @experiment()
        def main(run):
            assert config.GPU
            raise ValueError("in between")

        with pytest.raises(ValueError, match="in between"):
            main(gpu=True)
        assert not config.GPU


class TestFolder:
    def test_default_is_named_after_chapter_and_script(self):
        main(max_epoch=2)
        assert [path.name for path in Path("runs").iterdir()] == [NAME]

    def test_a_quick_run_leaves_a_whole_one_alone(self):
        main()
        main(quick=True)
        assert sorted(path.name for path in Path("runs").iterdir()) == [NAME, f"{NAME}-quick"]
        assert history()["scores"]["loss"] == 1 / 300
        assert history(f"runs/{NAME}-quick")["scores"]["loss"] == 1 / 2

    def test_help_names_the_folders(self):
        def text(script):
            return get_args(inspect.signature(script).parameters["out"].annotation)[1]

        folder = Path("runs", NAME)
        assert text(main) == f"Folder for the results, by default {folder}, of a quick run {folder}-quick."
        assert text(experiment(options=["out"])(lambda run: None)) == f"Folder for the results, by default {folder}."

    @pytest.mark.parametrize("kind", [str, Path])
    def test_given_folder_is_made(self, kind):
        main(quick=True, out=kind("a/b"))
        assert history("a/b")["scores"]["loss"] == 0.5
        assert not Path("runs").exists()

    @pytest.mark.parametrize(("out", "reason"), [("file", "it is a file"), ("file/sub", ".+")])
    def test_impossible_folder_is_reported_before_the_work(self, out, reason):
        Path("file").touch()
        started = []
        work = experiment()(lambda run: started.append(run))
        with pytest.raises(OSError, match=f"out: cannot write to the folder .*file.*: {reason}"):
            work(out=out)
        assert started == []
        assert [path.name for path in Path().iterdir()] == ["file"]

    @pytest.mark.skipif(sys.platform != "linux", reason="needs a system that removes the current folder")
    def test_a_current_folder_that_is_gone(self, monkeypatch, tmp_path):
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(FileNotFoundError, match=r"out: cannot .* folder a.b: the current folder has been deleted"):
            main(quick=True, out="a/b")
        main(quick=True, out=tmp_path / "there")

    def test_read_only_folder_is_reported_before_the_work(self, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
        started = []
        with pytest.raises(PermissionError, match=r"cannot write to the folder .*results.*: Permission denied"):
            experiment()(lambda run: started.append(run))(out="results")
        assert started == []

    def test_two_processes_at_once(self):
        Path("results").mkdir()
        temporary = Path("results", ".0123456789abcdef.tmp")
        temporary.touch()  # of the other process, which is writing it
        started = []
        work = experiment(options=TRAINING)(lambda run: started.append(run))
        other = OtherProcess("results")
        for options in ({}, {"resume": True}):
            with pytest.raises(ValueError, match=f"results: process {other.number} is at work in this folder"):
                work(out="results", **options)
        assert not started and temporary.exists()
        other.end()
        work(out="results", resume=True)
        assert started and [path.name for path in Path("results").iterdir()] == ["history.json"]

    def test_runs_inside_runs(self):
        @experiment()
        def outer(run):
            result = main(quick=True, out=run.path("inner")) | main(quick=True, out=run.out)
            other = OtherProcess("results")
            other.end()
            assert not other.holds
            return result

        assert outer(out="results")["loss"] == 0.5
        assert not list(Path("results").rglob(folder_lock.NAME))

    def test_a_script_told_not_to_train_only_reads(self):
        @experiment(writes="train")
        def work(run: Run, train: bool = True) -> int:
            return int(train)

        Path("results").mkdir()
        other = OtherProcess("results")
        assert work(train=False, out="results") == 0
        with pytest.raises(ValueError, match="is at work in this folder"):
            work(out="results")
        other.end()
        assert list(Path("results").iterdir()) == []  # above all not the history, which the other one writes

    @pytest.mark.parametrize("refuse", [None, PermissionError(13, "Permission denied")])
    def test_where_no_lock_can_be_written(self, refuse, monkeypatch):
        def refused(folder):
            raise refuse

        if refuse:
            monkeypatch.setattr("common.experiment.FolderLock", refused)
        else:
            Path("results", folder_lock.NAME).mkdir(parents=True)
        assert main(quick=True, out="results")["loss"] == 0.5

    def test_after_an_error_the_folder_is_free(self):
        @experiment()
        def failing(run):
            raise ValueError("a mistake of mine")

        Path("results").mkdir()
        with pytest.raises(ValueError, match="a mistake of mine"):
            failing(out="results")
        assert list(Path("results").iterdir()) == []

    def test_after_an_error_no_empty_folder_is_left(self):
        @experiment()
        def failing(run, written: bool = False):
            if written:
                run.record(loss=[1.0])
            raise ValueError("a mistake of mine")

        for options in ({}, {"out": "new/deep"}):
            with pytest.raises(ValueError, match="a mistake of mine"):
                failing(**options)
            assert list(Path().iterdir()) == []
        with pytest.raises(ValueError, match="a mistake of mine"):
            failing(written=True, out="new/deep")
        assert [path.name for path in Path("new/deep").iterdir()] == ["history.json"]

    def test_a_full_disk_is_reported_before_the_work(self, monkeypatch):
        class Full(io.BytesIO):
            def write(self, data):
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
        with pytest.raises(OSError, match=r"out: cannot write to the folder .*results: No space left on device"):
            main(out="results")
        assert list(Path().iterdir()) == []

    def test_the_empty_name_is_not_the_current_folder(self):
        with pytest.raises(ValueError, match="out must be a path, not ''"):
            main(out="")
        assert list(Path().iterdir()) == []

    def test_nothing_but_the_results_is_left(self):
        main(quick=True, out="results")
        assert [path.name for path in Path("results").iterdir()] == ["history.json"]


class TestHistory:
    def test_content(self):
        main(max_epoch=3, seed=7)
        content = history()
        assert content["script"] == NAME
        assert content["arguments"] == {"max_epoch": 3, "learning_rate": 1.0, "corpus": "ptb"}
        assert (content["seed"], content["gpu"], content["quick"]) == (7, False, False)
        assert content["scores"]["loss"] == pytest.approx(1 / 3)
        assert content["curves"] == {"loss": [1, 1 / 2, 1 / 3]}
        assert 0 <= content["seconds"] < 60
        versions = content["versions"]
        assert versions["python"] == platform.python_version()
        assert versions["numpy"] == numpy.__version__
        assert versions["cores"] >= 1
        assert {"nlp-from-scratch", "platform"} <= versions.keys()

    def test_quick_run_tells_its_real_arguments(self):
        main(quick=True, out="run")
        assert history("run")["quick"] is True
        assert history("run")["arguments"]["max_epoch"] == 2

    def test_numbers_of_every_kind(self):
        @experiment()
        def main(run, x: object = None):
            run.record(curve=numpy.arange(3, dtype="float32") / 2, scalars=[numpy.float32(0.5), numpy.int64(2)])
            return {"nan": float("nan"), "inf": numpy.inf, "scalar": numpy.float32(0.5), "array": numpy.array(2.0)}

        main(x=Path("a/b"))
        assert history()["scores"] == {"nan": None, "inf": None, "scalar": 0.5, "array": 2.0}
        assert history()["curves"] == {"curve": [0.0, 0.5, 1.0], "scalars": [0.5, 2]}
        assert history()["arguments"] == {"x": str(Path("a/b"))}

    def test_text_is_utf8_whatever_the_locale(self):
        @experiment()
        def main(run, start: str = "私"):
            pass

        main()
        assert "私" in Path(f"runs/{NAME}/history.json").read_text(encoding="utf-8")

    def test_names_of_files_that_are_no_text(self):
        @experiment(options=TRAINING)
        def main(run, data: Path):
            run.checkpoint.start()
            run.checkpoint.save({"step": 1})
            run.checkpoint.release()

        name = "q\udcff.txt"  # what Python makes of a byte that is not UTF-8
        for resume in (False, True):
            main(data=name, resume=resume)
        assert history()["arguments"] == {"data": name}

    def test_broken_off_run_keeps_the_curves_so_far(self):
        @experiment()
        def main(run):
            run.record(loss=[3.0])
            run.record(loss=[3.0, 2.0])
            run.record(accuracy=[0.5])
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            main()
        assert history()["curves"] == {"loss": [3.0, 2.0], "accuracy": [0.5]}
        assert history()["scores"] is None

    def test_a_disk_that_becomes_full_leaves_the_curves_before(self, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        @experiment()
        def main(run):
            run.record(loss=[3.0])
            monkeypatch.setattr("os.fsync", full)
            run.record(loss=[3.0, 2.0])

        with pytest.raises(OSError, match=r"history\.json"):
            main(out="results")
        assert history("results")["curves"] == {"loss": [3.0]}

    def test_result_that_is_no_dictionary_is_returned_but_not_written(self):
        work = experiment()(lambda run: numpy.zeros(3))
        assert work().shape == (3,)
        assert history()["scores"] is None


class TestPlot:
    def test_figure_becomes_a_file(self):
        pytest.importorskip("matplotlib", reason="figures need Matplotlib")
        drawn = []

        @experiment()
        def main(run):
            run.plot("loss.png", plot_curve, [3.0, 2.0], xlabel="epoch", ylabel="loss")
            run.plot("two.svg", lambda ax: drawn.append(ax))

        main(out="results")
        assert sorted(path.name for path in Path("results").iterdir()) == ["history.json", "loss.png", "two.svg"]
        assert Path("results/loss.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in Path("results/two.svg").read_text(encoding="utf-8")
        assert len(drawn) == 1

    def test_a_figure_that_cannot_be_saved_leaves_the_one_before(self):
        pytest.importorskip("matplotlib", reason="figures need Matplotlib")

        def draw(ax):
            ax.set_title("$\\nosuch$")  # no formula, which is noticed when the figure is saved

        Path("results").mkdir()
        Path("results/loss.png").write_bytes(b"the one before")
        with pytest.raises(ValueError, match="nosuch"):
            experiment()(lambda run: run.plot("loss.png", draw))(out="results")
        assert Path("results/loss.png").read_bytes() == b"the one before"

    def test_work_goes_on_without_matplotlib(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

        @experiment()
        def main(run):
            run.plot("loss.png", plot_curve, [3.0, 2.0])
            return {"loss": 2.0}

        assert main() == {"loss": 2.0}
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert "figures need Matplotlib, the extra `plot`: pip install matplotlib (" in message
        assert [path.name for path in Path(f"runs/{NAME}").iterdir()] == ["history.json"]

    def test_windows_open_after_everything_is_written(self, monkeypatch):
        pytest.importorskip("matplotlib", reason="figures need Matplotlib")
        seen = []
        monkeypatch.setattr("common.plotting.show", lambda ax: seen.append(history()["scores"]))

        @experiment()
        def main(run):
            run.plot("loss.png", plot_curve, [3.0, 2.0])
            return {"loss": 2.0}

        main()
        assert seen == [{"loss": 2.0}]


def test_corpus_prints_as_its_name():
    assert f"{Corpus.mini} {Corpus('ptb')}" == "mini ptb"
    for kind in (Model, ModelKind, Data):
        assert issubclass(kind, Choice) and [f"{choice}" for choice in kind] == list(kind.__members__)


def test_corpus_loads_its_vocabulary(monkeypatch):
    assert Corpus.mini.load_vocab() == mini.load_vocab()

    def missing(*_):
        raise FileNotFoundError("ptb.train.txt is nowhere")

    monkeypatch.setattr(ptb, "load_vocab", missing)
    monkeypatch.setattr(ptb, "load_data", missing)
    for load in (Corpus.ptb.load_vocab, Corpus.ptb.load):
        with pytest.raises(FileNotFoundError, match=r"(?s)ptb.train.txt is nowhere.*The corpus mini needs no files"):
            load()
