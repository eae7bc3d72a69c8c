"""Optimizers: ``update(params, grads)`` changes the params in place.

Their state, such as Momentum's velocity, belongs to a parameter, not to its place in the list. `lr` may be changed
between steps. The equations are PyTorch's where it has the method, with an epsilon of 1e-7 outside the root.
"""

import copy
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from common.np import np, row_blocks
from common.object_tree import attributes
from common.sparse_gradient import RowGradient

EPSILON = 1e-7

_TABLES = ("_steps", "_states")  # of an optimizer, by the ids of parameters


class Optimizer:
    """Base: goes through the parameters in pieces that fit the cache, and keeps arrays of state for each of them.

    A subclass writes ``_step(p, g, *state)``, which changes the piece p of a parameter and its state in place but not
    the gradient g; `slots` is the number of arrays of state.
    """

    slots = 0
    _steps: dict[int, int]  # updates so far, by id of the parameter
    _states: dict[int, tuple[Any, list[Any]]]  # with the parameter, so that no other gets its id

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new one. What it keeps begins here: the __init__ of a subclass may set lr alone."""
        made = super().__new__(cls)
        made._steps, made._states = {}, {}
        return made

    def __init__(self, lr: float) -> None:
        self.lr = lr

    @property
    def lr(self) -> float:
        """The learning rate, a Python float: with NumPy's numbers NumPy computes other bits.

        Whoever sets it gets a TypeError for what is no number, and a ValueError for one below 0 or not finite.
        """
        return self._lr

    @lr.setter
    def lr(self, lr: Any) -> None:
        lr = lr.item() if getattr(lr, "shape", None) == () else lr  # NumPy's numbers and arrays of one
        self._check("lr", lr)
        self._lr = float(lr)

    def update(self, params: Sequence[Any], grads: Sequence[Any], scale: float = 1.0) -> None:
        """Take one step along -`scale` times the gradients.

        Raises ValueError, before anything is changed, for lists of different lengths or a gradient of another shape.
        """
        name = type(self).__name__
        if len(params) != len(grads):
            raise ValueError(f"{name}: {len(params)} params, but {len(grads)} grads")
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            if p.shape != g.shape:
                raise ValueError(f"{name}: params[{i}] is {p.shape}, grads[{i}] {g.shape}")
        for p, g in zip(params, grads, strict=True):
            state = self._state_of(p)
            self._steps[id(p)] = step = self._steps.get(id(p), 0) + 1
            if isinstance(g, RowGradient):
                self._step_rows(step, scale, g, p, *state)
            else:
                for piece in _pieces(p, g, *state):
                    self._step(step, scale, *piece)

    def _step_rows(self, step: int, scale: float, g: RowGradient, *arrays: Any) -> None:
        """A step that touches nothing but the rows, of the parameter and of its state, which have a gradient."""
        p, *state = touched = [array[g.ids] for array in arrays]
        self._step(step, scale, p, g.rows, *state)
        for array, rows in zip(arrays, touched, strict=True):
            array[g.ids] = rows

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        """A copy, or what comes out of a pickle, has parameters of its own, with other ids."""
        vars(self).update(attributes)
        params = [param for param, _ in self._states.values()]
        steps = [self._steps.get(old, 0) for old in self._states]
        self._states = {id(param): entry for param, entry in zip(params, self._states.values(), strict=True)}
        self._steps = dict(zip(self._states, steps, strict=True))

    def _state_of(self, param: Any) -> list[Any]:
        """The arrays of state that belong to the parameter, zero at first."""
        entry = self._states.get(id(param))
        if entry is None:
            entry = self._states[id(param)] = param, [np.zeros_like(param) for _ in range(self.slots)]
        return entry[1]

    def state_dict(self, params: Sequence[Any]) -> dict[str, Any]:
        """What the next steps of the params depend on: lr and the other attributes, such as those of a subclass, and
        for each param its steps and state. Functions, which do not change, are left out.
        """
        own = {"lr" if name == "_lr" else name: value for name, value in attributes(self).items()}
        kept = {name: value for name, value in own.items() if name not in _TABLES and not callable(value)}
        return {
            "numbers": kept,  # once there were no others
            "steps": [self._steps.get(id(p), 0) for p in params],
            "arrays": [self._state_of(p) if id(p) in self._states else None for p in params],
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
        for attribute, value in state["numbers"].items():
            if attribute not in _TABLES:
                setattr(self, attribute, copy.deepcopy(value))
        for p, step, slots in zip(params, state["steps"], arrays, strict=True):
            if slots is not None:
                self._steps[id(p)] = step
                for own, saved in zip(self._state_of(p), slots, strict=True):
                    own[...] = np.asarray(saved)

    def _check(self, name: str, value: Any, below: float = math.inf) -> None:
        """TypeError unless the value is a number, ValueError unless it lies in [0, below)."""
        if not isinstance(value, Real):
            raise TypeError(f"{type(self).__name__}: {name} must be a number, not {value!r}")
        if not 0 <= float(value) < below:
            end = "" if below == math.inf else f" and below {below}"
            raise ValueError(f"{type(self).__name__}: {name} must be a number of at least 0{end}, not {value!r}")

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """p -= lr (g + weight_decay p).

    The decay is no part of the gradient that is clipped. Raises ValueError for one below 0 or not finite.
    """

    weight_decay = 0.0  # of the class: checkpoints of a training without decay do not know it

    def __init__(self, lr: float = 0.01, *, weight_decay: float = 0.0) -> None:
        super().__init__(lr)
        self._check("weight_decay", weight_decay)
        if weight_decay:
            self.weight_decay = weight_decay

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        pull = g * (self.lr * scale)
        if self.weight_decay:
            pull += p * (self.lr * self.weight_decay)
        p -= pull

    def _step_rows(self, step: int, scale: float, g: RowGradient, *arrays: Any) -> None:
        if self.weight_decay:  # which rows without a gradient have too
            self._step(step, scale, arrays[0], g.to_dense(), *arrays[1:])
        else:
            super()._step_rows(step, scale, g, *arrays)


class Momentum(Optimizer):
    """v = momentum v - lr g, p += v."""

    slots = 1

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self._check("momentum", momentum, below=1)
        self.momentum = momentum

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (v,) = state
        v *= self.momentum
        v -= g * (self.lr * scale)
        p += v


class Nesterov(Momentum):
    """v = momentum v - lr g, p += momentum v - lr g: the gradient counts as if taken after the coming step."""

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (v,) = state
        pull = g * (self.lr * scale)
        v *= self.momentum
        v -= pull
        pull -= self.momentum * v
        p -= pull


class AdaGrad(Optimizer):
    """s += g², p -= lr g / (sqrt(s) + 1e-7) (Duchi et al. 2011)."""

    slots = 1

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (s,) = state
        g = g * scale
        s += g * g
        root = np.sqrt(s)
        root += EPSILON
        g *= self.lr
        g /= root
        p -= g


class RMSprop(Optimizer):
    """s = decay_rate s + (1 - decay_rate) g², p -= lr g / (sqrt(s) + 1e-7) (Tieleman & Hinton 2012)."""

    slots = 1

    def __init__(self, lr: float = 0.01, decay_rate: float = 0.99) -> None:
        super().__init__(lr)
        self._check("decay_rate", decay_rate, below=1)
        self.decay_rate = decay_rate

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        (s,) = state
        g = g * scale
        s *= self.decay_rate
        s += (1 - self.decay_rate) * (g * g)
        root = np.sqrt(s)
        root += EPSILON
        g *= self.lr
        g /= root
        p -= g


class Adam(Optimizer):
    """Steps along the mean gradient in units of its size, both corrected for their start at 0 (Kingma & Ba 2015).

        m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g²
        p -= lr (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + 1e-7)        at the k-th step
    """

    slots = 2

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(lr)
        self._check("beta1", beta1, below=1)
        self._check("beta2", beta2, below=1)
        self.beta1, self.beta2 = beta1, beta2

    def _step(self, step: int, scale: float, p: Any, g: Any, *state: Any) -> None:
        m, v = state
        g = g * scale
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        g *= g
        g *= 1 - self.beta2
        v += g
        root = np.sqrt(v, out=g)
        root *= 1 / math.sqrt(1 - self.beta2**step)
        root += EPSILON
        np.divide(m, root, out=root)
        root *= self.lr / (1 - self.beta1**step)
        p -= root


def _pieces(*arrays: Any) -> Any:
    """Pieces of equally shaped arrays, which fit the cache together if all are laid out in memory in the same order."""
    if all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
    elif all(a.flags.f_contiguous for a in arrays):
        flat = [a.T.reshape(-1) for a in arrays]
    else:
        return [arrays]
    return ([a[piece] for a in flat] for piece in row_blocks(len(flat[0]), 4 * sum(a.itemsize for a in arrays)))
