import errno
import hashlib
import importlib
import json
import pickle
import sys
from pathlib import Path

import numpy
import pytest
from memory import peak
from small_trainings import TiedLanguageModel

import ch06
from ch01.two_layer_net import TwoLayerNet
from ch03.simple_cbow import SimpleCBOW
from ch03.simple_skip_gram import SimpleSkipGram
from ch04.cbow import CBOW
from ch04.glove import GloVe
from ch04.skip_gram import SkipGram
from ch05.simple_rnnlm import SimpleRnnlm
from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07.peeky_seq2seq import PeekySeq2seq
from ch07.seq2seq import Seq2seq
from ch08.attention_seq2seq import AttentionSeq2seq
from ch08.deep_seq2seq import DeepSeq2seq
from common import config, files, model_folder
from common.base_model import BaseModel
from common.files import FileFormatError
from common.np import np, to_cpu
from common.object_tree import generators

WORDS = dict(enumerate(["you", "say", "goodbye", "안녕", "こんにちは", "."]))
IDS = numpy.array([[0, 1, 2], [3, 4, 5]])

MODELS = {
    "TwoLayerNet": (lambda: TwoLayerNet(2, 4, 3), numpy.ones((2, 2), "f")),
    "Rnnlm": (lambda: Rnnlm(6, wordvec_size=4, hidden_size=5), IDS),
    "BetterRnnlm": (lambda: BetterRnnlm(6, 5, 5, dropout_ratio=0.25, layers=1, cell="gru"), IDS),
    "float64": (lambda: Rnnlm(6, 4, 5, dtype="d"), IDS),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_predicts_the_same(name, tmp_path):
    make, x = MODELS[name]
    model = make()
    loaded = BaseModel.load(model.save(tmp_path / "m"))
    assert type(loaded) is type(model) and [p.dtype for p in loaded.params] == [p.dtype for p in model.params]
    numpy.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_the_vocabularies_are_always_there(tmp_path):
    model = Rnnlm(6, 4, 5)
    for given, expected in (({}, {}), ({"id_to_word": WORDS}, {"id_to_word": list(WORDS.values())})):
        assert json.loads((model.save(tmp_path / "m", **given) / "vocab.json").read_text(encoding="utf-8")) == expected


EVERY = [
    lambda: TwoLayerNet(2, 40, 3),
    lambda: SimpleCBOW(2, 1, context_size=50),
    lambda: SimpleSkipGram(30, 2),
    lambda: CBOW(6, 4, 2, numpy.arange(6), sample_size=300),
    lambda: SkipGram(6, 4, 200, numpy.arange(6)),
    lambda: GloVe(3, 2, x_max=10_000),
    lambda: SimpleRnnlm(6, 1, 50),
    lambda: Rnnlm(6, 50, 1),
    lambda: BetterRnnlm(6, 2, 2, layers=9, cell="peephole", variational=True),
    lambda: AwdLstm(6, 4, 30, layers=4),
    lambda: Seq2seq(6, 4, 5, target_size=90),
    lambda: PeekySeq2seq(90, 4, 5, target_size=6),
    lambda: AttentionSeq2seq(6, 4, 5),
    lambda: DeepSeq2seq(6, 4, 6, layers=5, score="additive"),
    lambda: Rnnlm(1500, 800, 1, dtype="f2"),  # more numbers than may be drawn beside those of the file
]


@pytest.mark.parametrize("make", EVERY)
def test_every_model_of_any_proportions(make, tmp_path):
    model = make()
    loaded = BaseModel.load(model.save(tmp_path / "m"))
    assert type(loaded) is type(model) and all(map(numpy.array_equal, loaded.params, model.params))
    for rng in generators(loaded).values():
        rng.random(10**7)  # goes on drawing
        assert type(pickle.loads(pickle.dumps(rng))) is numpy.random.Generator


def test_a_loaded_model_generates_at_once(tmp_path):
    model = Seq2seq(6, 4, 5, rng=0)
    model.save(tmp_path / "m", id_to_char=WORDS, target_id_to_char=WORDS)
    loaded = Seq2seq.load(tmp_path / "m")
    assert loaded.generate(IDS[:1], 0, 4) == model.generate(IDS[:1], 0, 4)
    assert loaded.id_to_char == loaded.target_id_to_char == WORDS and loaded.target_char_to_id["안녕"] == 3


def test_vocabulary_and_format(tmp_path):
    model = Rnnlm(6, 4, 5)
    path = model.save(tmp_path / "deep" / "folder", id_to_word=WORDS)
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "vocab.json", "weights.npz"]
    assert json.loads((path / "config.json").read_text(encoding="utf-8")) == {
        "format_version": 1,
        "module": "ch06.rnnlm",
        "class": "Rnnlm",
        "arguments": {"vocab_size": 6, "wordvec_size": 4, "hidden_size": 5},
        "checksums": {
            name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in ("weights.npz", "vocab.json")
        },
    }
    loaded = BaseModel.load(path)
    assert loaded.id_to_word == WORDS and loaded.word_to_id == {word: i for i, word in WORDS.items()}


