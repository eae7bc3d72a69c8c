"""Many questions at once."""

import functools
import gc
import os
import re
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import common.threads
from ch07.seq2seq import Decoder, Encoder, Seq2seq
from ch08.answerer import MODELS
from ch08.attention_layer import TimeAttention
from common import answering
from common.answering import generate_all
from common.decoding import as_lists
from common.model_tree import recurrent_states
from common.np import np
from common.padding import PAD
from common.reader import LSTMReader
from common.threads import _blas, blas_on_one_thread
from common.time_layers import TimeAffine, TimeDropout, TimeEmbedding

V, S = 7, 5
OTHER_CASES = [(3, False), (None, True), (None, False)]


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    """As if the BLAS had so many threads, also on a machine with fewer cores."""
    monkeypatch.setattr(answering, "blas_threads", lambda: request.param)
    return request.param


def questions(rng, count, padded=False):
    rows = rng.integers(0, V, (count, S))
    if padded:
        rows[numpy.arange(S) >= rng.integers(1, S + 1, count)[:, None]] = PAD
    return np.asarray(rows)


@pytest.mark.parametrize(
    ("stop_id", "padded"), [(3, True), *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHER_CASES)]
)
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_each_gets_the_answer_that_it_gets_alone(kind, stop_id, padded, threads, rng):
    model, xs = MODELS[kind](V, 6, 8, rng=0, dtype="d"), questions(rng, 150, padded)
    for param in model.params:
        param *= 4  # answers that differ
    samples = generate_all(model, xs, 0, 6, stop_id, batch_size=40)
    assert samples.shape == (150, 6) and len(numpy.unique(samples, axis=0)) > 10
    for x, sample in zip(xs, samples, strict=True):
        assert as_lists(sample[None], stop_id)[0] == model.generate(x[x != PAD], 0, 6, stop_id)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_answers_leave_no_trace_in_the_model(kind, threads, rng):
    """Neither in what a backward needs, nor in states, if they are many."""
    model = MODELS[kind](V, 6, 8, rng=0)
    xs, ts = questions(rng, 120), questions(rng, 120)
    model.forward(xs[:4], ts[:4])
    model.backward()
    before, states = [grad.copy() for grad in model.grads], recurrent_states(model)
    generate_all(model, xs, 0, 6, batch_size=40)
    for name, state in recurrent_states(model).items():
        assert all(state[key] is states[name][key] for key in state)
    model.backward()
    assert all((a == b).all() for a, b in zip(model.grads, before, strict=True))


class Recording:
    """Answers with what it is asked, and keeps that."""

    def __init__(self):
        self.asked = []

    def generate_batch(self, xs, start_id, sample_size):
        self.asked.append(xs)
        return [row[:sample_size] for row in xs.tolist()]


def test_a_model_of_ones_own_gets_the_questions_itself_as_they_are(threads, rng):
    model, xs = Recording(), numpy.array([[2, 1], [0, 5], [2, 0], [0, 4]])
    assert generate_all(model, xs, 0, 2, batch_size=3).tolist() == xs.tolist()
    assert [part.tolist() for part in model.asked] == [[[2, 1], [0, 5], [2, 0]], [[0, 4]]]


def test_questions_that_cannot_be_sorted(threads):
    class Lengths:
        def generate_batch(self, xs, start_id, sample_size):
            return [[len(x)] for x in xs]

    assert generate_all(Lengths(), numpy.array(["abc", "a"]), 0, 1, batch_size=1).tolist() == [[3], [1]]


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


class Counting:
    """Layers of a user's own, which write down what they get."""

    class Embedding(TimeEmbedding):
        def __init__(self, *params):
            super().__init__(*params)
            self.seen = []

        def forward(self, xs):
            self.seen.append(xs.shape)
            return super().forward(xs)

    class Attention(TimeAttention):
        def forward(self, *args):
            context = super().forward(*args)
            self.attention_weights = [*getattr(self, "all_weights", []), *self.attention_weights]
            self.all_weights = self.attention_weights
            return context


@pytest.mark.parametrize("kind", ["seq2seq", "peeky", "attention"])
def test_layers_of_ones_own_are_asked_themselves(kind, threads, rng):
    model, xs = MODELS[kind](V, 6, 8, rng=0), questions(rng, 100)
    expected = generate_all(model, xs, 0, 4, batch_size=40)
    for half in model.encoder, model.decoder:
        half.embed = Counting.Embedding(*half.embed.params)
    if kind == "attention":
        model.decoder.attention = Counting.Attention()
    assert (generate_all(model, xs, 0, 4, batch_size=40) == expected).all()
    assert model.encoder.embed.seen == [(40, S), (40, S), (20, S)]
    assert len(model.decoder.embed.seen) == 12
    if kind == "attention":
        assert sum(len(weights) for weights in model.decoder.attention.all_weights) == 400


