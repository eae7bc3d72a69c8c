import copy
import os
import pickle
import re
import warnings
from pathlib import Path

import numpy
import pytest

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common import weight_files
from common.base_model import BaseModel
from common.files import FileFormatError
from common.model_arguments import NotKept
from common.np import np
from common.time_layers import TimeAffine, TimeEmbedding, TimeLSTM


class Lm(BaseModel):
    """Embedding, LSTM and an affine layer with its own weight or, tied, the embedding's."""

    def __init__(self, seed=0, tied=True, V=5, H=3, dtype="f"):
        rng = numpy.random.default_rng(seed)

        def normal(*shape):
            return rng.standard_normal(shape).astype(dtype)

        W = normal(V, H)
        self.embed_layer = TimeEmbedding(W)
        self.lstm_layer = TimeLSTM(normal(H, 4 * H), normal(H, 4 * H), normal(4 * H))
        self.affine_layer = TimeAffine(W.T if tied else normal(H, V), normal(V))
        self.params = self.embed_layer.params + self.lstm_layer.params + self.affine_layer.params


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def assert_same_weights(model, other, rtol=0.0):
    for p, q in zip(model.params, other.params, strict=True):
        numpy.testing.assert_allclose(p, q, rtol=rtol)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w", Path("w.npz")])
def test_named_files_give_back_every_bit(name, tied):
    if str(name).endswith(".safetensors"):
        pytest.importorskip("safetensors", reason="needs the package safetensors")
    model, other = Lm(0, tied), Lm(1, tied)
    model.save_params(name)
    other.load_params(name)
    assert_same_weights(model, other)


@pytest.mark.parametrize("tied", [True, False])
def test_pkl_is_the_books_list_with_float16(tied):
    model, other = Lm(0, tied), Lm(1, tied)
    path = model.save_params("w.pkl")
    content = pickle.loads(path.read_bytes())
    assert type(content) is list and {array.dtype for array in content} == {numpy.dtype("f2")}
    for array, param in zip(content, model.params, strict=True):  # a tied weight once for each use
        numpy.testing.assert_array_equal(array, param.astype("f2"))
    other.load_params("w.pkl")
    assert_same_weights(model, other, rtol=1e-3)
    assert {p.dtype for p in other.params} == {numpy.dtype("f")}


def test_a_pkl_of_the_books_code_can_be_loaded():
    model, other = Lm(0), Lm(1)
    with Path("w.pkl").open("wb") as file:
        pickle.dump([param.astype(numpy.float16) for param in model.params], file)
    other.load_params("w.pkl")
    assert_same_weights(model, other, rtol=1e-3)


def test_names_in_the_file():
    tensors, _ = weight_files.read(Lm().save_params("w.npz"))
    assert list(tensors) == ["embed.W", "lstm.Wx", "lstm.Wh", "lstm.b", "affine.b"]  # tied: once
    tensors, _ = weight_files.read(Lm(tied=False).save_params("w.npz"))
    assert list(tensors)[4:] == ["affine.W", "affine.b"]


def test_the_default_is_the_name_of_the_class():
    model, other = Lm(0), Lm(1)
    assert model.save_params() == Path("Lm.npz") and Path("Lm.npz").exists()
    other.load_params()
    assert_same_weights(model, other)


def test_without_a_name_the_books_file_is_found_too():
    model, other = Lm(0), Lm(1)
    model.save_params("Lm.pkl")
    other.load_params()
    assert_same_weights(model, other, rtol=1e-3)


def test_weights_are_copied_into_the_arrays_that_layers_use():
    model, other = Lm(0), Lm(1)
    model.save_params("w.npz")
    before = list(other.params)
    other.load_params("w.npz")
    assert all(p is q for p, q in zip(before, other.params, strict=True))
    numpy.testing.assert_array_equal(other.affine_layer.params[0], model.embed_layer.params[0].T)


def test_the_dtype_of_the_model_stays():
    Lm(0).save_params("w.npz")
    other = Lm(1, dtype="d")
    other.load_params("w.npz")
    assert {p.dtype for p in other.params} == {numpy.dtype("d")}
    assert_same_weights(Lm(0), other)


