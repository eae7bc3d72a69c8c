"""The settings of a training that goes on must be those it began with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import FileFormatError, parse_json, regular, write_bytes

NAME = "settings.json"
FREE = ("max_epoch",)  # a longer training has the same beginning; where it has not, see check_length


def note_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings, which JSON must be able to hold, into the folder. Names of files may have surrogates."""
    text = json.dumps(dict(settings), indent=1, ensure_ascii=False)
    write_bytes(_path(folder), text.encode(errors="backslashreplace"))


def check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Compare the settings with those noted in the folder, if there are any.

    Raises ValueError naming each that differs, but for those in `FREE`, and FileFormatError for a damaged file.
    """
    compare(folder, _noted(folder) or settings, settings)


def compare(place: Path | None, before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise ValueError naming each setting that was another one `before`, but for those in `FREE`."""
    differences = [
        f"{name} was {before.get(name)!r} and is now {settings.get(name)!r}"
        for name in sorted({*before, *settings} - set(FREE))
        if before.get(name) != settings.get(name)
    ]
    if differences:
        raise ValueError(f"{place}: this training cannot go on with other settings: {'; '.join(differences)}")


def check_length(folder: Path, max_epoch: int, reason: str) -> None:
    """Compare max_epoch with the one noted in the folder, for a training whose epochs depend on how many there are.

    `reason` says how they do. Raises ValueError where it differs, and as :func:`check_settings`.
    """
    before = (_noted(folder) or {}).get("max_epoch", max_epoch)
    if before != max_epoch:
        raise ValueError(
            f"{folder}: this training cannot go on with max_epoch={max_epoch}, it was begun with {before}: {reason}"
        )


def _noted(folder: Path) -> dict[str, Any] | None:
    """The settings in the folder, None if there are none."""
    path = _path(folder)
    if not path.exists():
        return None
    data = regular(path).read_bytes()
    try:
        return parse_json(data)
    except ValueError as error:
        raise FileFormatError(path, f"{error}. Without this file the settings are not compared") from error


def _path(folder: Path) -> Path:
    return folder / NAME
