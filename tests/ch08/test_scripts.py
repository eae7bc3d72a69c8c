import signal
import subprocess
import sys
from pathlib import Path

import pytest
import strict_cupy
from run_folder import history

from ch07 import show_addition_dataset, train_seq2seq
from ch08 import compare_models, train, visualize_attention
from ch08.answerer import Answerer
from common.files import FileFormatError
from common.interrupt import TrainingInterrupted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_addition_data(capsys):
    show_addition_dataset.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["(45000, 7) (45000, 5)", "(5000, 7) (5000, 5)"]
    question, answer = lines[-2].strip(), lines[-1]
    assert answer.startswith("_") and eval(question) == int(answer[1:])


@pytest.mark.parametrize("model", ["seq2seq", "peeky", "attention", "deep"])
@pytest.mark.parametrize("data", ["addition", "date", "own.tsv"])
def test_every_model_on_every_kind_of_data(model, data, capsys):
    lines = [f"{'ab' * (i % 5 + 1)}c\t{i % 5 + 1} times" for i in range(40)]
    Path("own.tsv").write_text("\n".join(lines), encoding="utf-8")
    settings = {"max_epoch": 2, "hidden_size": 8, "max_examples": 64, "batch_size": 32, "shown": 1}
    scores = train_seq2seq.main(model=model, data=data, reverse=True, out="run", **settings)
    assert 0 <= scores["accuracy"] <= 1
    assert len(history("run")["curves"]["accuracy"]) == 2
    output = capsys.readouterr().out
    assert output.count("accuracy") == output.count("Q ") == output.count("T ") == 2
    Answerer.load("run/model.npz")


def test_options_of_the_deep_model():
    options = {"layers": 3, "cell": "gru", "score": "additive", "bidirectional": False}
    train_seq2seq.main(quick=True, model="deep", out="run", **options)
    answerer = Answerer.load("run/model.npz")
    assert answerer.sizes.items() >= options.items() and len(answerer.model.decoder.cells) == 3


@pytest.mark.slow
def test_a_file_of_ones_own_with_the_name_of_the_packages():
    Path("date.txt").write_text("".join(f"1+{i % 9}_{i % 9 + 1:<2}\n" for i in range(40)), encoding="utf-8")
    settings = {"quick": True, "batch_size": 8, "out": "run"}
    for data, width in (("./date.txt", 3), (str(Path("date.txt").resolve()), 3), ("date", 29)):
        train_seq2seq.main(data=data, **settings)
        assert Answerer.load("run/model.npz").codec.width == width
    with pytest.raises(FileNotFoundError, match=r"addition\.txt"):
        train_seq2seq.main(data="./addition.txt", **settings)


@pytest.mark.slow
def test_pairs_of_ones_own_are_learnt():
    words = ["null", "eins", "zwei", "drei", "vier", "sechs", "sieben", "acht", "neun", "zehn"]
    lines = [f"{a} und {b}\t{b} nach {a}" for a in words for b in words if a != b]
    Path("own.tsv").write_text("\n".join(lines), encoding="utf-8")
    settings = {"model": "attention", "words": True, "batch_size": 8, "lr": 0.01, "hidden_size": 48}
    scores = train_seq2seq.main(data="own.tsv", max_epoch=25, shown=0, out="run", **settings)
    assert scores["accuracy"] > 0.8
    assert Answerer.load("run/model.npz").answer("zwei und drei") == "drei nach zwei"


def test_same_seed_same_numbers():
    runs = [train_seq2seq.main(quick=True, seed=3, out=f"run{i}") for i in range(2)]
    assert runs[0] == runs[1]
    assert history("run0")["curves"] == history("run1")["curves"]


def test_after_ctrl_c_the_model_so_far_is_in_a_folder_of_its_own(monkeypatch):
    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        return 0.5

    monkeypatch.setattr(train_seq2seq, "seq2seq_accuracy", interrupted)
    with pytest.raises(TrainingInterrupted, match=r"after epoch 1, .* The model so far is in run.interrupted\.$"):
        train_seq2seq.main(quick=True, max_epoch=3, out="run")
    assert not Path("run", "model.npz").exists()
    Answerer.load("run/interrupted/model.npz")


@pytest.mark.parametrize("script", [train_seq2seq, train])
def test_what_is_shown_may_be_another_number_when_a_training_goes_on(script):
    whole = script.main(quick=True, shown=1, out="run")
    assert script.main(quick=True, shown=0, out="run", resume=True) == whole


def test_a_training_goes_on_with_defaults_that_are_stated():
    settings = {"model": "deep", "quick": True, "hidden_size": 8, "out": "run"}
    whole = train_seq2seq.main(**settings)
    assert train_seq2seq.main(**settings, layers=2, score="dot", resume=True) == whole
    with pytest.raises(FileFormatError, match="layers was 2 and is now 1"):
        train_seq2seq.main(**settings, layers=1, resume=True)


def test_a_training_goes_on_with_its_data_by_another_path():
    lines = [f"{'ab' * (i % 5 + 1)}c\t{i % 5 + 1} times" for i in range(40)]
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, "own.tsv").write_text("\n".join(lines), encoding="utf-8")
    settings = {"hidden_size": 8, "batch_size": 32, "shown": 0}
    whole = train_seq2seq.main(data="one/own.tsv", max_epoch=2, out="whole", **settings)
    train_seq2seq.main(data="one/own.tsv", max_epoch=1, out="run", **settings)
    assert train_seq2seq.main(data="two/own.tsv", max_epoch=2, out="run", resume=True, **settings) == whole
    assert history("run")["arguments"]["data"] == "two/own.tsv"
    Path("two/other.tsv").write_text("\n".join(lines), encoding="utf-8")
    Path("own.tsv").write_text("\n".join(lines[::-1]), encoding="utf-8")
    for data, message in (("two/other.tsv", "'own.tsv' and is now 'other.tsv'"), ("own.tsv", r"data was \d+ and is")):
        with pytest.raises(FileFormatError, match=message):
            train_seq2seq.main(data=data, max_epoch=3, out="run", resume=True, **settings)


