"""The settings of a training that goes on must be those it began with."""

from collections.abc import Iterable, Mapping
from typing import Any

FREE = ("max_epoch",)  # a longer training has the same beginning, see also check_done; where it has not, check_length


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


def check_done(was: int | None, now: int | None, epoch: int, iteration: int) -> None:
    """Raise ValueError where a smaller max_epoch is asked for `now`, and more than that has been done already: the
    scores of the longer training would be taken for those of the shorter one.

    With the same max_epoch more may have been done, by a loop of fits.
    """
    if was is not None and now is not None and now < was and (epoch, iteration) > (now, 0):
        done = f"{epoch} epochs and {iteration} iterations" if iteration else f"{epoch} epochs"
        raise ValueError(f"max_epoch was {was} and is now {now}, but the training has done {done} already")


def check_length(before: Mapping[str, Any], settings: Mapping[str, Any], reason: str) -> None:
    """Raise ValueError where max_epoch was another one, for a training whose epochs depend on how many there are.

    `reason` says how they do.
    """
    if (was := before.get("max_epoch")) != (now := settings.get("max_epoch")):
        raise ValueError(f"max_epoch was {was} and is now {now}, but {reason}")
