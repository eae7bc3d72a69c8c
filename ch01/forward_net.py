"""A network that can only be asked, not trained yet: 2 inputs, 4 hidden neurons, 3 scores (book, section 1.2).

    python -m ch01.forward_net

prints the scores of ten random points; as the weights are random too, the scores mean nothing.
"""

from typing import Any

from common.checks import check_counts
from common.experiment import script
from common.functions import sigmoid
from common.np import np
from common.rng import Seed, generator, stream


class Sigmoid:
    """1 / (1 + exp(-x)), element by element."""

    def __init__(self) -> None:
        self.params: list[Any] = []

    def forward(self, x: Any) -> Any:
        return sigmoid(x)


class Affine:
    """x W + b: x (N, I), W (I, O), b (O,) -> (N, O)."""

    def __init__(self, W: Any, b: Any) -> None:
        self.params = [W, b]

    def forward(self, x: Any) -> Any:
        W, b = self.params
        return x @ W + b


class TwoLayerNet:
    """Affine, sigmoid, affine, with weights and biases from the standard normal distribution (float32)."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int, *, rng: Seed = None) -> None:
        normal = generator(rng).standard_normal

        def affine(inputs: int, outputs: int) -> Affine:
            return Affine(np.asarray(normal((inputs, outputs), "f")), np.asarray(normal(outputs, "f")))

        self.layers: list[Any] = [affine(input_size, hidden_size), Sigmoid(), affine(hidden_size, output_size)]
        self.params = [param for layer in self.layers for param in layer.params]

    def predict(self, x: Any) -> Any:
        """The scores (N, output_size) of the points x (N, input_size)."""
        for layer in self.layers:
            x = layer.forward(x)
        return x


@script
def main(batch_size: int = 10, seed: int = 0) -> Any:
    check_counts("forward_net", batch_size=batch_size)
    x = np.asarray(stream(seed, "data").standard_normal((batch_size, 2), "f"))
    return TwoLayerNet(2, 4, 3, rng=stream(seed, "weights")).predict(x)


if __name__ == "__main__":
    main.cli()
