"""The settings of a training that goes on must be those it began with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import FileFormatError, parse_json, write_bytes

FREE = ("max_epoch",)  # a longer training has the same beginning


def note_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings, which JSON must be able to hold, into the folder."""
    write_bytes(_path(folder), json.dumps(dict(settings), indent=1, ensure_ascii=False).encode())


def check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Compare the settings with those noted in the folder, if there are any.

    Raises ValueError naming each that differs, but for those in `FREE`, and FileFormatError for a damaged file.
    """
    path = _path(folder)
    if not path.exists():
        return
    try:
        before = parse_json(path.read_bytes())
    except ValueError as error:
        raise FileFormatError(path, f"{error}. Without this file the settings are not compared") from error
    differences = [
        f"{name} was {before.get(name)!r} and is now {settings.get(name)!r}"
        for name in sorted({*before, *settings} - set(FREE))
        if before.get(name) != settings.get(name)
    ]
    if differences:
        raise ValueError(f"{folder}: this training cannot go on with other settings: {'; '.join(differences)}")


def _path(folder: Path) -> Path:
    return folder / "settings.json"
