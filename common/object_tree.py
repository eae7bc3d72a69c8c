"""All that an object holds, by name: to find what must be kept or changed, wherever it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy

PLAIN = (str, bytes, int, float, complex, type(None), type, ModuleType, numpy.generic)
_USUAL = {str, int, float, bool, type(None)}  # types of these


def parts(root: Any, called: Callable[[Any, str], str] | None = None) -> Iterator[tuple[str, Any]]:
    """(name, part) of all that `root` holds, directly or not, each once and always in the same order.

    It looks into attributes, lists, tuples and dictionaries, but not into arrays and generators, and leaves out
    numbers, text, modules and classes. A name joins attributes, indices and keys by dots, such as ``layers.1.rng``;
    ``called(item, attribute)``, if given, says how an attribute is called in it.
    """
    seen = {id(root)}
    todo = [("", _inside(root, called))]  # a stack, as a chain of objects may be longer than Python's
    while todo:
        name, inside = todo[-1]
        for key, part in inside:
            if not isinstance(part, PLAIN) and id(part) not in seen:
                seen.add(id(part))
                yield f"{name}{key}", part
                todo.append((f"{name}{key}.", _inside(part, called)))
                break
        else:
            todo.pop()


def _inside(item: Any, called: Callable[[Any, str], str] | None) -> Iterator[tuple[Any, Any]]:
    """(index, key or attribute, what is there) as it is now, without most of what is plain."""
    if isinstance(item, (list, tuple)):
        held: Iterable[tuple[Any, Any]] = enumerate(item)
    else:
        held = item.items() if isinstance(item, Mapping) else getattr(item, "__dict__", {}).items()
    # A vocabulary has thousands of words, for which this costs a fifth of a look by isinstance.
    found = [(key, part) for key, part in held if type(part) not in _USUAL]
    if called and not isinstance(item, (list, tuple, Mapping)):
        found = [(called(item, name), part) for name, part in found]
    return iter(found)


def replace(root: Any, other: Callable[[Any], Any]) -> None:
    """Put ``other(part)`` in the place of each part that `root` holds in attributes, lists and dictionaries."""
    for holder in [root, *(part for _, part in parts(root))]:
        inside = holder if isinstance(holder, (list, dict)) else getattr(holder, "__dict__", {})
        for key, part in list(enumerate(inside) if isinstance(inside, list) else inside.items()):
            if (new := other(part)) is not part:
                inside[key] = new


def put_back(current: Any, saved: Any) -> Any:
    """`saved`, to take the place of `current`: in the memory of an array like it, wherever in lists and dictionaries,
    as that may be somebody else's too, such as a weight.
    """
    if hasattr(current, "__setitem__") and hasattr(current, "dtype") and hasattr(saved, "dtype"):
        if (current.shape, current.dtype) == (saved.shape, saved.dtype) and getattr(current.flags, "writeable", True):
            current[...] = saved
            return current
    elif isinstance(current, (list, tuple)) and isinstance(saved, (list, tuple)) and len(current) == len(saved):
        items = [put_back(one, other) for one, other in zip(current, saved, strict=True)]
        if isinstance(current, tuple):
            return tuple(items)
        current[:] = items
        return current
    elif isinstance(current, dict) and isinstance(saved, dict):
        by_key = {key: put_back(current.get(key), value) for key, value in saved.items()}
        current.clear()
        current.update(by_key)
        return current
    return saved


def attributes(item: Any) -> dict[str, Any]:
    """The attributes of an object by name, but for generators of random numbers, which :func:`generators` finds."""
    rngs = numpy.random.Generator, numpy.random.RandomState
    return {name: value for name, value in vars(item).items() if not isinstance(value, rngs)}


class LegacyGenerator:
    """A numpy.random.RandomState, or numpy.random itself, whose state is read and set as that of a Generator is:
    ``rng.bit_generator.state``, a dictionary of plain values and an array.
    """

    def __init__(self, rng: Any) -> None:
        self.rng = rng

    @property
    def bit_generator(self) -> "LegacyGenerator":
        return self

    @property
    def state(self) -> dict[str, Any]:
        return self.rng.get_state(legacy=False)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.rng.set_state(state)


# Layers of your own may draw from NumPy's global generator, as the book's do.
GLOBAL_GENERATOR = LegacyGenerator(numpy.random)


def make_generators(root: Any) -> None:
    """Make the generators that `root` and all it holds have as the cached property `rng`, and have not used yet.

    So they are seeded in an order that does not depend on who draws first, and :func:`generators` finds them.
    """
    for part in [root, *(part for _, part in parts(root))]:
        if isinstance(getattr(type(part), "rng", None), cached_property):
            _ = part.rng


def generators(root: Any) -> dict[str, Any]:
    """The generators of random numbers that `root` holds, by name; one that several layers share stands once.

    A numpy.random.RandomState comes as a LegacyGenerator.
    """
    found: dict[str, Any] = {}
    for name, part in parts(root):
        if isinstance(part, numpy.random.Generator):
            found[name] = part
        elif isinstance(part, numpy.random.RandomState):
            found[name] = LegacyGenerator(part)
    return found


def generator_states(root: Any) -> dict[str, Any]:
    """The states of the :func:`generators` that `root` holds, by their names."""
    return {name: rng.bit_generator.state for name, rng in generators(root).items()}


def set_generator_states(root: Any, states: Mapping[str, Any]) -> None:
    """Put back what :func:`generator_states` returned."""
    for name, rng in generators(root).items():
        rng.bit_generator.state = states[name]
