"""What every layer must keep to, as checks that can be pointed at a layer of your own::

    check_layer(MyLayer(W, b), x)

They stop at the first that fails and say what was expected.
"""

import inspect
from typing import Any

import numpy

from common.gradcheck import gradcheck, is_output, list_fault, refuse_class
from common.model_tree import state_of
from common.np import is_active, np, to_cpu
from common.object_tree import GLOBAL_GENERATOR, generators, make_generators
from common.rng import Seed, generator

STATES = 20  # tried before a state is said not to show: that of dead units with a ReLU does only from some


class LayerError(AssertionError):
    """A layer that breaks a rule; the text names both."""


def check_layer(layer: Any, *inputs: Any, rng: Seed = 0) -> list[str]:
    """Go through all checks; returns the names of those that were made.

    lists         params and grads fit each other: as many arrays, of the same shapes and dtypes
    side effects  neither inputs nor weights nor the gradient of the output are changed
    dtype         outputs and gradients have the dtype of the weights, or without weights of the input
    device        outputs and gradients are arrays of the active module
    shapes        backward gives gradients shaped like the floating-point inputs
    repeatable    backward overwrites the arrays in grads, which stay the same arrays, and may be called again
    state         after reset_state() a layer with states gives what it gave at first; one with the attribute `stateful`
                  goes on from its state if that is True, and only then
    evaluation    with train_flg=False the output does not change, and no random number is drawn
    gradients     :func:`common.gradcheck.gradcheck`; on the CPU
    output        with the same inputs, state and random numbers it is the same however often the layer has been called

    A loss, whose output is a single number, may leave out the gradients of its last inputs, the labels. Each run draws
    the same random numbers, if from numpy.random or from a generator that the layer keeps as an attribute. The layer
    gets copies of the inputs.

    Raises LayerError, or GradientError, for the first that fails; TypeError for a class.
    """
    refuse_class(layer)
    kit = _Kit(layer, inputs, generator(rng))  # has checked the lists
    # Side effects first: after another run those on weights may not show, as W[W < 0] = 0 does not.
    checks = [kit.side_effects, kit.dtype, kit.device, kit.shapes, kit.repeatable]
    if hasattr(layer, "reset_state"):
        checks.append(kit.state)
    if kit.switches:
        checks.append(kit.evaluation)
    if np.__name__ == "numpy":
        checks.append(kit.gradients)
    checks.append(kit.output)
    for check in checks:
        check()
    return ["lists", *(check.__name__.replace("_", " ") for check in checks)]


