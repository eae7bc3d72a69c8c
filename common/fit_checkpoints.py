"""The checkpoints of a trainer: which of its fits they are of, put back when that begins, written while it trains."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import resuming
from common.checkpoint import RESUME, Checkpoints, checkpoints_of
from common.checks import check_restored_count
from common.files import Location
from common.interrupt import TrainingInterrupted
from common.progress import write

VERSION = 4  # of what a checkpoint of a trainer has
OWN = ("version", "fits", "settings")  # what it has beside the state of the training

State = dict[str, Any]


class FitCheckpoints:
    """The epochs that the fits of a trainer lead up to, and the checkpoints of those which have a folder for them.

    A program that is run again to go on begins with its first fit, while the newest checkpoint may be of a later one.
    The checkpoint is put back at once, and the fits before its own, which have been done, do nothing. It is put back
    again when its own begins: what the program does between its fits, such as changing the learning rate, it had done
    before the checkpoint, too.

    take       ``take(trainer)`` is all that the rest of its training depends on, among it, as "trainer", current_epoch
               and iteration: what it has done, in epochs that are counted over all fits
    restore    ``restore(trainer, state)`` puts that back. ValueError, before a weight is changed, if it does not fit

    begin, end   the epochs after which the current fit begins, and ends
    """

    def __init__(self, take: Callable[[Any], State], restore: Callable[[Any, State], None]) -> None:
        self._take, self._restore = take, restore
        self.begin = self.end = 0
        self._trainer: Any = None
        self._fits: list[list[int]] = []  # begin and max_epoch of those that are done, and of the current one
        self._settings: State = {}
        self._checkpoints: Checkpoints | None = None  # of the current fit
        self._last: Checkpoints | None = None  # of the last fit that had any
        self._later: State | None = None  # what was put back, if its own fit is still to come
        self._restored = False  # whether the current fit has put something back

    def start(self, trainer: Any, where: Checkpoints | Location | None, settings: State, max_epoch: int) -> None:
        """Begin a fit of `max_epoch` epochs. With a folder for checkpoints, `where`, put back the one to go on from.

        `settings` are what must be the same when the training goes on. From now on to the end of :meth:`blamed` nobody
        else can train in the folder. Raises what :meth:`common.checkpoint.Checkpoints.start` does, and FileFormatError
        for a checkpoint that this training cannot go on from.
        """
        checkpoints = None if where is None else checkpoints_of(where, self._last)
        state = checkpoints.start(alone=True) if checkpoints else None
        self._trainer, self._settings, self._checkpoints, self._restored = trainer, settings, checkpoints, False
        self._last = checkpoints or self._last
        try:
            with checkpoints.restoring() if checkpoints else contextlib.nullcontext():
                self._begin(max_epoch, self._later if state is None else state)
        except BaseException:
            if checkpoints:
                checkpoints.restart()
                checkpoints.release()
            raise
        self._fits.append([self.begin, max_epoch])
        if state is not None:
            write(f"goes on {self._place()}")

    def _begin(self, max_epoch: int, state: State | None) -> None:
        """Set `begin` and `end`, and put the state back, unless it is of a later fit and that was done before."""
        self.begin = self._trainer.current_epoch
        self.end = self.begin + max_epoch
        if state is None:
            return
        fits, epoch, iteration = _checked_place(state)
        number, last = len(self._fits), len(fits) - 1
        # With another max_epoch than then it is another program, which counts what was done as epochs of this fit.
        later = number < last and max_epoch == fits[number][1]
        if later:
            self.begin, self.end = fits[number][0], fits[number + 1][0]
        else:
            goes_on = number <= last or fits != self._fits[: last + 1]  # else this trainer has done all of them
            self.begin = fits[min(number, last)][0] if goes_on else epoch
            self.end = self.begin + max_epoch
            resuming.check_same(state["settings"], self._settings)
            resuming.check_done(epoch, iteration, self.end)
        if state is not self._later or not later:
            self._restore(self._trainer, {name: value for name, value in state.items() if name not in OWN})
            self._restored = True
        self._later = state if later else None

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._checkpoints is not None and self._checkpoints.due()

    def save_after_epoch(self) -> None:
        """Write a checkpoint between two epochs, if it is time for one."""
        more = self._trainer.current_epoch < self.end  # after the last one the fit ends with a checkpoint anyway
        if more and self._checkpoints is not None and self._checkpoints.due_after_epoch():
            self.save()

    def check(self) -> None:
        """TypeError for a training whose state cannot be saved: better now than after the first hour."""
        if self._checkpoints is not None:
            self._checkpoints.check(self._state())

    def save(self) -> Path | None:
        """Write a checkpoint; its path, or None if the fit has no folder, or is one that was done before.

        If writing fails, it says so and returns None, as the training is worth more.
        """
        if self._checkpoints is None or self._later:
            return None
        try:
            return self._checkpoints.save(self._state())
        except (OSError, TypeError, ValueError) as error:  # the disk, or what others have put into the state
            stays = ", the one before it stays" if self._checkpoints.files() else ""
            write(f"the checkpoint could not be written{stays}: {error}")
            return None

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """A context for the rest of the fit: what fails before one more iteration is done, fails by what was put back,
        such as a layer's state of another batch size, and the error names the checkpoint.

        In the end other trainings may have the folder.
        """
        first, number = self._done(), len(self._fits)
        try:
            yield
        except BaseException as error:
            self._fits = self._fits[: number - 1]  # the next fit takes the place of this one
            # One that has diverged, or has lost its reader, is nobody's mistake.
            mistake = isinstance(error, Exception) and not isinstance(error, (FloatingPointError, BrokenPipeError))
            if mistake and self._checkpoints is not None and self._restored and self._done() == first:
                with self._checkpoints.restoring():
                    raise
            raise
        finally:
            if self._checkpoints is not None:
                self._checkpoints.release()

    def interrupted(self, path: Path | None) -> TrainingInterrupted:
        """What to raise after Ctrl-C, within :meth:`blamed`, with `path` as the last checkpoint."""
        text = f"training stopped {self._place()}"
        if self._checkpoints is None:
            return TrainingInterrupted(f"{text}. The model keeps what it has learnt; nothing was saved.")
        if path is None:
            return TrainingInterrupted(f"{text}.")
        self._checkpoints.restart()
        how = "the same call goes on" if self._checkpoints.resume else f"it goes on with {RESUME}"
        return TrainingInterrupted(f"{text}, and was saved in {path}; {how}.")

    def _state(self) -> State:
        return {"version": VERSION, "fits": self._fits, "settings": self._settings, **self._take(self._trainer)}

    def _done(self) -> tuple[int, int]:
        return self._trainer.current_epoch, self._trainer.iteration

    def _place(self) -> str:
        """Where the training is, for people."""
        epoch, iteration = self._done()
        if not iteration:
            return f"after epoch {epoch}"
        of = f" / {self._trainer.iterations}" if self._trainer.iterations else ""
        return f"in epoch {epoch + 1}, at iteration {iteration}{of}"


def _checked_place(state: State) -> tuple[list[list[int]], int, int]:
    """The fits of a state, which comes from a file, and the epochs and iterations that it has done. ValueError for
    another version, and for what are no such numbers.
    """
    if state["version"] != VERSION:
        raise ValueError(f"it has format version {state['version']}, this program reads version {VERSION}")
    fits, epoch, iteration = state["fits"], state["trainer"]["current_epoch"], state["trainer"]["iteration"]
    check_restored_count("current_epoch", epoch)
    check_restored_count("iteration", iteration)
    for count in itertools.chain(*fits):
        check_restored_count("fits", count)
    if not fits:
        raise ValueError("it is of no fit")
    return fits, epoch, iteration
