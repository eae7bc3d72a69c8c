"""Weights that a model uses in several places: each use has a gradient, and the optimizer needs their sum. A copy of
the model must share them, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.np import address
from common.object_tree import replace


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


def ties(params: Any) -> list[tuple[int, int, bool]]:
    """Those of the :func:`uses` that are views, of which a copy or pickle makes arrays apart; for :func:`tie_again`.

    None for what is no list of arrays: a class of your own may have other params, and a model at first has none.
    """
    if not isinstance(params, list) or not all(hasattr(param, "strides") for param in params):
        return []
    return [(place, first, turned) for place, first, turned in uses(params) if params[place] is not params[first]]


def tie_again(root: Any, params: Sequence[Any], tied: Iterable[tuple[int, int, bool]]) -> None:
    """Give the params of a copy the :func:`ties` of the original again, wherever `root` holds them."""
    twins: dict[Any, Any] = {}  # by the address of an array the array, and the view to take its place
    for place, first, transposed in tied:
        param, shared = params[place], params[first]
        if address(param) != address(shared):
            twins[address(param)] = param, shared.T if transposed else shared[...]
    kinds = {type(param) for param in params}

    def other(part: Any) -> Any:
        """By the memory: a model inside the root may have made views of the param already."""
        if type(part) not in kinds or address(part) not in twins:
            return part
        param, twin = twins[address(part)]
        return twin if (part.shape, part.strides) == (param.shape, param.strides) else twin.T

    if twins:
        replace(root, other)
