"""From sequence to sequence: an encoder reads the question, a decoder writes the answer (book, sections 7.2 and 7.3).

Questions and answers are arrays of ids. Rows of unequal length are padded on the right with -1 (:mod:`common.padding`);
their loss, gradients and answers are those that they have one by one.
"""

from typing import Any

from ch07.own_generate import ask_one_by_one, own_generate
from common.base_model import BaseModel
from common.checks import check_counts
from common.decoding import Hypothesis, as_lists, beam_search, greedy
from common.initial import new_affine, new_embedding, new_recurrent
from common.losses import gradient_to_read
from common.model_tree import layers
from common.np import np
from common.own_models import copy_sharing_weights, is_own
from common.padding import PAD, add_to_last_states, as_rows, last_states, row_lengths, without_pads
from common.reader import LSTMReader, new_reader
from common.rng import Seed, generator
from common.time_layers import TimeLSTM, TimeSoftmaxWithLoss

MANY = 32  # questions; to read fewer together costs more than it saves


class Encoder:
    """Embedding and LSTM: questions xs (N, S) -> h (N, H), the state after the last symbol.

    lengths   (N,), the numbers of symbols of the last questions, None if none of them was padded
    hs        the states after each symbol of the last questions, (N, S, H)
    """

    forget_bias = 0.0  # of a new LSTM's forget gates
    lengths: Any = None
    hs: Any = None
    _only_answers = False  # and no backward follows

    def __init__(
        self, vocab_size: int, wordvec_size: int, hidden_size: int, *, rng: Seed = None, dtype: Any = "f"
    ) -> None:
        rng = generator(rng)
        self.embed = new_embedding(vocab_size, wordvec_size, rng, dtype)
        self.lstm = new_recurrent(TimeLSTM, wordvec_size, hidden_size, rng, dtype, forget_bias=self.forget_bias)
        self.params = self.embed.params + self.lstm.params
        self.grads = self.embed.grads + self.lstm.grads

    # Helpers have private names, so a reader's subclass may use public names such as `encode` for something else.

    def forward(self, xs: Any) -> Any:
        return last_states(self._all_states(xs), self.lengths)

    def _all_states(self, xs: Any) -> Any:
        """The states after each symbol, hs (N, S, H)."""
        xs = checked_rows(type(self).__name__, xs)
        self.lengths = row_lengths(type(self).__name__, xs)
        embedded = self.embed.forward(without_pads(xs))
        if self._only_answers and type(self.lstm) is TimeLSTM:
            self.hs = LSTMReader(self.lstm).read_rows(embedded, xs)
        else:
            self.hs = self.lstm.forward(embedded)
        return self.hs

    def backward(self, dh: Any) -> None:
        """Fill `grads` from dh (N, H). ValueError for another shape."""
        if self.hs is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        (N, S, H), dh, name = self.hs.shape, np.asarray(dh), type(self).__name__
        if dh.shape != (N, H):
            raise ValueError(f"{name}: the output is {(N, H)}, its gradient must be so too, got {dh.shape}")
        dhs = np.zeros((S, N, H), self.hs.dtype).transpose(1, 0, 2)  # each step in one piece
        add_to_last_states(dhs, dh, self.lengths)
        self._backward_states(dhs)

    def _backward_states(self, dhs: Any) -> None:
        """Fill `grads` from dhs (N, S, H)."""
        self.embed.backward(self.lstm.backward(dhs))


