import inspect

import pytest

from ch07.peeky_seq2seq import PeekySeq2seq
from common.base_model import BaseModel
from common.optimizer import Nesterov, Optimizer
from common.signature import InitSignature
from common.trainer import RnnlmTrainer


class Base:
    __signature__ = InitSignature()

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)


class WithInit(Base):
    def __init__(self, a, *, b=1):
        pass


class Derived(WithInit):
    pass


class WithNew(WithInit):
    def __new__(cls, a, b):
        return super().__new__(cls)


class WithBoth(WithInit):
    def __new__(cls, *args):
        return super().__new__(cls)

    def __init__(self, c):
        pass


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Base, "(*args, **kwargs)"),
        (WithInit, "(a, *, b=1)"),
        (Derived, "(a, *, b=1)"),
        (WithNew, "(a, b)"),
        (WithBoth, "(c)"),
    ],
)
def test_is_that_of_the_nearest_init(kind, expected):
    assert str(inspect.signature(kind)) == expected


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (BaseModel, ["args", "kwargs"]),
        (PeekySeq2seq, ["vocab_size", "wordvec_size", "hidden_size", "target_size", "rng", "dtype"]),
        (Optimizer, ["lr"]),
        (Nesterov, ["lr", "momentum"]),
        (RnnlmTrainer, ["model", "optimizer"]),
    ],
)
def test_of_models_optimizers_and_trainers(kind, names):
    assert list(inspect.signature(kind).parameters) == names


def test_objects_have_none():
    assert not hasattr(Derived(1), "__signature__")
