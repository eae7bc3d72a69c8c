"""A property that gives way to a value of your own."""

from collections.abc import Callable
from typing import Any


class computed:
    """A property that is computed at each access, unless its user has assigned a value to the name.

    It has no __set__, so what is assigned becomes an ordinary attribute of the object, which Python prefers.
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __get__(self, item: Any, owner: Any = None) -> Any:
        return self if item is None else self.compute(item)
