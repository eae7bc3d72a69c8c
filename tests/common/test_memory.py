import ctypes

import numpy
import pytest

from common.memory import keep_freed_memory


@pytest.mark.parametrize("mebibytes", [8, 64])
def test_freed_memory_is_taken_again(mebibytes):
    resource = pytest.importorskip("resource")
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")

    def page_faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            numpy.ones(mebibytes * 2**18, "f")
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    page_faults()
    assert page_faults() < 10 * mebibytes / 2    # pages that are new, of 4 KiB or of 2 MiB


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_c_libraries_are_left_alone(monkeypatch, error):
    def fails(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fails)
    assert keep_freed_memory() is False
