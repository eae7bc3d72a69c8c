"""Gradients held against central differences, and the rules that hold for every layer.

A layer under test is whatever has params, grads, ``forward(*inputs)`` and ``backward(*douts)``; the outputs are an
array, a number or a tuple of them, and backward gives the gradients of the floating inputs in their order.
"""

from typing import Any

import numpy

from common.np import np, to_cpu
from common.shared_weights import remove_duplicate


def numerical_gradient(loss, x: Any, step: float = 1e-5) -> numpy.ndarray:
    """The gradient of the number ``loss()`` with respect to x, number by number, by central differences in float64."""
    gradient = numpy.zeros(x.shape)
    for place in numpy.ndindex(x.shape):
        before = float(x[place])
        x[place] = before + step
        above = float(loss())
        x[place] = before - step
        gradient[place] = (above - float(loss())) / (2 * step)
        x[place] = before
    return gradient


def directional_derivative(loss, arrays: list[Any], directions: list[Any], step: float = 1e-5) -> float:
    """How fast ``loss()`` grows when all arrays move along their directions at once."""
    before = [x.copy() for x in arrays]

    def at(distance: float) -> float:
        for x, start, direction in zip(arrays, before, directions, strict=True):
            x[...] = start + distance * direction
        return float(loss())

    slope = (at(step) - at(-step)) / (2 * step)
    at(0.0)
    return slope


class Pass:
    """A forward and a backward of a layer, seen as those of one number: the outputs, weighted at random and summed."""

    def __init__(self, layer: Any, inputs: list[Any], rng: numpy.random.Generator) -> None:
        self.layer, self.inputs = layer, inputs
        self.floats = [x for x in inputs if hasattr(x, "dtype") and x.dtype.kind == "f"]
        outputs = self.forward()
        self.douts: list[Any] = [
            0.7 if isinstance(y, float) else np.asarray(rng.standard_normal(y.shape), y.dtype) for y in outputs
        ]

    def forward(self) -> tuple[Any, ...]:
        outputs = self.layer.forward(*self.inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def loss(self) -> float:
        return sum(float((y * dout).sum() if hasattr(y, "shape") else y * dout)
                   for y, dout in zip(self.forward(), self.douts, strict=True))

    def backward(self) -> list[Any]:
        """The gradients of the floating inputs, and after them those of the params."""
        dxs = self.layer.backward(*self.douts)
        dxs = dxs if isinstance(dxs, tuple) else (dxs,)
        return [dx for dx in dxs if dx is not None] + list(self.layer.grads)

    @property
    def arrays(self) -> list[Any]:
        return self.floats + list(self.layer.params)


def check_gradients(layer: Any, inputs: list[Any], rng: numpy.random.Generator, tolerance: float = 1e-6) -> None:
    """Every gradient agrees with central differences, number by number and along a random direction. Needs float64."""
    whole = Pass(layer, inputs, rng)
    whole.forward()
    gradients = [to_cpu(gradient).copy() for gradient in whole.backward()]
    assert len(gradients) == len(whole.arrays)
    for x, gradient in zip(whole.arrays, gradients, strict=True):
        expected = numerical_gradient(whole.loss, x)
        numpy.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance * 1e-2)
    directions = [rng.standard_normal(x.shape) for x in whole.arrays]
    exact = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    slope = directional_derivative(whole.loss, whole.arrays, [np.asarray(d) for d in directions])
    numpy.testing.assert_allclose(exact, slope, rtol=tolerance, atol=tolerance * 1e-2)


def check_results_belong_to_the_caller(layer: Any, inputs: list[Any], rng: numpy.random.Generator) -> None:
    """Whatever happens in place to outputs and to gradients of inputs, the next backward gives what it gives without.

    An identity may return its very input.
    """
    whole = Pass(layer, inputs, rng)
    expected = [gradient.copy() for gradient in whole.backward()]
    results = list(whole.forward())
    for _ in range(2):
        for result in results:
            if hasattr(result, "shape") and not any(result is given for given in (*whole.inputs, *whole.douts)):
                result[...] = numpy.nan
        found = whole.backward()
        for one, two in zip(expected, found, strict=True):
            numpy.testing.assert_array_equal(one, two)
        results = found[: len(found) - len(layer.grads)]


def check_model(model: Any, batch: list[Any], rng: numpy.random.Generator, tolerance: float = 1e-6) -> None:
    """The gradients of a model's loss agree with the slope along a random direction. Needs float64.

    A weight with several uses is moved once, and its gradients are summed.
    """

    def loss() -> float:
        if hasattr(model, "reset_state"):
            model.reset_state()
        return float(model.forward(*batch))

    loss()
    model.backward()
    params, grads = remove_duplicate(model.params, model.grads)
    directions = [np.asarray(rng.standard_normal(p.shape)) for p in params]
    exact = sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True))
    slope = directional_derivative(loss, params, directions)
    numpy.testing.assert_allclose(exact, slope, rtol=tolerance, atol=tolerance * 1e-2)
