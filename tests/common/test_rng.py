import re

import numpy
import pytest

from common import rng


def test_a_generator_is_what_it_is():
    generator = numpy.random.default_rng(0)
    assert rng.generator(generator) is generator


def test_an_integer_seeds():
    assert rng.generator(3).random() == rng.generator(3).random() != rng.generator(4).random()


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.5, TypeError), ("a", (TypeError, ValueError))])
def test_what_is_no_seed_is_named(seed, error):
    message = f"^seed must be a non-negative integer, not {re.escape(repr(seed))}$"
    for use in (rng.generator, lambda seed: rng.stream(seed, "weights")):
        with pytest.raises(error, match=message):
            use(seed)


def test_none_follows_numpys_global_seed():
    state = numpy.random.get_state()  # noqa: NPY002
    try:
        drawn = []
        for _ in range(2):
            numpy.random.seed(0)  # noqa: NPY002
            drawn.append((rng.generator(None).random(), rng.generator().random()))
    finally:
        numpy.random.set_state(state)  # noqa: NPY002
    assert drawn[0] == drawn[1] and drawn[0][0] != drawn[0][1]


def test_a_seed_leaves_the_global_generator_alone():
    before = numpy.random.get_state()[1].tolist()  # noqa: NPY002
    rng.generator(5).random()
    rng.stream(5, "weights").random()
    assert numpy.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_streams_of_one_seed_differ_by_purpose():
    drawn = {purpose: rng.stream(0, purpose).random() for purpose in ("weights", "shuffle", "dropout")}
    assert len(set(drawn.values())) == 3
    assert rng.stream(0, "weights").random() == drawn["weights"] != rng.stream(1, "weights").random()
    assert rng.stream(None, "weights").random() != rng.stream(None, "weights").random()
