"""The stand-in refuses what CuPy refuses."""

import copy
import inspect

import numpy
import pytest
import strict_cupy

X = strict_cupy.asarray(numpy.ones((2, 3)))
HOST = numpy.ones((2, 3))


class Like:
    """What makes an array of the device of itself."""

    T = property(lambda self: self)

    def __cupy_get_ndarray__(self):
        return strict_cupy.full((2, 3), 2.0)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, host: x + host,
        lambda x, host: host + x,
        lambda x, host: host @ x.T,
        lambda x, host: strict_cupy.add(x, host),
        lambda x, host: strict_cupy.exp(host),
        lambda x, host: numpy.add(x, host),
        lambda x, host: numpy.add(x, [1.0]),
        lambda x, host: numpy.add(x, x, out=host),
        lambda x, host: numpy.add.reduce(x),
        lambda x, host: numpy.cbrt(x),
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
        lambda x, host: strict_cupy.add.at(strict_cupy.zeros(3, int), 0, 1),
        lambda x, host: strict_cupy.asarray(["a"]),
        lambda x, host: strict_cupy.array([None]),
        lambda x, host: strict_cupy.asarray([x, host]),
        lambda x, host: strict_cupy.concatenate([x, Like()]),
        lambda x, host: x @ Like().T,
    ],
)
def test_mixing(mix):
    with pytest.raises((TypeError, ValueError)):
        mix(X, HOST)
    assert (HOST == 1).all() and (X.get() == 1).all()


IDS = strict_cupy.asarray(numpy.array([0, 0, 1]))
D = strict_cupy.asarray(numpy.arange(3.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: strict_cupy.concatenate(([0.0], D)),
        lambda: strict_cupy.stack([1.0, 2.0]),
        lambda: strict_cupy.hstack([D, 1.0]),
        lambda: strict_cupy.where(True, D, 0.0),
        lambda: strict_cupy.where([True, False, True], D, 0.0),
        lambda: strict_cupy.where(D > 1, D, [0.0, 0.0, 0.0]),
        lambda: strict_cupy.sum([1, 2]),
        lambda: strict_cupy.max([1.0, 2.0]),
        lambda: strict_cupy.argmax([1.0, 2.0]),
        lambda: strict_cupy.take([1.0, 2.0], IDS),
        lambda: strict_cupy.vdot([1.0, 2.0, 3.0], D),
        lambda: strict_cupy.vdot(D, [1.0, 2.0, 3.0]),
        lambda: strict_cupy.einsum("i,i", D, [1.0, 2.0, 3.0]),
        lambda: D.dot([1.0, 2.0, 3.0]),
        lambda: D.clip([0.0, 0.0, 0.0], 1.0),
        lambda: D * [1.0, 2.0, 3.0],
        lambda: [1.0, 2.0, 3.0] @ D,
        lambda: D == [0.0, 1.0, 2.0],
        lambda: D.copy().__iadd__([1.0, 2.0, 3.0]),
        lambda: strict_cupy.searchsorted(D, 1.5),
        lambda: strict_cupy.searchsorted([0.0, 1.0], D),
        lambda: strict_cupy.repeat(D, IDS),
        lambda: D.repeat(IDS),
        lambda: strict_cupy.argsort(D, kind="quicksort"),
        lambda: strict_cupy.argsort(D, -1, "quicksort"),
        lambda: D.argsort(kind="stable"),
        lambda: strict_cupy.take(D, IDS, mode="clip"),
        lambda: D.take(IDS, mode="clip"),
        lambda: strict_cupy.take(D, IDS, 0, None, "clip"),
        lambda: strict_cupy.unique(D, sorted=False),
        lambda: strict_cupy.exp(D, where=D > 1),
        lambda: strict_cupy.multiply.at(D.copy(), IDS, 2.0),
        lambda: strict_cupy.subtract.at(D.copy(), IDS, 1.0),
        lambda: strict_cupy.maximum.at(D.astype("e"), IDS, 1.0),
        lambda: D.copy().__setitem__(slice(None), [1.0, 2.0, 3.0]),
        lambda: strict_cupy.asarray([D[0], 1.0]),
        lambda: strict_cupy.asarray([[1.0], [D[0]]]),
        lambda: D.astype("f", False),
        lambda: D.copy().__setitem__(IDS, D),
        lambda: D.copy().__setitem__([0, 0, 1], D),
        lambda: X.copy().__setitem__((IDS, IDS), D),
    ],
)
def test_what_numpy_takes_and_cupy_does_not(call):
    with pytest.raises((TypeError, ValueError, NotImplementedError)):
        call()
    assert D.tolist() == [0, 1, 2]


