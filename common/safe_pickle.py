"""The book's weight files: pickles that its own code reads, read here without running what a file asks for."""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

import numpy

from common.files import FileFormatError, Location, atomic_write, regular
from common.pickle_machine import PickleMachine
from common.tensor_bytes import CHUNK, check_size, raw, to_float16

_SEAL = b"\nsha256 "  # follows the pickle's last opcode, where every pickle reader has stopped reading
_SEAL_SIZE = len(_SEAL) + 64
BATCH = 1000  # items of a dictionary that are on a reader's stack at a time, as in Python's own pickles


def read(path: Location) -> Any:
    """The object in a pickle: lists, tuples, dicts, str, bytes, numbers, None, numeric arrays, and nothing else.

    Nothing a file names is imported or called. Memory stays below twice the file's size, 32 MiB, and 300 bytes for each
    word. Files of `write` carry a SHA-256, which is verified; other files have no checksum, so a changed number in them
    goes unnoticed.
    Raises FileFormatError naming the file and what was refused; FileNotFoundError and other OSErrors as `open` does.
    """
    source = regular(path)
    try:
        with source.open("rb") as file:
            size, sealed = _sealed_size(file)
            if not sealed:
                PickleMachine(file, size, rehearsal=True).run()
                file.seek(0)
            return PickleMachine(file, size).run()
    except IndexError:
        raise FileFormatError(path, "a damaged pickle: an opcode asks for a value that is not there") from None
    except (ValueError, OverflowError) as error:
        raise FileFormatError(path, f"not a pickle of plain data: {error}") from error


def write(path: Location, value: Any) -> None:
    """Write lists, dicts, str, int and numeric arrays, atomically, so that `pickle.load` reads them with any NumPy.

    Raises TypeError for another type; OSError as `atomic_write` does.
    """
    digest = hashlib.sha256()
    with atomic_write(path) as file:
        for part in chain([b"\x80\x04"], _opcodes(value), [b"."]):
            file.write(part)
            digest.update(part)
        file.write(_SEAL + digest.hexdigest().encode())


def write_list(path: Location, arrays: Iterable[numpy.ndarray]) -> None:
    """The book's weight file: a list of float16 arrays. ValueError, and no file, if a value is beyond float16."""
    write(path, [to_float16(array, str(index)) for index, array in enumerate(arrays)])


def _sealed_size(file: BinaryIO) -> tuple[int, bool]:
    """The number of bytes of the pickle itself, and whether a SHA-256 follows it, which is verified then."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(size - _SEAL_SIZE, 0))
    seal = file.read(_SEAL_SIZE)
    file.seek(0)
    if not seal.startswith(_SEAL):
        return size, False
    size -= _SEAL_SIZE
    digest = hashlib.sha256()
    for start in range(0, size, CHUNK):
        digest.update(file.read(min(CHUNK, size - start)))
    if digest.hexdigest().encode() != seal[len(_SEAL):]:
        raise ValueError("its SHA-256 differs, the file is damaged")
    file.seek(0)
    return size, True


def _opcodes(value: Any) -> Iterator[bytes | memoryview]:
    """The opcodes that make `value`. Arrays name numpy.core, which NumPy 1 and 2 both read."""
    if isinstance(value, list):
        yield b"]("
        yield from chain.from_iterable(map(_opcodes, value))
        yield b"e"
    elif isinstance(value, dict):
        yield b"}"
        items = iter(value.items())
        while batch := list(islice(items, BATCH)):
            yield b"("
            yield from chain.from_iterable(map(_opcodes, chain.from_iterable(batch)))
            yield b"u"
    elif isinstance(value, str):
        data = value.encode("utf-8")
        yield b"X" + struct.pack("<I", len(data)) + data
    elif isinstance(value, (int, numpy.integer)):
        yield b"\x8a\x09" + int(value).to_bytes(9, "little", signed=True)
    elif isinstance(value, numpy.ndarray):
        array = numpy.asarray(value, value.dtype.newbyteorder("<"), order="C")
        check_size(array.shape, array.dtype, array.nbytes)
        order, code = array.dtype.str[0].encode(), array.dtype.str[1:].encode()
        yield b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01("
        yield from chain.from_iterable(map(_opcodes, array.shape))
        yield b"tcnumpy\ndtype\nX\x02\0\0\0" + code + b"\x89\x88\x87R(K\x03X\x01\0\0\0" + order
        yield b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89\x8e" + struct.pack("<Q", array.nbytes)
        yield raw(array)
        yield b"tb"
    else:
        raise TypeError(f"a {type(value).__name__} cannot be written, only lists, dicts, str, int and numeric arrays")
