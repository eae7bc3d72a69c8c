"""The settings of a training that goes on must be those it began with."""

from collections.abc import Mapping
from typing import Any

FREE = ("max_epoch",)  # a longer training has the same beginning; where it has not, see check_length


def compare(before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise ValueError naming each setting that was another one `before`, but for those in `FREE`."""
    differences = [
        f"{name} was {before.get(name)!r} and is now {settings.get(name)!r}"
        for name in sorted({*before, *settings} - set(FREE))
        if before.get(name) != settings.get(name)
    ]
    if differences:
        raise ValueError(f"it has other settings: {'; '.join(differences)}")


def check_length(before: Mapping[str, Any], settings: Mapping[str, Any], reason: str) -> None:
    """Raise ValueError where max_epoch was another one, for a training whose epochs depend on how many there are.

    `reason` says how they do.
    """
    if (was := before.get("max_epoch")) != (now := settings.get("max_epoch")):
        raise ValueError(f"max_epoch was {was} and is now {now}, but {reason}")