def test_dates():
    scores = train.main(quick=True, out="run")
    assert scores.keys() == {"accuracy", "loss"}


def test_maps_of_the_shipped_model(capsys):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    visualize_attention.main(["september 27, 1994", "9/27/94"], out="run")
    assert capsys.readouterr().out.count("september") == 1
    for number in (1, 2):
        assert Path("run", f"attention_{number}.png").read_bytes().startswith(b"\x89PNG")


def test_maps_of_an_earlier_run_go(capsys):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    own = [Path("run", name) for name in ("attention_3.jpg", "attention_12.png", "my_attention_3.png")]
    Path("run").mkdir()
    for path in (*own, *(Path("run", f"attention_{number}.png") for number in (1, 2, 3))):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no 'ä'"):
        visualize_attention.main(["9/27/94", "ä"], out="run")
    assert Path("run", "attention_3.png").exists()
    visualize_attention.main("9/27/94", out="run")
    assert sorted(Path("run").glob("*attention*")) == sorted([*own, Path("run", "attention_1.png")])


@pytest.mark.slow
@pytest.mark.parametrize("data", ["addition", "date"])
def test_comparison(data):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    scores = compare_models.main(data, quick=True, out="run")
    names = ["7-24", "7-28"] if data == "addition" else ["8-26", "8-27_1", "8-27_4"]
    for name in names:
        assert Path("run", f"figure_{name}.png").read_bytes().startswith(b"\x89PNG")
    assert len(scores) == 3 and history("run")["curves"].keys() == scores.keys()


def test_from_inside_the_folders_and_the_shell():
    code = "from seq2seq import Seq2seq; from peeky_seq2seq import PeekySeq2seq"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT / "ch07", check=True)
    command = [sys.executable, "-W", "error", "visualize_attention.py", "september 27, 1994", "--out", str(Path.cwd())]
    output = subprocess.run(command, cwd=ROOT / "ch08", check=True, capture_output=True, encoding="utf-8").stdout
    assert "september 27, 1994" in output


@pytest.mark.parametrize("model", ["seq2seq", "peeky", "attention"])
def test_on_the_gpu(model, gpu, monkeypatch):
    monkeypatch.setattr(strict_cupy, "__version__", "stand-in", raising=False)  # which the record of a run asks for
    Path("own.tsv").write_text("".join(f"{'ab' * (i % 5 + 1)}\t{i % 5}\n" for i in range(40)), encoding="utf-8")
    settings = {"max_epoch": 1, "hidden_size": 8, "batch_size": 32, "reverse": True}
    train_seq2seq.main(model=model, data="own.tsv", out="run", **settings)
    answerer = Answerer.load("run/model.npz")
    assert len(answerer.answers(["ab", "ababab"])) == 2
    question = [[answerer.codec.questions["a"]]]
    assert len(answerer.model.beam_search(question, 0, 4, width=3, stop_id=1, n_best=2)) == 2
    if model == "attention":
        assert answerer.attention("abab").weights.sum() > 0


class TestMisuse:
    @pytest.mark.parametrize(
        ("text", "message"), [("", "empty"), ("1+1_2\n1+1 2\n", "line 2"), ("1+1_2\n12+1_3\n", "line 2")]
    )
    def test_files(self, text, message):
        Path("own.txt").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            train_seq2seq.main(data="own.txt")

    def test_too_few_pairs(self):
        Path("own.txt").write_text("1+1_2\n", encoding="utf-8")
        with pytest.raises(ValueError, match="1 pairs are too few"):
            train_seq2seq.main(data="own.txt")
        Path("own.txt").write_text("1+1_2\n" * 20, encoding="utf-8")
        with pytest.raises(ValueError, match="there are 18 pairs to train on, fewer than the 128 of a batch"):
            train_seq2seq.main(data="own.txt")
        with pytest.raises(ValueError, match="there are 50 pairs to train on, fewer than the 128 of a batch"):
            train.main(quick=True, max_examples=50)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"layers": 3}, "only the deep model .*, not attention: layers=3$"),
            ({"layers": 2, "bidirectional": True}, "not attention: layers=2, bidirectional=True$"),
            ({"cell": "gru", "score": "additive"}, "not attention: cell='gru', score='additive'$"),
            ({"bidirectional": False}, "not attention: bidirectional=False$"),
            ({"max_examples": 0}, "^max_examples must be at least 1, or None for all, not 0$"),
            ({"max_examples": -5}, "^max_examples must be at least 1, or None for all, not -5$"),
            ({"shown": -1}, "^shown must be at least 0, not -1$"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            train_seq2seq.main(model="attention", quick=True, **options)

    def test_no_such_data_or_model(self):
        with pytest.raises(FileNotFoundError, match="subtraction"):
            train_seq2seq.main(data="subtraction")
        with pytest.raises(TypeError, match="a sequence file must be given by its path, not None"):
            train_seq2seq.main(data=None)
        with pytest.raises(ValueError, match="transformer"):
            train_seq2seq.main(model="transformer")
        with pytest.raises(ValueError, match="max_epoch"):
            train_seq2seq.main(max_epoch=0)

    def test_a_date_with_an_unknown_character(self, capsys):
        with pytest.raises(SystemExit) as error:
            visualize_attention.main.cli(["9/27/94", "27. September", "--out", "run"])
        assert error.value.code == 2
        output = capsys.readouterr()
        assert "no '.'" in output.err and not output.out and not Path("run").exists()
