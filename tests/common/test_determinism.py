"""One seed, the same bits; streams for different purposes; evaluation that leaves no trace."""

import numpy
import pytest
from small_trainings import TRAININGS, ExampleTraining, LanguageTraining

from common.checkpoint import Checkpoints
from common.evaluation import eval_perplexity
from common.layers import Dropout
from common.model_tree import evaluation_mode, recurrent_states
from common.object_tree import GLOBAL_GENERATOR, generators, make_generators, parts
from common.rng import generator, stream
from common.time_layers import TimeDropout
from common.validation import example_scores, language_model_scores, own_scores


@pytest.mark.parametrize("kind", TRAININGS)
def test_one_seed_gives_the_same_bits(kind):
    assert kind().fit().result == kind().fit().result
    assert kind().fit().result != kind(seed=1).fit().result


def test_streams_are_independent():
    """Whoever draws more dropout masks shuffles and initialises as before."""
    purposes = ["weights", "shuffle", "dropout", "negatives", "generation"]
    drawn = {purpose: stream(0, purpose).random(4).tolist() for purpose in purposes}
    assert len({tuple(values) for values in drawn.values()}) == len(purposes)
    more = ExampleTraining()
    more.trainer.model.dropout.rng.random(1000)
    more.fit(1)
    less = ExampleTraining().fit(1)
    assert more.trainer.order.tolist() == less.trainer.order.tolist()


def traces(model):
    """All that evaluation might change."""
    return (
        [param.tobytes() for param in model.params],
        [[None if a is None else a.tobytes() for a in state.values()] for state in recurrent_states(model).values()],
        [str(rng.bit_generator.state) for rng in generators(model).values()],
        [(path, part.train_flg) for path, part in parts(model) if hasattr(part, "train_flg")],
    )


@pytest.mark.parametrize("kind", TRAININGS)
def test_evaluation_leaves_no_trace(kind):
    training = kind().fit(1)
    model, before = training.trainer.model, traces(training.trainer.model)

    def everything(model):
        if kind is LanguageTraining:
            return {"perplexity": eval_perplexity(model, training.valid, batch_size=3)}
        return {"loss": model.forward(*training.data)}

    first = own_scores(model, everything)
    if kind is LanguageTraining:
        assert first == own_scores(model, everything)
        language_model_scores(model, training.valid, 5)
    else:
        example_scores(model, *training.data, 4)
    assert traces(model) == before


@pytest.mark.parametrize("kind", TRAININGS)
def test_training_with_and_without_validation_gives_the_same_weights(kind):
    training = kind()
    training.valid = None
    assert training.fit().result[0] == kind().fit().result[0]


def test_the_state_comes_back_even_after_an_error():
    model = LanguageTraining().fit(1).trainer.model
    before = traces(model)
    with pytest.raises(ZeroDivisionError), evaluation_mode(model):
        model.predict(numpy.zeros((2, 3), int))
        raise ZeroDivisionError
    assert traces(model) == before


def test_generators_are_found_wherever_they_are():
    rng, other = numpy.random.default_rng(0), numpy.random.default_rng(1)

    class Sampler:
        def __init__(self):
            self.inner = {"key": [1, (rng, "text")]}
            self.again, self.me = rng, self

    class Model:
        def __init__(self):
            self.sampler, self.rng = Sampler(), other

    assert generators(Model()) == {"sampler.inner.key.1.0": rng, "rng": other}


def test_generators_that_are_made_at_their_first_use():
    drops = [Dropout(0.5), TimeDropout(0.5, rng=0)]
    assert list(generators({"drops": drops})) == ["drops.1.rng"]
    numpy.random.seed(0)  # noqa: NPY002
    make_generators({"drops": drops})
    made = generators({"drops": drops})
    assert list(made) == ["drops.0.rng", "drops.1.rng"]
    numpy.random.seed(0)  # noqa: NPY002
    assert made["drops.0.rng"].random() == generator().random()
    make_generators(drops)
    assert generators({"drops": drops}) == made


def test_evaluation_makes_no_generator():
    model = ExampleTraining().trainer.model
    model.dropout, before = Dropout(0.5), GLOBAL_GENERATOR.state["state"]["key"].copy()
    with evaluation_mode(model):
        model.forward(numpy.ones((2, 3), "f"), numpy.zeros(2, int), False)
    assert "dropout.rng" not in generators(model)
    numpy.testing.assert_array_equal(GLOBAL_GENERATOR.state["state"]["key"], before)


class Noise:
    """A layer that draws from a generator of the old kind."""

    params, grads = (), ()

    def __init__(self):
        self.rng = numpy.random.RandomState(5)

    def forward(self, x, train_flg=True):
        return x + self.rng.standard_normal(x.shape).astype("f") if train_flg else x

    def backward(self, dout):
        return dout


def test_old_generators_are_found_read_and_set():
    noise = Noise()
    noise.rng.standard_normal()  # keeps a second one for later
    found = generators({"noise": noise})["noise.rng"]
    before, x = found.bit_generator.state, numpy.zeros(3)
    first = noise.forward(x)
    found.bit_generator.state = before
    numpy.testing.assert_array_equal(noise.forward(x), first)


def test_old_generators_go_on_from_a_checkpoint(tmp_path):
    def training():
        made = ExampleTraining()
        made.trainer.model.dropout = Noise()
        return made

    unbroken = training().fit(2).result
    training().fit(1, checkpoint=tmp_path)
    resumed = training().fit(2, checkpoint=Checkpoints(tmp_path, resume=True))
    assert resumed.result == unbroken