def test_what_both_take():
    x = D.copy()
    x[IDS] = 5.0  # repeated ids with one value
    x[strict_cupy.asarray(numpy.array([2, 0]))] = D[:2]
    x[x > 4] = strict_cupy.nan
    assert numpy.array_equal(x.get(), [1, numpy.nan, 0], equal_nan=True)
    x = D.copy()
    strict_cupy.maximum.at(x, IDS, 1.5)
    assert x.tolist() == [1.5, 1.5, 2]
    assert strict_cupy.argsort(-D, kind="stable").tolist() == (-D).argsort().tolist() == [2, 1, 0]
    assert strict_cupy.repeat(D, [1, 0, 2]).tolist() == [0, 2, 2]
    assert D.astype("f", copy=False).dtype == "f" and D.sum(axis=0, keepdims=True).shape == (1,)


def test_a_product_with_a_vector_has_no_out():
    with pytest.raises(ValueError, match="axes"):
        strict_cupy.matmul(strict_cupy.ones(2), X, out=strict_cupy.empty(3))


def test_reductions_give_arrays_without_axes():
    for y in (X.sum(), X[0, 0], strict_cupy.vdot(X, X)):
        assert isinstance(y, strict_cupy.ndarray) and y.shape == () and float(y) in (1, 6)


def test_ufuncs_of_numpys_are_cupys():
    out = strict_cupy.zeros((2, 3))
    assert numpy.add(X, numpy.float32(1), out=out) is out
    for y in (numpy.add(X, X), 1 + X, out):
        assert isinstance(y, strict_cupy.ndarray) and (y.get() == 2).all()


def test_what_makes_an_array_of_itself():
    x = X.copy()
    x += Like()
    for y in (x, X + Like(), strict_cupy.add(Like(), X), numpy.add(X, Like()), strict_cupy.asarray(Like()) + 1):
        assert isinstance(y, strict_cupy.ndarray) and (y.get() == 3).all()


def test_a_list_of_arrays_becomes_one():
    assert strict_cupy.asarray([[X[0, 0], X[0, 1]]]).shape == (1, 2)


def test_copies_are_laid_out_row_by_row():
    for y in (X.T.get(), copy.deepcopy(X.T), copy.deepcopy([X.T])[0]):
        assert y.flags.c_contiguous and y.shape == (3, 2)


def test_it_has_only_what_cupy_has():
    cupy = pytest.importorskip("cupy", reason="the stand-in's names are compared with CuPy's")
    for name in (strict_cupy.FUNCTIONS + strict_cupy.UFUNCS + strict_cupy.CONSTANTS).split():
        assert hasattr(cupy, name)
    for name, keywords in strict_cupy.ALLOWED.items():
        if inspect.isfunction(getattr(cupy, name)):  # ufuncs tell nothing
            parameters = inspect.signature(getattr(cupy, name)).parameters
            assert "kwargs" in parameters or parameters.keys() >= set(keywords), name
    for name in vars(strict_cupy.ndarray):
        assert hasattr(cupy.ndarray, name) or name in ("_host", "__slots__", "__module__", "__doc__")
    assert hasattr(cupy.random.Generator, "random") and hasattr(cupy.random, "Philox4x3210")


def test_unknown_names():
    with pytest.raises(AttributeError, match="no zeroes"):
        _ = strict_cupy.zeroes
