"""Bytes of a text file to a string, the same on every system."""

import os


def decode(data: bytes, path: str | os.PathLike[str]) -> str:
    """The text of `data`, which was read from `path`: UTF-8, with or without a byte-order mark; lines end in LF.

    Raises ValueError, naming the file and the position, when the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)}: not UTF-8 text: {error.reason} at byte {error.start}") from error
