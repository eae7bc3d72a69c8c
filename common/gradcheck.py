"""Is a backward right? Its gradients are held against central differences of the forward::

    gradcheck(TimeLSTM(Wx, Wh, b), xs)      # a layer and its inputs
    gradcheck(model, xs, ts)                # a model and a batch

:func:`common.layer_kit.check_layer` checks what else a layer must keep to.
"""

import copy
import inspect
import warnings
from numbers import Real
from typing import Any

import numpy

from common import config
from common.model_tree import state_of, unique_params
from common.np import is_active
from common.object_tree import GLOBAL_GENERATOR, generators, make_generators, parts
from common.rng import Seed, generator
from common.shared_weights import remove_duplicate

STEP = 1e-5
SMALLER = 0.1, 0.01  # of the step, where differences and backward disagree: the slope may change much within a step
KINK_DISTANCE, KINK_MOVES = 30, 5  # how far, in steps, an array is moved away from a kink, and at most how often

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

    At a kink, where the slopes to the left and right differ, as that of a ReLU at 0, any gradient counts as right: an
    array that is at one is checked a little beside it as well.

    A layer that computes in float32 in spite of that is checked up to FLOAT32_TOLERANCE only, with a warning.

    Returns the largest error for each array, in units of its largest gradient. Raises GradientError for the first array
    with an error above `tolerance`, for two forwards that differ, and if there is nothing to check; ValueError for
    lists params and grads that do not fit each other, before or after the backward, and with config.GPU set, since it
    computes on the CPU; TypeError for a class, and for outputs that are neither arrays nor numbers.
    """
    refuse_class(layer_or_model)
    refuse_lists(layer_or_model)
    if config.GPU or not all(map(is_active, layer_or_model.params)):
        raise ValueError("gradcheck computes on the CPU; set config.GPU = False before the layer is built")
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
        make_generators(self.target)
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
        # Copies: a layer that works in place spoils neither the next forward nor the differences.
        outputs = self.target.forward(*(x.copy() if isinstance(x, numpy.ndarray) else x for x in self.inputs))
        outputs = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        for y in outputs:
            if not is_output(y):
                raise TypeError(
                    f"{self.name}: forward must return an array, a number or a tuple of them, not {type(y).__name__}"
                )
        return outputs

    def number(self) -> float:
        return sum(float(numpy.sum(y * dout)) for y, dout in zip(self.forward(), self.douts, strict=True))

    def arrays(self) -> list[tuple[str, Any, Any]]:
        """(name, array, gradient) of all that has a gradient."""
        self.forward()
        dxs = self.target.backward() if self.is_loss else self.target.backward(*copy.deepcopy(self.douts))
        refuse_lists(self.target, "after backward, ")
        unique, merged = remove_duplicate(self.target.params, [numpy.array(grad) for grad in self.target.grads])
        found = list(zip(names(self.target, self.is_loss), unique, merged, strict=True))
        dxs = [dx for dx in (dxs if isinstance(dxs, (tuple, list)) else (dxs,)) if dx is not None]
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

    def computes_in_float32(self) -> bool:
        """Whether a forward makes arrays of less than float64, though it is given none."""
        made = [*self.forward(), *(part for _, part in parts(self.target))]
        return any(getattr(x, "dtype", None) in ("f2", "f4") for x in made)

    def error(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float) -> float:
        """The largest error of an array's gradient, from :meth:`off_kinks` with the step that fits."""
        if self.step == STEP:
            try:
                return self.off_kinks(name, array, gradient, numbers, tolerance)
            except GradientError:
                if not self.computes_in_float32():
                    raise
            self.step = FLOAT32_STEP
            warnings.warn(
                f"{self.name}: computes in float32 although weights and inputs are float64, so that errors of its "
                f"gradients below {FLOAT32_TOLERANCE} cannot be told from rounding",
                stacklevel=3,
            )
        return self.off_kinks(name, array, gradient, numbers, max(tolerance, FLOAT32_TOLERANCE))

    def off_kinks(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float) -> float:
        """The largest error of an array's gradient, beside the place where the array is if that is a kink.

        At a kink nothing can be asked of a gradient, not even to lie between the slopes on both sides: with 0 as the
        slope of a ReLU at 0, backward gives 0 for relu(x) - 0.3 relu(-x), whose slopes are 0.3 and 1.
        """
        before, moves = array.copy(), 0
        try:
            while (error := self.compare(name, array, gradient, numbers, tolerance, moves)) is None:
                array[...] = before + KINK_DISTANCE * self.step * self.rng.standard_normal(array.shape)
                gradient = next(found for _, moved, found in self.arrays() if moved is array)
                moves += 1
            return error
        finally:
            array[...] = before

    def compare(self, name: str, array: Any, gradient: Any, numbers: int, tolerance: float, moves: int) -> float | None:
        """The largest error of an array's gradient; GradientError if it is above the tolerance.

        None if that may be due to a kink, unless the array has been moved away from kinks KINK_MOVES times.
        """
        where = f"{self.name}: the gradient of {name} {array.shape}"
        if gradient.shape != array.shape:
            raise GradientError(f"{where} has the shape {gradient.shape}")
        if not numpy.isfinite(gradient).all():
            place = tuple(map(int, numpy.argwhere(~numpy.isfinite(gradient))[0]))
            raise GradientError(f"{where} is wrong: at {list(place)} backward gives {gradient[place]}")
        chosen = self.rng.permutation(array.size)[:numbers]
        places = [tuple(map(int, place)) for place in numpy.argwhere(numpy.ones(array.shape))[chosen]]
        slopes = [self._slope(array, place, 1.0, self.step) for place in places]
        direction = self.rng.standard_normal(array.shape)
        scale = max([1e-3, float(abs(gradient).max(initial=0)), *map(abs, slopes)])
        slopes.append(self._slope(array, ..., direction, self.step))
        # (what moves, by how much, the slope by backward, the unit of its error, how a message calls it)
        ways: list[tuple[Any, Any, float, float, str]] = [
            (place, 1.0, float(gradient[place]), scale, f"at {list(place)}") for place in places
        ]
        unit = scale * max(1.0, float(array.size) ** 0.5)
        ways.append((..., direction, float((gradient * direction).sum()), unit, "along a random direction"))
        largest, kink = 0.0, False
        for (place, by, given, unit, how), slope in zip(ways, slopes, strict=True):
            steps = iter(SMALLER)
            while not (error := abs(slope - given) / unit) <= tolerance:
                smaller = next(steps, None)
                if smaller is not None:
                    slope = self._slope(array, place, by, smaller * self.step)
                elif moves < KINK_MOVES and self._is_kink(array, place, by, tolerance * unit):
                    kink = True
                    break
                else:
                    how = "moved away from a kink, " * bool(moves) + how
                    raise GradientError(f"{where} is wrong: {how} backward gives {given:.8g}, "
                                        f"central differences give {slope:.8g}")  # fmt: skip
            largest = max(largest, error)
        return None if kink else largest

    def _slope(self, array: Any, place: Any, by: Any, step: float) -> float:
        """How fast the number grows when the array moves at a place, or all of it (...) along a direction."""
        above, below = self._beside(array, place, by, step)
        return (above - below) / (2 * step)

    def _is_kink(self, array: Any, place: Any, by: Any, least: float) -> bool:
        """Whether the slopes to the left and right differ, and not the less the smaller the step, as on a curve."""
        here, gaps = self.number(), []
        for step in (self.step, SMALLER[0] * self.step):
            above, below = self._beside(array, place, by, step)
            gaps.append(abs(above - 2 * here + below) / step)
        return gaps[1] > max(least, gaps[0] / 5)

    def _beside(self, array: Any, place: Any, by: Any, step: float) -> tuple[float, float]:
        """The numbers a step above and a step below."""
        before = array[place].copy()
        array[place] = before + step * by
        above = self.number()
        array[place] = before - step * by
        below = self.number()
        array[place] = before
        return above, below