class Decoder:
    """Embedding, LSTM and affine: xs (N, T), h (N, H) -> scores (N, T, V) of the symbol that follows each.

    The LSTM starts from the encoder's state h and a zero cell.
    """

    forget_bias = 0.0
    # How many arrays of width H stand beside the embedding in the LSTM's input, and beside its state in the affine's.
    _beside_embedding = 0
    _beside_state = 0

    def __init__(
        self, vocab_size: int, wordvec_size: int, hidden_size: int, *, rng: Seed = None, dtype: Any = "f"
    ) -> None:
        rng = generator(rng)
        self.embed = new_embedding(vocab_size, wordvec_size, rng, dtype)
        H = int(hidden_size)
        D = int(wordvec_size) + self._beside_embedding * H
        self.lstm = new_recurrent(TimeLSTM, D, H, rng, dtype, stateful=True, forget_bias=self.forget_bias)
        self.affine = new_affine(H + self._beside_state * H, vocab_size, rng, dtype)
        layers = self.embed, self.lstm, self.affine
        self.params = [param for layer in layers for param in layer.params]
        self.grads = [grad for layer in layers for grad in layer.grads]

    def forward(self, xs: Any, h: Any) -> Any:
        self.lstm.set_state(h)
        return self.affine.forward(self.lstm.forward(self.embed.forward(xs)))

    def backward(self, dscore: Any) -> Any:
        """The gradient of h (N, H) from that of the scores."""
        self.embed.backward(self.lstm.backward(self.affine.backward(dscore)))
        return self.lstm.dh

    def _first_state(self, h: Any) -> tuple[Any, ...]:
        """The state, arrays of N rows each, before the first :meth:`_read`."""
        self._reader = new_reader(self.lstm, self)
        return self._reader.start(h)

    def _read(self, ids: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Read one symbol, ids (N,), in a state: (scores (N, V) of the next one, the state after it)."""
        h, *_ = state = self._reader.read(self.embed.forward(ids[:, None])[:, 0], state)
        return self.affine.forward(h[:, None])[:, 0], state

    def generate(self, h: Any, start_id: int, sample_size: int) -> Any:
        """As :meth:`Seq2seq.generate`, from the encoder's state h (N, H)."""
        return one_or_all(as_lists(greedy(self._read, self._first_state(h), start_id, sample_size)))


class Seq2seq(BaseModel):
    """Encoder and decoder: questions xs (N, S) and answers ts (N, T) -> the mean loss of the symbols of the answers.

    An answer begins with the start symbol. The decoder reads it without its last symbol and is to predict it without
    its first. `target_size` is the number of symbols of the answers if these have a vocabulary of their own.
    """

    encoder_type: Any = Encoder
    decoder_type: Any = Decoder

    def __init__(
        self,
        vocab_size: int,
        wordvec_size: int,
        hidden_size: int,
        *,
        target_size: int | None = None,
        rng: Seed = None,
        dtype: Any = "f",
    ) -> None:
        target_size = vocab_size if target_size is None else target_size
        sizes = {"vocab_size": vocab_size, "wordvec_size": wordvec_size, "hidden_size": hidden_size}
        check_counts(type(self).__name__, **sizes, target_size=target_size)
        rng = generator(rng)
        self.encoder = self.encoder_type(vocab_size, wordvec_size, hidden_size, rng=rng, dtype=dtype)
        self.decoder = self.decoder_type(target_size, wordvec_size, hidden_size, rng=rng, dtype=dtype)
        self.softmax = TimeSoftmaxWithLoss()
        self.params = self.encoder.params + self.decoder.params
        self.grads = self.encoder.grads + self.decoder.grads

    # Here, too, helpers have private names: the book's Seq2seq has no methods but forward, backward and generate.

    def _encode(self, xs: Any) -> tuple[Any, ...]:
        """What the decoder gets to know of the questions xs (N, S): the arguments of its forward after the first."""
        return (self.encoder.forward(xs),)

    def _copy_to_answer(self) -> Any:
        """A copy that only answers: it reads many questions together, and leaves no trace in this model.

        None for a model with parts of a user's, which have to be asked themselves, or with a state in its encoder.
        """
        stateful = any(getattr(layer, "stateful", False) for _, layer in layers(self.encoder))
        if stateful or not is_own(self):
            return None
        model = copy_sharing_weights(self)
        model.encoder._only_answers = True
        return model

    def predict(self, xs: Any, ts: Any) -> Any:
        """The scores (N, T, V) of the symbols that follow those of ts (N, T), before the softmax."""
        return self._predict(xs, ts)

    def _predict(self, xs: Any, ts: Any) -> Any:
        name = type(self).__name__
        xs, ts = checked_rows(name, xs), checked_rows(name, ts)
        if len(xs) != len(ts):
            raise ValueError(f"{name}: {len(xs)} questions, but {len(ts)} answers")
        return self.decoder.forward(without_pads(ts), *self._encode(xs))

    def forward(self, xs: Any, ts: Any) -> float:
        name = type(self).__name__
        ts = checked_rows(name, ts)
        if ts.shape[1] < 2:
            raise ValueError(f"{name}: answers need a start symbol and one symbol more, got {ts.shape}")
        row_lengths(name, ts)  # checks that the padding is at the end
        return self.softmax.forward(self._predict(xs, ts[:, :-1]), ts[:, 1:])

    def backward(self, dout: Any = 1) -> None:
        """Fill `grads` with the gradients of dout times the last loss."""
        self.encoder.backward(self.decoder.backward(gradient_to_read(self.softmax, dout)))

    def generate(self, xs: Any, start_id: int, sample_size: int, stop_id: int | None = None) -> Any:
        """The answers to the questions xs (N, S), `sample_size` symbols each, by always taking the best next one.

        One question, (S,) or (1, S), gives a list of ints, several give a list of such lists. An answer ends before
        `stop_id`, if there is one. Raises TypeError or IdError for a start or stop symbol that is none of the answers'.

        What a decoder with a `generate` of its own, as in the book, gives for one question is returned as it is, unless
        it is to end before `stop_id`. Several are asked one after the other.
        """
        xs = self._rows(xs)
        if stop_id is None and len(xs) == 1 and (own := self._own_generate()):
            return own(*self._encode(xs[xs != PAD][None]), start_id, sample_size)
        samples = self.generate_batch(xs, start_id, sample_size, stop_id)
        return one_or_all(as_lists(samples, stop_id))

    def _rows(self, xs: Any) -> Any:
        """Questions (N, S) as they are, one question (S,) as (1, S)."""
        xs = as_rows(type(self).__name__, xs)
        return xs if xs.ndim > 1 else checked_rows(type(self).__name__, xs[None] if xs.ndim else xs)

    def generate_batch(self, xs: Any, start_id: int, sample_size: int, stop_id: int | None = None) -> Any:
        """As :meth:`generate`, but always an array (N, sample_size), with -1 after the stop symbol.

        A decoder with a `generate` of its own is asked for one answer after the other; -1 fills up the shorter ones.
        Raises ValueError for answers of its own that are not `sample_size` ids or fewer.
        """
        if own := self._own_generate():
            xs = checked_rows(type(self).__name__, xs)
            return ask_one_by_one(
                self, lambda x: own(*self._encode(x), start_id, sample_size), xs, sample_size, stop_id
            )
        xs = as_rows(type(self).__name__, xs)
        many = xs.ndim > 0 and len(xs) >= MANY
        model = (self._copy_to_answer() if many else None) or self
        state = model.decoder._first_state(*model._encode(xs))
        return greedy(model.decoder._read, state, start_id, sample_size, stop_id)

    def _own_generate(self) -> Any:
        """The decoder's `generate`, None if it is ours or there is none."""
        return own_generate(self.decoder, Decoder)

    def beam_search(self, xs: Any, start_id: int, sample_size: int, width: int = 5, **options: Any) -> list[Hypothesis]:
        """The best answers to one question xs, (S,) or (1, S), see :func:`common.decoding.beam_search`."""
        state = self.decoder._first_state(*self._encode(self._rows(xs)))
        return beam_search(self.decoder._read, state, start_id, sample_size, width, **options)

    def reset_state(self) -> None:
        """Forget the states of the decoder, which every forward sets anew."""
        for _, layer in layers(self.decoder):
            if hasattr(layer, "reset_state"):
                layer.reset_state()


def checked_rows(name: str, ids: Any) -> Any:
    """`ids` as an array (N, T). ValueError, beginning with `name`, unless it has one row and one step at least."""
    ids = as_rows(name, ids)
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"{name}: expected ids (N, T) of one sequence at least, got {ids.shape}")
    return ids


def one_or_all(answers: list[list[int]]) -> Any:
    """The only answer, or the list of all of them if there are several."""
    return answers[0] if len(answers) == 1 else answers
