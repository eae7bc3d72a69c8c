import numpy
import pytest

from common.checks import (
    as_flag,
    check_counts,
    check_not_negative,
    check_positive,
    check_ratios,
    check_restored_count,
    check_restored_numbers,
    check_whole,
    is_number,
)


def test_whole_numbers():
    check_whole("f", one=1, two=numpy.int32(2), three=True)
    for value in (3.0, "3", None, numpy.float32(3), [3]):
        with pytest.raises(TypeError, match=r"f: size must be a whole number, not .*3|f: size .* not None"):
            check_whole("f", ok=1, size=value)
        with pytest.raises(TypeError, match="f: size must be a whole number"):
            check_counts("f", ok=1, size=value)
    check_counts("f", one=1, many=numpy.uint8(200))
    with pytest.raises(TypeError, match="f: size must be a whole number, not True"):
        check_counts("f", ok=1, size=True)
    with pytest.raises(ValueError, match="f: size must be at least 1, not 0"):
        check_counts("f", ok=1, size=0)


def test_flags():
    for value in (True, 1, numpy.True_, numpy.int8(1)):
        assert as_flag("tied", value) is True
    for value in (False, 0, numpy.False_):
        assert as_flag("tied", value) is False
    for value in ("no", "True", None, 2, 1.0, [1], numpy.ones(2)):
        with pytest.raises(TypeError, match=r"^tied must be True or False, not "):
            as_flag("tied", value)


def test_numbers():
    assert all(map(is_number, [0, -1.5, numpy.float16(1), numpy.int8(1)]))
    assert not any(map(is_number, [numpy.nan, numpy.inf, "1", None, [1], 1j]))


def test_signs():
    check_positive("f", one=1, two=numpy.float32(0.5))
    check_not_negative("f", zero=0, half=numpy.float32(0.5))
    for rate in (-1, numpy.nan, numpy.inf, "1", None):
        with pytest.raises(ValueError, match=f"^f: rate must be a positive number, not {rate!r}$"):
            check_positive("f", ok=1, rate=rate)
        with pytest.raises(ValueError, match=f"^f: rate must be a number of at least 0, not {rate!r}$"):
            check_not_negative("f", ok=1, rate=rate)
    with pytest.raises(ValueError, match=r"^f: rate must be a positive number, not 0\.0$"):
        check_positive("f", rate=0.0)


def test_ratios():
    check_ratios("f", one=0, two=numpy.float32(0.9))
    for ratio in (-0.1, 1.0, numpy.nan):
        with pytest.raises(ValueError, match=rf"f: share must be in \[0, 1\), not {ratio}"):
            check_ratios("f", ok=0.5, share=ratio)


def test_what_comes_from_a_file():
    check_restored_count("epoch", 0)
    for value in (-1, 1.0, True, None):
        with pytest.raises(ValueError, match=f"epoch must be an integer of at least 0, not {value}"):
            check_restored_count("epoch", value)
    check_restored_numbers("losses", [1, 2.5, numpy.nan])
    for values, finite in (([1, "2"], False), (3.0, False), ([numpy.nan], True)):
        with pytest.raises(ValueError, match=r"losses must be (numbers|finite), not"):
            check_restored_numbers("losses", values, finite=finite)
