"""Checkpoints: a training that is killed, interrupted or powered off goes on from where it was.

    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints"))               # saves as it goes
    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints", resume=True))  # goes on

A loop of one's own asks for the state to begin with, and hands over whatever it wants to find there::

    state = checkpoints.start() or {"epoch": 0}
    with checkpoints.restoring():  # an error in here names the file
        epoch = state["epoch"]
    ...
        if checkpoints.due():
            checkpoints.save({"epoch": epoch, "W": W, "rng": rng.bit_generator.state})
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common import resuming, state_file
from common.files import FileFormatError, Location, remove_leftovers
from common.progress import write

SECONDS = 60.0  # between two checkpoints
SHARE = 1 / 50  # of the time, at most, goes into writing them


class Checkpoints:
    """The last `keep` states of a training, as numbered files in a folder.

    resume     begin with the newest of them. If not, those of an earlier training are moved to ``<folder>-before``,
               so that a forgotten "resume" loses nothing.
    seconds    how much time should pass between two of them, `SECONDS` by default
    settings   what the training was begun with, by name; one that goes on must have the same, but for max_epoch

    source     the file that the training goes on from, or None

    Raises ValueError unless keep is at least 1.
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
        if keep < 1:
            raise ValueError(f"Checkpoints: keep must be at least 1, not {keep}")
        self.folder, self.resume, self.keep = Path(folder), resume, keep
        self.seconds = SECONDS if seconds is None else seconds
        self.settings = settings or {}
        self.source: Path | None = None
        self._started = False
        self._next_time = 0.0

    def files(self) -> list[Path]:
        """The checkpoints there are, the newest last."""
        return sorted(path for path in self.folder.glob("*.npz") if path.stem.isdecimal())

    def start(self) -> dict[str, Any] | None:
        """What to go on from: the newest sound state with `resume`, else None, and None in every further call.

        A file that is damaged or cannot be read is passed over, which is printed. Raises FileFormatError if all are,
        ValueError for other settings, and OSError, before anything is computed, for a folder that cannot be written to.
        """
        if self._started:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        state = self._newest() if self.resume else None
        if state is not None:
            if self.settings:
                resuming.check_settings(self.folder, self.settings)
        elif self.resume:
            write(f"there is nothing to go on from in {self.folder}: training begins anew")
        else:
            self._set_aside()
        if self.settings:
            resuming.note_settings(self.folder, self.settings)
        (probe := self.folder / "probe").write_bytes(b"")
        probe.unlink()
        self._started = True
        self._next_time = time.monotonic() + self.seconds
        return state

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() >= self._next_time

    def save(self, state: Mapping[str, Any]) -> Path:
        """Write a state, see :func:`common.state_file.write`, and remove those before the last `keep`; its path.

        Raises OSError, the previous ones staying, if it cannot be written.
        """
        begin = time.monotonic()
        files = self.files()
        path = self.folder / f"{int(files[-1].stem) + 1 if files else 1:06d}.npz"
        try:
            state_file.write(path, state)
            for old in files[: max(0, len(files) + 1 - self.keep)]:
                old.unlink()
        finally:
            end = time.monotonic()
            self._next_time = end + max(self.seconds, (end - begin) / SHARE)
        return path

    @contextlib.contextmanager
    def restoring(self) -> Iterator[None]:
        """Put the state that :meth:`start` returned back in here: whatever fails, the error names its file."""
        with _naming(self.source or self.folder, "this training cannot go on from it"):
            yield

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
        """Move the checkpoints of an earlier training to where those of the one before it were."""
        files = self.files()
        if files:
            before = Checkpoints(_before(self.folder))
            before.folder.mkdir(exist_ok=True)
            for path in before.files():
                path.unlink()
            for path in files:
                path.replace(before.folder / path.name)


def _before(folder: Path) -> Path:
    """Where the checkpoints of an earlier training go."""
    return folder.with_name(f"{folder.name}-before")


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
        reason = str(error) if type(error) is ValueError else repr(error)
        raise FileFormatError(path, f"{what}: {reason}") from error