def test_numbers_of_numpy_as_arguments(tmp_path):
    model = BetterRnnlm(numpy.arange(6).max() + 1, 5, numpy.int32(5), numpy.float32(0.1))
    loaded = BaseModel.load(model.save(tmp_path / "m"))
    assert all(map(numpy.array_equal, loaded.params, model.params))


@pytest.mark.parametrize("kind", [CBOW, SkipGram])
def test_word2vec_keeps_the_counts_and_not_the_text(kind, tmp_path):
    text = numpy.random.default_rng(0).integers(0, 5, 500)
    for model in (kind(6, 4, 2, text), kind(6, 4, 2, corpus=text, power=0.5, sample_size=3)):
        loaded = BaseModel.load(model.save(tmp_path / "m", id_to_word=WORDS))
        again = BaseModel.load(loaded.save(tmp_path / "again"))  # a loaded model can be saved, too
        assert (tmp_path / "m" / "config.json").stat().st_size < 1000
        for one in (loaded, again):
            assert all(map(numpy.array_equal, one.params, model.params))
            assert (one.ns_loss.sampler.word_p == model.ns_loss.sampler.word_p).all()
            assert one.ns_loss.sampler.sample_size == model.ns_loss.sampler.sample_size
            one.forward(numpy.array([[0, 1]]), numpy.array([2]))
            one.backward()


def test_shared_weights_stay_shared(tmp_path):
    loaded = BetterRnnlm.load(BetterRnnlm(6, 5, 5).save(tmp_path / "m"))
    assert numpy.shares_memory(loaded.params[0], loaded.params[-2])


def test_loading_draws_nothing_from_the_global_generator(tmp_path):
    Rnnlm(6, 4, 5).save(tmp_path / "m")
    before = numpy.random.get_state()[1].copy()  # noqa: NPY002
    BaseModel.load(tmp_path / "m")
    assert (numpy.random.get_state()[1] == before).all()  # noqa: NPY002


def test_from_the_gpu_to_the_cpu_and_back(tmp_path, gpu):
    model = Rnnlm(6, 4, 5)
    expected = to_cpu(model.predict(np.asarray(IDS)))
    model.save(tmp_path / "m")
    config.GPU = False
    numpy.testing.assert_allclose(BaseModel.load(tmp_path / "m").predict(IDS), expected, rtol=1e-5)
    config.GPU = True
    numpy.testing.assert_array_equal(to_cpu(BaseModel.load(tmp_path / "m").predict(np.asarray(IDS))), expected)


class Mine(Rnnlm):
    """A reader's model, which has more than ours."""


