"""Checkpoints: a training that is killed, interrupted or powered off goes on from where it was.

    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints"))               # saves as it goes
    trainer.fit(xs, ts, checkpoint=Checkpoints("runs/mine/checkpoints", resume=True))  # goes on

A loop of one's own asks for the state to begin with, and hands over whatever it wants to find there::

    state = checkpoints.start() or {"epoch": 0}
    ...
        if checkpoints.due():
            checkpoints.save({"epoch": epoch, "W": W, "rng": rng.bit_generator.state})
"""

import time
import warnings
from collections.abc import Mapping
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
        self._started = False
        self._next_time = 0.0

    def files(self) -> list[Path]:
        """The checkpoints there are, the newest last."""
        return sorted(path for path in self.folder.glob("*.npz") if path.stem.isdecimal())

    def start(self) -> dict[str, Any] | None:
        """What to go on from: the newest sound state with `resume`, else None, and None in every further call.

        A damaged file is passed over with a warning. Raises FileFormatError if all are damaged, ValueError for other
        settings, and OSError, before anything is computed, for a folder that cannot be written to.
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

    def _newest(self) -> dict[str, Any] | None:
        damage = None
        for path in reversed(self.files()):
            try:
                return state_file.read(path)
            except FileFormatError as error:  # noqa: PERF203
                damage = error
                warnings.warn(f"{error}. The checkpoint before it, if there is one, is used instead.", stacklevel=4)
        if damage:
            raise damage
        return None

    def _set_aside(self) -> None:
        """Move the checkpoints of an earlier training to where those of the one before it were."""
        files = self.files()
        if files:
            before = Checkpoints(self.folder.with_name(f"{self.folder.name}-before"))
            before.folder.mkdir(exist_ok=True)
            for path in before.files():
                path.unlink()
            for path in files:
                path.replace(before.folder / path.name)
