"""Train nothing, quickly.

    python -m chapter.script --quick

Second paragraph.
"""

import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import numpy
import pytest

from common.cli import describe
from common.experiment import Run, experiment, script
from dataset.corpora import Corpus


@experiment(quick={"max_epoch": 2})
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the data."] = 300,
    learning_rate: float = 1.0,
    reverse: bool = False,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, object]:
    if learning_rate < 0:
        raise ValueError(f"learning_rate must be positive, not {learning_rate}")
    return {"epochs": max_epoch, "rate": learning_rate, "reverse": reverse, "corpus": corpus, "seed": run.seed}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def start(script, capsys, *arguments):
    """Exit code, standard output and standard error of `script` with `arguments`."""
    with pytest.raises(SystemExit) as end:
        script.cli(arguments)
    return end.value.code, *capsys.readouterr()


class TestOptions:
    def test_help_shows_the_docstring_and_every_parameter(self, capsys):
        code, out, _ = start(main, capsys, "--help")
        assert code == 0
        lines = [line.strip() for line in out.splitlines()]
        for line in ("Train nothing, quickly.", "python -m chapter.script --quick", "Second paragraph."):
            assert line in lines
        text = " ".join(lines)
        for option in ("--max-epoch", "--learning-rate", "--corpus", "--seed", "--gpu", "--out", "--quick"):
            assert option in text
        assert re.search(r"Passes over the data\. *\[default: 300\]", text)
        assert re.search(r"--learning-rate \S+ +\[default: 1\.0\]", text)
        assert "ptb|mini" in text
        assert f"by default {Path('runs', 'common_test_cli')}, of a" in text
        assert "max_epoch=2" in text

    def test_defaults(self, capsys):
        out = start(main, capsys)[1]
        assert out.splitlines()[0] == "epochs 300 | rate 1 | reverse False | corpus ptb | seed 0"

    def test_all_given(self, capsys):
        numbers = ("--max-epoch", "5", "--learning-rate", "0.25", "--seed", "3")
        code, out, err = start(main, capsys, *numbers, "--reverse", "--corpus", "mini", "--out", "results")
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "epochs 5 | rate 0.25 | reverse True | corpus mini | seed 3",
            "results in results",
        ]
        assert Path("results/history.json").exists()

    @pytest.mark.parametrize(("given", "epochs"), [((), 2), (("--max-epoch", "7"), 7), (("--max-epoch", "300"), 300)])
    def test_quick_changes_defaults_only(self, capsys, given, epochs):
        assert f"epochs {epochs} |" in start(main, capsys, "--quick", *given)[1]

    def test_required_parameter(self, capsys):
        @script
        def main(word: str):
            return word

        assert start(main, capsys, "--word", "you")[1] == "you\n"
        code, _, err = start(main, capsys)
        assert code == 2
        assert "--word" in err

    def test_positional_argument_where_the_script_asks_for_it(self, capsys):
        import typer

        @script
        def main(date: Annotated[str, typer.Argument(help="A date.")] = "today"):
            return date

        assert start(main, capsys, "september 27, 1994")[1] == "september 27, 1994\n"
        assert start(main, capsys)[1] == "today\n"
        assert main("tomorrow") == "tomorrow"

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--max-epoch", "many"], "--max-epoch"),
            (["--max-epochs", "3"], "--max-epochs"),
            (["--corpus", "brown"], "brown"),
            (["3"], "3"),
        ],
    )
    def test_bad_options(self, capsys, arguments, named):
        code, out, err = start(main, capsys, *arguments)
        assert (code, out) == (2, "")
        assert named in err.splitlines()[-1]
        assert not Path("runs").exists()

    def test_a_bad_choice(self, capsys):
        import typer

        @script
        def positional(corpus: Annotated[Corpus, typer.Argument()]):
            return corpus

        err = start(main, capsys, "--corpus", "my_text.txt")[2]
        assert "Invalid value for '--corpus': 'my_text.txt' is not one of 'ptb', 'mini'." in " ".join(err.split())
        err = start(positional, capsys, "brown")[2]
        assert re.search("Invalid value for .*: 'brown' is not one of 'ptb', 'mini'", " ".join(err.split()))


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--learning-rate", "-1"], "learning_rate must be positive, not -1.0"),
            (["--seed", "-1"], "seed must be a non-negative integer, not -1"),
            (["--out", ""], "out must be a path, not ''"),
            (["--out", "file"], "out: cannot write to the folder .*file: it is a file"),
        ],
    )
    def test_misuse_gives_one_line(self, capsys, arguments, message):
        Path("file").touch()
        code, out, err = start(main, capsys, *arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(f"Error: {message}", err.splitlines()[0])
        assert "Traceback" not in err

    def test_a_key_error_is_not_quoted(self, capsys):
        @script
        def main():
            raise KeyError("queen's is not found, the nearest known words are: queens")

        err = start(main, capsys)[2]
        assert err.startswith("Error: queen's is not found, the nearest known words are: queens\n")

    def test_traceback_on_request(self):
        with pytest.raises(ValueError, match="must be positive"):
            main.cli(["--learning-rate", "-1", "--traceback"])

    def test_mistakes_in_the_program_are_not_hidden(self):
        @script
        def main():
            return numpy.no_such_function()

        with pytest.raises(AttributeError):
            main.cli([])


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"test_perplexity": 136.0694, "accuracy": numpy.float32(0.5)}, "test perplexity 136.07 | accuracy 0.5"),
        ({"tokens": 929589, "converged": True}, "tokens 929589 | converged True"),
        ({"words": ["a", "b"], "text": "you say"}, "words ['a', 'b'] | text you say"),
        (0.7071067691154799, "0.7071067691154799"),
        (numpy.arange(2), "[0 1]"),
    ],
)
def test_results_are_printed(result, text):
    assert describe(result) == text