class TestClass:
    def test_a_derived_class_loads_what_its_base_saved(self, tmp_path):
        Rnnlm(6, 4, 5).save(tmp_path / "m")
        assert type(Mine.load(tmp_path / "m")) is Mine

    def test_a_reader_s_class_is_found_only_through_itself(self, tmp_path):
        Mine(6, 4, 5).save(tmp_path / "m")
        assert type(Mine.load(tmp_path / "m")) is Mine
        with pytest.raises(FileFormatError, match=r"config\.json: its class Mine of .*is not this library's"):
            BaseModel.load(tmp_path / "m")

    def test_a_class_imported_inside_the_chapters_folder(self, tmp_path, monkeypatch):
        """``from rnnlm import Rnnlm`` is another class object than that of ch06, but the same model."""
        monkeypatch.syspath_prepend(str(Path(ch06.__file__).parent))
        monkeypatch.delitem(sys.modules, "rnnlm", raising=False)
        other = importlib.import_module("rnnlm").Rnnlm
        assert other is not Rnnlm
        Rnnlm(6, 4, 5).save(tmp_path / "full")
        other(6, 4, 5).save(tmp_path / "bare")
        assert type(other.load(tmp_path / "full")) is other
        assert type(Rnnlm.load(tmp_path / "bare")) is type(BaseModel.load(tmp_path / "bare")) is Rnnlm
        monkeypatch.delitem(sys.modules, "rnnlm")

    def test_another_kind(self, tmp_path):
        TwoLayerNet(2, 4, 3).save(tmp_path / "m")
        with pytest.raises(FileFormatError, match=r"expected .* Rnnlm, not TwoLayerNet of ch01\.two_layer_net"):
            Rnnlm.load(tmp_path / "m")


