"""The reader of the book's pickles: everything honest is read, nothing from a file is ever run."""

import importlib
import pickle
import pickletools
import struct
import sys
import tracemalloc
import types
from pathlib import Path

import numpy
import pytest

from common import safe_pickle
from common.files import FileFormatError

RNG = numpy.random.default_rng(0)
VALUES = [
    [RNG.standard_normal((7, 5)).astype("f2"), RNG.standard_normal(700).astype("f4")],
    {"word_vecs": numpy.ones((2, 3), "f2"), "word_to_id": {"a": 0, "é語": 1}, "id_to_word": {0: "a", 1: "é語"}},
    {numpy.int64(3): "three", 4: numpy.float32(0.5), "i": [-1, 255, 256, 70_000, 2**40, -(2**63), 2**64 - 1]},
    (1, 2.5, None, True, False, "", b"", b"\x00\xff", (), [], {}, ((1,), (2, 3), (4, 5, 6), (7, 8, 9, 10))),
    [numpy.ones((700, 3)).T, numpy.arange(2000, dtype=">i4"), numpy.float32(3), numpy.array(2.0), numpy.zeros((0, 3))],
    [RNG.standard_normal((2, 3, 400)).transpose(1, 0, 2), numpy.arange(4, dtype="u1")],
    ["x" * 70_000, b"y" * 70_000, list(range(3000)), {str(i): i for i in range(3000)}],
]


@pytest.fixture(scope="module")
def hostile():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "faults")
        return importlib.import_module("hostile_weights")


def read(tmp_path, data):
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    return safe_pickle.read(path)


