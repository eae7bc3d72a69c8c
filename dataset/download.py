"""Find a data file on this computer, or download it, and hand out its bytes only when they are the right ones.

A file is looked for in the folder named by the environment variable ``NLP_FROM_SCRATCH_DATA``, in this package's
folder, and in the user's cache folder, where downloads are kept. Whatever the place, its SHA-256 is checked.
"""

import hashlib
import os
import ssl
import time
import urllib.request
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

import platformdirs

from common.files import write_bytes
from common.progress import progress

VARIABLE = "NLP_FROM_SCRATCH_DATA"
STALL_SECONDS = 20.0  # a mirror that is silent for so long is given up,
MAX_SECONDS = 300.0  # and so is one that has not sent the whole file by then


@dataclass(frozen=True)
class RemoteFile:
    """A file known by its content: name, SHA-256 in hexadecimal, size in bytes."""

    name: str
    sha256: str
    size: int


def folders() -> list[Path]:
    """The folders to look in, in this order; the last one is the cache, which a user without a home has not.

    ValueError naming the environment variable if that begins with the home of nobody, such as ``~nobody/data``.
    """
    cache = _cache()
    return [*_given(), *([cache] if cache else [])]


def _given() -> list[Path]:
    """The folders that somebody may have put a file into."""
    named = os.environ.get(VARIABLE)
    package = Path(__file__).resolve().parent
    try:
        return [*([Path(named).expanduser().absolute()] if named else []), package]
    except RuntimeError as error:
        raise ValueError(f"the environment variable {VARIABLE} is {named!r}: {error}") from error


def _cache() -> Path | None:
    """The user's cache folder, None for one without a home, such as a number alone in a container."""
    try:
        return platformdirs.user_cache_path("nlp-from-scratch", appauthor=False)
    except RuntimeError:
        return None


def read(file: RemoteFile, mirrors: Sequence[str]) -> bytes:
    """The content of `file`; each mirror is a URL that the file's name is appended to.

    A file that somebody put into one of the first two folders must be the right one: else ValueError. A wrong file in
    the cache is downloaded again. FileNotFoundError says where the file was looked for, what each mirror answered,
    and where to put it.
    """
    given, cache = _given(), _cache()
    for folder in given:
        path = folder / file.name
        if path.is_file():
            data = path.read_bytes()
            if problem := _problem(data, file):
                raise ValueError(f"{path} is not the expected file: {problem}. Replace or remove it.")
            return data

    kept, damage = cache / file.name if cache else None, ""
    if kept and kept.is_file():
        data = kept.read_bytes()
        if not (problem := _problem(data, file)):
            return data
        damage = f" (damaged: {problem})"

    answers = []
    for mirror in mirrors:
        url = mirror + file.name
        try:
            data = _download(url, file)
        except (OSError, HTTPException, ValueError) as error:
            answers.append(f"{url}: {error or type(error).__name__}")
        else:
            if kept:
                _store(data, kept)
            return data

    places = [*(str(folder / file.name) for folder in given), *([str(kept)] if kept else [])]
    raise FileNotFoundError(
        "\n  ".join([f"{file.name} was looked for, but not found, at", *places]) + damage
        + "\n  ".join(["\nand could not be downloaded from", *answers])
        + f"\nGet the file ({file.size:,} bytes, SHA-256 {file.sha256}) and put it at\n  {places[-1]}\n"
        f"or set the environment variable {VARIABLE} to the folder that has it."
    )


def _problem(data: bytes, file: RemoteFile) -> str:
    """What is wrong with `data` as the content of `file`; empty when nothing is."""
    found = hashlib.sha256(data).hexdigest()
    if found == file.sha256:
        return ""
    return f"it has {len(data):,} bytes and SHA-256 {found}, expected {file.size:,} bytes and {file.sha256}"


class _KeepTls(urllib.request.HTTPRedirectHandler):
    """Refuse a redirection from https to anything else, which urllib would follow."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.startswith("https:"):
            raise ValueError(f"redirects from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, file: RemoteFile) -> bytes:
    """The verified content of `file` from `url`; OSError, HTTPException or ValueError when it does not arrive.

    It is held in memory, and never more than its size and one block: what is wrong never reaches the disk.
    """
    # An explicit context: the process-wide default of the ssl module may have been weakened by somebody else.
    https = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(https, _KeepTls)
    deadline = time.monotonic() + MAX_SECONDS
    received = bytearray()
    with (
        opener.open(url, timeout=STALL_SECONDS) as response,
        progress(file.size, file.name, unit="B", unit_scale=True, leave=True) as bar,
    ):
        # read1 returns what has arrived; read would wait for a whole block, however slowly it drips.
        while len(received) <= file.size and (block := response.read1(1 << 16)):
            received += block
            bar.update(len(block))
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(received):,} of {file.size:,} bytes in {MAX_SECONDS:g} seconds")
    if len(received) > file.size:
        raise ValueError(f"sends more than the expected {file.size:,} bytes")
    data = bytes(received)
    if problem := _problem(data, file):
        raise ValueError(problem)
    return data


def _store(data: bytes, path: Path) -> None:
    """Write `data` to `path` in one step, however many processes do so at once: readers see no file or a whole one.

    A failure is a warning, as the data are there: a full or read-only disk, or, on Windows, another process that is
    reading the same file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    except OSError as error:
        warnings.warn(f"{path.name} cannot be kept, it will be downloaded again: {error}", stacklevel=3)