class _Kit:
    def __init__(self, layer: Any, inputs: tuple[Any, ...], rng: numpy.random.Generator) -> None:
        self.layer, self.rng, self.name = layer, rng, type(layer).__name__
        self.lists()
        self.dtypes = {param.dtype for param in layer.params if param.dtype.kind == "f"}
        self.inputs = [self._cast(np.array(x)) if hasattr(x, "dtype") else x for x in inputs]
        self.floats = [x for x in self.inputs if hasattr(x, "dtype") and x.dtype.kind == "f"]
        arguments = inspect.signature(layer.forward).parameters
        by_argument = "train_flg" in arguments and len(inputs) < len(arguments)
        self.switches = ["argument"] * by_argument + ["attribute"] * hasattr(layer, "train_flg")
        make_generators(layer)
        self.drawn = [(rng, rng.bit_generator.state) for rng in self.generators()]

    def _cast(self, x: Any) -> Any:
        return x.astype(next(iter(self.dtypes))) if len(self.dtypes) == 1 and x.dtype.kind == "f" else x

    def generators(self) -> list[Any]:
        return [*generators(self.layer).values(), GLOBAL_GENERATOR]

    def copies(self) -> list[Any]:
        """The inputs, for a layer that may change them."""
        return [x.copy() if hasattr(x, "dtype") else x for x in self.inputs]

    def forward(self) -> list[Any]:
        """The outputs, always with the same random numbers."""
        for rng, state in self.drawn:
            rng.bit_generator.state = state
        self.given = self.copies()
        outputs = _list(self.layer.forward(*self.given))
        for y in outputs:
            expected = "forward must return an array, a number or a tuple of them"
            self.demand(is_output(y), f"{expected}, not {type(y).__name__}")
        return outputs

    def run(self) -> tuple[list[Any], list[Any], list[Any]]:
        """(outputs, the gradients given to backward, the gradients it returns) of a fresh run."""
        if hasattr(self.layer, "reset_state"):
            self.layer.reset_state()
        outputs = self.forward()
        arrays = [y for y in outputs if getattr(y, "ndim", 0)]
        self.douts = [self._like(y) for y in arrays]
        return outputs, self.douts, self.backward()

    def backward(self) -> list[Any]:
        self.given_douts = [dout.copy() for dout in self.douts]
        dxs = [dx for dx in _list(self.layer.backward(*self.given_douts)) if dx is not None]
        self.lists("after backward, ")
        for dx in dxs:
            self.demand(hasattr(dx, "shape"), f"backward must return arrays, not {type(dx).__name__}")
        return dxs

    def demand(self, fine: bool, rule: str) -> None:
        if not fine:
            raise LayerError(f"{self.name}: {rule}")

    def lists(self, when: str = "") -> None:
        fault = list_fault(self.layer)
        self.demand(not fault, when + fault)
        params, grads = ([(a.shape, str(a.dtype)) for a in arrays] for arrays in (self.layer.params, self.layer.grads))
        rule = f"{when}params and grads must have the same shapes and dtypes"
        self.demand(params == grads, f"{rule}, got {params} and {grads}")

    def dtype(self) -> None:
        expected = self.dtypes or {x.dtype for x in self.floats}
        outputs, _, dxs = self.run()
        for what, arrays in (("output", outputs), ("gradient of an input", dxs)):
            for array in arrays:
                found = getattr(array, "dtype", None) if numpy.ndim(array) else None  # a loss may be any single number
                fits = found is None or found.kind != "f" or found in expected or not expected
                self.demand(fits, f"the {what} is {found}, expected {', '.join(map(str, expected))}")

    def device(self) -> None:
        outputs, _, dxs = self.run()
        for array in [*(y for y in outputs if numpy.ndim(y)), *dxs]:
            found = type(array).__module__
            self.demand(is_active(array), f"it gives a {found} array, the active module is {np.__name__}")

    def shapes(self) -> None:
        outputs, _, dxs = self.run()
        shapes, expected = [dx.shape for dx in dxs], [x.shape for x in self.floats]
        if len(outputs) == 1 and numpy.ndim(outputs[0]) == 0:
            expected = expected[: max(1, len(shapes))]  # without the labels of the loss
        self.demand(shapes == expected, f"backward gives gradients {shapes} for inputs {expected}")

    def side_effects(self) -> None:
        """Of two runs, first with the examples in another order: what a layer keeps of that shows in later checks."""
        inputs, weights = self.inputs, [param.copy() for param in self.layer.params]
        arrays = [x for x in inputs if getattr(x, "ndim", 0)]
        if len({len(x) for x in arrays}) == 1:
            self.inputs = [np.roll(x, 1, axis=0) if getattr(x, "ndim", 0) else x for x in inputs]
        try:
            self.run_without_side_effects(weights)
        finally:
            self.inputs = inputs
        self.first = [np.array(y) for y in self.run_without_side_effects(weights)]

    def run_without_side_effects(self, weights: list[Any]) -> list[Any]:
        """The outputs of a run."""
        outputs, _, _ = self.run()
        pairs = zip(self.given, self.inputs, strict=True)
        inputs = all(_equal(now, then) for now, then in pairs if hasattr(now, "dtype"))
        same = all(map(_equal, self.layer.params, weights))
        self.demand(inputs and same, "forward or backward changes inputs or weights")
        same = all(map(_equal, self.given_douts, self.douts))
        self.demand(same, "forward or backward changes the gradient of the output")
        return outputs

    def repeatable(self) -> None:
        arrays = list(self.layer.grads)
        _, _, dxs = self.run()
        first = [array.copy() for array in [*dxs, *self.layer.grads]]
        again = [*self.backward(), *self.layer.grads]
        self.demand(all(now is then for now, then in zip(self.layer.grads, arrays, strict=True)),
                    "backward must write into the arrays of grads, not put others into the list")  # fmt: skip
        self.demand(all(map(_equal, again, first)), "a second backward gives other gradients; are they added up?")

    def output(self) -> None:
        outputs, _, _ = self.run()
        self.demand(all(map(_equal, outputs, self.first)), "another run with the same inputs gives another output")

    def state(self) -> None:
        self.layer.reset_state()
        first, second = self.forward(), self.forward()
        self.layer.reset_state()
        same = all(map(_equal, self.forward(), first))
        self.demand(same, "after reset_state() its output is not what it was at first")
        if hasattr(self.layer, "stateful"):
            carried = not all(map(_equal, second, first)) or (self.layer.stateful and self.state_shows())
            does = "goes on from its state" if carried else "starts from zero again"
            self.demand(carried == bool(self.layer.stateful), f"a second forward {does}, but stateful is {not carried}")

    def state_shows(self) -> bool:
        """Whether the output of any of some forwards, with other inputs, depends on the state before it."""
        inputs = self.inputs
        try:
            for _ in range(STATES):
                self.inputs = [self._shuffled(x) for x in inputs]
                self.layer.reset_state()
                first = self.forward()
                state = state_of(self.layer)
                vars(self.layer).update({key: self._like(h) for key, h in state.items() if hasattr(h, "dtype")})
                if not all(map(_equal, self.forward(), first)):
                    return True
            return False
        finally:
            self.inputs = inputs
            self.layer.reset_state()

    def _shuffled(self, x: Any) -> Any:
        """The same numbers, which are sure to be in the domain of the layer, in another order."""
        if not any(x is array for array in self.floats):
            return x
        return x.reshape(-1)[np.asarray(self.rng.permutation(x.size))].reshape(x.shape)

    def _like(self, x: Any) -> Any:
        return np.asarray(self.rng.standard_normal(x.shape)).astype(x.dtype)

    def evaluation(self) -> None:
        for switch in self.switches:
            before = [rng.bit_generator.state for rng in self.generators()]
            if switch == "argument":
                one, two = (_list(self.layer.forward(*self.copies(), train_flg=False)) for _ in range(2))
            else:
                trains, self.layer.train_flg = self.layer.train_flg, False
                try:
                    one, two = (_list(self.layer.forward(*self.copies())) for _ in range(2))
                finally:
                    self.layer.train_flg = trains
            after = [rng.bit_generator.state for rng in self.generators()]
            same = all(map(_equal, one, two))
            self.demand(same, f"with train_flg=False two forwards differ; the {switch} must switch it")
            drawn = not all(map(_same_state, before, after))
            self.demand(not drawn, f"with train_flg=False it draws random numbers; the {switch} must switch it")

    def gradients(self) -> None:
        gradcheck(self.layer, *self.inputs, rng=self.rng)


def _list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def _equal(one: Any, two: Any) -> bool:
    one, two = to_cpu(np.asarray(one)), to_cpu(np.asarray(two))
    return numpy.array_equal(one, two, equal_nan=one.dtype.kind in "fc")


def _same_state(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return all(_same_state(one[key], two[key]) for key in one)
    return bool(numpy.all(one == two))
