"""Checkpoints: a training that is killed, interrupted or powered off goes on from where it was.

    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints"))               # saves as it goes
    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints", resume=True))  # goes on

A loop of your own asks for the state to begin with, and hands over whatever it wants to find there::

    state = checkpoints.start() or {"epoch": 0}
    with checkpoints.restoring():  # an error in here names the file
        epoch = state["epoch"]
    ...
        if checkpoints.due():
            checkpoints.save({"epoch": epoch, "W": W, "rng": rng.bit_generator.state})
"""

import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common import resuming, state_file
from common.checks import check_counts
from common.files import FileFormatError, Location, check_writable, reason_of, remove_leftovers
from common.folder_lock import FolderLock
from common.progress import write

SECONDS = 60.0  # between two checkpoints
SHARE = 1 / 50  # of the time, at most, goes into writing them

# How a training goes on, for the messages that are read where nobody knows whether a script is running.
RESUME = "--resume, in Python with resume=True for a script and Checkpoints(folder, resume=True) for fit"

_SETTINGS = "__settings__"  # where a state has those of the training that wrote it


class Checkpoints:
    """The last `keep` states of a training, as numbered files in a folder.

    resume     begin with the newest of them. If not, those of an earlier training are moved to ``<folder>-before``,
               or ``-before-2`` and so on, which is printed: a forgotten "resume" loses nothing.
    seconds    how much time should pass between two of them, `SECONDS` by default; at the end of an epoch trainers wait
               only as long as keeps writing them below a fiftieth of the time
    settings   what the training was begun with, by name, which JSON can hold; each checkpoint has them, and a training
               that goes on must have the same, but for max_epoch

    source     the file that the training goes on from, or None
    before     the settings in that file

    From :meth:`start` to :meth:`release`, or to the end of the object, no other process or thread can train in the
    folder, and with ``start(alone=True)``, as trainers begin, nothing else in the same thread.

    Raises ValueError or TypeError unless keep is a whole number of at least 1.
    """

    def __init__(
        self,
        folder: Location,
        *,
        resume: bool = False,
        seconds: float | None = None,
        keep: int = 2,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_counts("Checkpoints", keep=keep)
        self.folder, self.resume, self.keep = Path(folder), resume, keep
        self.seconds = SECONDS if seconds is None else seconds
        self.settings = json.loads(json.dumps(dict(settings or {})))  # as they are read again: a tuple as a list
        self.source: Path | None = None
        self.before: Mapping[str, Any] = {}
        self._started = False
        self._lock: FolderLock | None = None
        self._next_time = self._next_after_epoch = 0.0

    def files(self) -> list[Path]:
        """The checkpoints there are, the newest last."""
        return sorted(path for path in self.folder.glob("*.npz") if path.stem.isdecimal())

    def start(self, alone: bool = False) -> dict[str, Any] | None:
        """What to go on from: the newest sound state with `resume`, else None, and None in every further call,
        but for the first after :meth:`restart`.

        A file that is damaged or cannot be read is passed over, which is printed. Raises FileFormatError if all are,
        ValueError for other settings and for a folder that another process or thread trains in, and OSError, before
        anything is computed, for a folder that cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.folder, alone)  # also for a further start, which may come from another thread
        self.release()
        self._lock = lock
        if self._started:
            return None
        try:
            state = self._begin()
        except BaseException:
            self.release()
            raise
        self._started = True
        self._next_time = time.monotonic() + self.seconds
        return state

    def restart(self) -> None:
        """With `resume`, let the next :meth:`start` return the newest state again, as the training was interrupted, or
        could not go on.
        """
        self._started = self._started and not self.resume

    def release(self) -> None:
        """Let others train in the folder, until :meth:`start` is called again; not if another thread has called it."""
        if self._lock is not None and not self._lock.is_anothers():
            self._lock.release()
            self._lock = None

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() >= self._next_time

    def due_after_epoch(self) -> bool:
        """Whether it is time for one at the end of an epoch, earlier than else: writing them must not take too long."""
        return time.monotonic() >= self._next_after_epoch

    def save(self, state: Mapping[str, Any]) -> Path:
        """Write a state, see :func:`common.state_file.write`, and remove those before the last `keep`; its path.

        Raises OSError, the previous ones staying, if it cannot be written.
        """
        begin = time.monotonic()
        files = self.files()
        path = self.folder / f"{int(files[-1].stem) + 1 if files else 1:06d}.npz"
        try:
            state_file.write(path, {**state, _SETTINGS: self.settings} if self.settings else state)
            for old in files[: max(0, len(files) + 1 - self.keep)]:
                with contextlib.suppress(OSError):  # Windows removes none that somebody is reading
                    old.unlink()
        finally:
            end = time.monotonic()
            self._next_after_epoch = end + (end - begin) / SHARE
            self._next_time = max(end + self.seconds, self._next_after_epoch)
        return path

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise TypeError, naming the place, for a state that :meth:`save` cannot write. Nothing is written."""
        state_file.check(state)

    @contextlib.contextmanager
    def restoring(self) -> Iterator[None]:
        """Put the state that :meth:`start` returned back in here: whatever fails, the error names its file."""
        with _naming(self.source or self.folder, "this training cannot go on from it"):
            yield

    def _begin(self) -> dict[str, Any] | None:
        """What to go on from, in a folder that has been made ready."""
        remove_leftovers(self.folder)
        state = self._newest() if self.resume else None
        if state is not None:
            self.before = state.pop(_SETTINGS, None) or {}
            if self.settings and self.before:
                with self.restoring():
                    resuming.compare(self.before, self.settings)
        elif self.resume:
            write(f"there is nothing to go on from in {self.folder}: training begins anew")
        else:
            self._set_aside()
        check_writable(self.folder)
        return state

    def _newest(self) -> dict[str, Any] | None:
        files = self.files()
        errors: list[FileFormatError] = []
        for path in reversed(files):
            if errors:
                write(f"{errors[-1]}. The checkpoint before it, {path.name}, is tried instead.")
            try:
                with _naming(path, "it cannot be read"):
                    state = state_file.read(path)
            except FileFormatError as error:
                errors.append(error)
            else:
                self.source = path
                return state
        if not errors:
            return None
        raise FileFormatError(
            errors[0].path,
            f"{errors[0].reason}. None of the checkpoints in {self.folder} can be read ({len(files)} tried). Begin "
            f"anew: without --resume (in Python without resume=True), which moves them to {_before(self.folder).name}, "
            "or in another folder (--out)",
        ) from errors[0]

    def _set_aside(self) -> None:
        """Move the checkpoints of an earlier training into a new folder."""
        files = self.files()
        if files:
            before = _before(self.folder)
            before.mkdir()
            for path in files:
                path.replace(before / path.name)
            write(
                f"a new training begins: the checkpoints of an earlier one in {self.folder} are now in {before}. To go "
                f"on from these instead, stop, rename that folder to {self.folder.name}, and start with {RESUME}"
            )


def checkpoints_of(where: Checkpoints | Location, last: Checkpoints | None) -> Checkpoints:
    """The checkpoints of a fit: `where`, or those in the folder `where`.

    `last` are those of the fit before: a further fit of the same training goes on in its folder.
    """
    if isinstance(where, Checkpoints):
        return where
    return last if last and last.folder == Path(where) else Checkpoints(where)


def _before(folder: Path) -> Path:
    """Where the checkpoints of an earlier training go: a folder that there is not yet."""
    names = (f"{folder.name}-before{number}" for number in itertools.chain([""], (f"-{n}" for n in itertools.count(2))))
    return next(path for path in map(folder.with_name, names) if not path.exists())


@contextlib.contextmanager
def _naming(path: Path, what: str) -> Iterator[None]:
    """Make a FileFormatError, which names the file, of every other error inside."""
    try:
        yield
    except FileFormatError:
        raise
    except MemoryError as error:
        raise MemoryError(f"{path}: {error}") from error
    except Exception as error:
        raise FileFormatError(path, f"{what}: {reason_of(error)}") from error