def refuse_class(target: Any) -> None:
    """TypeError for the class of a layer or model instead of one of its objects."""
    if isinstance(target, type):
        raise TypeError(f"{target.__name__}: expected a layer or a model made of it, got the class itself")


def refuse_lists(target: Any, when: str = "") -> None:
    """ValueError unless params and grads are arrays, as many, of the same shapes in the same order."""
    if fault := list_fault(target):
        raise ValueError(f"{type(target).__name__}: {when}{fault}")
    params, grads = ([array.shape for array in arrays] for arrays in (target.params, target.grads))
    if params != grads:
        raise ValueError(
            f"{type(target).__name__}: {when}params and grads must have the same shapes in the same order, "
            f"got {params} and {grads}"
        )


def list_fault(target: Any) -> str:
    """What in params or grads is no array, in words; "" if all are."""
    for place, param in enumerate(target.params):
        if not _is_array(param):
            return f"params[{place}] must be an array, not {type(param).__name__}"
    for place, (param, grad) in enumerate(zip(target.params, target.grads, strict=False)):
        if not _is_array(grad):
            called = names(target)
            name = f"{called[place]} " if len(called) == len(target.params) else ""
            return f"grads[{place}], that of {name}{param.shape}, must be an array, not {type(grad).__name__}"
    return ""


def names(target: Any, is_loss: bool = False) -> list[str]:
    """How the weights, each once, are called."""
    unique = list(unique_params(target))
    roles = list(getattr(target, "names", ()))
    if len(roles) == len(target.params) == len(unique):
        return roles
    # A layer of your own gets its weights by the arguments that it must be given; a model is given sizes.
    arguments = list(inspect.signature(type(target).__init__).parameters.values())[1:]
    needed = [a.name for a in arguments if a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD]
    nameless = unique == [str(place) for place in range(len(unique))]
    return needed if nameless and len(needed) == len(unique) and not is_loss else unique


def in_float64(target: Any) -> Any:
    """A copy of an object in which all floating-point arrays are float64; what shared memory shares it again."""
    memo: dict[int, Any] = {id(numpy.dtype(kind)): numpy.dtype("d") for kind in ("f2", "f4")}
    wide: dict[Any, Any] = {}  # the numbers of a whole piece of memory
    for _, part in parts(target):
        if not _floating(part):
            continue
        whole = part.base if isinstance(part.base, numpy.ndarray) else part  # maybe bytes, of an aligned array
        place = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        offset, start = divmod(place, part.itemsize)
        memory = id(whole), part.dtype, start
        if memory not in wide:
            numbers = whole.ravel("K").view("u1")[start:]
            numbers = numbers[: len(numbers) // part.itemsize * part.itemsize].view(part.dtype)
            with numpy.errstate(invalid="ignore"):  # of what is no number of this dtype
                wide[memory] = numbers.astype("d")
        strides = [8 * (stride // part.itemsize) for stride in part.strides]
        memo[id(part)] = numpy.ndarray(part.shape, "d", wide[memory], 8 * offset, strides)
    return copy.deepcopy(target, memo)


def is_output(y: Any) -> bool:
    """Whether a forward may return it, by itself or in a tuple."""
    return _is_array(y) or isinstance(y, Real)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _floating(x: Any) -> bool:
    return isinstance(x, numpy.ndarray) and x.dtype.kind == "f"


def _close(one: Any, two: Any) -> bool:
    return numpy.shape(one) == numpy.shape(two) and numpy.allclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)
