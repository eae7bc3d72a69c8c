"""Weights of language models from files: which model they are of."""

import json

import numpy
import pytest

from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import CELLS, BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch06.trained_models import (
    new_language_model,
    read_language_model,
    read_rnnlm,
    vocabulary,
    write_rnnlm,
)
from ch07.rnnlm_gen import RnnlmGen
from ch07.seq2seq import Seq2seq
from common import weight_files
from common.files import FileFormatError

V, H = 30, 6
IDS = numpy.random.default_rng(0).integers(V, size=(2, 7))
SHAPES = [(V, H), (H, 4 * H), (H, 4 * H), (4 * H,), (H, V), (V,)]  # of an Rnnlm


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read_like(model, ending, cell=None):
    """What is read from the model's weights, which must compute the same."""
    path = model.save_params(f"weights.{ending}")
    found = read_language_model(path, cell)
    expected = model.predict(IDS)
    numpy.testing.assert_allclose(found.predict(IDS), expected, atol=1e-3 if ending == "pkl" else 0)
    return found


@pytest.mark.parametrize("ending", ["npz", "safetensors", "pkl"])
class TestRead:
    def test_rnnlm(self, ending):
        assert type(read_like(Rnnlm(V, 5, 7, rng=0), ending)) is Rnnlm

    @pytest.mark.parametrize("cell", CELLS)
    @pytest.mark.parametrize("options", [{}, {"layers": 3}, {"tied": False}, {"layers": 1}], ids=str)
    def test_better_rnnlm(self, ending, cell, options):
        model = read_like(
            BetterRnnlm(V, H, H, cell=cell, rng=0, **options), ending, cell if cell in ("rnn", "relu") else None
        )
        assert type(model) is BetterRnnlm and type(model.recurrent_layers[0]) is CELLS[cell]
        assert len(model.recurrent_layers) == options.get("layers", 2)
        assert numpy.shares_memory(model.params[0], model.params[-2]) is options.get("tied", True)

    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_awd_lstm(self, ending, layers):
        model = read_like(AwdLstm(V, 5, 8, layers=layers, rng=0), ending)
        # With one layer an AWD-LSTM without its dropout is a BetterRnnlm.
        assert type(model) is (AwdLstm if layers > 1 else BetterRnnlm)
        assert numpy.shares_memory(model.params[0], model.params[-2])


WORDS = {i: f"w{i}" for i in range(V)}


