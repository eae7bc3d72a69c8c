"""Bytes of a text file to a string, the same on every system."""

import os
from collections.abc import Iterator

from common.files import PIECE, Location, pieces

LONGEST_LINE = 1 << 20  # bytes
SHOWN = 80  # characters of a line in an error
BLANK = b" \r\n"


def decode(data: bytes, path: Location) -> str:
    """The text of `data`, which was read from `path`: UTF-8, with or without a byte-order mark; lines end in LF.

    Raises ValueError, naming the file and the position, when the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)}: not UTF-8 text: {error.reason} at byte {error.start}") from error


def decoded_pieces(data: bytes, path: Location) -> Iterator[str]:
    """The text of `data` in pieces of whole lines, each with its end: what is made of a piece stays small.

    Raises ValueError as :func:`decode` does, and for a line of much more than a MiB.
    """
    start = 0
    for piece in pieces(data, b"\n"):
        if len(piece) > PIECE + LONGEST_LINE:
            raise ValueError(f"{os.fspath(path)}: a line of more than {LONGEST_LINE} bytes; have lines run together?")
        try:
            text = piece.decode("utf-8" if start else "utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            place = f"{error.reason} at byte {start + error.start}"
            raise ValueError(f"{os.fspath(path)}: not UTF-8 text: {place}") from error
        yield text if text.endswith("\n") else text + "\n"
        start += len(piece)


def without_blank_end(data: bytes) -> bytes:
    """`data` without the blank lines at its end, also of blanks. A copy is made only where there are some."""
    last_line = data[data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1 :]
    if last_line.strip(BLANK):
        return data
    line_end = data.find(b"\n", len(data.rstrip(BLANK)))  # of the last line that is not blank, or of the first one
    return data[: line_end + 1] if line_end >= 0 else data


def quoted(line: str) -> str:
    """`line` as an error shows it: in quotes, and cut where it is long."""
    return repr(line) if len(line) <= SHOWN else f"{line[:SHOWN]!r} …"
