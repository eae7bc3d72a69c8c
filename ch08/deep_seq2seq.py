"""The ways on that the book's section 8.4 describes, in one model: each is an option of its own.

    bidirectional   the encoder's first layer reads the question in both directions (section 8.4.1)
    layers          several recurrent layers in encoder and decoder, with residual connections (section 8.4.3)
    cell            "lstm" or "gru"
    score           "dot", "scaled" or "additive" attention

    encoder   h_1 = cell_1(embedding), in one direction or both,    h_l = cell_l(h_{l-1}) + h_{l-1}
    decoder   d_1 = cell_1(embedding),    c = attention of d_1 to h_L,    d_l = cell_l([c, d_{l-1}]) + d_{l-1}
    scores    affine([c, d_L])

Each layer of the decoder starts from the last state of the encoder's layer of the same depth. With one layer in one
direction, LSTM and dot scores it is the book's AttentionSeq2seq.
"""

from typing import Any

from ch07.seq2seq import Seq2seq, checked_rows
from ch08.attention_layer import TimeAttention
from ch08.attention_scores import new_score
from common.checks import as_flag, check_counts
from common.initial import new_affine, new_embedding, new_recurrent
from common.losses import gradient_to_read
from common.np import np
from common.padding import add_to_last_states, last_states, reverse, row_lengths, without_pads
from common.reader import new_reader
from common.rng import Seed, generator
from common.time_layers import TimeGRU, TimeLSTM, TimeSoftmaxWithLoss

CELLS: dict[str, Any] = {"lstm": TimeLSTM, "gru": TimeGRU}


def new_cell(kind: Any, input_size: int, hidden_size: int, rng: Any, dtype: Any, stateful: bool = False) -> Any:
    """A recurrent layer, an LSTM with a forget bias of 1 as in AttentionSeq2seq."""
    forget_bias = 1.0 if kind is TimeLSTM else 0.0
    return new_recurrent(kind, input_size, hidden_size, rng, dtype, stateful=stateful, forget_bias=forget_bias)


class OneWay:
    """A recurrent layer that reads forward: xs (N, S, D) -> hs (N, S, H), and its last states (N, H)."""

    def __init__(self, kind: Any, input_size: int, hidden_size: int, rng: Any, dtype: Any) -> None:
        self.cell = new_cell(kind, input_size, hidden_size, rng, dtype)
        self.params, self.grads = self.cell.params, self.cell.grads
        self._lengths: Any = None

    def forward(self, xs: Any, lengths: Any) -> tuple[Any, Any]:
        self._lengths = lengths
        hs = self.cell.forward(xs)
        return hs, last_states(hs, lengths)

    def backward(self, dhs: Any, dlast: Any) -> Any:
        dhs = dhs.copy()
        add_to_last_states(dhs, dlast, self._lengths)
        return self.cell.backward(dhs)


