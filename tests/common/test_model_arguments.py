"""What a model was made with."""

import numpy
import pytest

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.base_model import BaseModel
from common.model_arguments import Arguments, NotKept, is_plain, made_with, plain_arguments


def test_they_are_those_that_the_model_was_made_with():
    class Changing(BaseModel):
        def __init__(self, sizes, names):
            sizes.append(3)
            names["b"] = [1]
            self.params = []

    assert Changing([4], {"a": [0]}).saved_arguments() == {"sizes": [4], "names": {"a": [0]}}


def test_by_place_and_by_name():
    model = Rnnlm(6, wordvec_size=4, rng=numpy.random.default_rng(0))
    assert model.saved_arguments() == {"vocab_size": 6, "wordvec_size": 4}
    assert made_with(model).arguments["rng"] == NotKept("Generator")


def test_plain_ones_are_python_s():
    model = BetterRnnlm(numpy.int32(6), 5, 5, numpy.float32(0.5), dtype=numpy.float64)
    arguments = plain_arguments(model)
    assert arguments == {
        "vocab_size": 6, "wordvec_size": 5, "hidden_size": 5, "dropout_ratio": 0.5, "dtype": "float64",
    }  # fmt: skip
    assert all(map(is_plain, arguments.values()))


def test_those_left_out_have_their_defaults():
    arguments = plain_arguments(Rnnlm(6, hidden_size=7, rng=0), defaults=True)
    assert arguments == {"vocab_size": 6, "wordvec_size": 100, "hidden_size": 7, "dtype": "float32"}


@pytest.mark.parametrize("value", [numpy.ones(3), len, (1, 2), {1: "a"}, [{"a": (1,)}], {"a": object()}], ids=str)
def test_of_what_no_folder_keeps_only_the_type_stays(value):
    kept = Arguments((value,), {"name": value})
    assert not is_plain(value)
    assert kept.args == [NotKept(type(value).__name__)] and kept.kwargs == {"name": NotKept(type(value).__name__)}
