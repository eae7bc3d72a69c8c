"""What an optimizer keeps for each parameter, such as Momentum's velocity."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.np import address, np


class ParameterState:
    """The steps that one parameter has taken, and arrays of its shape; with the parameter, so that no other gets its id
    or its memory.
    """

    __slots__ = ("arrays", "param", "steps")

    def __init__(self, param: Any, steps: int, arrays: list[Any]) -> None:
        self.param, self.steps, self.arrays = param, steps, arrays


class ParameterStates:
    """The states of all parameters, in the order in which they came.

    A state belongs to the memory: a view made anew for each call, ``update([W[:5]], [g])``, has the same one each time.

    copied    whether it is a copy, or comes out of a pickle, and the states have still to find their parameters
    """

    def __init__(self, states: Iterable[tuple[Any, int, list[Any]]] = ()) -> None:
        self._by_id: dict[int, ParameterState] = {}
        self._by_memory: dict[Any, ParameterState] = {}
        for state in states:
            self._add(*state)
        self.copied = bool(self._by_id)

    def __reduce__(self) -> Any:
        """Ids and places in memory mean nothing to a copy or a pickle."""
        return ParameterStates, ([(state.param, state.steps, state.arrays) for state in self],)

    def __iter__(self) -> Iterator[ParameterState]:
        return iter(self._by_id.values())

    def of(self, param: Any, slots: int) -> ParameterState:
        """The state of a parameter; at first no steps and so many arrays of zeros."""
        state = self._by_id.get(id(param)) or self.find(param)  # the first is all that most calls need
        return state or self._add(param, 0, [np.zeros_like(param) for _ in range(slots)])

    def find(self, param: Any) -> ParameterState | None:
        """The state of a parameter, if it has one."""
        return self._by_id.get(id(param)) or self._by_memory.get(_memory(param))

    def settle(self, name: str, params: Sequence[Any]) -> None:
        """Let the states of a copy find their parameters, which are those of its first update.

        Those that were copied along have theirs. If others are among them, they take over the states by place, as far
        as all fit; ValueError if the copy was made without any of its parameters and these do not fit.
        """
        uses: dict[Any, tuple[int, Any]] = {}  # each parameter once
        for place, param in enumerate(params):
            uses.setdefault(_memory(param), (place, param))
        states, found = list(self), [self.find(param) for _, param in uses.values()]
        if not all(found):
            misfit = _misfit(states, list(uses.values()))
            if not misfit and all(own in (None, state) for own, state in zip(found, states, strict=True)):
                self._by_id.clear()
                self._by_memory.clear()
                for state, (_, param) in zip(states, uses.values(), strict=True):
                    self._add(param, state.steps, state.arrays)
            elif not any(found) and any(state.arrays for state in states):
                raise ValueError(
                    f"{name}: it was copied or pickled without its params, and its state does not fit those that it is "
                    f"to update: {misfit}. Copy or pickle both together, or make a new one"
                )
        self.copied = False

    def _add(self, param: Any, steps: int, arrays: list[Any]) -> ParameterState:
        state = self._by_id[id(param)] = self._by_memory[_memory(param)] = ParameterState(param, steps, arrays)
        return state


def _memory(param: Any) -> Any:
    """What two views of the same numbers have in common, if they have the same order of axes, too."""
    return address(param), param.shape, param.strides


def _misfit(states: list[ParameterState], uses: list[tuple[int, Any]]) -> str:
    """In what the states do not fit (place, parameter) in this order; empty if they do."""
    if len(states) != len(uses):
        return f"it is that of {len(states)} params, not {len(uses)}"
    for state, (place, param) in zip(states, uses, strict=True):
        was = state.param
        if (was.shape, was.dtype) != (param.shape, param.dtype):
            return f"params[{place}] was {was.dtype} {was.shape}, now {param.dtype} {param.shape}"
    return ""
