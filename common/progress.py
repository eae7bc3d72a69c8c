"""Progress of long work: a bar on a terminal, nothing in a log.

    for batch in progress(batches, "epoch 1"):
        ...
        write("| loss 2.30")

The bar goes to standard error and only where that is a terminal; the lines are the same with and without a bar.
"""

import contextlib
import errno
import functools
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from common import interrupt


def progress(work: Iterable[Any] | int, description: str = "", **options: Any) -> tqdm:
    """A bar over `work`: an iterable to loop over, or a total that you advance by ``bar.update(n)``.

    `options` are tqdm's, e.g. ``unit="B", unit_scale=True`` to count bytes. Close a bar that counts up to a total, or
    use it in a ``with`` statement. The bar disappears when it is done.
    """
    todo: dict[str, Any] = {"total": work} if isinstance(work, int) else {"iterable": work}
    shown = {"disable": not on_terminal(), "leave": False, "dynamic_ncols": True}
    return tqdm(**todo, desc=description or None, **shown | options)


def print_line(line: str) -> None:
    """Print a line to standard output, above the bar if there is one, and what its encoding lacks as escapes."""
    # Without a terminal there is no bar, and print is ten times faster.
    show = tqdm.write if on_terminal() else _print_at_once
    try:
        show(line)
    except UnicodeEncodeError as error:
        show(line.encode(error.encoding, "backslashreplace").decode(error.encoding))


def _print_at_once(line: str) -> None:
    """The line and its end together: several threads print, and print would let others come between the two."""
    print(line + "\n", end="")


def write(line: str) -> None:
    """:func:`print_line` for what tells of work under way.

    A log whose disk is full loses the line: the work is worth more. Standard error gets a word of it, once. Where
    nobody reads any longer, as behind ``| head``, a training that is under way ends as after Ctrl-C, with a checkpoint;
    otherwise BrokenPipeError.
    """
    try:
        print_line(line)
    except OSError as error:
        if not _nobody_reads(error):
            _tell_of_lost_lines(error.strerror)
            return
        ended = error if isinstance(error, BrokenPipeError) else BrokenPipeError(*error.args)
        if not interrupt.request(ended):
            raise ended from None


@functools.cache
def _tell_of_lost_lines(reason: str) -> None:
    with contextlib.suppress(OSError):  # it may go to the same disk
        print(f"standard output loses lines: {reason}", file=sys.stderr)


def _nobody_reads(error: OSError) -> bool:
    """Whether the pipe has no reader any more, which Windows calls an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def on_terminal() -> bool:
    """Whether standard error is a terminal. It may be None, or an object of somebody's with nothing but a write."""
    return bool(getattr(sys.stderr, "isatty", bool)())


def short(value: float) -> str:
    """A number of a printed line: two decimals, or four digits in all where it has become huge, as in 1.014e+304."""
    return f"{value:.2f}" if abs(value) < 1e5 else f"{value:.4g}"
