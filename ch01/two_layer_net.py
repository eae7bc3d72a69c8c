"""The network that classifies the points of the spiral (book, section 1.4)."""

from typing import Any

from common.base_model import BaseModel
from common.checks import check_counts
from common.layers import Affine, Sigmoid, SoftmaxWithLoss
from common.np import np
from common.rng import Seed, generator


class TwoLayerNet(BaseModel):
    """Affine, sigmoid, affine; trained on the mean cross-entropy of the softmax of the scores.

    x (N, input_size), t class ids (N,) or one-hot (N, output_size). The weights start from 0.01 times the standard
    normal distribution and the biases from 0, all in float32.
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, *, rng: Seed = None) -> None:
        check_counts(type(self).__name__, input_size=input_size, hidden_size=hidden_size, output_size=output_size)
        rng = generator(rng)

        def affine(inputs: int, outputs: int) -> Affine:
            return Affine(np.asarray(0.01 * rng.standard_normal((inputs, outputs), "f")), np.zeros(outputs, "f"))

        self.layers: list[Any] = [affine(input_size, hidden_size), Sigmoid(), affine(hidden_size, output_size)]
        self.loss_layer = SoftmaxWithLoss()
        self.params = [param for layer in self.layers for param in layer.params]
        self.grads = [grad for layer in self.layers for grad in layer.grads]

    def predict(self, x: Any) -> Any:
        """The scores (N, output_size), before the softmax."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def forward(self, x: Any, t: Any) -> Any:
        """The mean loss of the points x, whose classes are t."""
        return self.loss_layer.forward(self.predict(x), t)

    def backward(self, dout: Any = 1) -> Any:
        """Fill `grads` with the gradients of dout times the last loss; returns that of x."""
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
