"""What CBOW and skip-gram have in common: two vectors for each word, and negative sampling."""

from typing import Any

from ch04.negative_sampling_layer import NegativeSamplingLoss
from common.base_model import BaseModel
from common.initial import check_sizes, normal
from common.layers import Embedding
from common.np import np
from common.rng import Seed, generator
from common.text import check_ids


class Word2vec(BaseModel):
    """Vectors of V words: `word_vecs` (V, H) as the input, which are the result, and a second set as the output.

    corpus (n,) ids, of which the negatives are drawn; ids below vocab_size that do not occur there are welcome. The
    weights start from 0.01 times the standard normal distribution. Gradients are RowGradients, which our optimizers
    apply to the words of a batch only; with ``sparse=False`` they are arrays (V, H).

    Raises ValueError for sizes below 1 and a corpus whose ids do not fit them.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        window_size: int,
        corpus: Any,
        *,
        power: float = 0.75,
        sample_size: int = 5,
        sparse: bool = True,
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        check_sizes(self, vocab_size=vocab_size, hidden_size=hidden_size, window_size=window_size)
        corpus = check_ids(f"{type(self).__name__}: corpus", corpus, vocab_size)
        rng = generator(rng)
        self.window_size = window_size
        self.in_layer = Embedding(normal(vocab_size, hidden_size, 0.01, rng, dtype), sparse)
        W_out = normal(vocab_size, hidden_size, 0.01, rng, dtype)
        self.ns_loss = NegativeSamplingLoss(W_out, corpus, power, sample_size, sparse=sparse, rng=rng)
        self.params = self.in_layer.params + self.ns_loss.params
        self.grads = self.in_layer.grads + self.ns_loss.grads
        self.word_vecs = self.in_layer.params[0]

    def check_contexts(self, contexts: Any, target: Any) -> tuple[Any, Any]:
        """Contexts (N, C) and targets (N,) as arrays."""
        contexts, target = np.asarray(contexts), np.asarray(target)
        if contexts.ndim != 2 or contexts.shape[1] == 0 or target.shape != contexts.shape[:1]:
            name = type(self).__name__
            raise ValueError(f"{name}: expected contexts (N, C), target (N,), got {contexts.shape}, {target.shape}")
        return contexts, target

    def forward(self, contexts: Any, target: Any) -> float:
        raise NotImplementedError

    def backward(self, dout: Any = 1) -> None:
        raise NotImplementedError
