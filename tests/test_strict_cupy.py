"""The stand-in refuses what CuPy refuses."""

import numpy
import pytest
import strict_cupy

X = strict_cupy.asarray(numpy.ones((2, 3)))
HOST = numpy.ones((2, 3))


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, host: x + host,
        lambda x, host: host + x,
        lambda x, host: host @ x.T,
        lambda x, host: strict_cupy.add(x, host),
        lambda x, host: strict_cupy.exp(host),
        lambda x, host: numpy.exp(x),
        lambda x, host: numpy.asarray(x),
        lambda x, host: numpy.concatenate([x, x]),
        lambda x, host: strict_cupy.concatenate([x, host]),
        lambda x, host: strict_cupy.exp(x, out=host),
        lambda x, host: x.__setitem__(0, host[0]),
        lambda x, host: host.__setitem__(0, x[0]),
        lambda x, host: x[numpy.array([0, 1])],
        lambda x, host: x.__iadd__(host),
        lambda x, host: {x},
        lambda x, host: x.sum(initial=1.0),
        lambda x, host: range(strict_cupy.asarray(3)),
        lambda x, host: strict_cupy.add.at(x, host[0].astype(int), 1),
    ],
)
def test_mixing(mix):
    with pytest.raises((TypeError, ValueError)):
        mix(X, HOST)
    assert (HOST == 1).all() and (X.get() == 1).all()


def test_a_product_with_a_vector_has_no_out():
    with pytest.raises(ValueError, match="axes"):
        strict_cupy.matmul(strict_cupy.ones(2), X, out=strict_cupy.empty(3))


def test_reductions_give_arrays_without_axes():
    for y in (X.sum(), X[0, 0], strict_cupy.vdot(X, X)):
        assert isinstance(y, strict_cupy.ndarray) and y.shape == () and float(y) in (1, 6)


def test_it_has_only_what_cupy_has():
    cupy = pytest.importorskip("cupy", reason="the stand-in's names are compared with CuPy's")
    for name in (strict_cupy.FUNCTIONS + strict_cupy.UFUNCS + strict_cupy.CONSTANTS).split():
        assert hasattr(cupy, name)
    for name in vars(strict_cupy.ndarray):
        assert hasattr(cupy.ndarray, name) or name in ("_host", "__slots__", "__module__", "__doc__")
    assert hasattr(cupy.random.Generator, "random") and hasattr(cupy.random, "Philox4x3210")


def test_unknown_names():
    with pytest.raises(AttributeError, match="no zeroes"):
        _ = strict_cupy.zeroes