def assert_same(one, two):
    if isinstance(two, numpy.ndarray):
        assert isinstance(one, numpy.ndarray) and one.shape == two.shape and (one == two).all()
        assert one.dtype.newbyteorder("=") == two.dtype.newbyteorder("=")
    elif isinstance(two, (list, tuple)):
        assert type(one) is type(two) and len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    elif isinstance(two, dict):
        assert type(one) is dict and list(one) == list(two)
        assert_same(list(one.values()), list(two.values()))
    else:
        assert type(one) is type(two) and one == two


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_what_pickle_writes(tmp_path, value, protocol):
    assert_same(read(tmp_path, pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_reads_pickles_of_both_numpys(tmp_path, protocol, core):
    value = [numpy.arange(6.0).reshape(2, 3), numpy.float32(0.5)]
    data = pickle.dumps(value, protocol)
    for module in (b"multiarray", b"numeric"):
        for name in (b"numpy.core.", b"numpy._core."):
            new = core + b"." + module
            data = data.replace(b"c" + name + module, b"c" + new)  # GLOBAL ends at a line feed
            text = name + module
            data = data.replace(b"\x8c" + bytes([len(text)]) + text, b"\x8c" + bytes([len(new)]) + new)
    assert core in data
    assert_same(read(tmp_path, data), value)


def test_one_array_twice_stays_one(tmp_path):
    array = numpy.ones((40, 40))
    one, two = read(tmp_path, pickle.dumps([array, array]))
    assert one is two and one.flags.writeable


def test_calls_are_refused_though_pickle_makes_them(tmp_path, hostile, monkeypatch):
    """Each program calls the canary when pickle.loads runs it, or the test would show nothing; here it does not."""
    calls = []
    canary = types.ModuleType("canary")
    canary.sing = calls.append
    monkeypatch.setitem(sys.modules, "canary", canary)
    for name, program in hostile.calling_pickles(b"canary", b"sing", b"tweet").items():
        calls.clear()
        try:
            pickle.loads(program)
        except TypeError:  # the canary returns no dtype
            assert name == "as a dtype"
        assert calls == ["tweet"], name
        calls.clear()
        with pytest.raises(FileFormatError, match=r"x\.pkl"):
            read(tmp_path, program)
        assert calls == [], name


def test_hostile_programs_are_refused(tmp_path, hostile):
    for program in hostile.refused_opcodes().values():
        with pytest.raises(FileFormatError, match=r"x\.pkl"):
            read(tmp_path, program)


@pytest.mark.parametrize("name, word", [("os: GLOBAL REDUCE", "os.system"), ("os: STACK_GLOBAL REDUCE", "os.system"),
                                        ("os: INST", "INST"), ("EXT4", "EXT4"), ("BINPERSID", "BINPERSID"),
                                        ("codec", "encode"), ("object array", "dtype"), ("memo", "2147483647")])
def test_messages_name_what_was_refused(tmp_path, hostile, name, word):
    with pytest.raises(FileFormatError, match=word):
        read(tmp_path, hostile.refused_opcodes()[name])


def test_every_opcode_alone(tmp_path):
    for opcode in pickletools.opcodes:
        if opcode.name in ("NONE", "NEWTRUE", "NEWFALSE", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT"):
            continue  # a value on its own
        for protocol in (b"\x80\2", b"\x80\5", b""):
            with pytest.raises(FileFormatError):
                read(tmp_path, protocol + opcode.code.encode("latin-1") + b".")


def test_an_array_that_is_never_filled_or_twice(tmp_path, hostile):
    whole = hostile.array_program(b"X\2\0\0\0f2", b"K\2", b"1234")
    assert len(read(tmp_path, whole)) == 2
    fill = whole[whole.index(b"(K\1"):-1]
    with pytest.raises(FileFormatError, match="middle"):
        read(tmp_path, whole.replace(fill, b""))
    with pytest.raises(FileFormatError, match="twice"):
        read(tmp_path, whole[:-1] + fill + b".")


def test_empty_missing_and_folder(tmp_path):
    with pytest.raises(FileFormatError, match="too early"):
        read(tmp_path, b"")
    with pytest.raises(FileNotFoundError, match=r"none\.pkl"):
        safe_pickle.read(tmp_path / "none.pkl")
    with pytest.raises(OSError):
        safe_pickle.read(tmp_path)


def test_the_book_reads_what_is_written(tmp_path):
    arrays = [RNG.standard_normal((50, 30)).astype("f4"), numpy.arange(12.0).reshape(3, 4).T, numpy.zeros(0)]
    path = tmp_path / "x.pkl"
    safe_pickle.write_list(path, arrays)
    assert b"numpy._core" not in path.read_bytes()  # NumPy 1 lacks it
    with path.open("rb") as file:
        book = pickle.load(file)
    for back in (book, safe_pickle.read(path)):
        assert_same(back, [array.astype("f2") for array in arrays])


def test_dictionaries_go_both_ways(tmp_path):
    path = tmp_path / "x.pkl"
    safe_pickle.write(path, VALUES[1])
    with path.open("rb") as file:
        assert_same(pickle.load(file), VALUES[1])
    assert_same(safe_pickle.read(path), VALUES[1])
    with pytest.raises(TypeError, match="set"):
        safe_pickle.write(path, [set()])
    assert_same(safe_pickle.read(path), VALUES[1])


@pytest.mark.parametrize("value", [70000.0, -65505.0, numpy.inf, numpy.nan])
def test_beyond_float16_writes_nothing(tmp_path, value):
    with pytest.raises(ValueError, match="tensor 1 "):
        safe_pickle.write_list(tmp_path / "x.pkl", [numpy.ones(2), numpy.array([1.0, value])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_any_flipped_bit_and_any_cut_is_found(tmp_path):
    path = tmp_path / "x.pkl"
    safe_pickle.write_list(path, [numpy.ones((2, 3)), numpy.zeros(2)])
    good, content = path.read_bytes(), safe_pickle.read(path)
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FileFormatError):
            read(tmp_path, bytes(data))
    pickled = len(good) - 72  # the rest is the checksum
    assert_same(read(tmp_path, good[:pickled]), content)
    for size in {*range(len(good))} - {pickled}:
        with pytest.raises(FileFormatError):
            read(tmp_path, good[:size])
    with pytest.raises(FileFormatError, match="follow"):
        read(tmp_path, pickle.dumps([]) + b"x")


def test_memory_is_that_of_the_file(tmp_path):
    path = tmp_path / "x.pkl"
    safe_pickle.write_list(path, [numpy.ones((1000, 1000)), numpy.ones(300_000)])
    for data in (path.read_bytes(), pickle.dumps(safe_pickle.read(path), 5), pickle.dumps(safe_pickle.read(path), 2)):
        path.write_bytes(data)
        tracemalloc.start()
        value = safe_pickle.read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(value) == 2
        assert peak < 2.1 * len(data)


def test_texts_that_hold_arrays_are_decoded_in_pieces(tmp_path):
    """The UTF-8 of bytes of all values, which protocol 2 writes, is half as large again as the array."""
    arrays = [RNG.standard_normal((500, 1000)).astype("f4"), RNG.standard_normal(300_000).astype("f4")]
    data = pickle.dumps(arrays, 2)
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    tracemalloc.start()
    assert_same(safe_pickle.read(path), arrays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * len(data)
    assert_same(read(tmp_path, pickle.dumps(["a" + "é" * 400_000], 4)), ["a" + "é" * 400_000])  # pieces end in an é
    for text, message in (("é" * 400_000 + "Ā", "a text of 800002 bytes is refused"), ("語" * 40_000, "is refused")):
        with pytest.raises(FileFormatError, match=message):
            read(tmp_path, pickle.dumps([text], 4))
    with pytest.raises(FileFormatError, match="900000 bytes announced, 3 left"):
        read(tmp_path, b"\x80\2X" + struct.pack("<I", 900_000) + b"ab.")


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [None, 2, 5])
def test_words_may_take_more_than_the_file(tmp_path, protocol):
    """Their vectors are short: most of the memory is that of words, ids and dictionaries."""
    words = [f"語{i}" for i in range(150_000)]
    content = {"ids": {word: i for i, word in enumerate(words)}, "words": dict(enumerate(words))}
    path = tmp_path / "x.pkl"
    if protocol is None:
        safe_pickle.write(path, content)
    else:
        path.write_bytes(pickle.dumps(content, protocol))
    assert safe_pickle.read(path) == content


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "most"), [(2, 2.3), (4, 2), (5, 2)])
def test_words_of_a_damaged_file_are_not_made(tmp_path, protocol, most):
    """Protocol 2 holds the bytes of an array as text, which both stay in the memo."""
    words = [f"word{i}" for i in range(20_000)]
    content = {"vectors": numpy.ones((20_000, 16), "f2"), "ids": {word: i for i, word in enumerate(words)}}
    data = pickle.dumps({**content, "words": dict(enumerate(words))}, protocol)
    path = tmp_path / "x.pkl"
    for damaged in (data[:-1], data[:-1] + b"]", data + b"."):
        path.write_bytes(damaged)
        tracemalloc.start()
        with pytest.raises(FileFormatError, match=r"it ends too early|follow its end"):
            safe_pickle.read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * len(data)


def test_small_files_cannot_multiply(tmp_path):
    """One text encoded again and again, one byte-swapped buffer used again and again."""
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    encode = b"\x80\4]c_codecs\nencode\n\x94" + text + b"\x94X\6\0\0\0latin1\x94\x87"
    again = b"h\0h\1h\2\x86R0"
    with pytest.raises(FileFormatError):
        read(tmp_path, encode + again * 1000 + b".")
    many = encode[:2] + encode[3:] + b"\x94](" + b"h\0h\1h\2\x86R" * 1000 + b"e\x86."
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="memory"):
        read(tmp_path, many)
    assert tracemalloc.get_traced_memory()[1] < 48 << 20
    tracemalloc.stop()