def test_an_embedding_that_sees_the_whole_row(threads, rng):
    class Reversing(TimeEmbedding):
        def forward(self, xs):
            return super().forward(xs[:, ::-1])

    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 100)
    for param in model.params:
        param *= 4
    expected = generate_all(model, xs[:, ::-1], 0, 4)
    model.encoder.embed = Reversing(*model.encoder.embed.params)
    assert (generate_all(model, xs, 0, 4, batch_size=40) == expected).all()


def test_an_encoder_that_looks_at_its_states(threads, rng):
    class Mean(Encoder):
        def forward(self, xs):
            return super().forward(xs) + self.hs.mean(axis=1) + self.lstm.c

    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 100)
    model.encoder = Mean(V, 6, 8, rng=0)
    model.forward(xs, questions(rng, 100))
    assert generate_all(model, xs, 0, 4, batch_size=100).tolist() == [model.generate(x, 0, 4) for x in xs]


@pytest.mark.parametrize("where", ["generate_batch", "encoder.forward", "encoder.lstm.forward", "decoder.lstm.forward"])
def test_functions_in_place_of_methods_are_called(where, threads, rng):
    model, xs, calls = Seq2seq(V, 6, 8, rng=0), questions(rng, 100), []
    expected = generate_all(model, xs, 0, 4, batch_size=40)
    *path, name = where.split(".")
    owner = functools.reduce(getattr, path, model)
    method = getattr(owner, name)
    setattr(owner, name, lambda *args: calls.append(1) or method(*args))
    assert (generate_all(model, xs, 0, 4, batch_size=40) == expected).all()
    assert len(calls) == (12 if path[:1] == ["decoder"] else 3)


def test_a_part_that_looks_at_the_state_of_another(threads, rng):
    class Looking(TimeAffine):
        def forward(self, hs):
            return super().forward(hs + model.decoder.lstm.c[:, None])

    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 80)
    model.decoder.affine = Looking(*model.decoder.affine.params)
    model.forward(questions(rng, 40), questions(rng, 40))
    samples = generate_all(model, xs, 0, 4, batch_size=40)
    assert samples.tolist() == [model.generate(x, 0, 4) for x in xs]


def test_a_model_is_gone_when_nobody_has_it(threads, rng):
    """At once: what answers holds no cycle."""
    model = Seq2seq(V, 6, 8, rng=0)
    gone = weakref.ref(model)
    gc.disable()
    try:
        generate_all(model, questions(rng, 120), 0, 4, batch_size=40)
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_a_stateful_encoder_begins_with_its_state(threads, rng):
    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 40)
    plain = generate_all(model, xs, 0, 6)
    model.encoder.lstm.stateful = True
    model.encoder.lstm.set_state(np.asarray(rng.normal(size=(40, 8)) * 9))
    assert (generate_all(model, xs, 0, 6) != plain).any()


def test_dropout_draws_from_one_generator(threads, rng):
    def answers():
        model = Seq2seq(V, 6, 8, rng=0)
        model.encoder.lstm.state_dropout = TimeDropout(0.5, rng=0)
        return generate_all(model, xs, 0, 6, batch_size=30)

    xs = questions(rng, 100)
    assert (answers() == answers()).all()


@pytest.fixture
def on_two_threads(monkeypatch):
    """What the threads of the next answers are, and how many the BLAS has in each of them."""
    found = []
    read_rows = LSTMReader.read_rows

    def looking(self, xs, ids):
        found.append((threading.current_thread(), *blas_threads()))
        return read_rows(self, xs, ids)

    monkeypatch.setattr(LSTMReader, "read_rows", looking)
    monkeypatch.setattr(answering, "blas_threads", lambda: 2)
    return found


def test_one_thread_of_the_blas_for_each_of_ours(on_two_threads, rng):
    before = blas_threads()
    generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 400), 0, 4, batch_size=40)
    assert len(on_two_threads) == 10
    assert all(threads == [1] * len(before) for _, *threads in on_two_threads)
    assert threading.main_thread() not in {thread for thread, *_ in on_two_threads}
    assert blas_threads() == before


def test_each_thread_has_a_copy_of_its_own(monkeypatch, rng):
    layers, both, read_rows = [], threading.Barrier(2, timeout=60), LSTMReader.read_rows

    def together(self, xs, ids):
        both.wait()
        layers.append(self.layer)
        return read_rows(self, xs, ids)

    monkeypatch.setattr(LSTMReader, "read_rows", together)
    monkeypatch.setattr(answering, "blas_threads", lambda: 2)
    generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 20), 0, 4, batch_size=10)
    assert len(layers) == 2 and layers[0] is not layers[1]


