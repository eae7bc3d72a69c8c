"""Making a model whose weights a file holds: what the file says of its sizes is believed as far as its own size goes.

A file of a few hundred bytes may ask for a model of terabytes. Every weight of a model has been drawn at first, and
takes two bytes of a file at least, so that a generator which counts what it draws knows in time.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy

SPARE = 4 << 20  # numbers that a model may draw beside those that its file has room for
LARGEST = 10_000  # of the integers that have nothing to do with the size of a file, such as that of a window


class LimitedGenerator(numpy.random.Generator):
    """Draws the first weights of a model, which those of its file, of `size` bytes, replace at once, and counts them.

    ValueError, naming the `file`, before more are drawn than it can hold.
    """

    def __init__(self, size: int, file: str) -> None:
        super().__init__(numpy.random.PCG64(0))
        self.left: float = size + SPARE
        self.file = file

    def all_drawn(self) -> None:
        """The model is made: what it draws from now on, as for dropout, has nothing to do with the file."""
        self.left = math.inf

    def _count(self, size: Any) -> None:
        self.left -= 1 if size is None else math.prod(size) if isinstance(size, (tuple, list)) else size
        if self.left < 0:
            raise ValueError(f"its sizes ask for more weights than {self.file} has room for")

    def standard_normal(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._count(size)
        return super().standard_normal(size, *args, **kwargs)

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._count(size)
        return super().random(size, *args, **kwargs)


def check_integers(arguments: Mapping[str, Any], size: int, file: str) -> None:
    """ValueError naming the first of a model's arguments that is too large for a `file` of `size` bytes."""
    for name, value in arguments.items():
        if isinstance(value, int) and value > max(size, LARGEST):
            raise ValueError(f"{name} is too large for the {size} bytes of {file}")
