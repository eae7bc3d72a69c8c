import numpy
import pytest
from memory import peak

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch07.rnnlm_gen import BetterRnnlmGen, RnnlmGen
from common import text_generation
from common.decoding import greedy
from common.functions import distribution
from common.labels import IdError
from common.sampling import Sampling
from common.text_generation import generate_texts, next_words

V = 20


def sharp(model):
    """The model with larger weights, so that what it has read matters."""
    for param in model.params[1:]:
        param *= 5
    return model


def small(kind=RnnlmGen, **options):
    return sharp(kind(V, 8, 8, rng=0, dtype="d", **options))


MODELS = [
    small,
    lambda: small(BetterRnnlmGen, dropout_ratio=0.5, variational=True, dropconnect=0.3),
    lambda: small(BetterRnnlmGen, cell="gru", layers=1, tied=False),
]
models = pytest.mark.parametrize("make", MODELS, ids=["rnnlm", "better", "gru"])


@models
def test_contract(make):
    model = make()
    ids = model.generate(3, sample_size=30, skip_ids=[1, numpy.int64(4)], rng=0)
    assert len(ids) == 30
    assert ids[0] == 3
    assert all(type(i) is int and 0 <= i < V for i in ids)
    assert not {1, 4} & set(ids)
    assert len(make().generate(3)) == 100
    assert model.generate(3, sample_size=1) == [3]


