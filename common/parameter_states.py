"""What an optimizer keeps for each parameter, such as Momentum's velocity."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.np import address, np


@dataclass(slots=True, eq=False)
class ParameterState:
    """The steps that one parameter has taken, and arrays of its shape.

    It keeps the parameter alive, whose id and memory another array could get otherwise.
    """

    param: Any
    steps: int
    arrays: list[Any]


class ParameterStates:
    """The states of all parameters.

    A state belongs to the memory: a view made anew for each call, ``update([W[:5]], [g])``, has the same one each time.

    last      the parameters of the last update
    copied    whether it is a copy, or comes out of a pickle, and the states have still to find their parameters
    """

    def __init__(self, states: Iterable[tuple[Any, int, list[Any]]] = (), last: Sequence[Any] = ()) -> None:
        self._by_id: dict[int, ParameterState] = {}
        self._by_memory: dict[Any, ParameterState] = {}
        for state in states:
            self._add(*state)
        self.last = last
        self.copied = bool(self._by_id)

    def __reduce__(self) -> Any:
        """Ids and places in memory mean nothing to a copy or a pickle."""
        last = [state.param for state in map(self.find, self.last) if state]
        return ParameterStates, ([(state.param, state.steps, state.arrays) for state in self], last)

    def __iter__(self) -> Iterator[ParameterState]:
        return iter(self._by_id.values())

    def of(self, param: Any, slots: int) -> ParameterState:
        """The state of a parameter; at first no steps and so many arrays of zeros, of float32 at least: squares of
        gradients are too small for float16.
        """
        dtype = np.result_type(param.dtype, "f4")
        return self.find(param) or self._add(param, 0, [np.zeros_like(param, dtype=dtype) for _ in range(slots)])

    def find(self, param: Any) -> ParameterState | None:
        """The state of a parameter, if it has one."""
        return self._by_id.get(id(param)) or self._by_memory.get(_memory(param))

    def settle(self, params: Sequence[Any]) -> None:
        """Let the states of a copy find their parameters, which are those of its first update.

        Those that were copied along have theirs. If there are others, all take over the states of the last update
        before the copy by place, provided that their number, shapes and dtypes are the same.
        """
        own = list({_memory(param): param for param in params}.values())
        before = list({id(state): state for state in map(self.find, self.last) if state}.values())
        found = [self.find(param) for param in own]  # own and before: each parameter once
        fits = [(param.shape, param.dtype) for param in own] == [(s.param.shape, s.param.dtype) for s in before]
        if fits and not all(found) and all(one in (None, other) for one, other in zip(found, before, strict=True)):
            others = [state for state in self if state not in before]
            self._by_id.clear()
            self._by_memory.clear()
            for state, param in [*zip(before, own, strict=True), *((state, state.param) for state in others)]:
                self._add(param, state.steps, state.arrays)
        self.copied = False

    def _add(self, param: Any, steps: int, arrays: list[Any]) -> ParameterState:
        state = self._by_id[id(param)] = self._by_memory[_memory(param)] = ParameterState(param, steps, arrays)
        return state


def _memory(param: Any) -> Any:
    """What two views of the same numbers have in common, if they have the same order of axes, too."""
    return address(param), param.shape, param.strides
