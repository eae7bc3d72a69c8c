"""One process and thread at a time in a folder: a file in it that the system locks, with the number of the process.

The system lets go of the lock however the process ends. So what a killed process leaves behind binds nobody, whatever
program has been given its number since. Within one thread a folder may be locked several times, unless alone.
"""

import contextlib
import os
import sys
import threading
import weakref
from collections import defaultdict
from io import FileIO
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".nlp-from-scratch.lock"  # no file of a user's

_files: dict[Path, FileIO] = {}  # of this process, open and locked
_holders: defaultdict[Path, list[tuple[threading.Thread, bool]]] = defaultdict(list)  # and whether alone
_mutex = threading.RLock()  # of the two; reentrant, as what is collected while it is held may be a FolderLock


class FolderLock:
    """Holds an existing folder until ``release()`` is called, this object or the process is gone.

    On POSIX systems a process also loses its lock when it reads the file and closes it, as when it copies the folder.

    alone    keep others of the current thread out, too

    Other threads of the process are kept out until the thread that has made it has ended, if that is known. Raises
    ValueError naming the folder and the process that holds it, or saying that it is this one, and OSError if no file
    can be made. On a disk that knows no locks, no other process is kept out.
    """

    def __init__(self, folder: Path, alone: bool = False) -> None:
        path, self._thread = folder.resolve() / NAME, threading.current_thread()
        holder = self._thread, alone
        with _mutex:
            if any(thread.is_alive() if is_alone else not _is_over(thread) for thread, is_alone in _holders[path]):
                raise ValueError(
                    f"{folder}: another training or thread of this process is at work in this folder. Wait for its "
                    "end, or take another"
                )
            _holders[path].append(holder)  # first, so that the file stays whatever is released meanwhile
            try:
                if path not in _files or not _is_at(path, _files[path]):
                    removed, _files[path] = _files.get(path), _locked(folder, path)
                    if removed:  # by somebody, while it was held
                        removed.close()
            except BaseException:
                _holders[path].remove(holder)
                raise
        self.release = weakref.finalize(self, _release, path, os.getpid(), holder)

    def is_anothers(self) -> bool:
        """Whether it was made by another thread, which is still running."""
        return not _is_over(self._thread)


def _is_over(thread: threading.Thread) -> bool:
    """Whether a thread is none that the current one has to wait for."""
    return thread is threading.current_thread() or not thread.is_alive()


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
                f"{folder}: process {number} is at work in this folder. Wait for its end, or take another"
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
    global _mutex
    _mutex = threading.RLock()  # the inherited one may be held by a thread that is not here
    for file in _files.values():
        file.close()  # a lock of the parent's stays
    _files.clear()
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _release(path: Path, process: int, holder: tuple[threading.Thread, bool]) -> None:
    if os.getpid() != process:  # a child, which has a copy of this
        return
    with _mutex:
        _holders[path].remove(holder)
        if not _holders[path]:
            with _files.pop(path) as file, contextlib.suppress(OSError):
                is_ours = _is_at(path, file)
                if sys.platform == "win32":  # which removes no open file, nor one that another process opens now
                    file.close()
                if is_ours:
                    path.unlink()  # elsewhere before it is unlocked; an unlocked file that stays is no obstacle
