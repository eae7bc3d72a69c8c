"""One process at a time in a folder: a file in it that the system locks, and that holds the number of the process.

The system lets go of the lock however the process ends. So what a killed process leaves behind binds nobody, whatever
program has been given its number since. Within one process a folder may be locked several times.
"""

import contextlib
import os
import sys
import weakref
from collections import Counter
from io import FileIO
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".nlp-from-scratch.lock"  # no file of a user's

_files: dict[Path, FileIO] = {}  # of this process, open and locked
_holders: Counter[Path] = Counter()


class FolderLock:
    """Holds an existing folder until ``release()`` is called, this object is gone, or the process ends.

    Raises ValueError naming the folder and the other process that holds it, and OSError if no file can be made.
    On a disk that knows no locks, nobody is kept out.
    """

    def __init__(self, folder: Path) -> None:
        path = folder.resolve() / NAME
        if path not in _files or not _is_at(path, _files[path]):
            _files[path] = _locked(folder, path)
        _holders[path] += 1
        self.release = weakref.finalize(self, _release, path, os.getpid())


def _locked(folder: Path, path: Path) -> FileIO:
    while True:
        file = FileIO(path, "a+")
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError):
            file.seek(0)
            number = file.read(20).decode("ascii", "replace") or "unknown"
            file.close()
            raise ValueError(
                f"{folder}: process {number} is at work in this folder. Wait for its end, or take another (--out)"
            ) from None
        except OSError:  # a disk without locks
            pass
        if _is_at(path, file):
            break
        file.close()  # the process that held it has removed it in the meantime
    with contextlib.suppress(OSError):  # on a full disk, which the lock holds on without the number
        file.truncate(0)
        file.write(str(os.getpid()).encode())
    return file


def _lock(descriptor: int) -> None:
    """Lock an open file. OSError if another process has done so."""
    if sys.platform == "win32":
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the number, which others are to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock's, which child processes inherit


def _is_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _forget() -> None:
    """In a child process that has been forked, which inherits the open files, but none of the locks."""
    for file in _files.values():
        file.close()  # a lock of the parent's stays
    _files.clear()
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _release(path: Path, process: int) -> None:
    if os.getpid() != process:  # a child, which has a copy of this
        return
    _holders[path] -= 1
    if not _holders[path]:
        with _files.pop(path) as file, contextlib.suppress(OSError):
            if _is_at(path, file):
                path.unlink()  # before it is unlocked; Windows refuses, and an unlocked file is no obstacle
