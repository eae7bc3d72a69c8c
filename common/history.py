"""What a training has reached, epoch by epoch, as JSON and CSV too."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from common.files import Location, write_bytes


class History(list[dict[str, Any]]):
    """A dictionary for each finished epoch: its number, and the means over its iterations.

    epoch, iterations     its number, from 1, and how many iterations it had
    loss                  without penalties (language models: and its exp, perplexity)
    gradient_norm         before clipping; without clipping, of every 50th iteration
    lr                    the learning rate of its last iteration
    seconds               spent on its iterations
    tokens_per_second     words, for a language model, or examples_per_second
    valid_…               scores on the validation data, if there are such
    """

    def column(self, name: str) -> list[Any]:
        """One value of all epochs, None where an epoch lacks it. KeyError for a name that no epoch has."""
        if not any(name in epoch for epoch in self):
            raise KeyError(f"history: no epoch has {name!r}, they have {', '.join(self.names())}")
        return [epoch.get(name) for epoch in self]

    def names(self) -> list[str]:
        """The names of all columns."""
        return list(dict.fromkeys(name for epoch in self for name in epoch))

    def save(self, path: Location) -> Path:
        """Write a .json or .csv file; numbers that are not finite become null, or an empty field. Returns the path.

        Raises ValueError for another ending, and OSError as :func:`common.files.atomic_write`.
        """
        path = Path(path)
        rows = [{name: value if _finite(value) else None for name, value in epoch.items()} for epoch in self]
        if path.suffix == ".json":
            text = json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)
        elif path.suffix == ".csv":
            file = io.StringIO()
            writer = csv.DictWriter(file, self.names(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            text = file.getvalue()
        else:
            raise ValueError(f"{path}: a history is saved as .json or .csv, not as {path.suffix!r}")
        write_bytes(path, text.encode())
        return path


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


class Sums:
    """What is added up during an epoch."""

    def __init__(self) -> None:
        self.loss = self.norm = self.seconds = 0.0
        self.norms = 0
        self.lr: float | None = None

    def add(self, loss: float, norm: float | None, lr: float | None) -> None:
        """Count an iteration; the norm may not have been measured."""
        self.loss, self.lr = self.loss + loss, lr
        if norm is not None:
            self.norm += norm
            self.norms += 1

    def means(self, iterations: int, per_iteration: dict[str, int]) -> dict[str, Any]:
        """The means over so many iterations; `per_iteration` counts things of which so many pass a second."""
        return {
            "loss": self.loss / iterations,
            "gradient_norm": self.norm / self.norms if self.norms else None,
            "lr": self.lr,
            "iterations": iterations,
            "seconds": self.seconds,
            **{f"{name}_per_second": n * iterations / max(self.seconds, 1e-9) for name, n in per_iteration.items()},
        }
