"""Peeky: a decoder that sees the encoder's state at every step (book, section 7.4.2; Cho et al. 2014)."""

from typing import Any

from ch07.seq2seq import Decoder, Seq2seq
from common.np import np
from common.reader import new_reader
from common.recurrent import TimeRecurrent


class PeekyDecoder(Decoder):
    """As Decoder, with h (N, H) joined in front of what LSTM (H + D inputs) and affine layer (2H) get at each step.

    The product of h with its rows of the LSTM's Wx is the same at all steps, and made once.
    """

    _beside_embedding = 1
    _beside_state = 1
    _constant = False  # whether h was the LSTM's constant input in the last forward, and not joined to the others

    def forward(self, xs: Any, h: Any) -> Any:
        self.lstm.set_state(h)
        xs = self.embed.forward(xs)
        peek = np.broadcast_to(h[:, None], (*xs.shape[:2], h.shape[1]))
        self._constant = self._takes_constant()
        if self._constant:
            hs = self.lstm.forward(xs, constant=h)
        else:
            hs = self.lstm.forward(np.concatenate([peek, xs], axis=2))
        return self.affine.forward(np.concatenate([peek, hs], axis=2))

    def backward(self, dscore: Any) -> Any:
        """The gradient of h (N, H): from both joins, at all steps, and from the LSTM's first state."""
        dout = self.affine.backward(dscore)
        H = dout.shape[2] // 2
        dxs, dh = self.lstm.backward(dout[:, :, H:]), dout[:, :, :H].sum(axis=1)
        if self._constant:
            dh += self.lstm.dconstant
        else:
            dh += dxs[:, :, :H].sum(axis=1)
            dxs = dxs[:, :, H:]
        self.embed.backward(dxs)
        return self.lstm.dh + dh

    def _takes_constant(self) -> bool:
        """Whether the recurrent layer is one of ours; another one may have taken its place."""
        return getattr(type(self.lstm), "forward", None) is TimeRecurrent.forward

    def _first_state(self, h: Any) -> tuple[Any, ...]:
        self._reader = new_reader(self.lstm, self)
        return h, *self._reader.start(h, constant=h)

    def _read(self, ids: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        peek, *own = state
        h, *_ = own = self._reader.read(self.embed.forward(ids[:, None])[:, 0], tuple(own))
        scores = self.affine.forward(np.concatenate([peek, h], axis=1)[:, None])
        return scores[:, 0], (peek, *own)


class PeekySeq2seq(Seq2seq):
    """A Seq2seq with a :class:`PeekyDecoder`."""

    decoder_type = PeekyDecoder
