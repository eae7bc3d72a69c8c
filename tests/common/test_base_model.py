import pickle
from pathlib import Path

import numpy
import pytest

from common import weight_files
from common.base_model import BaseModel
from common.files import FileFormatError
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

    def test_the_first_tensor_that_is_missing(self):
        weight_files.write("w.npz", {"embed.W": numpy.ones((5, 3), "f")})
        self.check(Lm(), r"1 tensors, but Lm has 5 and misses lstm.Wx \(3, 12\)")

    def test_a_tensor_that_is_not_known(self):
        Lm(tied=False).save_params("w.npz")
        self.check(Lm(tied=True), r"tensor affine.W \(3, 5\) has no place in Lm")

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
