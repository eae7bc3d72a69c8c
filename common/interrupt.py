"""Ctrl-C at a moment that suits the program, and the end of a pipe that nobody reads any longer."""

import signal
import threading
from types import FrameType, TracebackType


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C has ended a training after a whole iteration; its text says what was saved and how to go on."""


_open: list["Interrupt"] = []


def request(error: BrokenPipeError) -> bool:
    """Let the trainings that are under way end after their iterations, and then raise the error; whether any is."""
    for interrupt in _open:
        interrupt.requested, interrupt._error = True, error
    return bool(_open)


class Interrupt:
    """A context in which the first Ctrl-C only sets `requested`; the second one interrupts as usual.

    So does a line of :func:`common.progress.write` that nobody reads, as behind ``| head``. Where that alone has ended
    the training, leaving the context raises the BrokenPipeError.

    Where Ctrl-C is handled by somebody else, or outside the main thread, it interrupts as usual.
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = self._by_hand = False
        self._error: BrokenPipeError | None = None

    def __enter__(self) -> "Interrupt":
        _open.append(self)
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _open.remove(self)
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._error and not self._by_hand and (kind is None or kind is TrainingInterrupted):
            raise self._error from None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._by_hand:
            raise KeyboardInterrupt
        self._by_hand = self.requested = True
