"""Raw bytes of arrays: sizes and ranges are checked before anything else happens."""

import io

import numpy
import pytest

from common.tensor_bytes import CHUNK, check_finite, check_size, fill, is_numeric, raw, to_float16


@pytest.mark.parametrize("code, allowed", [("f2", True), ("f8", True), ("i1", True), ("u8", True), (">f4", True),
                                           ("?", False), ("O", False), ("U3", False), ("V4", False), ("M8[s]", False),
                                           ("c8", False), ("f4,f4", False)])
def test_numeric(code, allowed):
    assert is_numeric(numpy.dtype(code)) is allowed


@pytest.mark.parametrize("shape, size", [((2, 3), 23), ((2, 3), 25), ((-2, -3), 24), ((True, 6), 24), ((6.0,), 24),
                                         ((2**60, 2**60), 0), ((0, 2**48), 0), ((1,) * 33, 4), ((), 0)])
def test_sizes_that_do_not_fit(shape, size):
    with pytest.raises(ValueError):
        check_size(shape, numpy.dtype("f4"), size)


@pytest.mark.parametrize("shape, size", [((2, 3), 24), ((), 4), ((0, 5), 0), ((1,) * 32, 4)])
def test_sizes_that_fit(shape, size):
    check_size(shape, numpy.dtype("f4"), size)


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (CHUNK // 8, 3)])
def test_bytes_and_back(shape):
    array = numpy.random.default_rng(0).standard_normal(shape)
    array = numpy.asarray(array)
    assert bytes(raw(array)) == array.tobytes()
    back = numpy.empty(shape)
    fill(back, io.BytesIO(array.tobytes()).read)
    assert (back == array).all()


def test_fill_from_too_little():
    with pytest.raises(ValueError, match="early"):
        fill(numpy.empty(3), io.BytesIO(bytes(23)).read)


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_finite(code, value):
    check_finite(numpy.zeros((0, 2), code), "W")
    check_finite(numpy.array([-1, 1], code), "W")
    with pytest.raises(ValueError, match=r"W \(3,\)"):
        check_finite(numpy.array([1, value, 2], code), "W")


def test_the_one_bad_number_of_many():
    array = numpy.ones((3, CHUNK), "f2")
    check_finite(array, "W")
    array[2, -1] = numpy.nan
    for view in (array, array.T, array[:, ::-1]):
        with pytest.raises(ValueError, match="W"):
            check_finite(view, "W")


@pytest.mark.parametrize("code", ["f4", "f8"])
def test_float16(code):
    array = numpy.array([0.1, 65504, -65504], code)
    assert to_float16(array, "W").dtype == "f2" and to_float16(array, "W")[1] == 65504
    for value in (65505, -1e30, numpy.nan, numpy.inf):
        with pytest.raises(ValueError, match=r"W \(2,\).*65504"):
            to_float16(numpy.array([0, value], code), "W")


def test_floats_of_more_than_8_bytes():
    kind = numpy.dtype(numpy.longdouble)  # which are 8 on some systems
    assert is_numeric(kind) is (kind.itemsize == 8)


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
def test_the_bad_number_after_negative_ones(code):
    for value in (numpy.nan, numpy.inf, -numpy.inf):
        with pytest.raises(ValueError, match=r"W \(3,\)"):
            check_finite(numpy.array([-1, -2, value], code), "W")