@models
def test_seed_gives_the_text(make):
    first, again, other = (make().generate(0, sample_size=40, rng=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_global_seed_gives_the_text():
    texts = []
    for _ in range(2):
        numpy.random.seed(3)  # noqa: NPY002
        texts.append(small().generate(0, sample_size=20))
    assert texts[0] == texts[1]


def test_without_a_seed_each_text_is_another():
    model = small()
    assert model.generate(0, sample_size=40) != model.generate(0, sample_size=40)


@models
def test_greedy_is_the_likeliest_word_after_all_before(make):
    model = make()
    ids = model.generate(5, sample_size=12, temperature=0)
    for k in range(1, len(ids)):
        model.reset_state()
        scores = model.predict(numpy.array([ids[:k]]))[0, -1]
        assert ids[k] == scores.argmax()


def test_greedy_equals_the_seq2seq_search():
    model = small()

    def step(ids, state):
        return model.predict(ids[:, None])[:, 0], state

    expected = greedy(step, (numpy.zeros((1, 1)),), 5, 11)[0].tolist()
    model.reset_state()
    assert model.generate(5, sample_size=12, temperature=0)[1:] == expected


@models
def test_goes_on_from_the_state_and_leaves_its_own(make):
    model = make()
    for word in (2, 7, 1):
        model.predict(numpy.array([[word]]))
    state = model.get_state()
    ids = model.generate(4, skip_ids=[3], sample_size=15, rng=1)
    after = model.get_state()
    model.set_state(state)
    assert model.generate(4, skip_ids=numpy.array([3]), sample_size=15, rng=1) == ids
    model.reset_state()
    assert model.generate(4, skip_ids=[3], sample_size=15, rng=1) != ids
    # A rejected word is never read: the state is that of a model which has read the text itself.
    model.reset_state()
    model.predict(numpy.array([[2, 7, 1, *ids[:-1]]]))
    assert numpy.array(after) == pytest.approx(numpy.array(model.get_state()), abs=1e-12)


@pytest.mark.parametrize("together", [False, True])
def test_the_generator_of_the_model_goes_on(together):
    """It is what the caller draws from, and as any other generator gives another text each time."""
    rng = numpy.random.default_rng(0)
    model, texts = BetterRnnlmGen(50, 8, 8, rng=rng), []
    for _ in range(3):
        model.reset_state()
        if together:
            texts.append(generate_texts(model, [[1]], 12, rng=[rng])[0].ids)
        else:
            texts.append(model.generate(1, sample_size=12, rng=rng))
    assert texts[0] != texts[1] != texts[2] != texts[0]


def test_state_goes_through_get_and_set():
    model = small()
    assert model.get_state() == (None, None)
    model.predict(numpy.array([[1, 2]]))
    h, c = model.get_state()
    assert h.shape == c.shape == (1, 8)
    before = h.copy()
    h += 9
    assert (model.get_state()[0] == before).all()  # the caller's is a copy
    model.set_state((None, None))
    assert model.get_state() == (None, None)
    better = small(BetterRnnlmGen)
    better.predict(numpy.array([[1, 2]]))
    assert [part.shape for state in better.get_state() for part in state] == [(1, 8)] * 4


def test_states_in_any_sequence():
    for kind, forms in ((RnnlmGen, (list, numpy.array)), (BetterRnnlmGen, (tuple, list, numpy.array))):
        model = small(kind)
        model.predict(numpy.array([[1, 2]]))
        state = model.get_state()
        for form in forms:
            model.reset_state()
            model.set_state(form(state))
            numpy.testing.assert_array_equal(model.get_state(), state)


@pytest.mark.parametrize("state", [None, (None,), (None, None, None), (numpy.zeros((1, 7)), None), 3])
def test_states_that_do_not_fit(state):
    with pytest.raises(ValueError, match=r"\(h, c\)|hidden size of 8"):
        small().set_state(state)
    with pytest.raises(ValueError, match=r"\(h, c\)|hidden size of 8"):
        small(BetterRnnlmGen).set_state([state, state])
    with pytest.raises(ValueError, match=r"BetterRnnlmGen.set_state: .* \(h, c\), \(h, c\), got .+"):
        small(BetterRnnlmGen).set_state(state)


@pytest.mark.parametrize("kind", [RnnlmGen, BetterRnnlmGen])
@pytest.mark.parametrize("wrong", [(numpy.ones((1, 8)), numpy.ones((1, 7))), (numpy.float32(1), 2), ("a", "b")])
def test_a_state_that_is_refused_changes_nothing(kind, wrong):
    model = small(kind)
    model.predict(numpy.array([[1, 2]]))
    before = model.get_state()
    fits = (numpy.ones((1, 8)), numpy.ones((1, 8)))
    with pytest.raises(ValueError, match=f"^{kind.__name__}.set_state: "):
        model.set_state(wrong if kind is RnnlmGen else [fits, wrong])
    numpy.testing.assert_array_equal(model.get_state(), before)


@pytest.mark.parametrize("kind", [RnnlmGen, BetterRnnlmGen])
def test_long_prompts_are_read_without_their_scores(kind, monkeypatch):
    model = small(kind)
    prompts = numpy.random.default_rng(0).integers(V, size=(3, 50)).tolist()
    expected = generate_texts(model, prompts, 20, rng=0)
    monkeypatch.setattr(text_generation, "AT_ONCE", 21)  # seven words of each
    texts = generate_texts(model, prompts, 20, rng=0)
    assert [text.ids for text in texts] == [text.ids for text in expected]
    for text, other in zip(texts, expected, strict=True):
        numpy.testing.assert_allclose(text.log_probs, other.log_probs, rtol=1e-9)
    large = RnnlmGen(3000, 4, 4, rng=0)
    ids = numpy.arange(2000) % V
    used, _ = peak(next_words, large, ids)
    assert used < 0.1 * ids.size * 3000 * 4


def test_a_predict_of_ones_own_reads_all_words():
    class Counts(RnnlmGen):
        read = 0

        def predict(self, xs):
            self.read += xs.shape[1]
            return super().predict(xs)

    model = Counts(V, 4, 4, rng=0)
    next_words(model, [1, 2, 3])
    assert model.read == 3


def test_dropout_is_off_and_its_numbers_are_not_used_up():
    model = small(BetterRnnlmGen)
    for drop in model.drop_layers:
        drop.train_flg = True
    before = [drop.rng.bit_generator.state for drop in model.drop_layers]
    assert model.generate(0, sample_size=20, rng=2) == small(BetterRnnlmGen, dropout_ratio=0.0).generate(
        0, sample_size=20, rng=2
    )
    assert [drop.rng.bit_generator.state for drop in model.drop_layers] == before
    assert all(drop.train_flg for drop in model.drop_layers)


@models
def test_batched_equals_one_by_one(make):
    model, prompts = make(), [[3], [1, 2, 3, 4], [5, 6]]
    sampling = Sampling(temperature=0.8, top_k=15, repetition_penalty=1.2)
    seeds = [5, 6, 7]
    together = generate_texts(model, prompts, 25, sampling, stop=[9], rng=seeds)
    for prompt, seed, text in zip(prompts, seeds, together, strict=True):
        (alone,) = generate_texts(model, [prompt], 25, sampling, stop=[9], rng=[seed])
        assert alone.ids == text.ids
        assert alone.log_probs == pytest.approx(text.log_probs)
        drawn = text.ids[len(prompt) :]
        assert len(drawn) == len(text.log_probs) == (drawn.index(9) + 1 if 9 in drawn else 25)
    array = generate_texts(model, prompts, 25, sampling, stop=[9], rng=numpy.array(seeds))
    assert [text.ids for text in array] == [text.ids for text in together]
    for seeds in ([5, 6], numpy.array([5, 6]), [5, 6, 7, 8]):
        with pytest.raises(ValueError, match=f"{len(seeds)} seeds for 3 texts"):
            generate_texts(model, prompts, 25, rng=seeds)


def test_a_repetition_penalty_sees_the_words_of_the_text():
    model, greedily = small(), {"temperature": 0}
    (plain,) = generate_texts(model, [[3, 4]], 15, Sampling(**greedily))
    assert len(set(plain.ids)) < len(plain.ids)  # it repeats itself
    (text,) = generate_texts(model, [[3, 4]], 15, Sampling(repetition_penalty=1e6, **greedily))
    assert len(set(text.ids)) == len(text.ids) == 17


def test_one_seed_gives_streams_that_do_not_depend_on_the_number_of_texts():
    few, more = (generate_texts(small(), [[3]] * n, 20, rng=4) for n in (2, 5))
    assert [text.ids for text in few] == [text.ids for text in more[:2]]
    assert few[0].ids != few[1].ids


def test_state_of_the_model_is_put_back():
    model = small()
    model.predict(numpy.ones((6, 3), int))
    before = model.get_state()
    generate_texts(model, [[1], [2, 3]], 5, rng=0)
    next_words(model, [1])
    numpy.testing.assert_array_equal(before, model.get_state())


def test_log_probabilities_are_the_models():
    model = small()
    (text,) = generate_texts(model, [[1, 2]], 10, Sampling(temperature=3.0, banned=[0]), rng=0)
    model.reset_state()
    scores = model.predict(numpy.array([text.ids]))[0]
    expected = [distribution(scores[k - 1])[0][text.ids[k]] for k in range(2, 12)]
    assert text.log_probs == pytest.approx(expected)


def test_next_words():
    model = small()
    found = next_words(model, [1, 2], topn=V)
    p = distribution(model.predict(numpy.array([[1, 2]]))[0, -1])[1]
    assert sorted(found) == [(i, pytest.approx(p[i])) for i in range(V)]
    assert [q for _, q in found] == pytest.approx(sorted(p, reverse=True))
    assert next_words(model, 1, topn=3) == next_words(model, [1], topn=V)[:3]
    for param in model.params:
        param *= 0
    assert [word for word, _ in next_words(model, [1], topn=3)] == [0, 1, 2]  # all are equally likely
    with pytest.raises(ValueError, match="topn"):
        next_words(model, [1], topn=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"start_id": V}, IdError, "got 20"),
        ({"start_id": -1}, IdError, "got -1"),
        ({"start_id": "you"}, TypeError, "integers"),
        ({"start_id": [1, 2]}, ValueError, "one id"),
        ({"sample_size": 0}, ValueError, "sample_size"),
        ({"sample_size": 2.5}, TypeError, r"generate: sample_size must be a whole number, not 2\.5"),
        ({"skip_ids": [V]}, IdError, "got 20"),
        ({"skip_ids": ["the"]}, TypeError, r"generate: skip_ids must be ids, integers, not \['the'\]"),
        ({"skip_ids": [None]}, TypeError, r"skip_ids must be ids, integers, not \[None\]"),
        ({"skip_ids": range(V)}, ValueError, "all 20 words are banned"),
        ({"skip_ids": range(9), "banned": range(8, V)}, ValueError, "all 20 words are banned"),
        ({"temperature": -1}, ValueError, "temperature"),
        ({"top_k": 0}, ValueError, "top_k"),
        ({"banned": 5}, TypeError, "banned must be a list of ids, not 5"),
        ({"banned": None}, TypeError, "banned must be a list of ids, not None"),
        ({"sample_size": 1, "skip_ids": [V]}, IdError, "got 20"),
    ],
)
def test_misuse(arguments, error, message):
    model = small()
    with pytest.raises(error, match=message):
        model.generate(**{"start_id": 0, **arguments})
    assert model.get_state() == (None, None)


