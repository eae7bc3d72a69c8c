"""Skip-gram: a word tells which words stand around it (book, section 3.5.2)."""

from typing import Any

from ch04.word2vec import Word2vec


class SkipGram(Word2vec):
    """The target's word vector predicts each word of its context; their losses are summed.

    contexts (N, C) ids, usually of the 2 window_size words around each target, target (N,) ids.
    """

    predicts_contexts = True

    def forward(self, contexts: Any, target: Any) -> float:
        """The mean over the batch of the losses of all words of a context."""
        contexts, target = self.checked_contexts(contexts, target)
        return self.ns_loss.forward(self.in_layer.forward(target), contexts)

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        self.in_layer.backward(self.ns_loss.backward(dout))
