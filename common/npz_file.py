"""Named tensors in NumPy's .npz format: a zip archive, stored uncompressed, with one .npy member per tensor.

`numpy.load` opens the files written here. Reading does not go through it, so that sizes are compared before memory is
asked for and headers are never evaluated as Python. Format: numpy.lib.format, "NEP 1".
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy

from common.files import Location, parse_json
from common.tensor_bytes import HEADER_LIMIT, check_size, fill, raw
from common.tensor_names import METADATA

# Compressed archives (not ours) may grow to twice the file and this; a zip bomb of 1 MiB would make 1 GiB.
ALLOWANCE = 16 << 20

_HEADER = re.compile(
    r"\{\s*'descr':\s*'([<>|=]?(?:[iu][1248]|f[248]))',\s*'fortran_order':\s*(True|False),"
    r"\s*'shape':\s*\(([\d,\s]*)\),?\s*\}\s*")


def write(file: BinaryIO, tensors: Mapping[str, numpy.ndarray], metadata: Mapping[str, str]) -> None:
    """Write C-ordered `tensors`; metadata, if any, becomes one more member, JSON as bytes. Same input, same bytes."""
    members = dict(tensors)
    if metadata:
        text = json.dumps(metadata, ensure_ascii=False).encode()
        if len(text) > HEADER_LIMIT:
            raise ValueError(f"metadata of {len(text)} bytes, at most {HEADER_LIMIT} are read again")
        members[METADATA] = numpy.frombuffer(text, numpy.uint8)
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            info = zipfile.ZipInfo(f"{name}.npy")  # carries a fixed date, 1980-01-01
            with archive.open(info, "w", force_zip64=True) as member:
                numpy.lib.format.write_array_header_1_0(member, numpy.lib.format.header_data_from_array_1_0(array))
                member.write(raw(array))


def read(path: Location) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The tensors and the metadata of an archive; every member's CRC-32 is verified.

    Memory stays below the file's size (compressed: twice the size and 16 MiB) and a few MiB. Raises ValueError, or one
    of the errors of `zipfile` (see `weight_files.read`, which turns all of them into one), for a damaged archive.
    """
    with _CappedFile(path) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_members(members, os.fstat(file.fileno()).st_size)
        # zipfile stops quietly at a damaged entry; the count at the end of the directory tells that some are missing.
        file.seek(-22 - len(archive.comment), os.SEEK_END)
        end = file.read(22)
        if end[:4] != b"PK\5\6" or int.from_bytes(end[10:12], "little") != len(members):
            raise ValueError("its directory does not list all members, or bytes follow its end")
        tensors = {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in members}
    text = tensors.pop(METADATA, None)
    if text is not None and text.nbytes > HEADER_LIMIT:
        raise ValueError(f"metadata of {text.nbytes} bytes")
    return tensors, {} if text is None else parse_json(text.tobytes())


class _CappedFile(io.FileIO):
    """A file that reads at most `HEADER_LIMIT` bytes at a time; an honest archive's directory is not larger."""

    def __init__(self, path: Location) -> None:
        super().__init__(Path(path))

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = HEADER_LIMIT
        if size > HEADER_LIMIT:
            raise ValueError(f"a part of the archive's directory is announced with {size} bytes")
        return super().read(size) or b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 0 and offset < 0:
            raise ValueError("the archive's directory points before its start")
        return super().seek(offset, whence)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    names = [info.filename for info in members]
    if len(set(names)) != len(names):
        raise ValueError("two members have the same name")
    for info in members:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"member {info.filename[:100]!r} is no .npy array")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others expand without a bound
            raise ValueError(f"member {info.filename[:100]!r} uses compression method {info.compress_type}")
    # Members may not share bytes of the file, or a small file could be read a thousand times over.
    if sum(info.compress_size for info in members) > size:
        raise ValueError("the members overlap")
    if any(info.compress_size != info.file_size for info in members if info.compress_type == zipfile.ZIP_STORED):
        raise ValueError("the two sizes of a stored member differ")
    total = sum(info.file_size for info in members)
    if total > size and total > 2 * size + ALLOWANCE:
        raise ValueError(f"its {size} bytes announce {total} after decompression; save it with numpy.savez instead")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> numpy.ndarray:
    with archive.open(info) as member:
        start = member.read(8)
        if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
            raise ValueError(f"member {info.filename[:100]!r} is no .npy array")
        width = 2 if start[6] == 1 else 4
        length = int.from_bytes(member.read(width), "little")
        header = _HEADER.fullmatch(member.read(min(length, 10_000)).decode("latin-1"))
        if not header:
            raise ValueError(f"member {info.filename[:100]!r} is no plain numeric array")
        dtype = numpy.dtype(header[1])
        shape = tuple(int(n) for n in re.findall(r"\d+", header[3]))
        check_size(shape, dtype, info.file_size - 8 - width - length)
        fortran = header[2] == "True"
        array = numpy.empty(shape[::-1] if fortran else shape, dtype)
        fill(array, member.read)
        if member.read(1):  # reading to the end also makes zipfile compare the CRC-32
            raise ValueError(f"member {info.filename[:100]!r} is longer than announced")
    return array.T if fortran else array
