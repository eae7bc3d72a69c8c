"""Files that are complete or absent, and one error for every file that cannot be trusted."""

import contextlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

Location = str | os.PathLike[str]

PIECE = 1 << 14  # bytes


class FileFormatError(ValueError):
    """A file whose content is damaged, hostile or of another kind. Always names the file.

    Attributes: `path` (str), `reason` (str).
    """

    def __init__(self, path: Location, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def reason_of(error: Exception) -> str:
    """What an error says, for the reason of a FileFormatError; with its type, unless that is ValueError."""
    return str(error) if type(error) is ValueError else repr(error)


def regular(path: Location) -> Path:
    """`path`, checked before a reader opens it: FileFormatError for a pipe or a device, which may have no end."""
    with contextlib.suppress(OSError):  # which opening it raises, too
        mode = Path(path).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise FileFormatError(path, "it is a pipe or a device, not a file")
    return Path(path)


@contextlib.contextmanager
def atomic_write(path: Location) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes such that a reader sees the old content or the whole new one, never a part.

    The bytes go to a temporary file in the same folder, reach the disk (fsync) and take the name in one step (replace).
    Whatever fails on the way, Ctrl-C included, the previous file stays as it was and the temporary one is removed.

    Raises OSError (its usual subclasses too) naming `path`: missing folder, no permission, disk full.
    """
    target = Path(os.path.realpath(path))  # replacing a symbolic link would cut it; replace what it points to
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can: only POSIX opens folders, not every disk syncs them."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def check_writable(folder: Location) -> None:
    """Raise OSError unless a file with something in it can be written in the folder."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"0")  # an empty file has its place on a full disk, too


def write_bytes(path: Location, data: bytes) -> None:
    """Write `data` atomically, see `atomic_write`."""
    with atomic_write(path) as file:
        file.write(data)


def remove_leftovers(folder: Location) -> int:
    """Remove the temporary files that killed processes (SIGKILL, power cut) left in `folder`; returns how many.

    Only for a folder nobody else is writing to at this moment.
    """
    leftovers = [path for path in Path(folder).glob(".*.tmp") if len(path.name) == len("..tmp") + 16]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def pieces(data: bytes | bytearray, separator: bytes) -> Iterator[bytes | bytearray]:
    """`data` in pieces of about 16 KiB, copies, which end behind a separator: what is made of one stays small."""
    start = 0
    while start < len(data):
        end = data.find(separator, start + PIECE) + 1 or len(data)
        yield data[start:end]
        start = end


def parse_json(data: bytes) -> dict[str, Any]:
    """The JSON object in UTF-8 `data`, strictly: any name twice, any other top value, any damage is a ValueError."""
    value = parse_json_value(data)
    if not isinstance(value, dict):
        raise ValueError("JSON holds no object at its top")
    return value


def parse_json_value(data: bytes) -> Any:
    """The JSON value of any kind in UTF-8 `data`, as strictly."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("JSON holds a name twice")
    return value
