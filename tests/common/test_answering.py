"""Many questions at once."""

import sys
import threading

import numpy
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ch07.seq2seq import Decoder, Encoder, Seq2seq
from ch08.answerer import MODELS
from common import answering
from common.answering import generate_all
from common.decoding import as_lists
from common.model_tree import layers
from common.np import np
from common.padding import PAD

V, S = 7, 5


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    """As if the BLAS had so many threads, also on a machine with fewer cores."""
    monkeypatch.setattr(answering, "_threads", lambda: request.param)
    return request.param


def questions(rng, count, padded=False):
    rows = rng.integers(0, V, (count, S))
    if padded:
        rows[numpy.arange(S) >= rng.integers(1, S + 1, count)[:, None]] = PAD
    return np.asarray(rows)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("stop_id", [None, 3])
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_each_gets_the_answer_that_it_gets_alone(kind, stop_id, padded, threads, rng):
    model, xs = MODELS[kind](V, 6, 8, rng=0, dtype="d"), questions(rng, 150, padded)
    for param in model.params:
        param *= 4  # answers that differ
    samples = generate_all(model, xs, 0, 6, stop_id, batch_size=40)
    assert samples.shape == (150, 6) and len(numpy.unique(samples, axis=0)) > 10
    for x, sample in zip(xs, samples, strict=True):
        assert as_lists(sample[None], stop_id)[0] == model.generate(x[x != PAD], 0, 6, stop_id)


def test_the_models_states_and_gradients_are_its_own(threads, rng):
    model = Seq2seq(V, 6, 8, rng=0)
    xs, ts = questions(rng, 100), questions(rng, 100)
    model.forward(xs[:4], ts[:4])
    model.backward()
    before = [grad.copy() for grad in model.grads]
    generate_all(model, xs, 0, 6, batch_size=10)
    assert all((a == b).all() for a, b in zip(model.grads, before, strict=True))
    assert not model.encoder.answering
    model.forward(xs[:4], ts[:4])
    model.backward()
    assert all((a == b).all() for a, b in zip(model.grads, before, strict=True))


class Recording:
    """Answers with what it is asked, and keeps that."""

    def __init__(self):
        self.asked = []

    def generate_batch(self, xs, start_id, sample_size):
        self.asked.append(xs)
        return [row[:sample_size] for row in xs.tolist()]


def test_a_model_of_ones_own_gets_sorted_questions_itself(threads, rng):
    model, xs = Recording(), numpy.array([[2, 1], [0, 5], [2, 0], [0, 4]])
    assert generate_all(model, xs, 0, 2, batch_size=3).tolist() == xs.tolist()
    assert [part.tolist() for part in model.asked] == [[[0, 4], [0, 5], [2, 0]], [[2, 1]]]


def test_questions_that_cannot_be_sorted(threads):
    class Lengths:
        def generate_batch(self, xs, start_id, sample_size):
            return [[len(x)] for x in xs]

    assert generate_all(Lengths(), numpy.array(["abc", "a"]), 0, 1, batch_size=1).tolist() == [[3], [1]]


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_copies_have_the_weights_of_the_model(kind, rng):
    model = MODELS[kind](V, 6, 8, rng=0)
    model.forward(questions(rng, 3), questions(rng, 3))
    first, second = model._replicas(2)
    for replica in first, second:
        assert all(a is b for a, b in zip(replica.params, model.params, strict=True))
        for (name, layer), (other_name, other) in zip(layers(replica), layers(model), strict=True):
            assert name == other_name and layer is not other
            assert all(a is b for a, b in zip(layer.params, other.params, strict=True))


def test_a_model_that_cannot_be_copied(threads, rng, tmp_path):
    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 20)
    expected = generate_all(model, xs, 0, 4, batch_size=5)
    with (tmp_path / "log").open("w", encoding="utf-8") as model.log:
        assert (generate_all(model, xs, 0, 4, batch_size=5) == expected).all()


class CountingModel(Seq2seq):
    calls = 0

    def generate_batch(self, *args):
        self.calls += 1
        return super().generate_batch(*args)


class CountingDecoder(Decoder):
    calls = 0

    def generate(self, h, start_id, sample_size):
        self.calls += 1
        return super().generate(h, start_id, sample_size)


class Wrapper:
    def __init__(self, model):
        self.model, self.calls = model, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def generate_batch(self, *args):
        self.calls += 1
        return self.model.generate_batch(*args)


def test_no_copies_of_what_answers_in_a_way_of_its_own(threads, rng):
    """It may count what it is asked, as these do."""
    xs, counting, own_decoder = questions(rng, 12), CountingModel(V, 6, 8, rng=0), Seq2seq(V, 6, 8, rng=0)
    own_decoder.decoder, wrapper = CountingDecoder(V, 6, 8, rng=0), Wrapper(Seq2seq(V, 6, 8, rng=0))
    for model in counting, own_decoder, wrapper:
        generate_all(model, xs, 0, 4, batch_size=3)
    assert (counting.calls, own_decoder.decoder.calls, wrapper.calls) == (4, 12, 4)


def test_one_thread_of_the_blas_for_each_of_ours(monkeypatch, rng):
    before, found = blas_threads(), []

    class Looking(Encoder):
        def forward(self, xs):
            found.append((threading.current_thread(), *blas_threads()))
            return super().forward(xs)

    monkeypatch.setattr(Seq2seq, "encoder_type", Looking)
    monkeypatch.setattr(answering, "_threads", lambda: 2)
    generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 50), 0, 4, batch_size=5)
    assert len(found) == 10
    assert all(threads == [1] * len(before) for thread, *threads in found)
    assert threading.main_thread() not in {thread for thread, *_ in found}
    assert blas_threads() == before


def test_errors_arrive_and_the_rest_is_left(monkeypatch, rng):
    before, calls = blas_threads(), []

    class Failing(Encoder):
        def forward(self, xs):
            calls.append(len(xs))
            raise ArithmeticError("no")

    monkeypatch.setattr(Seq2seq, "encoder_type", Failing)
    monkeypatch.setattr(answering, "_threads", lambda: 2)
    model = Seq2seq(V, 6, 8, rng=0)
    with pytest.raises(ArithmeticError):
        generate_all(model, questions(rng, 1000), 0, 4, batch_size=1)
    assert len(calls) < 1000
    assert blas_threads() == before and not model.encoder.answering


def test_a_blas_on_one_thread_stays_so():
    """As in one of several trainings side by side."""
    with threadpool_limits(1, "blas"):
        assert answering._threads() == 1


def test_without_threadpoolctl(monkeypatch, rng):
    """In an environment that was installed before it was a dependency."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert answering._threads() == 1
    assert generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 20), 0, 4, batch_size=5).shape == (20, 4)


def test_on_the_gpu_there_is_one_thread(gpu, rng):
    assert answering._threads() == 1
    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 100)
    samples = generate_all(model, xs, 0, 4, batch_size=40)
    assert isinstance(samples, numpy.ndarray)
    assert samples.tolist() == [model.generate(x, 0, 4) for x in xs]