class TestFolder:
    @pytest.mark.parametrize(
        "model",
        [
            Rnnlm(V, 5, 7, rng=0),
            BetterRnnlm(V, H, H, 0.3, cell="relu", layers=1, variational=True, rng=0),
            AwdLstm(V, 5, 8, layers=2, rng=0),
        ],
        ids=lambda model: type(model).__name__,
    )
    def test_says_what_model_it_is(self, model):
        folder = model.save("trained", id_to_word=WORDS)
        found = read_language_model(folder)
        assert type(found) is type(model) and found.saved_arguments() == model.saved_arguments()
        assert vocabulary(found) == WORDS and found.word_to_id["w3"] == 3
        numpy.testing.assert_array_equal(found.predict(IDS), model.predict(IDS))
        new = new_language_model(folder, rng=3)
        assert vocabulary(new) == WORDS
        for own, expected in zip(new.params, type(model)(**model.saved_arguments(), rng=3).params, strict=True):
            numpy.testing.assert_array_equal(own, expected)

    def test_of_models_that_write(self):
        model = Rnnlm(V, 5, 7, rng=0)
        found = read_rnnlm(model.save("trained"), RnnlmGen)
        assert type(found) is RnnlmGen
        numpy.testing.assert_array_equal(found.predict(IDS), model.predict(IDS))
        with pytest.raises(FileFormatError, match="config"):
            read_rnnlm(AwdLstm(V, 5, 8, rng=0).save("other"), RnnlmGen)

    def test_its_weights_are_read_like_others_but_for_the_words_beside_them(self):
        """Whatever the class in the configuration is: one of a reader's own, which only the reader can load."""

        class Mine(Rnnlm):
            pass

        folder = Mine(V, 5, 7, rng=0).save("mine", id_to_word=WORDS)
        for path in (folder / "weights.npz", folder / "weights"):
            found = read_language_model(path)
            assert type(found) is Rnnlm and vocabulary(found) == WORDS
        (folder / "vocab.json").write_bytes(b'{"id_to_word": ["a"')
        with pytest.raises(FileFormatError, match=r"vocab\.json: its vocabulary is not sound JSON"):
            read_language_model(folder / "weights.npz")
        (folder / "vocab.json").write_bytes(b'{"id_to_word": ["a", "a"]}')
        with pytest.raises(FileFormatError, match=r"vocab\.json: its vocabulary is no list of different words"):
            read_language_model(folder / "weights.npz")

    def test_without_words(self):
        assert vocabulary(read_language_model(Rnnlm(V, 5, 7, rng=0).save("trained"))) is None

    def test_of_another_model(self):
        folder = Seq2seq(5, 3, 4, rng=0).save("answers")
        with pytest.raises(FileFormatError, match=r"config\.json: expected a language model of chapter 6, got a Seq2"):
            read_language_model(folder)

    def test_without_a_model(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no model in this folder, it lacks config\.json"):
            read_language_model(tmp_path)
        with pytest.raises(FileNotFoundError, match="nothere: there is no folder of a model and no file of weights"):
            read_language_model("nothere")

    @pytest.mark.parametrize("name", ["text.py", "y.zip", "folder.npz.d/x"])
    def test_a_file_of_another_kind(self, tmp_path, name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"something")
        with pytest.raises(FileFormatError, match=r"there is no model in it, .* end in \.npz, \.safetensors, \.pkl"):
            read_language_model(path)

    def test_needs_no_cell(self):
        with pytest.raises(ValueError, match="says which cell it is"):
            read_language_model(BetterRnnlm(V, H, H, cell="rnn", rng=0).save("trained"), "rnn")


def test_words_in_a_file():
    path = write_rnnlm("m.npz", Rnnlm(V, 5, 7, rng=0), WORDS)
    assert vocabulary(read_language_model(path)) == vocabulary(new_language_model(path)) == WORDS
    assert vocabulary(read_language_model(Rnnlm(V, 5, 7, rng=0).save_params("bare.npz"))) is None


@pytest.mark.parametrize("path", ["trained", "trained/weights.npz"])
def test_words_that_are_not_the_models(path):
    Rnnlm(V, 5, 7, rng=0).save("trained", id_to_word=WORDS)
    model = read_rnnlm(path, Rnnlm)
    with pytest.raises(ValueError, match=r"m\.npz: these are not .* words, word 2 .* is 'w2', there it is 'two'"):
        write_rnnlm("m.npz", model, {**WORDS, 2: "two"})
    assert vocabulary(read_rnnlm(write_rnnlm("m.npz", model, WORDS), RnnlmGen)) == WORDS


def test_tensors_in_any_order():
    model = AwdLstm(V, 5, 8, layers=6, rng=0)
    tensors, _ = weight_files.read(model.save_params("weights.npz"))
    weight_files.write("sorted.npz", dict(sorted(tensors.items())))  # layers.10 before layers.2
    numpy.testing.assert_array_equal(read_language_model("sorted.npz").predict(IDS), model.predict(IDS))


def test_new_weights_are_those_of_a_new_model():
    path = AwdLstm(V, 5, 8, rng=0).save_params("weights.npz")
    for own, expected in zip(new_language_model(path, rng=3).params, AwdLstm(V, 5, 8, rng=3).params, strict=True):
        numpy.testing.assert_array_equal(own, expected)


def test_cells():
    plain = BetterRnnlm(V, H, H, cell="rnn", rng=0).save_params("rnn.npz")
    with pytest.raises(ValueError, match=r"rnn\.npz: by its tensors the cell is rnn or relu, and only --cell"):
        read_language_model(plain)
    for model in (Rnnlm(V, 5, 7), AwdLstm(V, 5, 8), BetterRnnlm(V, H, H)):
        path = model.save_params("lstm.npz")
        with pytest.raises(ValueError, match="the cell must be lstm, not 'gru'"):
            read_language_model(path, "gru")


def without(*places):
    return [shape for place, shape in enumerate(SHAPES) if place not in places]


@pytest.mark.parametrize(
    "shapes",
    [
        [], [(V,)], SHAPES[:3], without(0), without(3), without(4), without(5), [*SHAPES, (V,)], [(V, H), (H, V), (V,)],
        *([*SHAPES[:place], shape, *SHAPES[place + 1 :]] for place, shape in
          [(0, (V,)), (1, (5, 4 * H)), (1, (H, 5 * H)), (2, (5, 4 * H)), (3, (4 * H, 1)), (4, (H, 31)), (5, (29,))]),
        [(V, H), (H, 2 * H), (H, 2 * H), (2 * H,), (H, V), (V,)],
        [(V, H), (H, 3 * H), (H, 3 * H), (3 * H,), (H, 3 * H), (H, V), (V,)],
        [(V, 0), (0, 0), (10**9, 0), (0,), (0, V), (V,)],
        [(V, H), (H, 20), (5, 20), (20,), (5, 24), (6, 24), (24,), (6, V), (V,)],
    ],
    ids=str,
)  # fmt: skip
def test_tensors_of_no_language_model(shapes):
    weight_files.write("other.pkl", {str(i): numpy.full(shape, i, "f") for i, shape in enumerate(shapes)})
    with pytest.raises(FileFormatError, match=r"other\.pkl"):
        read_language_model("other.pkl")


@pytest.mark.parametrize("read", [read_language_model, lambda path: read_rnnlm(path, Rnnlm)])
@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("[" * 50_000, "not sound JSON: JSON is nested too deeply"),
        (json.dumps([f"w{i}" for i in range(V - 1)]), "has 29 words, the model 30"),
        ("[]", "has 0 words, the model 30"),
    ],
)
def test_vocabularies_of_no_use(read, ending, words, reason):
    tensors, _ = weight_files.read(Rnnlm(V, 5, 7, rng=0).save_params("bare.npz"))
    path = weight_files.write(f"m.{ending}", tensors, metadata={"id_to_word": words})
    with pytest.raises(FileFormatError, match=rf"m\.{ending}.* its vocabulary .*{reason}"):
        read(path)


def test_weights_beyond_the_models_dtype():
    tensors, _ = weight_files.read(Rnnlm(V, 5, 7, rng=0).save_params("bare.npz"))
    tensors["layers.0.W"] = tensors["layers.0.W"].astype("d") * 1e300
    numpy.savez("m.npz", **tensors)
    with pytest.raises(FileFormatError, match=r"m\.npz.* tensor \(30, 5\): .* too large for float32"):
        read_language_model("m.npz")


def test_other_files():
    weight_files.write("named.npz", {"W": numpy.ones((3, 2)), "layers.1.Wx": numpy.ones((2, 8))})
    with pytest.raises(FileFormatError, match=r"named\.npz: these are not the tensors of a language model"):
        read_language_model("named.npz")
    with pytest.raises(FileNotFoundError):
        read_language_model("nowhere.npz")
