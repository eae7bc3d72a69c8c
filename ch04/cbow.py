"""CBOW: the mean of the words around a word tells which one it is (book, section 4.2.7)."""

from typing import Any

from ch04.word2vec import Word2vec
from common.np import np


class CBOW(Word2vec):
    """Continuous bag of words: h is the mean of the context's word vectors, and predicts the target.

    contexts (N, C) ids, usually of the 2 window_size words around each target, target (N,) ids.
    """

    def forward(self, contexts: Any, target: Any) -> float:
        """The mean loss over the batch."""
        contexts, target = self.checked_contexts(contexts, target)
        self._shape = contexts.shape
        return self.ns_loss.forward(self.in_layer.forward(contexts).mean(axis=1), target)

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        dh = self.ns_loss.backward(dout)
        dh *= 1 / self._shape[1]
        self.in_layer.backward(np.broadcast_to(dh[:, None], (*self._shape, dh.shape[1])))