def test_misuse_of_batches():
    model = small()
    for prompts, size, rng in (([], 5, 0), ([[1]], 0, 0), ([[1], [2]], 5, [0])):
        with pytest.raises(ValueError, match=r"prompt|sample_size|seeds"):
            generate_texts(model, prompts, size, rng=rng)
    for prompts in (5, None):
        with pytest.raises(TypeError, match=f"generate_texts: expected a list of prompts, got {prompts}"):
            generate_texts(model, prompts)
    with pytest.raises(TypeError, match=r"sample_size must be a whole number, not 2\.5"):
        generate_texts(model, [[1]], 2.5, rng=0)
    for stop, wrong in (([99], 99), (numpy.array([3, -1]), -1)):
        with pytest.raises(IdError, match=f"generate: stop ids must lie in 0 … 19, got {wrong}"):
            generate_texts(model, [[1]], 5, stop=stop, rng=0)
    with pytest.raises(IdError, match="Sampling: banned ids must lie in 0 … 19, got -1"):
        generate_texts(model, [[1]], 5, Sampling(banned=[-1]), rng=0)
    for stop in (5, "you", [None], [2.0]):
        with pytest.raises(TypeError, match="generate: stop must be ids, integers, not "):
            generate_texts(model, [[1]], 5, stop=stop, rng=0)
    with pytest.raises(TypeError, match=r"topn must be a whole number, not 2\.5"):
        next_words(model, [1], topn=2.5)
    model.predict(numpy.ones((20, 3), int))
    with pytest.raises(ValueError, match=r"reset_state\(\) forgets it"):
        model.generate(0)
    assert model.get_state()[0].shape == (20, 8)


def test_weights_and_folders_of_the_trained_classes(tmp_path):
    Rnnlm(V, 8, 8, rng=3).save_params(tmp_path / "a.npz")
    model = RnnlmGen(V, 8, 8, rng=0)
    model.load_params(tmp_path / "a.npz")
    BetterRnnlm(V, 8, 8, rng=3).save(tmp_path / "folder")
    assert len(BetterRnnlmGen.load(tmp_path / "folder").generate(0, sample_size=5)) == 5
    with pytest.raises(ValueError, match=r"\(20, 8\)"):
        RnnlmGen(V + 1, 8, 8).load_params(tmp_path / "a.npz")


def test_on_the_gpu(gpu):
    model = RnnlmGen(V, 8, 8, rng=0)
    assert len(model.generate(3, [1], 10, rng=0)) == 10
