"""Weights that a model uses in several places: each use has a gradient, and the optimizer needs their sum."""

from collections.abc import Iterator, Sequence
from typing import Any

from common.np import address


def uses(params: Sequence[Any]) -> Iterator[tuple[int, int, bool]]:
    """For each of the params its place, the place where the same weight comes first, and whether it is that transposed.

    They are one weight if they are the very same numbers in memory; equal values do not make them one.
    """
    first: dict[Any, int] = {}
    for place, param in enumerate(params):
        use = first.setdefault(address(param), place)
        yield place, use, (params[use].shape, params[use].strides) != (param.shape, param.strides)


class SharedWeights:
    """Finds the uses of one weight among `params`: the very same numbers in memory, possibly transposed.

    Two weights that merely have equal values are not shared. To be made once for a model; `params` then holds every
    weight once, in the order and the form of its first use.
    """

    def __init__(self, params: Sequence[Any]) -> None:
        found = list(uses(params))
        self._firsts = [place for place, first, _ in found if place == first]
        self.params = [params[place] for place in self._firsts]
        unique = {place: i for i, place in enumerate(self._firsts)}
        # (place among the unique, place among all, transposed)
        self._plan = [(unique[first], place, transposed) for place, first, transposed in found if place != first]

    @property
    def shared(self) -> bool:
        """Whether any weight has more than one use."""
        return bool(self._plan)

    def merge(self, grads: Sequence[Any], in_place: bool = False) -> list[Any]:
        """The gradients of the unique params: the sums over their uses.

        in_place: add to the gradient of the first use, which the next backward overwrites anyway, instead of a copy.
        """
        merged = [grads[place] for place in self._firsts]
        copied = set()
        for unique, place, transposed in self._plan:
            if not in_place and unique not in copied:
                merged[unique] = merged[unique].copy()
                copied.add(unique)
            merged[unique] += grads[place].T if transposed else grads[place]
        return merged


def remove_duplicate(params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """(params, grads) in which a weight with several uses, possibly transposed, stands once, its gradients summed.

    The lists and arrays given stay as they are.
    """
    weights = SharedWeights(params)
    return weights.params, weights.merge(grads)
