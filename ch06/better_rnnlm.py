"""A better language model (book, section 6.5): deep, with dropout and tied weights, and each improvement an option."""

from typing import Any

from common.checks import as_flag, check_counts, check_ratios
from common.computed import computed
from common.dropout_language_model import DropoutLanguageModel
from common.initial import new_affine, new_embedding, new_recurrent
from common.np import np
from common.recurrent import TimeRecurrent
from common.recurrent_variants import TimeDiagonalPeepholeLSTM, TimePeepholeLSTM, TimeReLURNN
from common.regularization import VariationalDropout
from common.rng import Seed, generator
from common.time_layers import TimeAffine, TimeDropout, TimeGRU, TimeLSTM, TimeRNN

CELLS: dict[str, type[TimeRecurrent]] = {
    "rnn": TimeRNN,
    "relu": TimeReLURNN,
    "lstm": TimeLSTM,
    "peephole": TimePeepholeLSTM,
    "peephole_diagonal": TimeDiagonalPeepholeLSTM,
    "gru": TimeGRU,
}


class BetterRnnlm(DropoutLanguageModel):
    """Embedding, then `layers` times dropout and a recurrent layer, dropout, affine.

    xs (N, T) ids -> scores (N, T, vocab_size) of the word that follows each. The arguments by name are:

    layers         how many recurrent layers
    cell           "rnn", "relu" (an RNN with ReLU), "lstm", "peephole" (an LSTM whose gates see all cells),
                   "peephole_diagonal" (whose gates see their own cell) or "gru"
    tied           let the affine layer's weight be the embedding's, transposed (Press & Wolf 2017)
    variational    let all steps share a dropout mask, and drop the states on their way through time too
    dropconnect    the share of the recurrent weights that each forward drops

    ``BetterRnnlm(V, D, H, 0.0, layers=1, tied=False)`` is an Rnnlm. Raises ValueError for tied weights unless
    wordvec_size equals hidden_size, for another cell and for sizes and ratios that make no sense.
    """

    def __init__(
        self,
        vocab_size: int = 10000,
        wordvec_size: int = 650,
        hidden_size: int = 650,
        dropout_ratio: float = 0.5,
        *,
        layers: int = 2,
        cell: str = "lstm",
        tied: bool = True,
        variational: bool = False,
        dropconnect: float = 0.0,
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        check_counts(
            type(self).__name__,
            vocab_size=vocab_size,
            wordvec_size=wordvec_size,
            hidden_size=hidden_size,
            layers=layers,
        )
        check_ratios(type(self).__name__, dropout_ratio=dropout_ratio, dropconnect=dropconnect)
        tied, variational = as_flag("tied", tied), as_flag("variational", variational)
        if tied and wordvec_size != hidden_size:
            raise ValueError(
                f"{type(self).__name__}: tied weights need wordvec_size == hidden_size, "
                f"not {wordvec_size} and {hidden_size}"
            )
        if cell not in list(CELLS):  # also for what a dict cannot look up
            raise ValueError(f"{type(self).__name__}: cell must be one of {', '.join(CELLS)}, not {cell!r}")
        rng = generator(rng)
        embedding = new_embedding(vocab_size, wordvec_size, rng, dtype)
        sizes = [wordvec_size] + [hidden_size] * layers
        recurrent = [new_recurrent(CELLS[cell], D, hidden_size, rng, dtype, stateful=True) for D in sizes[:-1]]
        if tied:
            affine = TimeAffine(embedding.params[0].T, np.zeros(vocab_size, dtype))
        else:
            affine = new_affine(hidden_size, vocab_size, rng, dtype)

        dropout = VariationalDropout if variational else TimeDropout
        drops = [dropout(dropout_ratio, rng=rng) for _ in sizes]
        for layer in recurrent:
            if variational:
                layer.state_dropout = TimeDropout(dropout_ratio, rng=rng)
            if dropconnect:
                layer.weight_dropout = TimeDropout(dropconnect, rng=rng)
        stack = [embedding, drops[0]]
        for layer, drop in zip(recurrent, drops[1:], strict=True):
            stack += [layer, drop]
        super().__init__([*stack, affine])

    @computed
    def lstm_layers(self) -> list[Any]:
        """The recurrent layers, whatever their cell."""
        return self.recurrent_layers

    @computed
    def drop_layers(self) -> list[Any]:
        """All dropouts, those inside the recurrent layers too."""
        return self.training_mode_layers
