"""From what a person types to the ids that a language model reads."""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from common.detokenize import SENTENCE_ENDS
from common.labels import checked_ids
from common.similarity import unknown
from common.text import EOS, MARKS, UNK, WORD

OPENS = "\"'`“‘’„«([{$#"  # what may stand close to a word, before it
CLOSES = "\"'`”’“»)]}%"  # and after it

NAMED = 3  # unknown words of a prompt, at most, in an error

_CONTRACTION = re.compile(r"(.+?)(n't|'(?:s|re|m|ve|d|ll)?)")
_NUMBER = re.compile(r"\d[\d.,]*")


class Prompt(NamedTuple):
    """ids, one at least, and the words of the prompt that the vocabulary lacks."""

    ids: list[int]
    unknown: list[str]


def encode(prompt: str | int | Sequence[int], word_to_id: Mapping[str, int]) -> Prompt:
    """The ids of a prompt: a text, or ids, or one id.

    A text is split as the vocabulary asks for, see :func:`split`; a word that it lacks becomes ``<unk>``. Raises
    KeyError for one where there is no ``<unk>`` either, naming the nearest known words; ValueError for a prompt without
    a word, or with none that is known; IdError for ids out of range.
    """
    if not isinstance(prompt, str):
        return Prompt(checked_prompt(prompt, len(word_to_id)), [])
    words = split(prompt, word_to_id)
    missing = [word for word in words if word not in word_to_id]
    if not words:
        raise ValueError(f"the prompt {prompt!r} has no word")
    if len(missing) == len(words):
        raise ValueError(f"no word of the prompt is known: {_named(missing, word_to_id)}")
    if missing and UNK not in word_to_id:
        raise KeyError(f"the prompt has words that the vocabulary lacks: {_named(missing, word_to_id)}")
    return Prompt([word_to_id.get(word, word_to_id.get(UNK, -1)) for word in words], missing)


def _named(missing: list[str], word_to_id: Mapping[str, int]) -> str:
    """The first of the unknown words, with the known ones nearest to each, which take a while to find."""
    words = list(dict.fromkeys(missing))
    more = f"; and {len(words) - NAMED} more words" if len(words) > NAMED else ""
    return "; ".join(unknown(word, word_to_id) for word in words[:NAMED]) + more


def checked_prompt(ids: Any, vocab_size: int) -> list[int]:
    """Ids (n,), or one id, as a list. ValueError for none, IdError or TypeError for what are no ids of the words."""
    if isinstance(ids, (list, tuple)) and any(isinstance(i, str) for i in ids):
        raise TypeError(f"a prompt is one text or the ids of its words, not {ids!r:.80}")
    array = numpy.atleast_1d(numpy.asarray(ids))
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"a prompt is one id at least in a row, got {array.shape}")
    return checked_ids("prompt", array, vocab_size).tolist()


def split(text: str, vocabulary: Container[str]) -> list[str]:
    """The words of a text as the vocabulary has them; one that it lacks stays, in lower case.

    What is no word as it stands may be one in lower case, a number (``N`` in the Penn Treebank), a contraction
    (``do n't``), a word and a mark, or known words with known marks between them. A mark that is no word itself is
    ``<eos>`` if it ends a sentence, and else left out, as are quotes, brackets and the signs of money and percent
    around a word. The apostrophe may be a typographic one, ’; as a word, ' is the one that ends a plural
    (``girls '``), not the quote that closes ``'girls'``.
    """
    words: list[str] = []
    for token in text.split():
        for word in _parts(token, vocabulary):
            if word != EOS or token == EOS or words[-1:] != [EOS]:  # several marks, as in "what?!", end one sentence
                words.append(word)
    return words


def _parts(token: str, vocabulary: Container[str]) -> list[str]:
    before: list[str] = []
    after: list[str] = []
    quoted = False
    while token:
        straight = token.lower().replace("’", "'")
        for form in (token, token.lower(), straight):
            if form in vocabulary:
                return [*before, form, *after]
        if "N" in vocabulary and _NUMBER.fullmatch(token.rstrip(MARKS)):
            return [*before, "N", *_mark(token[-1], vocabulary), *after]
        if token[-1] in MARKS:
            token, after = token[:-1], _mark(token[-1], vocabulary) + after
        elif token.endswith(("''", "’’")):
            token = token[:-2]
        elif token[0] in OPENS:
            # As a word ' is the apostrophe that ends a plural, as in "girls ' school".
            before += [token[0]] if token[0] in vocabulary and token[0] not in "'’" else []
            quoted = quoted or token[0] in "'`‘’"
            token = token[1:]
        elif quoted and token[-1] in "'’":
            token = token[:-1]
        elif (match := _CONTRACTION.fullmatch(straight)) and match[2] in vocabulary:
            token, after = match[1], [match[2], *after]
        elif token[-1] in CLOSES:
            token, after = token[:-1], ([token[-1]] if token[-1] in vocabulary else []) + after
        else:
            return [*before, *_words_and_marks(token.lower(), vocabulary), *after]
    return before + after


def _words_and_marks(token: str, vocabulary: Container[str]) -> list[str]:
    """The token as :func:`common.text.preprocess` splits one with marks inside, if it is made of known words only."""
    words = WORD.findall(token)
    return words if all(word in vocabulary for word in words) else [token]


def _mark(mark: str, vocabulary: Container[str]) -> list[str]:
    """The word, or none, that a mark is; none also for what is no mark."""
    if mark in MARKS and mark in vocabulary:
        return [mark]
    return [EOS] if mark in SENTENCE_ENDS and EOS in vocabulary else []