class TestOverwriting:
    """An existing folder holds one model, the old or the new one, or says that it does not."""

    @pytest.fixture
    def old(self, tmp_path):
        model = Rnnlm(6, 4, 5, rng=0)
        model.save(tmp_path / "m", id_to_word=WORDS)
        return model

    @pytest.mark.parametrize("full", [0, 2, 4])  # after each file its folder is synchronized
    def test_a_full_disk_leaves_the_old_one(self, tmp_path, old, full, monkeypatch):
        real, calls = files.os.fsync, iter(range(100))

        def fsync(descriptor):
            if next(calls) == full:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(files.os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            Rnnlm(6, 4, 5, rng=1).save(tmp_path / "m", id_to_word=dict(enumerate("abcdef")))
        monkeypatch.undo()
        assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["config.json", "vocab.json", "weights.npz"]
        loaded = BaseModel.load(tmp_path / "m")
        assert loaded.id_to_word == WORDS and numpy.array_equal(loaded.params[0], old.params[0])

    @pytest.mark.parametrize("file", ["weights.npz", "vocab.json"])
    def test_files_of_two_models(self, tmp_path, old, file):
        other = Rnnlm(6, 4, 5, rng=1).save(tmp_path / "other", id_to_word=dict(enumerate("abcdef")))
        (other / file).replace(tmp_path / "m" / file)
        with pytest.raises(FileFormatError, match=rf"{file}: it is not the file that config\.json was written with"):
            BaseModel.load(tmp_path / "m")

    def test_other_line_ends(self, tmp_path, old):
        path = tmp_path / "m" / "vocab.json"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        with pytest.raises(FileFormatError, match=r"vocab\.json: it is not the file .* has changed the line ends"):
            BaseModel.load(tmp_path / "m")

    def test_a_folder_of_before_there_were_checksums(self, tmp_path, old):
        path = tmp_path / "m" / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["checksums"]
        path.write_text(json.dumps(content), encoding="utf-8")
        assert BaseModel.load(tmp_path / "m").id_to_word == WORDS


class TestNoFolder:
    def test_to_load_from(self, tmp_path):
        (tmp_path / "m.zip").touch()
        with pytest.raises(FileFormatError, match=r"m\.zip: this is a file, expected the folder that a model"):
            BaseModel.load(tmp_path / "m.zip")
        with pytest.raises(FileNotFoundError, match="nothing: there is no such folder"):
            BaseModel.load(tmp_path / "nothing")
        with pytest.raises(FileNotFoundError, match=r"there is no model in this folder, it lacks config\.json"):
            BaseModel.load(tmp_path)

    def test_to_save_to(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "m.npz").touch()
        with pytest.raises(FileExistsError, match=r"m\.npz: this is a file, expected a folder to save the model in"):
            Rnnlm(6, 4, 5).save("m.npz")
        with pytest.raises(ValueError, match="save: expected the name of a folder, got ''"):
            Rnnlm(6, 4, 5).save("")
        assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        return Rnnlm(6, 4, 5).save(tmp_path / "m", id_to_word=WORDS)

    def change(self, folder, file, **values):
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps({**content, **values}), encoding="utf-8")

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"format_version": 2}, "format version 2, this program reads version 1"),
            ({"module": "os", "class": "system"}, "not this library's"),
            ({"module": "common.files", "class": "Path"}, "has no model Path"),
            ({"module": "ch06.rnnlm.x"}, "not this library's"),
            ({"checksums": [1]}, "checksums are no dictionary"),
            ({"module": 3}, "it lacks module, class or arguments"),
            ({"arguments": {"size": 3}}, "Rnnlm cannot be made with"),
            ({"arguments": {"vocab_size": -3}}, "Rnnlm cannot be made with"),
            ({"arguments": {"vocab_size": 10**9}}, r"config\.json: .*: vocab_size is too large for the .* bytes of"),
            ({"arguments": {"vocab_size": 2**70}}, r"config\.json: .*: vocab_size is too large"),
            ({"arguments": {"hidden_size": 9999, "wordvec_size": 9999}}, "more weights than weights.npz has"),
            ({"class": "BetterRnnlm", "module": "ch06.better_rnnlm", "arguments": {"layers": 10**8}}, "layers is too"),
            ({"arguments": {"dtype": "O"}}, r"config\.json: .*dtype must be float16, float32 or float64, not 'O'"),
            ({"arguments": {"dtype": "i4"}}, r"config\.json: .*dtype must be float16"),
            ({"class": "BaseModel", "module": "common.base_model", "arguments": {}}, r"config\.json: .*has no weights"),
            ({"arguments": {"vocab_size": 6, "wordvec_size": 4, "hidden_size": 7}}, r"weights\.npz: .*expects"),
        ],
    )
    def test_configuration(self, folder, values, message):
        self.change(folder, "config.json", **values)
        with pytest.raises(FileFormatError, match=message):
            BaseModel.load(folder)

    @pytest.mark.parametrize("values", [{"id_to_word": ["a", 1]}, {"id_to_word": "a"}, {"predict": ["a"]}, {"": []}])
    def test_vocabulary(self, folder, values):
        self.change(folder, "vocab.json", **values)
        with pytest.raises(FileFormatError, match=r"vocab\.json: .* is no list of words named id_to_"):
            BaseModel.load(folder)

    def test_memory(self, folder):
        self.change(folder, "config.json", arguments={"vocab_size": 9000, "wordvec_size": 9000, "hidden_size": 4})
        worst, error = peak(BaseModel.load, folder)
        assert worst < 1 << 20 and "more weights than" in str(error)

    def test_the_vocabulary_of_a_default_size(self, tmp_path):
        class Small(Rnnlm):
            def __init__(self, vocab_size=3, *, rng=None):
                super().__init__(vocab_size, 2, 2, rng=rng)

        with pytest.raises(ValueError, match="id_to_word: Small has 3 words there, the vocabulary 6"):
            Small().save(tmp_path / "small", id_to_word=WORDS)

    @pytest.mark.parametrize(
        ("words", "message"),
        [("abcdea", "expected each word once, but 'a' is there 2 times"), ("abc", "Rnnlm has 6 words there, .* 3")],
    )
    def test_a_vocabulary_of_another_model_without_checksums(self, folder, words, message):
        self.change(folder, "config.json", checksums={})
        self.change(folder, "vocab.json", id_to_word=list(words))
        with pytest.raises(FileFormatError, match=rf"vocab\.json: id_to_word: {message}"):
            BaseModel.load(folder)

    @pytest.mark.parametrize("file", ["config.json", "vocab.json"])
    @pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000])
    def test_no_json(self, folder, file, content):
        (folder / file).write_bytes(content)
        with pytest.raises(FileFormatError, match=file):
            BaseModel.load(folder)

    @pytest.mark.parametrize("file", [model_folder.CONFIG, model_folder.VOCABULARY, model_folder.WEIGHTS])
    def test_a_missing_file(self, folder, file):
        (folder / file).unlink()
        with pytest.raises(FileNotFoundError, match=file):
            BaseModel.load(folder)


