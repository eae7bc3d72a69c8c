"""Bytes of a text file to a string, the same on every system."""

import os
from collections.abc import Iterator

from common.files import PIECE, Location, pieces

LONGEST_LINE = 1 << 20  # bytes
SHOWN = 80  # characters of a line in an error


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
    """`data` without the blank lines at its end. A copy is made only where there are some."""
    end = len(data)
    while data.endswith((b"\n\n", b"\n\r\n"), 0, end):
        end -= 2 if data.endswith(b"\r\n", 0, end) else 1
    return data[:end]


def quoted(line: str) -> str:
    """`line` as an error shows it: in quotes, and cut where it is long."""
    return repr(line) if len(line) <= SHOWN else f"{line[:SHOWN]!r} …"
