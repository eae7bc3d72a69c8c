import functools
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

import ch07
from ch08.answerer import MODELS
from common.base_model import BaseModel
from common.model_tree import evaluation_mode, layers
from common.own_models import copy_sharing_weights, is_own
from common.time_layers import TimeDropout, TimeEmbedding


class OwnEmbedding(TimeEmbedding):
    pass


class TestOwn:
    @pytest.mark.parametrize("kind", sorted(MODELS))
    def test_the_librarys_models_are(self, kind):
        assert is_own(MODELS[kind](5, 3, 4, rng=0))

    def test_anything_of_a_users_is_not(self):
        class OwnModel(MODELS["seq2seq"]):
            pass

        assert not is_own(OwnModel(5, 3, 4, rng=0))
        for name in ("encoder", "decoder"):
            model = MODELS["attention"](5, 3, 4, rng=0)
            half = getattr(model, name)
            half.embed = OwnEmbedding(*half.embed.params)
            assert not is_own(model)
        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        model.decoder.affine.forward = lambda x: x
        assert not is_own(model)

    def test_so_are_those_imported_inside_the_chapters_folder(self, monkeypatch):
        monkeypatch.syspath_prepend(str(Path(ch07.__file__).parent))
        monkeypatch.delitem(sys.modules, "seq2seq", raising=False)
        other = importlib.import_module("seq2seq").Seq2seq
        assert other is not MODELS["seq2seq"] and is_own(other(5, 3, 4, rng=0))
        monkeypatch.delitem(sys.modules, "seq2seq")

    def test_nor_is_a_class_of_a_users_in_a_folder_of_ours_or_a_layer_without_params(self, monkeypatch):
        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        monkeypatch.setattr(OwnEmbedding, "__module__", "ch07.my_model")
        model.encoder.embed = OwnEmbedding(*model.encoder.embed.params)
        assert not is_own(model)
        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        model.decoder.affine = SimpleNamespace(forward=None)
        assert is_own(model.encoder) and not is_own(model)

    @pytest.mark.parametrize("kind", [TimeEmbedding, BaseModel])
    def test_nor_is_one_whose_class_has_got_a_method_of_a_users(self, kind, monkeypatch):
        def mine(self, xs):
            return xs

        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        name = "forward" if kind is TimeEmbedding else "load_params"
        with monkeypatch.context() as patch:
            patch.setattr(kind, name, mine)
            assert not is_own(model)
            patch.setattr(kind, name, Mock())
            assert not is_own(model)
        assert is_own(model)

    def test_nor_is_one_with_a_method_wrapped_to_watch_it(self, monkeypatch):
        forward = TimeEmbedding.forward

        @functools.wraps(forward)
        def watched(self, xs):
            return forward(self, xs)

        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        for function in (watched, functools.partialmethod(forward), staticmethod(watched)):
            with monkeypatch.context() as patch:
                patch.setattr(TimeEmbedding, "forward", function)
                assert not is_own(model)
        assert is_own(model)

    def test_dropout_that_is_on(self):
        model = MODELS["seq2seq"](5, 3, 4, rng=0)
        model.encoder.lstm.weight_dropout = TimeDropout(0.5, rng=0)
        assert not is_own(model)
        with evaluation_mode(model):
            assert is_own(model)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_copy_has_the_weights_and_nothing_else_in_common(kind, rng):
    model = MODELS[kind](5, 3, 4, rng=0)
    xs = rng.integers(0, 5, (2, 6))
    loss = model.forward(xs, xs)
    copied = copy_sharing_weights(model)
    assert type(copied) is type(model) and copied.forward(xs, xs) == loss
    for (name, layer), (other_name, other) in zip(layers(copied), layers(model), strict=True):
        assert name == other_name and layer is not other and type(layer) is type(other)
        assert all(a is b for a, b in zip(layer.params, other.params, strict=True))
        assert all(a is b for a, b in zip(layer.grads, other.grads, strict=True))
    model.backward()
    before = [grad.copy() for grad in model.grads]
    copied.forward(xs[:1], xs[:1])
    model.backward()
    assert all((a == b).all() for a, b in zip(model.grads, before, strict=True))