def test_no_result_prints_nothing(capsys):
    assert start(script(lambda: None), capsys) == (0, "", "")
    assert start(script(lambda: {}), capsys) == (0, "", "")


class TestProcess:
    """Scripts as they are started from a shell."""

    PROGRAM = '''
        """A script."""
        import time

        from common.experiment import Run, experiment
        from ch99.number import ONE

        @experiment(quick={"epochs": 2})
        def main(run: Run, epochs: int = 3) -> dict[str, float]:
            for epoch in range(epochs):
                print("epoch", epoch + 1)
                if epochs > 100:
                    time.sleep(0.05)
            return {"loss": ONE / epochs}

        if __name__ == "__main__":
            main.cli()
    '''

    @pytest.fixture
    def package(self, folder):
        (folder / "ch99").mkdir()
        (folder / "ch99" / "__init__.py").touch()
        (folder / "ch99" / "number.py").write_text("ONE = 1.0\n", encoding="utf-8")
        program = textwrap.dedent(self.PROGRAM)
        (folder / "ch99" / "train.py").write_text(program, encoding="utf-8")
        return folder

    @pytest.fixture
    def start(self, package):
        """Start Python with the package as if that were installed, warnings as errors."""
        path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": ""}

        @contextlib.contextmanager
        def start(*arguments, where=".", ascii=False, **options):
            env = environment | ({"PYTHONIOENCODING": "ascii"} if ascii else {})
            command = [sys.executable, "-W", "error", *arguments]
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
            with subprocess.Popen(command, cwd=package / where, env=env, **options) as process:
                yield process

        return start

    @pytest.mark.parametrize(
        ("where", "how"), [(".", ["-m", "ch99.train"]), (".", ["ch99/train.py"]), ("ch99", ["train.py"])]
    )
    def test_three_ways(self, package, start, where, how):
        with start(*how, "--quick", where=where) as process:
            out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        results = Path("runs", "ch99_train-quick")
        assert out.splitlines() == ["epoch 1", "epoch 2", "loss 0.5", f"results in {results}"]
        assert (package / where / results / "history.json").exists()

    def test_a_terminal_that_lacks_letters(self, package, start):
        path = package / "ch99" / "train.py"
        path.write_text(path.read_text("utf-8").replace('"epoch"', '"章"'), "utf-8")
        with start("-m", "ch99.train", "--quick", "--out", "日本", ascii=True) as process:
            out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        assert [out.splitlines()[i] for i in (0, -1)] == ["\\u7ae0 1", "results in \\u65e5\\u672c"]

    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
    def test_ctrl_c(self, start):
        with start("ch99/train.py", "--epochs", "100000") as process:
            assert select.select([process.stdout], [], [], 30)[0]  # each line at once, not the first 8 KiB after 40 s
            assert process.stdout.readline() == "epoch 1\n"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        assert (process.returncode, err.strip()) == (130, "Interrupted.")

    @pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
    def test_reader_that_goes_away(self, start):
        with start("ch99/train.py", "--epochs", "100000") as process:
            process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read()
        assert process.returncode == 1
        assert err == ""

    @pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
    def test_reader_of_a_training_that_goes_away(self, package, start):
        with start("-m", "ch01.train", "--max-epoch", "1000000", "--out", "results") as process:
            process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read()
        assert (process.returncode, err) == (1, "")
        assert list((package / "results" / "checkpoints").iterdir())

    @pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
    @pytest.mark.parametrize(
        ("end", "code", "said"), [("pass", 0, ""), ("raise KeyboardInterrupt", 130, "\nInterrupted.\n")]
    )
    def test_reader_that_is_gone_at_the_end(self, start, end, code, said):
        program = f"""
            import sys
            from common.experiment import script

            @script
            def main():
                sys.stdin.read()
                print("the last text", end="")
                {end}

            main.cli([])
        """
        with start("-c", textwrap.dedent(program), stdin=subprocess.PIPE) as process:
            process.stdout.close()
            process.stdin.close()
            err = process.stderr.read()
        assert (process.returncode, err) == (code, said)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
    @pytest.mark.parametrize(("kind", "code"), [("experiment", 0), ("script", 2)])
    def test_output_on_a_full_disk(self, package, start, kind, code):
        """The results in a folder are worth more than the lines about them; without a folder, these are the results."""
        run = "run" if kind == "experiment" else ""
        program = f"""
            import sys
            from common.experiment import experiment, script

            @{kind}{"()" if run else ""}
            def main({run}):
                return {{"loss": 0.5}}

            sys.stdout = open("/dev/full", "w")
            main.cli([])
        """
        with start("-c", textwrap.dedent(program)) as process:
            _, err = process.communicate()
        assert process.returncode == code
        word = "Error: [Errno 28]" if code else "standard output loses lines:"
        assert err.startswith(f"{word} No space left on device\n") and err.count("No space") == 1
        assert len(list(package.glob("runs/*/history.json"))) == (not code)

    @pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights away as Linux does")
    def test_read_only_current_folder(self, package, start):
        package.chmod(0o500)
        try:
            with start("-m", "ch99.train", "--quick", preexec_fn=bow_to_permissions) as process:
                out, err = process.communicate()
        finally:
            package.chmod(0o700)
        assert (process.returncode, out) == (2, "")
        assert err.startswith("Error: out: cannot write to the folder ")
        assert "Permission denied" in err


def bow_to_permissions():
    """Drop root's right to write everywhere (CAP_DAC_OVERRIDE) for the program that is started next."""
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
