"""Is a backward right? Its gradients are held against central differences of the forward::

    gradcheck(TimeLSTM(Wx, Wh, b), xs)      # a layer and its inputs
    gradcheck(model, xs, ts)                # a model and a batch

:func:`common.layer_kit.check_layer` checks what else a layer must keep to.
"""

import copy
from typing import Any

import numpy

from common.model_tree import unique_params
from common.object_tree import generators, parts
from common.rng import Seed, generator
from common.shared_weights import remove_duplicate

STEP = 1e-5


class GradientError(AssertionError):
    """A gradient that is wrong; the text names its parameter, a place in it, and both numbers."""


def gradcheck(
    layer_or_model: Any, *inputs: Any, numbers: int = 20, tolerance: float = 1e-5, rng: Seed = 0
) -> dict[str, float]:
    """Check the gradients of all weights, in their order, and then of the floating-point inputs.

    It works on a copy in float64, which in each forward has the same recurrent state and draws the same random numbers;
    the model given stays as it is. Of each array, `numbers` numbers are checked one by one, and all together along a
    random direction. The outputs are weighted at random and summed, unless the forward returns a loss.

    Returns the largest error for each array, in units of its largest gradient. Raises GradientError for the first array
    with an error above `tolerance`, and ValueError for lists params and grads that do not fit each other.
    """
    check = _Check(layer_or_model, inputs, generator(rng))
    errors = {}
    for name, array, gradient in check.arrays():
        errors[name] = check.compare(name, array, gradient, numbers, tolerance)
    return errors


class _Check:
    """A layer or model, its inputs, and the weights that make one number of its outputs."""

    def __init__(self, target: Any, inputs: tuple[Any, ...], rng: numpy.random.Generator) -> None:
        self.name, self.rng = type(target).__name__, rng
        self.target = in_float64(target)
        self.inputs = [x.astype("d") if _floating(x) else x for x in inputs]
        self.states = [
            (part, {key: vars(part)[key] for key in ("h", "c") if key in vars(part)})
            for part in [self.target, *(part for _, part in parts(self.target))]
            if hasattr(part, "reset_state")
        ]
        self.rngs = [(rng, rng.bit_generator.state) for rng in generators(self.target).values()]
        outputs = self.forward()
        self.is_loss = len(outputs) == 1 and numpy.ndim(outputs[0]) == 0
        self.douts = [1.0] if self.is_loss else [self.rng.standard_normal(numpy.shape(y)) for y in outputs]

    def forward(self) -> tuple[Any, ...]:
        """The outputs, always from the same recurrent state and with the same random numbers."""
        for part, state in self.states:
            vars(part).update(state)
        for rng, drawn in self.rngs:
            rng.bit_generator.state = drawn
        outputs = self.target.forward(*self.inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def number(self) -> float:
        return sum(float(numpy.sum(y * dout)) for y, dout in zip(self.forward(), self.douts, strict=True))

    def arrays(self) -> list[tuple[str, Any, Any]]:
        """(name, array, gradient) of all that has a gradient."""
        params, grads = self.target.params, self.target.grads
        if [p.shape for p in params] != [g.shape for g in grads]:
            shapes = f"{[p.shape for p in params]} and {[g.shape for g in grads]}"
            raise ValueError(f"{self.name}: params and grads must have the same shapes in the same order, got {shapes}")
        self.forward()
        dxs = self.target.backward() if self.is_loss else self.target.backward(*self.douts)
        unique, merged = remove_duplicate(params, [numpy.array(grad) for grad in self.target.grads])
        roles = getattr(self.target, "names", ())
        names = list(roles) if len(roles) == len(params) == len(unique) else list(unique_params(self.target))
        found = list(zip(names, unique, merged, strict=True))
        dxs = [dx for dx in (dxs if isinstance(dxs, tuple) else (dxs,)) if dx is not None]
        floats = [(f"input {i}", x) for i, x in enumerate(self.inputs) if _floating(x)]
        if self.is_loss and len(dxs) != len(floats):
            return found  # a model need not return the gradient of its inputs
        if len(dxs) != len(floats):
            raise GradientError(f"{self.name}: backward returns {len(dxs)} gradients for {len(floats)} floating inputs")
        return found + [(name, x, numpy.array(dx)) for (name, x), dx in zip(floats, dxs, strict=True)]

    def compare(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float) -> float:
        """The largest error of an array's gradient; GradientError if it is above the tolerance."""
        where = f"{self.name}: the gradient of {name} {array.shape}"
        if gradient.shape != array.shape:
            raise GradientError(f"{where} has the shape {gradient.shape}")
        chosen = self.rng.permutation(array.size)[:numbers]
        places = [tuple(map(int, place)) for place in numpy.argwhere(numpy.ones(array.shape))[chosen]]
        numeric = [self._slope(array, _unit(array, place)) for place in places]
        direction = self.rng.standard_normal(array.shape)
        scale = max([1e-3, float(abs(gradient).max(initial=0)), *map(abs, numeric)])
        largest = 0.0
        for place, slope in zip(places, numeric, strict=True):
            error = abs(slope - gradient[place]) / scale
            if not error <= tolerance:
                raise GradientError(f"{where} is wrong: at {list(place)} backward gives {gradient[place]:.8g}, "
                                    f"central differences give {slope:.8g}")  # fmt: skip
            largest = max(largest, error)
        total, slope = float((gradient * direction).sum()), self._slope(array, direction)
        error = abs(total - slope) / (scale * max(1.0, float(array.size) ** 0.5))
        if not error <= tolerance:
            raise GradientError(f"{where} is wrong: along a random direction backward gives {total:.8g}, "
                                f"central differences give {slope:.8g}")  # fmt: skip
        return max(largest, error)

    def _slope(self, array: Any, direction: Any) -> float:
        """How fast the number grows when the array moves along a direction."""
        before = array.copy()
        array[...] = before + STEP * direction
        above = self.number()
        array[...] = before - STEP * direction
        below = self.number()
        array[...] = before
        return (above - below) / (2 * STEP)


def in_float64(target: Any) -> Any:
    """A copy of an object in which all floating-point arrays are float64; what shared memory shares it again."""
    memo: dict[int, Any] = {id(numpy.dtype(kind)): numpy.dtype("d") for kind in ("f2", "f4")}
    bases: dict[int, Any] = {}
    for _, part in parts(target):
        if not _floating(part):
            continue
        base = part if not isinstance(part.base, numpy.ndarray) else part.base
        wide = bases.setdefault(id(base), base.astype("d"))
        offset = (part.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // part.itemsize
        strides = [8 * (stride // part.itemsize) for stride in part.strides]
        memo[id(part)] = numpy.ndarray(part.shape, "d", wide, 8 * offset, strides)
    return copy.deepcopy(target, memo)


def _floating(x: Any) -> bool:
    return isinstance(x, numpy.ndarray) and x.dtype.kind == "f"


def _unit(array: Any, place: tuple[int, ...]) -> Any:
    direction = numpy.zeros(array.shape)
    direction[place] = 1
    return direction
