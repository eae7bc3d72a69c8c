"""The .npz format: NumPy's own files are read, archives that lie are refused before memory is asked for."""

import importlib
import tracemalloc
from pathlib import Path

import numpy
import pytest

from common import npz_file, weight_files
from common.files import FileFormatError


@pytest.fixture(scope="module")
def hostile():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "faults")
        return importlib.import_module("hostile_weights")


@pytest.fixture
def tensors():
    rng = numpy.random.default_rng(0)
    return {"W": rng.standard_normal((30, 20)).astype("f4"), "WT": rng.standard_normal((30, 20)).T,
            "b": numpy.zeros(1000), "n": numpy.array(3), "big": numpy.arange(4, dtype=">f4")}


def test_numpy_reads_ours(tmp_path, tensors):
    path = weight_files.write(tmp_path / "x.npz", tensors, metadata={"a": "b"})
    with numpy.load(path) as back:
        assert back.files == [*tensors, npz_file.METADATA]
        for name, array in tensors.items():
            assert (back[name] == array).all() and back[name].shape == array.shape
        assert back[npz_file.METADATA].tobytes() == b'{"a": "b"}'


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
def test_ours_reads_numpys(tmp_path, tensors, save):
    save(tmp_path / "x.npz", **tensors)
    back, metadata = npz_file.read(tmp_path / "x.npz")
    assert list(back) == list(tensors) and metadata == {}
    for name, array in tensors.items():
        assert (back[name] == array).all() and back[name].dtype == array.dtype and back[name].shape == array.shape


def test_bytes_after_the_end_are_refused(tmp_path, tensors):
    path = weight_files.write(tmp_path / "x.npz", tensors)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FileFormatError):
        weight_files.read(path)


def test_archives_that_lie(tmp_path, hostile):
    path = tmp_path / "x.npz"
    path.write_bytes(hostile.archive({"a.npy": hostile.member("<f4", "(2,)", b"12345678")}))
    assert weight_files.read(path)[0]["a"].tobytes() == b"12345678"  # so it is the lie that is refused below
    for data in hostile.hostile_archives():
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(FileFormatError, match=r"x\.npz"):
            weight_files.read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(data) + (4 << 20)


def test_memory_is_that_of_the_file(tmp_path):
    path = weight_files.write(tmp_path / "x.npz", {"a": numpy.ones((2000, 1000)), "b": numpy.ones(10)})
    tracemalloc.start()
    back, _ = weight_files.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert back["a"].nbytes == 16_000_000
    assert peak < 1.2 * path.stat().st_size
