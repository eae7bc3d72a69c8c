"""What all recurrent language models do, whatever their layers are."""

from typing import Any

from common.base_model import BaseModel
from common.computed import computed
from common.losses import gradient_to_read
from common.time_layers import TimeSoftmaxWithLoss


class LanguageModel(BaseModel):
    """A stack of layers that turns ids xs (N, T) into scores (N, T, V) of the word that follows each.

    A subclass builds `layers`, from the embedding to the affine layer, and calls ``super().__init__(layers)``.
    Recurrent layers keep their state from one forward to the next until ``reset_state()``. Where a layer in the
    list is replaced, `params` and `grads` are to be collected anew.
    """

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.loss_layer = TimeSoftmaxWithLoss()
        self.params = [param for layer in layers for param in layer.params]
        self.grads = [grad for layer in layers for grad in layer.grads]

    @computed
    def recurrent_layers(self) -> list[Any]:
        """Those of the layers that have a state."""
        return [layer for layer in self.layers if hasattr(layer, "reset_state")]

    def predict(self, xs: Any) -> Any:
        """The scores (N, T, V), before the softmax."""
        for layer in self.layers:
            xs = layer.forward(xs)
        return xs

    def forward(self, xs: Any, ts: Any) -> Any:
        """The mean loss of the words ts (N, T) that follow xs (N, T)."""
        return self.loss_layer.forward(self.predict(xs), ts)

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        dout = gradient_to_read(self.loss_layer, dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)

    def reset_state(self) -> None:
        """Forget the words read so far."""
        for layer in self.recurrent_layers:
            layer.reset_state()


def vocab_size(model: LanguageModel) -> int:
    """How many words the model knows."""
    return len(model.params[0])