class OtherLm(BaseModel):
    """A reader's model of the same layers, called by other names, with its params in the same order."""

    def __init__(self, seed=0, tied=True):
        made = Lm(seed, tied)
        self.words, self.memory, self.out = made.embed_layer, made.lstm_layer, made.affine_layer
        self.params = made.params


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_tensors_of_other_names_go_by_their_order(name, tied):
    model, other = OtherLm(0, tied), Lm(1, tied)
    assert next(iter(weight_files.read(model.save_params(name))[0])) == "words.W"
    other.load_params(name)
    assert_same_weights(model, other)


def test_some_names_may_be_the_same():
    tensors, _ = weight_files.read(Lm(0).save_params("w.npz"))
    renamed = {"word.W" if name == "embed.W" else name: tensor for name, tensor in tensors.items()}
    weight_files.write("w.npz", renamed)
    other = Lm(1)
    other.load_params("w.npz")
    assert_same_weights(Lm(0), other)


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_the_order_in_a_file_is_that_of_params(name):
    model = Lm(tied=False)
    model.params[2] = model.lstm_layer.params[1] = model.params[2].astype("d")  # .safetensors has wide elements first
    tensors, _ = weight_files.read(model.save_params(name))
    assert all(map(numpy.array_equal, tensors.values(), model.params))


