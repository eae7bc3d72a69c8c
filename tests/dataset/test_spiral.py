import math

import numpy
import pytest

from dataset import spiral


@pytest.mark.parametrize("seed", [1984, 7])
def test_points_one_by_one(seed):
    x, t = spiral.load_data(seed)
    assert x.shape == (300, 2) and t.shape == (300, 3) and t.dtype == numpy.int32
    rng = numpy.random.RandomState(seed)
    for j in range(3):
        for i in range(100):
            radius = i / 100
            angle = 4 * j + 4 * radius + 0.2 * rng.randn()
            point = radius * math.sin(angle), radius * math.cos(angle)
            numpy.testing.assert_allclose(x[100 * j + i], point, rtol=1e-12, atol=1e-15)
            assert t[100 * j + i].tolist() == [int(j == k) for k in range(3)]


def test_seed():
    default, same, other = spiral.load_data()[0], spiral.load_data(seed=1984)[0], spiral.load_data(seed=0)[0]
    assert (default == same).all() and not (default == other).all()


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (2**32, ValueError), (1.5, TypeError)])
def test_seeds_of_other_sizes_and_kinds(seed, error):
    with pytest.raises(error, match=rf"spiral\.load_data: seed must be an integer from 0 to 2\*\*32 - 1, not {seed}"):
        spiral.load_data(seed)


def test_global_random_state_is_not_touched(global_random_state):
    spiral.load_data()
    assert global_random_state.is_untouched()
