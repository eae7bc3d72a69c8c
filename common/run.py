"""One run of a script: its random numbers, its folder, its curves and figures, and the record it leaves."""

import contextlib
import enum
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy

from common import config, plotting, rng
from common.checkpoint import Checkpoints
from common.files import atomic_write
from common.interrupt import TrainingInterrupted
from common.np import np

DISTRIBUTION = "nlp-from-scratch"


class Run:
    """What a script's function is given beside its own parameters. `out` is an existing folder.

    checkpoint    for the trainer: ``trainer.fit(..., checkpoint=run.checkpoint)``. They lie in the run's folder, and
                  ``--resume`` goes on from them, with the same arguments but for max_epoch and those in `free`.
    """

    def __init__(
        self,
        name: str,
        out: Path,
        arguments: Mapping[str, Any],
        seed: int = 0,
        quick: bool = False,
        resume: bool = False,
        free: Collection[str] = (),
    ) -> None:
        self.name, self.out, self.arguments, self.seed, self.quick = name, out, arguments, seed, quick
        compared = {name: value for name, value in {**arguments, "seed": seed}.items() if name not in free}
        self.checkpoint = Checkpoints(self.path("checkpoints"), resume=resume, settings=plain(compared))
        self.curves: dict[str, Sequence[float]] = {}
        self._figures: list[Any] = []
        self._start = time.perf_counter()

    def rng(self, purpose: str) -> numpy.random.Generator:
        """The stream of random numbers for one purpose, such as ``"weights"``, that the run's seed gives."""
        return rng.stream(self.seed, purpose)

    def path(self, file_name: str) -> Path:
        """A file in the run's folder."""
        return self.out / file_name

    @contextlib.contextmanager
    def kept_if_interrupted(self, save: Callable[[Path], object]) -> Iterator[None]:
        """A context for a training: if Ctrl-C ends it, ``save(folder)`` writes what the model has learnt so far.

        The folder is "interrupted" in the run's: what an earlier run left there when it was done stays as it is.
        """
        try:
            yield
        except TrainingInterrupted as error:
            folder = self.path("interrupted")
            folder.mkdir(exist_ok=True)
            save(folder)
            raise TrainingInterrupted(f"{error} The model so far is in {folder}.") from None

    def record(self, **curves: Sequence[float]) -> None:
        """Keep curves, such as ``loss=trainer.loss_list``, in ``history.json``, which is written anew by each call."""
        self.curves.update(curves)
        self._write_history(scores=None)

    def plot(self, file_name: str, draw: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Save as `file_name` the figure that ``draw(*args, ax=ax, **kwargs)`` draws into `ax`, new axes.

        Where there is a display, a window shows it when the script is done. Without Matplotlib the figure is left out.
        """
        try:
            ax = plotting.new_axes()
        except ImportError as error:
            print(f"{file_name} is left out: {error}", file=sys.stderr)
            return
        draw(*args, ax=ax, **kwargs)
        path = self.path(file_name)
        with atomic_write(path) as file:
            plotting.save(ax, file, path.suffix)
        self._figures.append(ax)

    def show(self) -> None:
        """Open the windows of all figures, where there is a display, and wait until they are closed."""
        if self._figures:
            plotting.show(self._figures[-1])

    def finish(self, result: object) -> None:
        """Write ``history.json`` with the final scores, if the script's result is a dictionary of them."""
        self._write_history(scores=result if isinstance(result, Mapping) else None)

    def _write_history(self, scores: Mapping[str, Any] | None) -> None:
        history = {
            "script": self.name,
            "arguments": self.arguments,
            "seed": self.seed,
            "gpu": config.GPU,
            "quick": self.quick,
            "scores": scores,
            "seconds": round(time.perf_counter() - self._start, 3),
            "versions": versions(),
            "curves": self.curves,
        }
        text = json.dumps(plain(history), indent=1, ensure_ascii=False, allow_nan=False)
        with atomic_write(self.path("history.json")) as file:
            file.write(text.encode("utf-8", "backslashreplace"))  # names of files may have surrogates; JSON reads this


def versions() -> dict[str, Any]:
    """What the numbers of a run depend on: versions, platform and cores."""
    try:
        own = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # used from its folder, not installed
        own = None
    return {
        DISTRIBUTION: own,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        np.__name__: np.__version__,  # CuPy on the GPU
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: arrays as lists, a float that is not finite as None, what it lacks as a string."""
    if isinstance(value, enum.Enum):
        value = value.value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, type(None))) else str(value)