class BothWays:
    """Two recurrent layers of half the width, one of which reads each row of xs (N, S, D) from its last true step to
    its first: hs (N, S, H).

    The halves of the last states are what either has at the end of its reading.
    """

    def __init__(self, kind: Any, input_size: int, hidden_size: int, rng: Any, dtype: Any) -> None:
        if hidden_size % 2:
            raise ValueError(f"bidirectional: each direction gets half of hidden_size, which is odd: {hidden_size}")
        self.ahead = OneWay(kind, input_size, hidden_size // 2, rng, dtype)
        self.back = OneWay(kind, input_size, hidden_size // 2, rng, dtype)
        self.params = self.ahead.params + self.back.params
        self.grads = self.ahead.grads + self.back.grads
        self._lengths: Any = None

    def forward(self, xs: Any, lengths: Any) -> tuple[Any, Any]:
        self._lengths = lengths
        ahead, last_ahead = self.ahead.forward(xs, lengths)
        back, last_back = self.back.forward(reverse(xs, lengths), lengths)
        hs = np.concatenate([ahead, reverse(back, lengths)], axis=2)
        return hs, np.concatenate([last_ahead, last_back], axis=1)

    def backward(self, dhs: Any, dlast: Any) -> Any:
        H = dhs.shape[2] // 2
        dxs = self.ahead.backward(dhs[:, :, :H], dlast[:, :H])
        back = self.back.backward(reverse(dhs[:, :, H:], self._lengths), dlast[:, H:])
        return dxs + reverse(back, self._lengths)


class DeepEncoder:
    """Questions xs (N, S) -> hs (N, S, H) of the last layer, and the last states (N, H) of all layers."""

    def __init__(
        self, vocab_size: int, wordvec_size: int, hidden_size: int, layers: int, kind: Any, bidirectional: bool,
        rng: Any, dtype: Any,
    ) -> None:
        self.embed = new_embedding(vocab_size, wordvec_size, rng, dtype)
        first = (BothWays if bidirectional else OneWay)(kind, wordvec_size, hidden_size, rng, dtype)
        self.layers: list[Any] = [first]
        self.layers += [OneWay(kind, hidden_size, hidden_size, rng, dtype) for _ in range(layers - 1)]
        self.params = self.embed.params + [param for layer in self.layers for param in layer.params]
        self.grads = self.embed.grads + [grad for layer in self.layers for grad in layer.grads]
        self.lengths: Any = None

    def forward(self, xs: Any) -> tuple[Any, list[Any]]:
        xs = checked_rows(type(self).__name__, xs)
        self.lengths = row_lengths(type(self).__name__, xs)
        hs, last = self.layers[0].forward(self.embed.forward(without_pads(xs)), self.lengths)
        lasts = [last]
        for layer in self.layers[1:]:
            more, last = layer.forward(hs, self.lengths)
            hs = hs + more
            lasts.append(last)
        return hs, lasts

    def backward(self, dhs: Any, dlasts: list[Any]) -> None:
        """Fill `grads` from dhs (N, S, H) and the gradients (N, H) of the last states."""
        for layer, dlast in zip(self.layers[:0:-1], dlasts[:0:-1], strict=True):
            dhs = dhs + layer.backward(dhs, dlast)
        self.embed.backward(self.layers[0].backward(dhs, dlasts[0]))


class DeepDecoder:
    """xs (N, T), the encoder's hs and last states -> scores (N, T, V). The context goes to all layers but the first."""

    def __init__(
        self, vocab_size: int, wordvec_size: int, hidden_size: int, layers: int, kind: Any, score: str,
        rng: Any, dtype: Any,
    ) -> None:
        H = int(hidden_size)
        self.embed = new_embedding(vocab_size, wordvec_size, rng, dtype)
        sizes = [wordvec_size] + [2 * H] * (layers - 1)
        self.cells = [new_cell(kind, size, H, rng, dtype, stateful=True) for size in sizes]
        self.attention = TimeAttention(new_score(score, H, rng, dtype))
        self.affine = new_affine(2 * H, vocab_size, rng, dtype)
        layers_ = self.embed, *self.cells, self.attention, self.affine
        self.params = [param for layer in layers_ for param in layer.params]
        self.grads = [grad for layer in layers_ for grad in layer.grads]
        self._lengths: Any = None

    def forward(self, xs: Any, enc_hs: Any, lasts: list[Any], lengths: Any = None) -> Any:
        self._lengths = lengths
        for cell, last in zip(self.cells, lasts, strict=True):
            cell.set_state(last)
        hs = self.cells[0].forward(self.embed.forward(xs))
        context = self.attention.forward(enc_hs, hs, lengths)
        for cell in self.cells[1:]:
            hs = hs + cell.forward(np.concatenate([context, hs], axis=2))
        return self.affine.forward(np.concatenate([context, hs], axis=2))

    def backward(self, dscore: Any) -> tuple[Any, list[Any]]:
        """(denc_hs (N, S, H), the gradients (N, H) of the last states) from that of the scores."""
        H = self.cells[0].hidden_size
        dout = self.affine.backward(dscore)
        dcontext, dhs = dout[:, :, :H], dout[:, :, H:]
        for cell in self.cells[:0:-1]:
            dout = cell.backward(dhs)
            dcontext, dhs = dcontext + dout[:, :, :H], dhs + dout[:, :, H:]
        denc_hs, dhs_of_attention = self.attention.backward(dcontext)
        self.embed.backward(self.cells[0].backward(dhs + dhs_of_attention))
        return denc_hs, [cell.dh for cell in self.cells]

    def _first_state(self, enc_hs: Any, lasts: list[Any], lengths: Any = None) -> tuple[Any, ...]:
        self._readers = [new_reader(cell, self) for cell in self.cells]
        starts = [reader.start(last) for reader, last in zip(self._readers, lasts, strict=True)]
        return enc_hs, lengths, *(part for start in starts for part in start)

    def _read(self, ids: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        enc_hs, lengths, *parts = state
        size = len(parts) // len(self.cells)
        states = [tuple(parts[i : i + size]) for i in range(0, len(parts), size)]
        h, *_ = states[0] = self._readers[0].read(self.embed.forward(ids[:, None])[:, 0], states[0])
        context = self.attention.attend(enc_hs, h[:, None], lengths)[0][:, 0]
        for i, reader in enumerate(self._readers[1:], 1):
            states[i] = reader.read(np.concatenate([context, h], axis=1), states[i])
            h = h + states[i][0]
        scores = self.affine.forward(np.concatenate([context, h], axis=1)[:, None])
        return scores[:, 0], (enc_hs, lengths, *(part for own in states for part in own))


class DeepSeq2seq(Seq2seq):
    """Encoder and decoder of several layers, with attention; see the module. Used as any Seq2seq.

    Raises ValueError for sizes below 1, a cell or score that is not listed there, and an odd hidden_size where the
    encoder is bidirectional; TypeError for sizes that are no whole numbers and a `bidirectional` that is no flag.
    """

    def __init__(
        self,
        vocab_size: int,
        wordvec_size: int,
        hidden_size: int,
        *,
        target_size: int | None = None,
        layers: int = 2,
        cell: str = "lstm",
        bidirectional: bool = True,
        score: str = "dot",
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        target_size = vocab_size if target_size is None else target_size
        sizes = {"vocab_size": vocab_size, "wordvec_size": wordvec_size, "hidden_size": hidden_size}
        check_counts(type(self).__name__, **sizes, target_size=target_size, layers=layers)
        if cell not in list(CELLS):  # also for what a dict cannot look up
            raise ValueError(f"{type(self).__name__}: cell must be one of {', '.join(CELLS)}, not {cell!r}")
        bidirectional = as_flag(f"{type(self).__name__}: bidirectional", bidirectional)
        rng, kind = generator(rng), CELLS[cell]
        self.encoder = DeepEncoder(vocab_size, wordvec_size, hidden_size, layers, kind, bidirectional, rng, dtype)
        self.decoder = DeepDecoder(target_size, wordvec_size, hidden_size, layers, kind, score, rng, dtype)
        self.softmax = TimeSoftmaxWithLoss()
        self.params = self.encoder.params + self.decoder.params
        self.grads = self.encoder.grads + self.decoder.grads

    def _encode(self, xs: Any) -> tuple[Any, ...]:
        hs, lasts = self.encoder.forward(xs)
        return hs, lasts, self.encoder.lengths

    def backward(self, dout: Any = 1) -> None:
        self.encoder.backward(*self.decoder.backward(gradient_to_read(self.softmax, dout)))

    def attention_weights(self, xs: Any, ts: Any) -> Any:
        """As :meth:`ch08.attention_seq2seq.AttentionSeq2seq.attention_weights`."""
        self._predict(xs, ts)
        return self.decoder.attention.weights
