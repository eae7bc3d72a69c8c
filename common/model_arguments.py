"""What a model was made with: the arguments that a folder keeps, and that tell a training from another."""

import inspect
from typing import Any, NamedTuple

import numpy


class NotKept(NamedTuple):
    """Stands for an argument of a type that has no place in a folder."""

    kind: str


class Arguments:
    """What a model was made with. Of anything that no folder keeps, which may be large or no pickle's either, only the
    type stays; of lists and dictionaries a copy, as the model may change its own. Without a __dict__: nothing in it is
    a part of the model.
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = [_to_keep(value) for value in args]
        self.kwargs = {name: _to_keep(value) for name, value in kwargs.items()}

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """What pickle takes by itself of a class with slots, but not in its protocols 0 and 1."""
        return None, {name: getattr(self, name) for name in self.__slots__}


def made_with(model: Any) -> inspect.BoundArguments:
    """The arguments that a model was made with, by the names of its class's parameters."""
    return inspect.signature(type(model)).bind(*model._made_with.args, **model._made_with.kwargs)


def arguments(model: Any) -> dict[str, Any]:
    """The arguments that a model was made with. See :meth:`common.base_model.BaseModel.saved_arguments`."""
    return {name: value for name, value in made_with(model).arguments.items() if name != "rng"}


def plain_arguments(model: Any, *, defaults: bool = False) -> dict[str, Any]:
    """The arguments that a model is saved with, a dtype as its name and numbers of NumPy's as Python's, others as they
    are. With `defaults`, also those of the arguments that were left out.
    """
    parameters = inspect.signature(type(model)).parameters.values() if defaults else ()
    left_out = {one.name: one.default for one in parameters if one.default is not one.empty}
    found = {**left_out, **model.saved_arguments()}
    return {name: _plain(name, value) for name, value in found.items() if name != "rng"}


def is_plain(value: Any) -> bool:
    """Whether JSON gives the value back as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _plain(name: str, value: Any) -> Any:
    if name == "dtype" and not isinstance(value, NotKept):
        return numpy.dtype(value).name
    return value.item() if isinstance(value, numpy.generic) else value


def _to_keep(value: Any) -> Any:
    """The value, if it is plain, a number of NumPy's or a dtype."""
    is_type = isinstance(value, type) and issubclass(value, (float, numpy.generic))
    kept = is_type or isinstance(value, (numpy.dtype, numpy.generic)) or is_plain(value)
    return _copied(value) if kept else NotKept(type(value).__name__)


def _copied(value: Any) -> Any:
    """A copy of plain nested lists and dictionaries; much faster than copy.deepcopy, for a vocabulary or a corpus."""
    if isinstance(value, list):
        return [_copied(item) if isinstance(item, (list, dict)) else item for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) if isinstance(item, (list, dict)) else item for key, item in value.items()}
    return value
