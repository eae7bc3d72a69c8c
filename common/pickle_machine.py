"""An interpreter for the part of the pickle language that describes data.

A pickle is a program for a small stack machine, and two of its abilities are dangerous: it may fetch any Python object
by its name and call it. This machine has neither: a name is looked up in a table of a few, and a "call" of one of them
builds an array out of a shape, a dtype and bytes that were checked against each other. No name from a file is ever
imported and nothing from a file is ever called.

The opcodes are documented in the standard library's `pickletools`; the binary protocols 2 to 5 are read.
"""

import codecs
import re
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy

from common.tensor_bytes import CHUNK, check_size

# Python objects are larger than their opcodes. All that is made may take twice the file's size and this many bytes,
# and as many for each text as a word takes that two dictionaries have, with its ids.
ALLOWANCE = 32 << 20
WORD = 300
OPCODE_COST, CONTAINER_COST = 48, 96  # bytes of memory one opcode may cause; a list, tuple or dictionary in addition
LONG_TEXT = 1 << 16  # bytes, more than a word has
LAST_LATIN_1 = 0xC3  # the largest byte in the UTF-8 of characters below 256

_GLOBALS = {f"{core}.{name}": name.partition(".")[2]
            for core in ("numpy.core", "numpy._core")
            for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")}
_GLOBALS |= {"numpy.ndarray": "ndarray", "numpy.dtype": "dtype", "_codecs.encode": "encode",
             "__builtin__.bytes": "bytes", "builtins.bytes": "bytes"}


class _Global:
    """Stands for a function or class that a pickle names; cannot be called."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _DType:
    """Stands for a numeric dtype; a pickle gives the code ("f2") first and the byte order later."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def resolve(self) -> "numpy.dtype[Any]":
        return numpy.dtype(self.order + self.code)


class PickleMachine:
    """Stack, marks and memo while one pickle of `size` bytes is read from `file`.

    `run` returns the object. In a `rehearsal` its lists and dictionaries stay empty: what is wrong with a pickle is
    found in about the memory of the file, before words and numbers in it become Python objects. Raises ValueError
    saying what was refused or does not fit, and IndexError when an opcode asks for a value that is not on the stack or
    in the memo.
    """

    def __init__(self, file: BinaryIO, size: int, rehearsal: bool = False) -> None:
        self.file, self.left, self.allowance, self.rehearsal = file, size, 2 * size + ALLOWANCE, rehearsal
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.unfilled: dict[int, numpy.ndarray] = {}  # arrays made by _reconstruct, by id, until BUILD fills them

    def run(self) -> Any:
        if self.take(1) != b"\x80" or self.take(1)[0] not in (2, 3, 4, 5):
            raise ValueError("it does not start like protocol 2 to 5")
        while (code := self.take(1)) != b".":
            self.spend(OPCODE_COST)
            if code in _STEPS:
                _STEPS[code](self)
            elif code in _NUMBERS:
                self.stack.append(self.number(_NUMBERS[code]))
            elif code in _CONSTANTS:
                self.stack.append(_CONSTANTS[code])
            elif code in _TEXTS:
                text = self.text(self.number(_TEXTS[code]))
                self.allowance += WORD if text else 0
                self.spend(sys.getsizeof(text))
                self.stack.append(text)
            elif code in _SIZED:
                form, convert = _SIZED[code]
                value = convert(self.take(self.number(form)))
                self.spend(sys.getsizeof(value))
                self.stack.append(value)
            else:
                raise ValueError(f"opcode {_opcode_name(code)} is refused")
        if self.left:
            raise ValueError(f"{self.left} bytes follow its end")
        if len(self.stack) != 1 or self.marks or self.unfilled:
            raise ValueError("it ends in the middle of a value")
        _check_plain(self.stack[0])
        return self.stack[0]

    def take(self, count: int) -> bytes:
        self.check_left(count)
        data = self.file.read(count)
        self.left -= len(data)
        if len(data) != count:
            raise ValueError("it became shorter while it was read")
        return data

    def check_left(self, count: int) -> None:
        if count > self.left:
            raise ValueError(f"it ends too early: {count} bytes announced, {self.left} left")

    def text(self, size: int) -> str:
        if size <= LONG_TEXT:
            return self.take(size).decode("utf-8")
        # Protocol 2 has arrays in texts. Decoded in one piece they would take three times their size for a moment.
        self.check_left(size)
        decoder, pieces = codecs.getincrementaldecoder("utf-8")(), []
        for start in range(0, size, CHUNK):
            piece = self.take(min(CHUNK, size - start))
            # One wide character makes a whole string take 2 or 4 bytes for each, so all must be packed bytes.
            if numpy.frombuffer(piece, numpy.uint8).max() > LAST_LATIN_1:
                raise ValueError(f"a text of {size} bytes is refused")
            pieces.append(decoder.decode(piece, final=start + CHUNK >= size))
        return "".join(pieces)

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def spend(self, size: int) -> None:
        self.allowance -= size
        if self.allowance < 0:
            raise ValueError(
                f"it needs more memory than twice its size, {ALLOWANCE >> 20} MiB, and {WORD} bytes for each word"
            )

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def last(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def add_container(self, value: Any) -> None:
        self.spend(CONTAINER_COST)
        self.stack.append(value)

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError(f"values are appended to a {type(target).__name__}")
        if not self.rehearsal:
            target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target, keys = self.stack[-1], values[::2]
        if not isinstance(target, dict) or len(values) % 2:
            raise ValueError(f"a {type(target).__name__} is given {len(values)} keys and values")
        # Scalars alone: hashing a tuple nested a million deep overflows the C stack.
        if not all(isinstance(key, (str, bytes, int, numpy.integer)) for key in keys):
            raise ValueError("a dictionary's key is neither text nor integer")
        if not self.rehearsal:
            target.update(zip(keys, values[1::2], strict=True))

    def memoize(self, index: int) -> None:
        if index != len(self.memo):  # picklers count up; a list that only grows cannot be made huge by an index
            raise ValueError(f"memo entry {index} comes after {len(self.memo)} entries")
        self.memo.append(self.stack[-1])

    def add_global(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "without a name"
        if full not in _GLOBALS:
            raise ValueError(f"global {full[:100]!r} is refused")
        self.stack.append(_Global(_GLOBALS[full]))

    def read_global(self) -> None:
        lines = [self.file.readline(min(self.left, 256)) for _ in range(2)]
        self.left -= sum(map(len, lines))
        self.add_global(*(line.decode("utf-8").removesuffix("\n") for line in lines))

    def reduce(self) -> None:
        function, arguments = self.last(2)
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("it calls something that is no global")
        self.stack.append(self.call(function.name, arguments))

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The value for `name(*arguments)`, made here; a case that is missing below is refused."""
        match name, arguments:
            case "_reconstruct", (_Global(name="ndarray"), (int(0),), bytes()):
                array = numpy.empty(0, numpy.int8)
                self.unfilled[id(array)] = array
                return array
            case "_frombuffer", (bytes() | bytearray() as data, _DType() as dtype, tuple(shape), str(order), *more):
                check_size(shape, dtype.resolve(), len(data))
                array = numpy.frombuffer(data, dtype.resolve())
                match order, more:
                    case "C" | "F", []:
                        return array.reshape(shape, order=order)
                    case "K", [tuple(axes)] if all(type(axis) is int for axis in axes):
                        return array.reshape(shape).transpose(axes)
            case "scalar", (_DType() as dtype, bytes(data)):
                check_size((), dtype.resolve(), len(data))
                return numpy.frombuffer(data, dtype.resolve())[0]
            case "dtype", (str(code), *_) if re.fullmatch("[iu][1248]|f[248]", code):
                return _DType(code)
            case "encode", (str(text), str("latin1" | "latin-1")):  # bytes in protocol 2
                self.spend(len(text))
                return text.encode("latin-1")
            case "bytes", ():
                return b""
        raise ValueError(f"a call of {name} with these arguments is refused")

    def build(self) -> None:
        target, state = self.stack[-2], self.stack.pop()
        match target, state:
            case _DType(), (int(), str("<" | ">" | "|" | "=") as order, None, None, None, int(), int(), int()):
                target.order = order
            case numpy.ndarray(), (int(), tuple(shape), _DType() as dtype, bool(fortran), bytes(data)):
                check_size(shape, dtype.resolve(), len(data))
                if not dtype.resolve().isnative:
                    self.spend(len(data))  # swapping the bytes makes a copy; otherwise the array keeps `data`
                if self.unfilled.pop(id(target), None) is None:
                    raise ValueError("an array is filled twice")
                restore: Any = target.__setstate__  # NumPy's own; what it is given was checked above
                restore((1, shape, dtype.resolve(), fortran, data))
            case _:
                raise ValueError(f"a state for {type(target).__name__.strip('_')} is refused")


def _integer(data: bytes) -> int:
    if len(data) > 9:
        raise ValueError("an integer beyond 64 bits is refused")
    return int.from_bytes(data, "little", signed=True)


def _put(form: str) -> Callable[[PickleMachine], None]:
    return lambda m: m.memoize(m.number(form))


def _get(form: str) -> Callable[[PickleMachine], None]:
    return lambda m: m.stack.append(m.memo[m.number(form)])


_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
_TEXTS = {b"\x8c": "<B", b"X": "<I", b"\x8d": "<Q"}
_SIZED: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    b"C": ("<B", bytes), b"B": ("<I", bytes), b"\x8e": ("<Q", bytes), b"\x96": ("<Q", bytearray),
    b"\x8a": ("<B", _integer), b"\x8b": ("<I", _integer),
}
_STEPS: dict[bytes, Callable[[PickleMachine], None]] = {
    b"\x95": lambda m: m.number("<Q"),  # FRAME: a hint for buffering
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"]": lambda m: m.add_container([]),
    b"}": lambda m: m.add_container({}),
    b")": lambda m: m.add_container(()),
    b"t": lambda m: m.add_container(tuple(m.since_mark())),
    b"\x85": lambda m: m.add_container(tuple(m.last(1))),
    b"\x86": lambda m: m.add_container(tuple(m.last(2))),
    b"\x87": lambda m: m.add_container(tuple(m.last(3))),
    b"a": lambda m: m.append(m.last(1)),
    b"e": lambda m: m.append(m.since_mark()),
    b"s": lambda m: m.set_items(m.last(2)),
    b"u": lambda m: m.set_items(m.since_mark()),
    b"q": _put("<B"), b"r": _put("<I"), b"\x94": lambda m: m.memoize(len(m.memo)),
    b"h": _get("<B"), b"j": _get("<I"),
    b"c": PickleMachine.read_global, b"\x93": lambda m: m.add_global(*m.last(2)),
    b"R": PickleMachine.reduce, b"b": PickleMachine.build,
}


def _check_plain(root: Any) -> None:
    """Raise ValueError if a stand-in of the machine is part of the result."""
    seen, todo = set(), [root]
    while todo:
        value = todo.pop()
        if isinstance(value, (list, tuple, dict)):
            if id(value) not in seen:
                seen.add(id(value))
                todo.extend(value.values() if isinstance(value, dict) else value)
        elif not isinstance(value, (str, bytes, int, float, numpy.ndarray, numpy.generic, type(None))):
            raise ValueError(f"a bare {type(value).__name__.strip('_')} is no data")


def _opcode_name(code: bytes) -> str:
    import pickletools  # only needed for a message

    names = {op.code.encode("latin-1"): op.name for op in pickletools.opcodes}
    return names.get(code, repr(code))
