"""The .safetensors format: files go both ways with the safetensors package, headers that lie are refused."""

import importlib
import struct
import tracemalloc
from pathlib import Path

import numpy
import pytest

from common import weight_files
from common.files import FileFormatError, parse_json
from common.safetensors_file import CHECKSUM


@pytest.fixture(scope="module")
def hostile():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "faults")
        return importlib.import_module("hostile_weights")


@pytest.fixture
def tensors():
    rng = numpy.random.default_rng(0)
    return {"b": rng.standard_normal(3).astype("f2"), "W": rng.standard_normal((30, 20)).astype("f4"),
            "WT": rng.standard_normal((30, 20)).T, "n": numpy.array(3), "u": numpy.arange(5, dtype="u1"),
            "empty": numpy.zeros((0, 4), "f4")}


def test_the_package_reads_ours(tmp_path, tensors):
    package = pytest.importorskip("safetensors", reason="needs the safetensors package")
    path = weight_files.write(tmp_path / "x.safetensors", tensors, metadata={"a": "b"})
    with package.safe_open(path, framework="numpy") as file:
        assert file.metadata()["a"] == "b"
        assert sorted(file.keys()) == sorted(tensors)
        for name, array in tensors.items():
            back = file.get_tensor(name)
            assert (back == array).all() and back.dtype == array.dtype and back.shape == array.shape


def test_ours_reads_the_packages(tmp_path, tensors):
    package = pytest.importorskip("safetensors.numpy", reason="needs the safetensors package")
    path = tmp_path / "x.safetensors"
    package.save_file({name: array.copy(order="C") for name, array in tensors.items()}, path, metadata={"a": "b"})
    back, metadata = weight_files.read(path)
    assert metadata == {"a": "b"} and sorted(back) == sorted(tensors)
    for name, array in tensors.items():
        assert (back[name] == array).all() and back[name].dtype == array.dtype and back[name].shape == array.shape


def test_tensors_are_aligned(tmp_path, tensors):
    """Programs that map the file into memory need every tensor at a multiple of its element size."""
    data = weight_files.write(tmp_path / "x.safetensors", tensors).read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = parse_json(data[8 : 8 + length])
    assert length % 8 == 0
    assert all(header[name]["data_offsets"][0] % array.itemsize == 0 for name, array in tensors.items())


def test_checksum_covers_values_names_shapes_and_metadata(tmp_path):
    path = weight_files.write(tmp_path / "x.safetensors", {"ab": numpy.ones((2, 3))}, metadata={"m": "1"})
    good = path.read_bytes()
    for old, new in [(b'"ab"', b'"ac"'), (b"[2,3]", b"[3,2]"), (b"F64", b"I64"), (b'"m":"1"', b'"m":"2"'),
                     (b'"m"', b'"n"'), (b'.sha256":', b'.sha255":'), (numpy.float64(1).tobytes(), bytes(8))]:
        assert old in good
        path.write_bytes(good.replace(old, new, 1))
        with pytest.raises(FileFormatError, match="SHA-256"):
            weight_files.read(path)
    for metadata in ({CHECKSUM: "x"}, {"a": "sha256:x"}):
        with pytest.raises(ValueError, match="checksum"):
            weight_files.write(path, {}, metadata=metadata)


def test_headers_that_lie(tmp_path, hostile):
    path, text = tmp_path / "x.safetensors", b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"12345678")
    assert weight_files.read(path)[0]["a"].tobytes() == b"12345678"  # so it is the lie that is refused below
    for data in hostile.hostile_headers():
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(FileFormatError, match=r"x\.safetensors"):
            weight_files.read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(data) + (8 << 20)


def test_bfloat16_is_named(tmp_path):
    path, text = tmp_path / "x.safetensors", b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"1234")
    with pytest.raises(FileFormatError, match="'a' has dtype 'BF16'"):
        weight_files.read(path)


def test_a_gap_before_a_tensor(tmp_path):
    path, text = tmp_path / "x.safetensors", b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"123412345678")
    with pytest.raises(FileFormatError, match="'a' leaves a gap or overlaps another one"):
        weight_files.read(path)


def test_memory_is_that_of_the_file(tmp_path):
    path = weight_files.write(tmp_path / "x.safetensors", {"a": numpy.ones((2000, 1000)), "b": numpy.ones(10)})
    tracemalloc.start()
    back, _ = weight_files.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert back["a"].nbytes == 16_000_000
    assert peak < 1.2 * path.stat().st_size
