"""Seq2seq with attention (book, section 8.2).

The encoder hands over all its states instead of the last one, and the decoder picks from them at every step.

The forget gates of both LSTMs start with a bias of 1 instead of the book's 0: a question is 29 symbols long, and with 0
it depends on the seed whether three epochs are enough to learn where to look (docs/seq2seq.md has the numbers).
"""

from typing import Any

from ch07.seq2seq import Decoder, Encoder, Seq2seq
from ch08.attention_layer import TimeAttention
from common.np import np
from common.padding import add_to_last_states, checked_lengths, last_states
from common.rng import Seed


class AttentionEncoder(Encoder):
    """Embedding and LSTM: questions xs (N, S) -> hs (N, S, H), the states after each symbol."""

    forget_bias = 1.0

    def forward(self, xs: Any) -> Any:
        return self._all_states(xs)

    def backward(self, dhs: Any) -> None:
        """Fill `grads` from dhs (N, S, H)."""
        self._backward_states(dhs)


class AttentionDecoder(Decoder):
    """Embedding, LSTM, attention and affine: xs (N, T), enc_hs (N, S, H) -> scores (N, T, V).

    The LSTM starts from the encoder's last state. The affine layer gets the context and the LSTM's state, joined in
    this order. `lengths` (N,) are the numbers of states of the encoder that count, if not all do.
    """

    forget_bias = 1.0
    _beside_state = 1
    _lengths: Any = None

    def __init__(
        self, vocab_size: int, wordvec_size: int, hidden_size: int, *, rng: Seed = None, dtype: Any = "f"
    ) -> None:
        super().__init__(vocab_size, wordvec_size, hidden_size, rng=rng, dtype=dtype)
        self.attention = TimeAttention()

    def forward(self, xs: Any, enc_hs: Any, lengths: Any = None) -> Any:
        self._lengths = lengths = checked_lengths(type(self).__name__, lengths, enc_hs.shape)
        self.lstm.set_state(last_states(enc_hs, lengths))
        hs = self.lstm.forward(self.embed.forward(xs))
        return self.affine.forward(np.concatenate([self._context(enc_hs, hs, lengths), hs], axis=2))

    def _context(self, enc_hs: Any, hs: Any, lengths: Any) -> Any:
        # The book's TimeAttention, which may have taken the place of ours, knows of no lengths.
        if lengths is None:
            return self.attention.forward(enc_hs, hs)
        return self.attention.forward(enc_hs, hs, lengths)

    def backward(self, dscore: Any) -> Any:
        """The gradient of enc_hs (N, S, H): from the attention, and at the last step from the LSTM's first state."""
        dout = self.affine.backward(dscore)
        H = dout.shape[2] // 2
        denc_hs, dhs = self.attention.backward(dout[:, :, :H])
        dhs += dout[:, :, H:]
        self.embed.backward(self.lstm.backward(dhs))
        add_to_last_states(denc_hs, self.lstm.dh, self._lengths)
        return denc_hs

    def _first_state(self, enc_hs: Any, lengths: Any = None) -> tuple[Any, ...]:
        return enc_hs, lengths, *super()._first_state(last_states(enc_hs, lengths))

    def _read(self, ids: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        enc_hs, lengths, *own = state
        h, *_ = own = self._reader.read(self.embed.forward(ids[:, None])[:, 0], tuple(own))
        hs = h[:, None]
        if type(self.attention).forward is TimeAttention.forward:
            context, _ = self.attention.attend(enc_hs, hs, lengths)  # leaves the weights of the last forward
        else:
            context = self._context(enc_hs, hs, lengths)
        scores = self.affine.forward(np.concatenate([context, hs], axis=2))
        return scores[:, 0], (enc_hs, lengths, *own)


class AttentionSeq2seq(Seq2seq):
    """A Seq2seq whose decoder attends to all states of the encoder."""

    encoder_type = AttentionEncoder
    decoder_type = AttentionDecoder

    def _encode(self, xs: Any) -> tuple[Any, ...]:
        hs = self.encoder.forward(xs)
        lengths = getattr(self.encoder, "lengths", None)
        return (hs,) if lengths is None else (hs, lengths)  # the book's halves know of no lengths

    def attention_weights(self, xs: Any, ts: Any) -> Any:
        """(N, T, S): where in the questions xs (N, S) the decoder looks when it has read each symbol of ts (N, T)."""
        self._predict(xs, ts)
        return np.stack(self.decoder.attention.attention_weights, axis=1)
