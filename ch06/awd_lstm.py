"""AWD-LSTM, the state of the art that the book's section 6.5.5 names (Merity, Keskar & Socher 2018)."""

from typing import Any

from common.checks import check_counts, check_ratios
from common.computed import computed
from common.dropout_language_model import DropoutLanguageModel
from common.initial import new_embedding, new_recurrent
from common.np import np
from common.regularization import (
    EmbeddingDropout,
    Penalized,
    Penalty,
    SizePenalty,
    SlownessPenalty,
    VariationalDropout,
)
from common.rng import Seed, generator
from common.time_layers import TimeAffine, TimeDropout, TimeLSTM


class AwdLstm(DropoutLanguageModel, Penalized):
    """An embedding, `layers` LSTMs and a tied affine layer, regularised in every way the paper found useful.

    xs (N, T) ids -> scores (N, T, vocab_size) of the word that follows each. The widths are wordvec_size for the
    embedding and the last LSTM, hidden_size for the others.

    embedding_dropout    whole words are dropped
    input_dropout, hidden_dropout, output_dropout    variational dropout before, between and after the LSTMs
    dropconnect          share of the recurrent weights that each forward drops
    alpha, beta          weights of the penalties on large and on quickly changing outputs of the last LSTM, which are
                         added to the loss while training

    The defaults are those of the authors' code for Penn Treebank; the paper reports a hidden_dropout of 0.3.

    Raises ValueError for sizes, ratios and weights that make no sense.
    """

    def __init__(
        self,
        vocab_size: int = 10000,
        wordvec_size: int = 400,
        hidden_size: int = 1150,
        *,
        layers: int = 3,
        embedding_dropout: float = 0.1,
        input_dropout: float = 0.4,
        hidden_dropout: float = 0.25,
        output_dropout: float = 0.4,
        dropconnect: float = 0.5,
        alpha: float = 2.0,
        beta: float = 1.0,
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
        check_ratios(
            type(self).__name__,
            embedding_dropout=embedding_dropout,
            input_dropout=input_dropout,
            hidden_dropout=hidden_dropout,
            output_dropout=output_dropout,
            dropconnect=dropconnect,
        )
        rng = generator(rng)
        W = new_embedding(vocab_size, wordvec_size, rng, dtype).params[0]
        sizes = [wordvec_size, *[hidden_size] * (layers - 1), wordvec_size]
        ratios = [input_dropout, *[hidden_dropout] * (layers - 1)]
        stack: list[Any] = [EmbeddingDropout(W, embedding_dropout, rng=rng)]
        for D, H, ratio in zip(sizes[:-1], sizes[1:], ratios, strict=True):
            lstm = new_recurrent(TimeLSTM, D, H, rng, dtype, stateful=True)
            lstm.weight_dropout = TimeDropout(dropconnect, rng=rng)
            stack += [VariationalDropout(ratio, rng=rng), lstm]
        stack += [SlownessPenalty(beta), VariationalDropout(output_dropout, rng=rng), SizePenalty(alpha)]
        super().__init__([*stack, TimeAffine(W.T, np.zeros(vocab_size, dtype))])

    @computed
    def penalties(self) -> list[Penalty]:
        """The layers that add to the loss."""
        return [layer for layer in self.layers if isinstance(layer, Penalty)]

    def forward(self, xs: Any, ts: Any, train_flg: bool = True) -> Any:
        """The mean loss of the words ts (N, T) that follow xs (N, T), and with `train_flg` the penalties."""
        loss = super().forward(xs, ts, train_flg)
        return loss + sum(penalty.penalty for penalty in self.penalties)

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        for penalty in self.penalties:
            penalty.loss_gradient = float(dout)
        super().backward(dout)
