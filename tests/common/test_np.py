import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common import config
from common.np import address, floats, is_active, np, random, to_cpu


def test_numpy_without_the_flag():
    assert np.zeros is numpy.zeros and np.__name__ == "numpy" and "zeros" in dir(np)
    assert is_active(np.ones(2)) and not is_active([1, 2])
    with pytest.raises(AttributeError, match="no attribute 'zeroes'"):
        _ = np.zeroes


def test_names_of_ones_own_are_the_active_modules():
    """As of programs that give names back which NumPy has dropped."""
    np.float_of_old = float
    assert np.float_of_old is numpy.float_of_old is float
    del np.float_of_old
    assert not hasattr(numpy, "float_of_old") and not hasattr(np, "float_of_old")


def test_names_of_ones_own_on_the_gpu(gpu, monkeypatch):
    monkeypatch.setattr(np, "float_of_old", float, raising=False)
    assert np.float_of_old is float and not hasattr(numpy, "float_of_old")


def test_to_cpu_copies_no_array_of_the_cpu():
    x = numpy.ones(3)
    assert to_cpu(x) is x
    numpy.testing.assert_array_equal(to_cpu([1, 2]), [1, 2])


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_random_numbers_come_from_the_generator(dtype):
    draws = [random((50, 40), numpy.random.default_rng(seed), dtype) for seed in (0, 0, 1)]
    assert draws[0].dtype == dtype
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()
    assert draws[0].min() >= 0 and draws[0].max() < 1 and abs(draws[0].mean() - 0.5) < 0.03


@given(arrays("f", array_shapes(min_dims=2, max_dims=3, max_side=4), elements=st.just(0.0)))
def test_address_is_that_of_the_same_numbers_in_any_order_of_axes(x):
    assert address(x) == address(x.T) == address(x[:])
    assert address(x) != address(x.copy())
    assert address(x) != address(x.view("i4"))
    if x.shape[0] > 1:
        assert address(x) != address(x[1:]) != address(x[:-1])


class TestNumbersOnTheGpu:
    @pytest.mark.parametrize(
        ("shape", "states"), [(1, 256), (255, 256), ((16, 16), 512), ((20, 35, 650), 2**14), ((0, 3), 256)]
    )
    def test_as_many_states_on_any_gpu(self, shape, states, gpu, monkeypatch):
        """CuPy's default depends on the GPU, and with it which number comes from which state."""
        sizes, philox = [], sys.modules["cupy"].random.Philox4x3210
        monkeypatch.setattr(
            sys.modules["cupy"].random, "Philox4x3210", lambda seed, size: sizes.append(size) or philox(seed, size=size)
        )
        assert random(shape, numpy.random.default_rng(0)).shape == ((shape,) if isinstance(shape, int) else shape)
        assert sizes == [states]


def test_floats(gpu):
    found = floats([np.asarray(2.5), np.asarray([1, 2]).sum()])
    assert found == [2.5, 3.0] and floats([]) == []
    config.GPU = False
    assert [type(number) for number in floats([numpy.float32(2.5), 3])] == [float, float]
