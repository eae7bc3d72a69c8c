"""What holds for every layer: exact gradients, one dtype, a backward that may be repeated, and clear refusals."""

import numpy
import pytest
from gradient_check import Pass, check_gradients, check_results_belong_to_the_caller
from layer_cases import LAYERS, Draw

from common.layer import Layer

every_layer = pytest.mark.parametrize("name", LAYERS)


@every_layer
def test_gradients(name, rng):
    check_gradients(*LAYERS[name](Draw()), rng)


@every_layer
@pytest.mark.parametrize("input_dtype", ["f", "d"])
def test_float32_stays_float32(name, input_dtype, rng):
    layer, inputs = LAYERS[name](Draw("f"))
    whole = Pass(layer, inputs, rng)
    if layer.params:  # which decide
        inputs = [x.astype(input_dtype) if hasattr(x, "dtype") and x.dtype.kind == "f" else x for x in inputs]
        whole = Pass(layer, inputs, rng)
        whole.douts = [dout.astype(input_dtype) for dout in whole.douts]
    arrays = [y for y in whole.forward() if not isinstance(y, float)] + whole.backward()
    arrays += [getattr(layer, state) for state in ("h", "c", "dh", "dc") if hasattr(layer, state)]
    assert {array.dtype for array in arrays} == {numpy.dtype("f")}


@every_layer
def test_backward_is_repeatable_and_edits_nothing(name, rng):
    layer, inputs = LAYERS[name](Draw())
    grads = list(layer.grads)
    whole = Pass(layer, inputs, rng)
    given = [numpy.copy(array) for array in (*whole.inputs, *layer.params, *whole.douts)]
    first = [gradient.copy() for gradient in whole.backward()]
    for gradient in layer.grads:
        gradient.fill(numpy.nan)  # overwritten, not added to
    for one, two in zip(first, whole.backward(), strict=True):
        numpy.testing.assert_array_equal(one, two)
    for before, after in zip(given, (*whole.inputs, *layer.params, *whole.douts), strict=True):
        numpy.testing.assert_array_equal(before, after)
    assert [id(grad) for grad in layer.grads] == [id(grad) for grad in grads]
    assert [grad.shape for grad in grads] == [param.shape for param in layer.params]


@every_layer
@pytest.mark.parametrize(("examples", "steps"), [(None, None), (1, None), (None, 1), (1, 1)])
def test_results_belong_to_the_caller(name, examples, steps, rng):
    """Also of one example and of one step, whose arrays NumPy calls contiguous whichever of these axes comes first."""
    layer, inputs = LAYERS[name](Draw())
    shape = inputs[0].shape
    for place, x in enumerate(inputs):
        if steps and "Time" in name and x.shape[:2] == shape[:2]:
            x = x[:, :steps]
        if name != "Affine, one example" and getattr(x, "shape", ())[:1] == shape[:1]:
            x = x[:examples]
        inputs[place] = x
    check_results_belong_to_the_caller(layer, inputs, rng)


@every_layer
def test_backward_needs_a_forward(name):
    layer, _ = LAYERS[name](Draw())
    outputs = 2 if name == "LSTM" else 1
    with pytest.raises(RuntimeError, match="backward needs a forward before it"):
        layer.backward(*[numpy.ones((2, 4, 4))] * outputs)


@every_layer
def test_gradient_of_another_shape_is_refused(name, rng):
    whole = Pass(*LAYERS[name](Draw()), rng)
    if "Loss" not in name:
        wrong = [numpy.ones((*dout.shape, 2)) for dout in whole.douts]
        with pytest.raises(ValueError, match=rf"gradient .*got \({wrong[0].shape[0]}, .*2\)"):
            whole.layer.backward(*wrong)


@every_layer
def test_a_number_is_the_gradient_of_every_output(name, rng):
    whole = Pass(*LAYERS[name](Draw()), rng)
    if "Loss" not in name:
        expected = whole.layer.backward(*(numpy.full_like(dout, 0.5) for dout in whole.douts))
        expected = [part for part in (expected if isinstance(expected, tuple) else [expected]) if part is not None]
        found = whole.layer.backward(*[0.5] * len(whole.douts))
        found = [part for part in (found if isinstance(found, tuple) else [found]) if part is not None]
        for one, other in zip(found, expected, strict=True):
            numpy.testing.assert_array_equal(one, other)
            one += 1  # the caller's


def test_messages_name_letters_and_sizes():
    layer = Layer()
    with pytest.raises(ValueError, match=r"Layer: b must be \(M,\) with D = 2, M = 3, not \(4,\)"):
        layer.check_weights(W=(numpy.ones((2, 3)), ("D", "M")), b=(numpy.ones(4), ("M",)))
    for rows, columns in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match=rf"Layer: every size of W must be at least 1, not \({rows}, {columns}\)"):
            layer.check_weights(W=(numpy.ones((rows, columns)), ("D", "M")))
    with pytest.raises(TypeError, match=r"Layer: W must be an array \(D, M\), not list"):
        layer.check_weights(W=([[1.0]], ("D", "M")))
    with pytest.raises(ValueError, match=r"Layer: expected an input \(N, 3\), got \(2, 4\)"):
        layer.check_input(numpy.ones((2, 4)), "N", 3)
