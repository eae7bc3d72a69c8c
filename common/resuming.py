"""The settings of a training that goes on must be those it began with."""

from collections.abc import Iterable, Mapping
from typing import Any

FREE = ("max_epoch",)  # a longer training has the same beginning, see also check_done
VALID = "checksum of the validation data"  # the name of that setting
ARGUMENT = "model."  # begins the names of settings that are a model's arguments


def differences(before: Mapping[str, Any], now: Mapping[str, Any], free: Iterable[str] = ()) -> str:
    """Each setting that was another one `before`, but for those in `free`, with both values; "" if there is none."""
    return "; ".join(
        f"{name} was {before.get(name)!r:.80} and is now {now.get(name)!r:.80}"
        for name in sorted({*before, *now}.difference(free))
        if before.get(name) != now.get(name)
    )


def compare(before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise ValueError naming each setting that was another one `before`, but for those in `FREE`."""
    if found := differences(before, settings, FREE):
        raise ValueError(f"it has other settings: {found}")


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError naming each setting of a fit that was another one `before`.

    What is no setting on one side, such as an array as an argument of a model, cannot be compared, and a training may
    get validation data later, or do without them from now on.
    """
    one_sided = {name for name in before.keys() ^ now.keys() if name.startswith((ARGUMENT, VALID))}
    if found := differences(before, now, one_sided):
        raise ValueError(f"it belongs to another training: {found}")


def check_done(epoch: int, iteration: int, end: int) -> None:
    """Raise ValueError for a fit that is to end after the epoch `end` where more has been done already: the scores of
    the longer training would be taken for those of the shorter one.
    """
    if (epoch, iteration) > (end, 0):
        done = f"{epoch} epochs and {iteration} iterations" if iteration else f"{epoch} epochs"
        raise ValueError(f"the training has done {done} already, and is now to end after {end}")
