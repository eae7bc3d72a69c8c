"""Is a backward right? Its gradients are held against central differences of the forward::

    gradcheck(TimeLSTM(Wx, Wh, b), xs)      # a layer and its inputs
    gradcheck(model, xs, ts)                # a model and a batch

:func:`common.layer_kit.check_layer` checks what else a layer must keep to.
"""

import copy
import inspect
import warnings
from typing import Any

import numpy

from common.model_tree import state_of, unique_params
from common.object_tree import GLOBAL_GENERATOR, generators, parts
from common.rng import Seed, generator
from common.shared_weights import remove_duplicate

STEP = 1e-5

# For a layer that computes in float32 whatever it is given: its rounding errors, divided by STEP, would hide the slope.
FLOAT32_STEP, FLOAT32_TOLERANCE = 3e-3, 1e-2


class GradientError(AssertionError):
    """A gradient that is wrong, or cannot be checked; the text names its parameter, a place in it, and both numbers."""


def gradcheck(
    layer_or_model: Any, *inputs: Any, numbers: int = 20, tolerance: float = 1e-5, rng: Seed = 0
) -> dict[str, float]:
    """Check the gradients of all weights, in their order, and then of the floating-point inputs.

    It works on a copy in float64, which in each forward has the same recurrent state and draws the same random numbers;
    the model given and NumPy's global generator stay as they are. Of each array, `numbers` numbers are checked one by
    one, and all together along a random direction. The outputs are weighted at random and summed, unless the forward
    returns a loss. The backward of a loss may leave out the gradients of the last inputs, its labels.

    A layer that computes in float32 in spite of that is checked up to FLOAT32_TOLERANCE only, with a warning.

    Returns the largest error for each array, in units of its largest gradient. Raises GradientError for the first array
    with an error above `tolerance`, for two forwards that differ, and if there is nothing to check; ValueError for
    lists params and grads that do not fit each other.
    """
    rng, before = generator(rng), GLOBAL_GENERATOR.state
    try:
        check = _Check(layer_or_model, inputs, rng)
        errors = {}
        for name, array, gradient in check.arrays():
            errors[name] = check.error(name, array, gradient, numbers, tolerance)
        return errors
    finally:
        GLOBAL_GENERATOR.state = before


class _Check:
    """A layer or model, its inputs, and the weights that make one number of its outputs."""

    def __init__(self, target: Any, inputs: tuple[Any, ...], rng: numpy.random.Generator) -> None:
        self.name, self.rng = type(target).__name__, rng
        self.target = in_float64(target)
        self.inputs = [x.astype("d") if _floating(x) else x for x in inputs]
        self.states = [
            (part, state_of(part))
            for part in [self.target, *(part for _, part in parts(self.target))]
            if hasattr(part, "reset_state")
        ]
        rngs = [*generators(self.target).values(), GLOBAL_GENERATOR]
        self.rngs = [(rng, rng.bit_generator.state) for rng in rngs]
        self.step = STEP
        outputs = self.forward()
        if not all(map(_close, outputs, self.forward())):
            raise GradientError(
                f"{self.name}: two forwards of the same inputs differ. It draws random numbers of its own, expected "
                "those of numpy.random or of a generator kept as an attribute; or it has a state other than h and c"
            )
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
        found = list(zip(self.names(len(unique)), unique, merged, strict=True))
        dxs = [dx for dx in (dxs if isinstance(dxs, tuple) else (dxs,)) if dx is not None]
        floats = [(f"input {i}", x) for i, x in enumerate(self.inputs) if _floating(x)]
        # The labels of a loss have no gradient, and a model need not return that of its inputs.
        if len(dxs) != len(floats) and not self.is_loss:
            raise GradientError(f"{self.name}: backward returns {len(dxs)} gradients for {len(floats)} floating inputs")
        found += [(name, x, numpy.array(dx)) for (name, x), dx in zip(floats, dxs, strict=False)]
        if not found:
            raise GradientError(
                f"{self.name}: there is nothing to check: it has no weights, and backward returns {len(dxs)} gradients "
                f"for {len(floats)} floating inputs"
            )
        return found

    def names(self, count: int) -> list[str]:
        """How the weights, each once, are called."""
        roles = list(getattr(self.target, "names", ()))
        if len(roles) == len(self.target.params) == count:
            return roles
        names = list(unique_params(self.target))
        # A layer of one's own gets its weights by the arguments that it must be given; a model is given sizes.
        arguments = list(inspect.signature(type(self.target).__init__).parameters.values())[1:]
        needed = [a.name for a in arguments if a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD]
        nameless = names == [str(place) for place in range(len(names))]
        return needed if nameless and len(needed) == count and not self.is_loss else names

    def computes_in_float32(self) -> bool:
        """Whether a forward makes arrays of less than float64, though it is given none."""
        made = [*self.forward(), *(part for _, part in parts(self.target))]
        return any(getattr(x, "dtype", None) in ("f2", "f4") for x in made)

    def error(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float) -> float:
        """The largest error of an array's gradient, from :meth:`compare` with the step that fits."""
        if self.step == STEP:
            try:
                return self.compare(name, array, gradient, numbers, tolerance)
            except GradientError:
                if not self.computes_in_float32():
                    raise
            self.step = FLOAT32_STEP
            warnings.warn(
                f"{self.name}: computes in float32 although weights and inputs are float64, so that errors of its "
                f"gradients below {FLOAT32_TOLERANCE} cannot be told from rounding",
                stacklevel=3,
            )
        return self.compare(name, array, gradient, numbers, max(tolerance, FLOAT32_TOLERANCE))

    def compare(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float) -> float:
        """The largest error of an array's gradient; GradientError if it is above the tolerance."""
        where = f"{self.name}: the gradient of {name} {array.shape}"
        if gradient.shape != array.shape:
            raise GradientError(f"{where} has the shape {gradient.shape}")
        if not numpy.isfinite(gradient).all():
            place = tuple(map(int, numpy.argwhere(~numpy.isfinite(gradient))[0]))
            raise GradientError(f"{where} is wrong: at {list(place)} backward gives {gradient[place]}")
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
            largest = max(largest, float(error))
        total, slope = float((gradient * direction).sum()), self._slope(array, direction)
        error = abs(total - slope) / (scale * max(1.0, float(array.size) ** 0.5))
        if not error <= tolerance:
            raise GradientError(f"{where} is wrong: along a random direction backward gives {total:.8g}, "
                                f"central differences give {slope:.8g}")  # fmt: skip
        return max(largest, error)

    def _slope(self, array: Any, direction: Any) -> float:
        """How fast the number grows when the array moves along a direction."""
        before = array.copy()
        array[...] = before + self.step * direction
        above = self.number()
        array[...] = before - self.step * direction
        below = self.number()
        array[...] = before
        return (above - below) / (2 * self.step)


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


def _close(one: Any, two: Any) -> bool:
    return numpy.shape(one) == numpy.shape(two) and numpy.allclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)


def _unit(array: Any, place: tuple[int, ...]) -> Any:
    direction = numpy.zeros(array.shape)
    direction[place] = 1
    return direction