class TestSaveMisused:
    def test_arguments_that_have_no_place(self, tmp_path):
        class Odd(BaseModel):
            def __init__(self, table):
                self.params = self.grads = []

        with pytest.raises(TypeError, match="Odd: its argument table, a ndarray, has no place in a folder"):
            Odd(numpy.zeros(3)).save(tmp_path / "m")
        assert not (tmp_path / "m").exists()

    @pytest.mark.parametrize(
        ("name", "table", "message"),
        [("words", {0: "a"}, "called id_to_word or the like, not words"), ("id_to_word", {1: "a"}, "ids from 0 to 0")],
    )
    def test_vocabulary(self, name, table, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            Rnnlm(6, 4, 5).save(tmp_path / "m", **{name: table})

    @pytest.mark.parametrize(
        ("words", "error", "message"),
        [
            ("abcde", ValueError, "id_to_word: Rnnlm has 6 words there, the vocabulary 5"),
            ("abcdeb", ValueError, "id_to_word: expected each word once, but 'b' is there 2 times"),
            (range(6), TypeError, "id_to_word: words must be text, not int, such as 0"),
            ("abcde\ud800", ValueError, r"id_to_word: the word .\\ud800. has half a surrogate pair"),
        ],
    )
    def test_words_that_are_not_the_models(self, words, error, message, tmp_path):
        with pytest.raises(error, match=message):
            Rnnlm(6, 4, 5).save(tmp_path / "m", id_to_word=dict(enumerate(words)))
        assert not (tmp_path / "m").exists()

    @pytest.mark.parametrize("size", [None, 4])
    def test_words_of_the_answers(self, size, tmp_path):
        model = Seq2seq(6, 4, 5, target_size=size)
        model.save(tmp_path / "m", id_to_char=WORDS, target_id_to_char=dict(enumerate("abcdef"[:size])))
        with pytest.raises(ValueError, match=r"target_id_to_char: Seq2seq has . words there, the vocabulary 5"):
            model.save(tmp_path / "m", target_id_to_char=dict(enumerate("abcde")))

    def test_weights_that_are_not_finite(self, tmp_path):
        model = Rnnlm(6, 4, 5)
        model.params[0][0] = numpy.nan
        with pytest.raises(ValueError, match=r"layers\.0\.W.*not finite"):
            model.save(tmp_path / "m")


def test_half_precision_on_request(tmp_path):
    model = TiedLanguageModel(0)
    small = model.save_params(tmp_path / "half.npz", half=True).stat().st_size
    assert small < model.save_params(tmp_path / "full.npz").stat().st_size
    before = [param.copy() for param in model.params]
    model.load_params(tmp_path / "half.npz")
    assert all(numpy.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(model.params, before, strict=True))
    model.params[0][0] = 1e5
    with pytest.raises(ValueError, match=r"layers\.0\.W.*float16"):
        model.save_params(tmp_path / "half.npz", half=True)


def test_a_large_number_of_a_class_of_ones_own_is_its_own_business(tmp_path):
    class Mine(BaseModel):
        def __init__(self, width, seed=0):
            self.params, self.grads = [numpy.zeros(width, "f")], [numpy.zeros(width, "f")]

    Mine(3, seed=20241105).save(tmp_path / "mine")
    assert len(Mine.load(tmp_path / "mine").params[0]) == 3
