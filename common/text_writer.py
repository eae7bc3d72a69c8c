"""A language model and its vocabulary: words in, readable text out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from common.checks import check_counts
from common.detokenize import detokenize
from common.language_model import LanguageModel, vocab_size
from common.prompt import Prompt, encode
from common.rng import Seed
from common.sampling import Sampling
from common.text import EOS, UNK
from common.text_generation import Seeds, generate_texts, next_words


class Written(NamedTuple):
    """A text, prompt included, the ids of its words, and the model's log p of those that it drew."""

    text: str
    ids: list[int]
    log_probs: list[float]


class TextWriter:
    """Writes with `model` in the words of `id_to_word`. ValueError if the two do not fit each other.

    model, word_to_id, id_to_word    what it was made of
    """

    def __init__(self, model: LanguageModel, word_to_id: Mapping[str, int], id_to_word: Mapping[int, str]) -> None:
        if not vocab_size(model) == len(word_to_id) == len(id_to_word):
            raise ValueError(
                f"TextWriter: a model of {vocab_size(model)} words and a vocabulary of {len(word_to_id)} and "
                f"{len(id_to_word)} do not fit each other"
            )
        self.model, self.word_to_id, self.id_to_word = model, word_to_id, id_to_word

    def write(
        self,
        prompt: str | Sequence[str] | None = None,
        count: int = 1,
        sample_size: int = 100,
        *,
        banned: Sequence[str] = (),
        stop: Sequence[str] = (),
        rng: Seeds = None,
        **options: Any,
    ) -> list[Written]:
        """`count` texts for each prompt, each of them up to `sample_size` new words long.

        Without a prompt a text begins where a sentence does. `stop` words end a text, `banned` ones never come, whether
        the vocabulary has them or not. `options` are those of :class:`common.sampling.Sampling`; `rng` is as in
        :func:`common.text_generation.generate_texts`.

        Raises ValueError and KeyError for prompts as :func:`common.prompt.encode`, for count and sizes below 1, and for
        impossible options; TypeError for a prompt that is no text, for banned or stop words that are one str or no
        words, and for a count that is no whole number.
        """
        if isinstance(prompt, bytes) or not (prompt is None or isinstance(prompt, Iterable)):
            raise TypeError(f"TextWriter.write: prompt must be a str, a list of them, or None, not {prompt!r:.80}")
        check_counts("TextWriter.write", count=count)
        sampling = Sampling(banned=self._ids("banned", banned), **options)
        given = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
        if odd := [p for p in given if not (p is None or isinstance(p, str))]:
            raise TypeError(f"TextWriter.write: prompts must be texts, not {odd[0]!r:.80}")
        starts = [start for p in given for start in [self.encode(p).ids] * count]
        texts = generate_texts(self.model, starts, sample_size, sampling, self._ids("stop", stop), rng)
        return [Written(self.decode(ids), ids, log_probs) for ids, log_probs in texts]

    def predict(self, prompt: str | None = None, topn: int = 10) -> list[tuple[str, float]]:
        """The `topn` likeliest words after the prompt, and their probabilities."""
        return [(self.id_to_word[i], p) for i, p in next_words(self.model, self.encode(prompt).ids, topn)]

    def encode(self, prompt: str | None) -> Prompt:
        """The ids of a prompt; None is the beginning of a sentence, what follows ``<eos>``."""
        if prompt is None and EOS not in self.word_to_id:
            raise ValueError(f"this vocabulary has no {EOS}, so a text needs a prompt to begin with")
        return encode(EOS if prompt is None else prompt, self.word_to_id)

    def decode(self, ids: Sequence[int]) -> str:
        """The words of ids as readable text."""
        return detokenize(self.id_to_word[i] for i in ids)

    def _ids(self, name: str, words: Sequence[str]) -> list[int]:
        """The ids of the words that the vocabulary has."""
        return [self.word_to_id[word] for word in checked_words(name, words) if word in self.word_to_id]


def checked_words(name: str, words: Iterable[str]) -> list[str]:
    """The words as a list. TypeError for others, such as ids, and a str, which is the sequence of its characters."""
    if isinstance(words, str):
        raise TypeError(f"{name} must be a list of words, not the str {words!r}: pass [{words!r}]")
    listed = list(words) if isinstance(words, Iterable) else [words]
    if not all(isinstance(word, str) for word in listed):
        raise TypeError(f"{name} must be a list of words, not {words!r:.80}")
    return listed


def sample_sentences(
    model: LanguageModel,
    word_to_id: Mapping[str, int],
    id_to_word: Mapping[int, str],
    count: int = 3,
    rng: Seed = None,
) -> list[str]:
    """`count` sentences that the model makes up, each ended by its first ``<eos>`` or cut off after 50 words."""
    writer = TextWriter(model, word_to_id, id_to_word)
    texts = writer.write(None, count, 50, banned=[UNK], stop=[EOS], rng=rng)
    return [written.text.strip() for written in texts]
