"""CBOW with all that a small vocabulary allows: one-hot words and a softmax over all of them (book, section 3.4)."""

from typing import Any

from common.base_model import BaseModel
from common.checks import check_counts
from common.initial import normal
from common.layers import MatMul, SoftmaxWithLoss
from common.np import np
from common.rng import Seed, generator


def checked_one_hot(name: str, contexts: Any, target: Any, vocab_size: int) -> tuple[Any, Any]:
    """Contexts (N, C, V) and targets (N, V), both one-hot, as arrays. ValueError, beginning with `name`, for others."""
    contexts, target = np.asarray(contexts), np.asarray(target)
    fits = contexts.ndim == 3 and contexts.shape[1] > 0 and contexts.shape[2] == vocab_size
    if not fits or target.shape != (len(contexts), vocab_size):
        raise ValueError(
            f"{name}: expected one-hot contexts (N, C, {vocab_size}) and target (N, {vocab_size}), "
            f"got {contexts.shape} and {target.shape}"
        )
    return contexts, target


class SimpleCBOW(BaseModel):
    """softmax(W_outᵀ h) should be the target, where h is the mean of W_in's rows of the words around it.

    contexts (N, C, V) and target (N, V) one-hot; one layer for each of the `context_size` places, all of which share
    W_in (V, H), and W_out (H, V). The weights start from 0.01 times the standard normal distribution. `word_vecs` is
    W_in. In `params`, W_in stands once for each place: the Trainer adds the gradients up.
    """

    def __init__(
        self, vocab_size: int, hidden_size: int, *, context_size: int = 2, rng: Seed = None, dtype: Any = "f"
    ) -> None:
        check_counts(type(self).__name__, vocab_size=vocab_size, hidden_size=hidden_size, context_size=context_size)
        rng = generator(rng)
        self.word_vecs = normal(vocab_size, hidden_size, 0.01, rng, dtype)
        self.in_layers = [MatMul(self.word_vecs) for _ in range(context_size)]
        self.out_layer = MatMul(normal(hidden_size, vocab_size, 0.01, rng, dtype))
        self.loss_layer = SoftmaxWithLoss()
        layers = [*self.in_layers, self.out_layer]
        self.params = [param for layer in layers for param in layer.params]
        self.grads = [grad for layer in layers for grad in layer.grads]

    def predict(self, contexts: Any) -> Any:
        """The scores (N, V) of all words, before the softmax, for contexts (N, C, V)."""
        contexts, places = np.asarray(contexts), (len(self.in_layers), len(self.word_vecs))
        if contexts.shape[1:] != places:
            raise ValueError(
                f"SimpleCBOW: made for {places[0]} context words, expected one-hot contexts "
                f"(N, {places[0]}, {places[1]}), got {contexts.shape}"
            )
        hs = [layer.forward(contexts[:, place]) for place, layer in enumerate(self.in_layers)]
        return self.out_layer.forward(sum(hs) * (1 / len(hs)))

    def forward(self, contexts: Any, target: Any) -> float:
        """The mean loss over the batch."""
        contexts, target = checked_one_hot(type(self).__name__, contexts, target, len(self.word_vecs))
        return self.loss_layer.forward(self.predict(contexts), target)

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        dh = self.out_layer.backward(self.loss_layer.backward(dout))
        dh *= 1 / len(self.in_layers)
        for layer in self.in_layers:
            layer.backward(dh)
