"""Optimizers: ``update(params, grads)`` changes the params in place.

Their state, such as Momentum's velocity, belongs to a parameter, that is to its memory, not to its place in the list.
`lr` may be changed between steps. The equations are PyTorch's where it has the method, with an epsilon of 1e-7 outside
the root.
"""

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from typing import Any

from common.checks import as_number
from common.kernels import fits_cache, row_blocks, take_rows
from common.np import np
from common.object_tree import attributes, put_back
from common.parameter_states import ParameterStates
from common.sparse_gradient import RowGradient

__all__ = ["SGD", "AdaGrad", "Adam", "Momentum", "Nesterov", "Optimizer", "RMSprop", "np"]

EPSILON = 1e-7


class Optimizer:
    """Base: goes through the parameters in pieces that fit the cache, and keeps arrays of state for each of them.

    A subclass writes how one step changes a piece, and `slots`, the number of its arrays of state:

        class Momentum(Optimizer):
            slots = 1

            def _update_array(self, step, scale, p, g, *state):
                (v,) = state
                v *= 0.9
                v += scale * g
                p -= self.lr * v

    It changes the piece p of a parameter and those of its state, zero at first, in place, but not the gradient g.
    `step` counts the parameter's steps, from 1. The gradient to follow is scale g: clipping makes `scale` less than 1,
    and to multiply here, where g is read anyway, saves one more pass over all gradients.
    """

    slots = 0  # a subclass says how many arrays of state a parameter has

    def __init__(self, lr: float) -> None:
        self.lr = lr

    @cached_property
    def _states_of_params(self) -> ParameterStates:
        """Made when it is needed, as the __init__ of a subclass may set lr alone; a long name, lest a subclass has an
        attribute of the same one.
        """
        return ParameterStates()

    @property
    def lr(self) -> float:
        """The learning rate, a Python float: with NumPy's numbers NumPy computes other bits.

        Whoever sets it gets a TypeError for what is no number, and a ValueError for one below 0 or not finite.
        """
        return self._checked_lr

    @lr.setter
    def lr(self, lr: Any) -> None:
        self._checked_lr = _checked_number(self, "lr", lr)

    def update(self, params: Sequence[Any], grads: Sequence[Any], scale: float = 1.0) -> None:
        """Take one step along -`scale` times the gradients.

        Before anything is changed, raises TypeError for what is no array, and ValueError for lists of different lengths
        or a gradient of another shape.
        """
        _check_arrays(type(self).__name__, params, grads)
        states = self._states_of_params
        if len(params):
            if states.copied:
                states.settle(params)
            states.last = params
        for p, g in zip(params, grads, strict=True):
            state = states.of(p, self.slots)
            state.steps += 1
            if isinstance(g, RowGradient):
                self._update_rows(state.steps, scale, g, p, *state.arrays)
            else:
                for piece in _pieces(p, _wide(g), *state.arrays):
                    self._update_array(state.steps, scale, *piece)

    def _update_rows(self, step: int, scale: float, g: RowGradient, *arrays: Any) -> None:
        """A step that touches nothing but the rows, of the parameter and of its state, which have a gradient."""
        ids = g.ids  # once: of a gradient that somebody has written into they are searched for
        p, *state = touched = [take_rows(array, ids) for array in arrays]
        self._update_array(step, scale, p, _wide(g.rows), *state)
        for array, rows in zip(arrays, touched, strict=True):
            array[ids] = rows

    def state_dict(self, params: Sequence[Any]) -> dict[str, Any]:
        """What the next steps of the params depend on: lr and the other attributes, such as those of a subclass, and
        for each param its steps and state. Functions, which do not change, are left out. The arrays are the optimizer's
        own, which the next update changes: ``copy.deepcopy`` makes a snapshot of them.
        """
        own = {"lr" if name == "_checked_lr" else name: value for name, value in attributes(self).items()}
        states = [self._states_of_params.find(p) for p in params]
        return {
            "attributes": {
                name: value for name, value in own.items() if name != "_states_of_params" and not callable(value)
            },
            "steps": [state.steps if state else 0 for state in states],
            "arrays": [state.arrays if state else None for state in states],
        }

    def load_state_dict(self, params: Sequence[Any], state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict` of params of the same shapes. ValueError if it does not fit them."""
        name, arrays = type(self).__name__, state["arrays"]
        if len(arrays) != len(params):
            raise ValueError(f"{name}: the state is that of {len(arrays)} params, expected {len(params)}")
        for i, (p, slots) in enumerate(zip(params, arrays, strict=True)):
            if slots is not None and [a.shape for a in slots] != [p.shape] * self.slots:
                raise ValueError(
                    f"{name}: the state of params[{i}] must be {self.slots} arrays of shape {p.shape}, "
                    f"not {[a.shape for a in slots]}"
                )
        for attribute, value in state["attributes"].items():
            setattr(self, attribute, put_back(vars(self).get(attribute), copy.deepcopy(value)))
        self._states_of_params.copied = False
        for p, steps, slots in zip(params, state["steps"], arrays, strict=True):
            if slots is not None:
                own = self._states_of_params.of(p, self.slots)
                own.steps = steps
                for array, saved in zip(own.arrays, slots, strict=True):
                    array[...] = np.asarray(saved)
            elif newer := self._states_of_params.find(p):  # than the state, which is of before the first step of p
                newer.steps = 0
                for array in newer.arrays:
                    array[...] = 0

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """p -= lr (g + weight_decay p).

    The decay is no part of the gradient that is clipped. Raises ValueError for one below 0 or not finite.
    """

    _sgd_decay = 0.0  # private: `weight_decay` may be the name of what a subclass adds to the gradients itself

    def __init__(self, lr: float = 0.01, *, weight_decay: float = 0.0) -> None:
        super().__init__(lr)
        self._sgd_decay = _checked_number(self, "weight_decay", weight_decay)

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        pull = g * (self.lr * scale)
        if self._sgd_decay:
            pull += p * (self.lr * self._sgd_decay)
        p -= pull

    def _update_rows(self, step: int, scale: float, g: RowGradient, *arrays: Any) -> None:
        if self._sgd_decay:  # which rows without a gradient have too
            self._update_array(step, scale, arrays[0], g.to_dense(), *arrays[1:])
        else:
            super()._update_rows(step, scale, g, *arrays)


class Momentum(Optimizer):
    """v = momentum v + g, p -= lr v.

    Raises TypeError unless momentum is a number, and ValueError unless 0 <= momentum < 1.
    """

    slots = 1

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.momentum = _checked_number(self, "momentum", momentum, below=1)

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (v,) = state
        v *= self.momentum
        v += g * scale
        p -= self.lr * v


class Nesterov(Momentum):
    """v = momentum v + g, p -= lr (g + momentum v): the gradient counts as if taken after the coming step."""

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (v,) = state
        g = g * scale
        v *= self.momentum
        v += g
        g += self.momentum * v
        g *= self.lr
        p -= g


class AdaGrad(Optimizer):
    """s += g², p -= lr g / (sqrt(s) + 1e-7) (Duchi et al. 2011)."""

    slots = 1

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (s,) = state
        g = g * scale
        s += g * g
        _subtract_in_units(p, g, s, self.lr)


class RMSprop(Optimizer):
    """s = decay_rate s + (1 - decay_rate) g², p -= lr g / (sqrt(s) + 1e-7) (Tieleman & Hinton 2012).

    Raises TypeError unless decay_rate is a number, and ValueError unless 0 <= decay_rate < 1.
    """

    slots = 1

    def __init__(self, lr: float = 0.01, decay_rate: float = 0.99) -> None:
        super().__init__(lr)
        self.decay_rate = _checked_number(self, "decay_rate", decay_rate, below=1)

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (s,) = state
        g = g * scale
        s *= self.decay_rate
        s += (1 - self.decay_rate) * (g * g)
        _subtract_in_units(p, g, s, self.lr)


class Adam(Optimizer):
    """Steps along m, the running mean of g, over the root of v, that of g²; both are corrected for their start at 0.

        m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g²
        p -= lr (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + 1e-7)        at the k-th step

    Source: Kingma & Ba 2015. Raises TypeError unless beta1 and beta2 are numbers, and ValueError unless both lie in
    [0, 1).
    """

    slots = 2

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(lr)
        self.beta1 = _checked_number(self, "beta1", beta1, below=1)
        self.beta2 = _checked_number(self, "beta2", beta2, below=1)

    def _update_array(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        m, v = state
        work = g * ((1 - self.beta1) * scale)
        m *= self.beta1
        m += work
        np.multiply(g, math.sqrt(1 - self.beta2) * scale, out=work)
        work *= work
        v *= self.beta2
        v += work
        # The correction of v, a factor of its root, is taken out of the fraction, which saves a pass.
        correction = math.sqrt(1 - self.beta2**step)
        root = np.sqrt(v, out=work)
        root += EPSILON * correction
        np.divide(m, root, out=root)
        root *= self.lr * correction / (1 - self.beta1**step)
        p -= root


def _subtract_in_units(p: Any, g: Any, s: Any, lr: float) -> None:
    """p -= lr g / (sqrt(s) + 1e-7), which uses up g."""
    root = np.sqrt(s)
    root += EPSILON
    g *= lr
    g /= root
    p -= g


def _check_arrays(name: str, params: Sequence[Any], grads: Sequence[Any]) -> None:
    """TypeError or ValueError, beginning with `name`, unless each param is an array and its gradient one like it."""
    if len(params) != len(grads):
        raise ValueError(f"{name}: {len(params)} params, but {len(grads)} grads")
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if not (hasattr(p, "shape") and hasattr(p, "__setitem__")):  # NumPy's numbers have a shape, but are constant
            raise TypeError(f"{name}: params[{i}] must be an array, which can be changed in place, not {p!r}")
        if not hasattr(g, "shape"):
            raise TypeError(f"{name}: grads[{i}] must be an array, not {g!r}")
        if p.shape != g.shape:
            raise ValueError(f"{name}: params[{i}] is {p.shape}, grads[{i}] {g.shape}")


def _checked_number(optimizer: Optimizer, name: str, value: Any, below: float = math.inf) -> float:
    """The value as Python's number. TypeError unless it is a number, ValueError unless it lies in [0, below)."""
    kind, value = type(optimizer).__name__, as_number(value)
    if not isinstance(value, Real):
        raise TypeError(f"{kind}: {name} must be a number, not {value!r}")
    if not 0 <= float(value) < below:
        end = "" if below == math.inf else f" and below {below}"
        raise ValueError(f"{kind}: {name} must be a number of at least 0{end}, not {value!r}")
    return float(value)


def _wide(g: Any) -> Any:
    """The gradient, of float32 if it is of float16, which has no room for its square."""
    return g.astype("f") if g.dtype == "f2" else g


def _pieces(*arrays: Any) -> Any:
    """Pieces of equally shaped arrays, which fit the cache together if all are laid out in memory in the same order.

    They are of 2^16 float32: with fewer, calling NumPy takes longer than the work, with more, the cache is too small.
    """
    if arrays[0].ndim and fits_cache(4 * arrays[0].nbytes):
        return [arrays]  # what follows would come to the same, but take more time than the step of a small weight
    if all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
    elif all(a.flags.f_contiguous for a in arrays):
        flat = [a.T.reshape(-1) for a in arrays]
    else:
        return [arrays]
    return ([a[piece] for a in flat] for piece in row_blocks(len(flat[0]), 4 * arrays[0].itemsize))
