"""Skip-gram with one-hot words and a softmax over all of them (book, section 3.5.2)."""

from typing import Any

from ch03.simple_cbow import checked_one_hot
from common.base_model import BaseModel
from common.checks import check_counts
from common.initial import normal
from common.layers import MatMul, SoftmaxWithLoss
from common.rng import Seed, generator


class SimpleSkipGram(BaseModel):
    """softmax(W_outᵀ h) should be each word of the context, where h is the target's row of W_in.

    The context's words are taken for independent of one another, so their losses are summed. As their scores are the
    same, the gradients of all those losses are summed before they go back through W_out.

    contexts (N, C, V), with any number C of words, and target (N, V) one-hot; W_in (V, H), W_out (H, V). The weights
    start from 0.01 times the standard normal distribution. `word_vecs` is W_in.
    """

    def __init__(self, vocab_size: int, hidden_size: int, *, rng: Seed = None, dtype: Any = "f") -> None:
        check_counts(type(self).__name__, vocab_size=vocab_size, hidden_size=hidden_size)
        rng = generator(rng)
        self.word_vecs = normal(vocab_size, hidden_size, 0.01, rng, dtype)
        self.in_layer = MatMul(self.word_vecs)
        self.out_layer = MatMul(normal(hidden_size, vocab_size, 0.01, rng, dtype))
        self.loss_layers: list[SoftmaxWithLoss] = []
        self.params = self.in_layer.params + self.out_layer.params
        self.grads = self.in_layer.grads + self.out_layer.grads

    def predict(self, target: Any) -> Any:
        """The scores (N, V) of all words, before the softmax; the same for every place of the context."""
        return self.out_layer.forward(self.in_layer.forward(target))

    def forward(self, contexts: Any, target: Any) -> float:
        """The mean over the batch of the losses of all words of a context."""
        contexts, target = checked_one_hot(type(self).__name__, contexts, target, len(self.word_vecs))
        scores = self.predict(target)
        self.loss_layers = [SoftmaxWithLoss() for _ in range(contexts.shape[1])]
        return sum(layer.forward(scores, contexts[:, place]) for place, layer in enumerate(self.loss_layers))

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        if not self.loss_layers:
            raise RuntimeError("SimpleSkipGram: backward needs a forward before it")
        dscores = sum(layer.backward(dout) for layer in self.loss_layers)
        self.in_layer.backward(self.out_layer.backward(dscores))
