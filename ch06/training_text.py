"""The text that the scripts of this chapter train on."""

from typing import Any


def training_text(train: Any, train_size: int | None = None) -> tuple[Any, Any]:
    """xs and ts (n - 1,): the words of `train` (n,), or of its first `train_size`, and the word that follows each.

    Raises ValueError for a train_size below 2, or beyond the end of the text.
    """
    if train_size is not None and not 2 <= train_size <= len(train):
        raise ValueError(f"train_size must be 2 at least, and {len(train)}, the whole text, at most, not {train_size}")
    return train[:train_size][:-1], train[:train_size][1:]