def test_two_at_once(on_two_threads, rng):
    """The second to begin has no threads of its own, as the first one has set the BLAS's."""
    model, xs, before = Seq2seq(V, 6, 8, rng=0), questions(rng, 400), blas_threads()
    expected = generate_all(model, xs, 0, 4, batch_size=40)
    on_two_threads.clear()
    with blas_on_one_thread():
        assert (generate_all(model, xs, 0, 4, batch_size=40) == expected).all()
    assert {thread for thread, *_ in on_two_threads} == {threading.main_thread()}
    with ThreadPoolExecutor(3) as pool:
        for samples in pool.map(lambda _: generate_all(model, xs, 0, 4, batch_size=40), range(9)):
            assert (samples == expected).all()
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_forked_meanwhile_is_as_before(monkeypatch, rng):
    """Its BLAS is on the same number of threads, and it can share out again."""

    def forking(self, xs, ids):
        with forked:
            if not children:
                children.append(os.fork())
                if not children[-1]:
                    os._exit(0 if blas_threads() == before and not common.threads._holding.locked() else 1)
        return read_rows(self, xs, ids)

    children, forked, read_rows = [], threading.Lock(), LSTMReader.read_rows
    monkeypatch.setattr(LSTMReader, "read_rows", forking)
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        assert max(before) == 2
        generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 20), 0, 4, batch_size=5)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def test_errors_arrive_and_the_rest_is_left(monkeypatch, rng):
    before, calls = blas_threads(), []

    def failing(self, xs, ids):
        calls.append(len(xs))
        raise ArithmeticError("no")

    monkeypatch.setattr(LSTMReader, "read_rows", failing)
    monkeypatch.setattr(answering, "blas_threads", lambda: 2)
    model = Seq2seq(V, 6, 8, rng=0)
    with pytest.raises(ArithmeticError):
        generate_all(model, questions(rng, 4000), 0, 4, batch_size=40)
    assert len(calls) < 100
    assert blas_threads() == before and not common.threads._holding.locked()


def test_warnings_are_what_they_are_outside(threads, monkeypatch, rng):
    """Of NumPy, whose settings each thread has of its own."""
    read_rows = LSTMReader.read_rows
    monkeypatch.setattr(LSTMReader, "read_rows", lambda *args: read_rows(*args) / numpy.zeros(1))
    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 120)
    with numpy.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        generate_all(model, xs, 0, 4, batch_size=40)
    with numpy.errstate(all="ignore"), pytest.raises(FloatingPointError, match="not finite"):  # the scores, later on
        generate_all(model, xs, 0, 4, batch_size=40)
    calls, before = [], numpy.seterrcall(lambda *args: calls.append(args))
    try:
        with numpy.errstate(all="call"), pytest.raises(FloatingPointError, match="not finite"):
            generate_all(model, xs, 0, 4, batch_size=40)
    finally:
        numpy.seterrcall(before)
    assert calls


def test_no_more_threads_can_be_started(monkeypatch, rng):
    """As at the end of a process, in a thread that outlives the main one."""

    def refuse(self, *args, **kwargs):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 100)
    expected = generate_all(model, xs, 0, 4, batch_size=40)
    monkeypatch.setattr(answering, "blas_threads", lambda: 2)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert (generate_all(model, xs, 0, 4, batch_size=40) == expected).all()


@pytest.mark.parametrize("shape", [(8, 3), (4, 2), (4,), (4, 3, 1)])
def test_another_shape_of_answers(shape, threads):
    class Wrong:
        def generate_batch(self, xs, start_id, sample_size):
            return numpy.zeros(shape, int)

    message = f"Wrong.generate_batch: expected (4, 3) ids of answers, got {shape}"
    with pytest.raises(ValueError, match=re.escape(message)):
        generate_all(Wrong(), numpy.zeros((6, 2), int), 0, 3, batch_size=4)


def test_without_threadpoolctl(monkeypatch, rng):
    """In an environment that was installed before it was a dependency."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    _blas.cache_clear()
    try:
        assert generate_all(Seq2seq(V, 6, 8, rng=0), questions(rng, 20), 0, 4, batch_size=5).shape == (20, 4)
    finally:
        _blas.cache_clear()


def test_on_the_gpu_there_is_one_thread(gpu, rng):
    model, xs = Seq2seq(V, 6, 8, rng=0), questions(rng, 100)
    samples = generate_all(model, xs, 0, 4, batch_size=40)
    assert isinstance(samples, numpy.ndarray)
    assert samples.tolist() == [model.generate(x, 0, 4) for x in xs]