class TestNewerFileOfAnotherEnding:
    """save_params() writes Lm.npz, the book's scripts read Lm.pkl: an older one must not be taken without a word."""

    def save(self, model, name, second):
        os.utime(model.save_params(name), (second, second))

    def test_the_older_one_is_taken_with_a_warning(self):
        self.save(Lm(0), "Lm.pkl", 1000)
        self.save(Lm(1), "Lm.npz", 2000)
        model = Lm(2)
        expected = r"Lm: the weights are those of Lm\.pkl, but Lm\.npz beside it is newer; load_params\('Lm\.npz'\)"
        with pytest.warns(UserWarning, match=expected) as caught:
            model.load_params("Lm.pkl")
        assert caught[0].filename == __file__
        assert_same_weights(Lm(0), model, rtol=1e-3)

    def test_the_newest_one_is_taken_without(self):
        self.save(Lm(0), "Lm.pkl", 1000)
        self.save(Lm(1), "Lm.npz", 2000)
        self.save(Lm(1), "Other.safetensors", 3000)
        model = Lm(2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name in (None, "Lm.npz", "Lm"):
                model.load_params(name)
        assert_same_weights(Lm(1), model)


def test_uses_of_one_weight_must_not_differ(tmp_path):
    """The weights of an untied model in the book's format have as many tensors, of the same shapes."""
    path = Lm(0, tied=False).save_params(tmp_path / "untied.pkl")
    model = Lm(1)
    with pytest.raises(FileFormatError, match=r"untied\.pkl.* 0 and \d are one shared weight of Lm, but differ"):
        model.load_params(path)
    assert_same_weights(Lm(1), model)


@pytest.mark.parametrize("params", [None, {"W": numpy.ones(3)}, [None, None]], ids=str)
def test_params_of_ones_own_kind_may_be_copied(params):
    model = BaseModel()
    model.params = params
    for made in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert str(made.params) == str(params)


def test_a_tied_weight_with_a_single_column(tmp_path):
    """(V, 1) and its transpose differ in nothing but the shape."""
    model, other = BetterRnnlm(7, 1, 1, layers=1, rng=0), BetterRnnlm(7, 1, 1, layers=1, rng=1)
    other.load_params(model.save_params(tmp_path / "w.pkl"))
    assert_same_weights(model, other, rtol=1e-3)


def make_copy(model):
    return copy.deepcopy(model)


def make_pickle(model):
    return pickle.loads(pickle.dumps(model))


copies = pytest.mark.parametrize("make", [make_copy, make_pickle])


class TestCopies:
    @copies
    def test_a_shared_weight_stays_one(self, make):
        model = Lm(0)
        made = make(model)
        assert_same_weights(model, made)
        made.params[0][...] = 7
        assert (made.params[-2] == 7).all() and (made.affine_layer.params[0] == 7).all()
        assert made.params[-2].shape == (3, 5) and (model.params[0] != 7).all()

    @copies
    def test_a_weight_that_two_models_inside_share(self, make):
        for backwards in (False, True):
            made = make(Pair(Lm(0), Lm(1), backwards))
            made.first.params[0][...] = 7
            for model in (made, made.first, made.second):
                uses = [param for param in model.params if param.size == 15]
                assert len(uses) == (4 if model is made else 2) and all((param == 7).all() for param in uses)
            for model in (made.first, made.second):
                assert model.params[0].shape == model.embed_layer.params[0].shape == (5, 3)
                assert model.params[-2].shape == model.affine_layer.params[0].shape == (3, 5)
                assert (model.affine_layer.params[0] == 7).all()

    @copies
    def test_gpu(self, make, gpu):
        made = make(BetterRnnlm(5, 3, 3))
        made.params[0][...] = 7
        assert isinstance(made.params[-2], np.ndarray) and bool((made.params[-2] == 7).all())

    @copies
    def test_weights_that_are_not_shared_stay_apart(self, make):
        made = make(Lm(0, tied=False))
        made.params[0][...] = 7
        assert (made.params[-2] != 7).all()

    def test_a_shallow_copy_leaves_the_original_as_it_is(self):
        model = Lm(0)
        before = list(model.params)
        copied = copy.copy(model)
        assert copied.params is model.params and all(map(lambda p, q: p is q, before, model.params))

    @copies
    def test_a_model_before_it_has_weights(self, make):
        assert vars(make(BaseModel())).keys() == {"_made_with"}

    def test_arguments_that_no_pickle_holds(self):
        model = make_pickle(Configured(numpy.ones(3), activation=lambda x: x, width=3))
        assert model.width == 3
        with pytest.raises(TypeError, match="Configured: its argument table, a ndarray, has no place in a folder"):
            model.save("m")

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_all_protocols_of_pickle(self, protocol):
        model = Rnnlm(5, 3, 4, rng=numpy.random.default_rng(0), dtype=numpy.float64)
        made = pickle.loads(pickle.dumps(model, protocol))
        assert_same_weights(model, made)
        assert made.saved_arguments() == {"vocab_size": 5, "wordvec_size": 3, "hidden_size": 4, "dtype": numpy.float64}
        assert made._made_with.kwargs["rng"] == model._made_with.kwargs["rng"] == NotKept("Generator")

    def test_a_pickled_model_can_be_saved(self):
        model = make_pickle(Configured(dtype=numpy.float32, width=4))
        assert model.saved_arguments() == {"dtype": numpy.float32, "width": 4}
        assert Configured.load(model.save("m")).width == 4


def test_a_copy_ties_weights_wherever_they_are():
    class Tied(BaseModel):
        def __init__(self):
            W = numpy.zeros((3, 2))
            self.params, self.grads = [W, W.T], [W.copy(), W.T.copy()]
            self.out = self.params[1]
            self.by_name = {"out": self.out}

    made = copy.deepcopy(Tied())
    made.params[0][...] = 5
    assert made.out.min() == made.by_name["out"].min() == made.params[1].min() == 5


class Pair(BaseModel):
    """Two models with one embedding."""

    def __init__(self, first, second, backwards):
        W = first.params[0]
        second.params[0] = second.embed_layer.params[0] = W[...]
        second.params[-2] = second.affine_layer.params[0] = W.T
        self.first, self.second = first, second
        self.params = (first.params + second.params)[:: -1 if backwards else 1]


class Configured(BaseModel):
    """A model that keeps nothing of some of its arguments."""

    def __init__(self, table=None, activation=None, width=2, dtype="f"):
        self.width = width
        self.params = self.grads = [numpy.ones(width, dtype)]


class TestRefused:
    def check(self, model, message, name="w.npz"):
        before = [p.copy() for p in model.params]
        with pytest.raises(FileFormatError, match=message) as caught:
            model.load_params(name)
        assert name in str(caught.value)
        for p, q in zip(before, model.params, strict=True):
            numpy.testing.assert_array_equal(p, q)

    def test_another_shape(self):
        Lm(V=4).save_params("w.npz")
        self.check(Lm(), r"embed.W: Lm expects the shape \(5, 3\), the file has \(4, 3\)")

    def test_a_shape_that_would_broadcast(self):
        tensors, _ = weight_files.read(Lm().save_params("w.npz"))
        weight_files.write("w.npz", {**tensors, "affine.b": numpy.ones(1, "f")})
        self.check(Lm(), r"affine.b: Lm expects the shape \(5,\), the file has \(1,\)")

    def test_as_many_numbers_in_another_shape(self):
        tensors, _ = weight_files.read(Lm().save_params("w.npz"))
        weight_files.write("w.npz", {**tensors, "lstm.Wx": tensors["lstm.Wx"].T})
        self.check(Lm(), r"lstm.Wx: Lm expects the shape \(3, 12\), the file has \(12, 3\)")

    def test_the_first_tensor_that_is_missing(self):
        weight_files.write("w.npz", {"embed.W": numpy.ones((5, 3), "f")})
        self.check(Lm(), r"1 tensors, but Lm has 5 and misses lstm.Wx \(3, 12\)")

    def test_a_tensor_that_is_not_known(self):
        Lm(tied=False).save_params("w.npz")
        self.check(Lm(tied=True), r"tensor affine.W \(3, 5\) has no place in Lm")

    def test_known_names_in_another_order_than_the_unknown(self):
        tensors, _ = weight_files.read(Lm().save_params("w.npz"))
        names = {"embed.W": "embed.W", "lstm.Wx": "lstm.Wh", "lstm.Wh": "mine.Wh"}  # one of ours in another's place
        weight_files.write("w.npz", {names.get(name, name): tensor for name, tensor in tensors.items()})
        self.check(Lm(), r"5 tensors, but Lm has 5 and misses lstm.Wx \(3, 12\)")

    def test_other_names_and_another_shape(self):
        OtherLm(tied=False).save_params("w.npz")
        self.check(Lm(tied=False, V=6), r"6 tensors, but Lm has 6 and misses embed.W \(6, 3\)")

    def test_a_pkl_with_another_number_of_arrays(self):
        weight_files.write("w.pkl", {str(i): p for i, p in enumerate(Lm().params[:-1])})
        self.check(Lm(), "w.pkl: has 5 tensors, Lm has 6$", "w.pkl")

    def test_no_file(self):
        for name in (None, "w.npz", "w.pkl", Path("w.npz").absolute()):
            with pytest.raises(FileNotFoundError, match=r"\.npz|\.pkl"):
                Lm().load_params(name)

    def test_weights_that_are_not_finite_are_not_saved(self):
        model = Lm()
        model.save_params("w.npz")
        before = Path("w.npz").read_bytes()
        model.params[2][0, 0] = numpy.nan
        with pytest.raises(ValueError, match=r"lstm\.Wh"):
            model.save_params("w.npz")
        assert Path("w.npz").read_bytes() == before

    def test_weights_too_large_for_float16_are_not_saved_as_such(self):
        model = Lm()
        model.params[0][0, 0] = 70000
        with pytest.raises(ValueError, match="float16"):
            model.save_params("w.pkl")
        assert not Path("w.pkl").exists()


@pytest.mark.parametrize("name", ["w", "w.pickle", "best_75.76"])
def test_a_file_with_another_ending(name, folder):
    Path(name).write_bytes(b"weights")
    message = rf"there is no file .*{re.escape(name)}\.npz .*; {re.escape(name)} would have to end in \.npz, \.safe"
    with pytest.raises(FileNotFoundError, match=message):
        Lm().load_params(name)


def test_numbers_too_large_for_the_model(folder):
    model = Lm()
    before = [param.copy() for param in model.params]
    wide = Lm(dtype="d")
    wide.params[1][0, 0] = 1e300
    wide.save_params("wide.npz")
    with pytest.raises(FileFormatError, match=r"wide\.npz: tensor .*too large for float32"):
        model.load_params("wide.npz")
    assert_same_weights(model, Lm())
    assert all((a == b).all() for a, b in zip(model.params, before, strict=True))
