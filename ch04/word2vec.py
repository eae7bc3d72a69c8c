"""What CBOW and skip-gram have in common: two vectors for each word, and negative sampling."""

from typing import Any

import numpy

from ch04.negative_sampling_layer import NegativeSamplingLoss, UnigramSampler, word_counts
from common.base_model import BaseModel
from common.checks import check_counts
from common.initial import normal
from common.layers import Embedding
from common.np import np
from common.rng import Seed, generator


class Word2vec(BaseModel):
    """Vectors of V words: `word_vecs` (V, H) as the input, which are the result, and a second set as the output.

    corpus (n,) ids, of which the negatives are drawn; ids below vocab_size that do not occur there are welcome. How
    often each occurs is all that matters: ``{"counts": [...]}``, V of them, serves as well, and is what a folder keeps.
    `predicts_contexts` tells skip-gram, which predicts the words around a target, from CBOW, which predicts the target.

    The weights start from 0.01 times the standard normal distribution. Gradients are RowGradients, which our optimizers
    apply to the words of a batch only; with ``sparse=False`` they are arrays (V, H).

    Raises ValueError for sizes below 1 and a corpus, or counts, that do not fit them.
    """

    predicts_contexts = False

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
        check_counts(type(self).__name__, vocab_size=vocab_size, hidden_size=hidden_size, window_size=window_size)
        self._counts = self._count(corpus, vocab_size)
        rng = generator(rng)
        self.window_size = int(window_size)
        self.in_layer = Embedding(normal(vocab_size, hidden_size, 0.01, rng, dtype), sparse)
        W_out = normal(vocab_size, hidden_size, 0.01, rng, dtype)
        sampler = UnigramSampler.from_counts(self._counts, power, sample_size, rng=rng)
        self.ns_loss = NegativeSamplingLoss.from_sampler(W_out, sampler, sparse=sparse)
        self.params = self.in_layer.params + self.ns_loss.params
        self.grads = self.in_layer.grads + self.ns_loss.grads
        self.word_vecs = self.in_layer.params[0]

    def _count(self, corpus: Any, vocab_size: int) -> numpy.ndarray:
        """How often each word occurs (V,), also if the corpus says so itself."""
        name = type(self).__name__
        if not isinstance(corpus, dict):
            return word_counts(name, corpus, vocab_size)
        counts = numpy.asarray(corpus.get("counts"))
        if counts.shape != (vocab_size,):
            raise ValueError(f"{name}: corpus must be ids (n,) or have the counts of {vocab_size} words")
        return counts

    def saved_arguments(self) -> dict[str, Any]:
        """As that of other models, with the counts instead of the corpus."""
        arguments = super().saved_arguments()
        if "corpus" in arguments:  # a class derived from this one may have a corpus of its own
            arguments["corpus"] = {"counts": self._counts.tolist()}
        return arguments

    def checked_contexts(self, contexts: Any, target: Any) -> tuple[Any, Any]:
        """Contexts (N, C) and targets (N,) as arrays."""
        contexts, target = np.asarray(contexts), np.asarray(target)
        if contexts.ndim != 2 or contexts.size == 0 or target.shape != contexts.shape[:1]:
            name = type(self).__name__
            raise ValueError(
                f"{name}: expected contexts (N, C), target (N,), one at least, got {contexts.shape}, {target.shape}"
            )
        return contexts, target

    def forward(self, contexts: Any, target: Any) -> float:
        raise NotImplementedError

    def backward(self, dout: Any = 1) -> None:
        raise NotImplementedError
