"""What a class is called with, as help() and inspect show it."""

import inspect
from typing import Any


class InitSignature:
    """The ``__signature__`` of a base class with a ``__new__`` that takes anything, and of all classes derived from it.

    It is that of the nearest ``__init__``. By itself, inspect prefers a ``__new__`` that stands beside it, and before
    Python 3.11.5 also one that is inherited like it, so that a class without an ``__init__`` of its own would seem to
    take anything.
    """

    def __get__(self, instance: Any, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("only the class has a __signature__")
        own = next(vars(base) for base in owner.__mro__ if {"__init__", "__new__"} & vars(base).keys())
        signature = inspect.signature(owner.__init__ if "__init__" in own else owner.__new__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])
