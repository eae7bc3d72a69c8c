"""A language model with one LSTM layer (book, section 6.4)."""

from typing import Any

from common.checks import check_counts
from common.computed import computed
from common.initial import new_affine, new_embedding, new_recurrent
from common.language_model import LanguageModel
from common.rng import Seed, generator
from common.time_layers import TimeLSTM


class Rnnlm(LanguageModel):
    """Embedding, LSTM, affine: xs (N, T) ids -> scores (N, T, vocab_size) of the word that follows each.

    Weights are normal with standard deviation 1/100 (embedding) or 1/sqrt(inputs), biases zero.
    """

    def __init__(
        self,
        vocab_size: int = 10000,
        wordvec_size: int = 100,
        hidden_size: int = 100,
        *,
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        check_counts(type(self).__name__, vocab_size=vocab_size, wordvec_size=wordvec_size, hidden_size=hidden_size)
        rng = generator(rng)
        super().__init__(
            [
                new_embedding(vocab_size, wordvec_size, rng, dtype),
                new_recurrent(TimeLSTM, wordvec_size, hidden_size, rng, dtype, stateful=True),
                new_affine(hidden_size, vocab_size, rng, dtype),
            ]
        )

    @computed
    def lstm_layer(self) -> Any:
        """The recurrent layer."""
        return self.recurrent_layers[0]
