"""Language models that write (book, section 7.1)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.checks import check_counts
from common.labels import checked_integers
from common.language_model import LanguageModel, vocab_size
from common.model_tree import evaluation_mode, state_of
from common.prompt import checked_prompt
from common.rng import Seed, generator
from common.sampling import Sampling
from common.text_generation import continue_texts

State = tuple[Any, ...]


class WritingModel(LanguageModel):
    """What the two models share. A state is (h, c), arrays (N, H), or (h,) of a cell without c; None means zero."""

    def generate(
        self,
        start_id: int,
        skip_ids: Collection[int] | None = None,
        sample_size: int = 100,
        *,
        rng: Seed = None,
        **options: Any,
    ) -> list[int]:
        """`sample_size` ids: start_id, and the words drawn after it, none of them in skip_ids.

        The text goes on from the model's state, which may have read other words before: ``predict([[id]])`` reads one.
        Afterwards the state has read all words but the last. Skipped words take no part in the draw, so none of them is
        ever read. Dropout is off. `options` are those of :class:`common.sampling.Sampling`, such as temperature.

        Raises IdError for ids out of range, ValueError for sizes below 1, all words skipped, impossible options, and a
        model in the state of a batch; TypeError for a size that is no whole number.
        """
        check_counts(f"{type(self).__name__}.generate", sample_size=sample_size)
        prompt = checked_prompt(start_id, vocab_size(self))
        if len(prompt) != 1:
            raise ValueError(f"{type(self).__name__}.generate: start_id is one id, not {len(prompt)}")
        banned = [] if skip_ids is None else checked_integers(f"{type(self).__name__}.generate", skip_ids, "skip_ids")
        sampling = Sampling(**options)
        sampling = replace(sampling, banned=[*banned, *sampling.banned])
        sampling.check(vocab_size(self))
        if sample_size == 1:
            return prompt
        states = self._states()
        # Made before evaluation_mode, which puts NumPy's global generator back when it ends: made inside, every call
        # without `rng` would write the same text.
        rng = generator(rng)
        with evaluation_mode(self, drawn_from=[rng]):
            self._set_states(states)
            (text,) = continue_texts(self, [prompt], sample_size - 1, sampling, (), [rng])
            states = self._states()
        self._set_states(states)
        return text.ids

    def _states(self) -> list[State]:
        states = (state_of(layer).values() for layer in self.recurrent_layers)
        return [tuple(part.copy() if hasattr(part, "copy") else part for part in state) for state in states]

    def _set_states(self, states: Any) -> None:
        own = self._states()
        try:
            sizes = [len(state) for state in states]
        except TypeError:  # no sequence
            sizes = None
        if sizes != [len(state) for state in own]:
            expected = ", ".join("(h, c)" if len(state) == 2 else "(h,)" for state in own)
            raise ValueError(
                f"{type(self).__name__}.set_state: expected the states of its recurrent layers, {expected}, "
                f"got {states!r:.80}"
            )
        try:
            for layer, state in zip(self.recurrent_layers, states, strict=True):
                layer.set_state(*state)
        except (TypeError, ValueError) as error:
            for layer, state in zip(self.recurrent_layers, own, strict=True):
                layer.set_state(*state)
            raise ValueError(f"{type(self).__name__}.set_state: {error}") from error


class RnnlmGen(WritingModel, Rnnlm):
    """An Rnnlm that writes."""

    def get_state(self) -> State:
        """(h, c) of the LSTM, to go on from there later."""
        return self._states()[0]

    def set_state(self, state: Sequence[Any]) -> None:
        """Go on from what :meth:`get_state` returned. ValueError for a state that does not fit."""
        self._set_states([state])


class BetterRnnlmGen(WritingModel, BetterRnnlm):
    """A BetterRnnlm that writes."""

    def get_state(self) -> list[State]:
        """The states of the recurrent layers, (h, c) each, to go on from there later."""
        return self._states()

    def set_state(self, state: Sequence[Sequence[Any]]) -> None:
        """Go on from what :meth:`get_state` returned. ValueError for states that do not fit."""
        self._set_states(state)
