"""Files made to mislead a reader of weights: pickles that call, archives and headers that lie."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy

Random = numpy.random.Generator


def calling_pickles(module: bytes, name: bytes, argument: bytes) -> dict[str, bytes]:
    """Programs that make `pickle.load` call `module.name(argument)`, one for each opcode that can."""
    function, text = b"c" + module + b"\n" + name + b"\n", b"X" + struct.pack("<I", len(argument)) + argument
    short = [b"\x8c" + bytes([len(part)]) + part for part in (module, name)]
    return {
        "GLOBAL REDUCE": b"\x80\2" + function + text + b"\x85R.",
        "STACK_GLOBAL REDUCE": b"\x80\4" + b"".join(short) + b"\x93" + text + b"\x85R.",
        "INST": b"\x80\2(" + text + b"i" + module + b"\n" + name + b"\n.",
        "OBJ": b"\x80\2(" + function + text + b"o.",
        "inside a list": b"\x80\2](" + function + text + b"\x85Re.",
        "as a dtype": b"\x80\2cnumpy.core.multiarray\nscalar\n" + function + text + b"\x85RC\2ab\x86R.",
        "dropped again": b"\x80\2" + function + text + b"\x85R0N.",
        "protocol 0": b"c" + module + b"\n" + name + b"\n(V" + argument + b"\ntR.",
    }


def refused_opcodes() -> dict[str, bytes]:
    """Programs with the other opcodes that could make or call something."""
    command = {f"os: {name}": program for name, program in calling_pickles(b"os", b"system", b"exit 1").items()}
    return command | {
        "NEWOBJ": b"\x80\2cbuiltins\nobject\n)\x81.", "NEWOBJ_EX": b"\x80\4cbuiltins\nobject\n)}\x92.",
        "NEWOBJ of a list": b"\x80\2cnumpy\nndarray\nK\x09\x85\x81.",
        "BUILD": b"\x80\2]}X\1\0\0\0aK\1sb.", "BUILD on a global": b"\x80\2cnumpy\nndarray\n}X\1\0\0\0aK\1sb.",
        "EXT1": b"\x80\2\x82\1.", "EXT2": b"\x80\2\x83\1\0.", "EXT4": b"\x80\2\x84\1\0\0\0.",
        "PERSID": b"\x80\2P1\n.", "BINPERSID": b"\x80\2K\1Q.",
        "NEXT_BUFFER": b"\x80\5\x97.", "READONLY_BUFFER": b"\x80\5]\x98.",
        "bare global": b"\x80\2cnumpy\nndarray\n.", "bare dtype": b"\x80\2cnumpy\ndtype\nX\2\0\0\0f2\x89\x88\x87R.",
        "object array": array_program(b"X\2\0\0\0O8", b"K\1", b"12345678"),
        "call of ndarray": b"\x80\2cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
        "codec": b"\x80\2c_codecs\nencode\nX\1\0\0\0aX\3\0\0\0zip\x86R.",
        "nested keys": b"\x80\2})" + b"\x85" * 100_000 + b"K\1s.", "nested": b"\x80\2" + b"](" * 20_000 + b".",
        "memo": b"\x80\2Nr\xff\xff\xff\x7f.", "billion laughs": b"\x80\2]" + b"(2222222222e" * 40 + b".",
        "long text": b"\x80\2\x8d" + struct.pack("<Q", 1 << 62) + b".", "long integer": b"\x80\2\x8b\xff\xff\xff\x7f.",
        "long buffer": b"\x80\5\x96" + struct.pack("<Q", 1 << 62) + b".", "frame": b"\x80\4\x95" + b"\xff" * 8,
        "huge shape": array_program(b"X\2\0\0\0f2", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f", b""),
        "containers": b"\x80\2](" + b"]" * 500_000 + b"e.",
        "wide text": b"\x80\2X\4\0\x20\0" + b"a" * (2 << 20) + "\U0001f600".encode() + b".",
    }


def array_program(code: bytes, shape: bytes, data: bytes) -> bytes:
    return (b"\x80\3cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87R(K\1(" + shape
            + b"tcnumpy\ndtype\n" + code + b"\x89\x88\x87R\x89C" + bytes([len(data)]) + data + b"tb.")


def random_program(rng: Random) -> bytes:
    """Opcodes in any order, mostly ones the reader knows, so that it gets deep before something does not fit."""
    array = array_program(b"X\2\0\0\0f2", b"K\2", b"1234")[2:-1]
    dtype = b"cnumpy\ndtype\nX\2\0\0\0f2\x89\x88\x87R"
    state = b"(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    known = [b"N", b"\x88", b"K\1", b"J\xff\xff\xff\xff", b"G" + struct.pack(">d", math.pi), b"X\1\0\0\0<", b"C\2ab",
             b"\x8c\2f2", b"\x8a\1\5", b"]", b"}", b")", b"(", b"(", b"t", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s",
             b"u", b"\x94", b"q\0", b"h\0", b"h\1", b"R", b"R", b"b", b"\x93", array, array, dtype, state,
             b"\x96" + struct.pack("<Q", 3) + b"abc", b"X\6\0\0\0latin1", b"X\1\0\0\0C",
             b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n",
             b"cnumpy.core.multiarray\nscalar\n", b"cnumpy._core.numeric\n_frombuffer\n"]
    other = [b"0", b"1", b"2", b"F1\n", b"I01\n", b"L5L\n", b"S'a'\n", b"T\1\0\0\0a", b"U\1a", b"Va\n", b"d", b"l",
             b"g0\n", b"p0\n", b"ios\nsystem\n", b"o", b"\x81", b"\x92", b"\x82\1", b"\x83\1\0", b"\x84\1\0\0\0",
             b"P1\n", b"Q", b"\x8f", b"\x90", b"\x91", b"\x97", b"\x98", b"cos\nsystem\n", b"cbuiltins\neval\n",
             b"r\0\0\0\x7f"]
    program = b"\x80\4]("
    for _ in range(rng.integers(2, 40)):
        choices = other if rng.random() < 0.02 else known
        program += choices[rng.integers(len(choices))]
    return program + b"e."


def hostile_archives() -> Iterator[bytes]:
    """Zip archives that lie about sizes and names, or hold what is no numeric array."""
    sound = member("<f4", "(2,)", b"12345678")
    yield archive({"../../etc/x.npy": sound})
    yield archive({"/x.npy": sound})
    yield archive({"x": sound})
    yield archive({"a.npy": pickled_objects()})
    yield archive({"a.npy": member("|O", "(1,)", calling_pickles(b"os", b"system", b"exit 1")["GLOBAL REDUCE"])})
    yield archive({"a.npy": member("<f4", "(1000000000, 1000000000)", b"")})
    yield archive({"a.npy": member("<f4", "(" + "9" * 4000 + ",)", b"")})
    yield archive({"a.npy": member("<f4", "(-2,)", b"")})
    yield archive({"a.npy": member("<f4", "(__import__('os').system('exit 1'),)", b"")})
    yield archive({"a.npy": member("<f4", "(" * 4000, b"")})
    yield archive({"a.npy": member("<f4", "(2,), }" + " " * 20_000, b"12345678")})  # whose header is read in part
    yield archive({"a.npy": member("<U2", "(1,)", b"12345678")})
    yield archive({"a.npy": member("|b1", "(8,)", b"12345678")})
    yield archive({f"{i:0200}.npy": sound for i in range(5_000)})  # a directory larger than any honest one
    yield archive({"a.npy": member("<f4", f"({5 << 20},)", bytes(20 << 20))}, zipfile.ZIP_DEFLATED)  # a bomb
    yield archive({"a.npy": sound}, zipfile.ZIP_BZIP2)
    yield archive({"a.npy": sound}, zipfile.ZIP_LZMA)
    yield overlapping(sound)
    yield archive({"__metadata__.npy": member("|u1", "(4000,)", b"[" * 4000), "a.npy": sound})
    yield archive({"__metadata__.npy": member("|u1", "(18,)", b'{"a":"1","a": "2"}'), "a.npy": sound})


def pickled_objects() -> bytes:
    file = io.BytesIO()
    numpy.save(file, numpy.array([{}], object), allow_pickle=True)
    return file.getvalue()


def member(descr: str, shape: str, data: bytes) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def overlapping(data: bytes, copies: int = 1000) -> bytes:
    """Many directory entries for the same bytes."""
    name, end = b"a.npy", data
    fields = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)
    local = b"PK\3\4" + fields + name + end
    entries = (b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<3H2L", 0, 0, 0, 0, 0) + name) * copies
    return local + entries + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, copies, copies, len(entries), len(local), 0)


def hostile_headers() -> Iterator[bytes]:
    """Safetensors headers that lie."""
    sound = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    for text in ("[" * 900_000, '{"a":' * 100_000, "{" + sound + "," + sound + "}", "[1]", "{}", "",
                 sound.join("{}").replace("[2]", "[1e3]"), sound.join("{}").replace("[2]", "[-2]"),
                 sound.join("{}").replace("[2]", "[true, 2]"), sound.join("{}").replace("F32", "O8"),
                 sound.join("{}").replace("[0,8]", "[0,8,8]"), sound.join("{}").replace("[2]", f"[{2**31},{2**32}]"),
                 sound.join("{}").replace('"a"', '"../a"'), sound.join("{}").replace("[0,8]", f"[0,{2**70}]"),
                 "{" + sound + "," + sound.replace('"a"', '"b"') + "}", '{"__metadata__":{"a":1},' + sound + "}",
                 '{"__metadata__":[],' + sound + "}", "{" + sound + "," * 900_000, "{" + '"a":0,' * 100_000 + "}"):
        yield struct.pack("<Q", len(text)) + text.encode() + b"12345678"
    yield struct.pack("<Q", 1 << 63) + b"{}"


def hostile_files(rng: Random) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes): each prepared file once, then random programs without an end."""
    for name, program in refused_opcodes().items():
        yield f"{name}.pkl", program
    for data in hostile_archives():
        yield "hostile.npz", data
    for data in hostile_headers():
        yield "hostile.safetensors", data
    while True:
        yield "random program.pkl", random_program(rng)
