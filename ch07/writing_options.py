"""What the scripts that write have in common: their options, from files to a writer, and from that to texts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from ch06.rnnlm_file import corpus_of, read_vocabulary
from common.experiment import Corpus, Run
from common.language_model import LanguageModel
from common.prompt import UNK
from common.similarity import unknown
from common.text_writer import TextWriter, check_words

Count = Annotated[int, "How many texts."]
Length = Annotated[int, "Words of a text at most, without the prompt."]
Temperature = Annotated[float, "Below 1 likely words come more often; 0 takes the likeliest."]
TopK = Annotated[int | None, "Only so many of the likeliest words can come."]
TopP = Annotated[float | None, "Only the likeliest words can come that have this probability together."]
RepetitionPenalty = Annotated[float, "Above 1, words of the text come again more seldom."]
Banned = Annotated[list[str] | None, "One more word that must not come; may be given several times."]
DefaultBans = Annotated[bool, "Whether N, <unk> and $ must not come either."]
Stop = Annotated[list[str] | None, "A word that ends the text; may be given several times."]
Scores = Annotated[bool, "Print how probable the model finds its words."]
Vocabulary = Annotated[Corpus | None, "The corpus the weights were trained on, if their file has no vocabulary."]

BANNED = ("N", "<unk>", "$")  # words that stand for something else, which a text reads better without


def make_writer(path: Path, model: LanguageModel, corpus: Corpus | None) -> TextWriter:
    """A writer with the vocabulary of the corpus, or else of the weights' file, or else of the corpus of that size.

    The last, a guess, is told on standard error. ValueError without any, or for one that does not fit the model.
    """
    id_to_word = read_vocabulary(path)
    if corpus is None and id_to_word is None and (corpus := corpus_of(model)):
        print(f"vocabulary: that of {corpus}, which has as many words (--corpus names another)", file=sys.stderr)
    if corpus is not None:
        id_to_word = corpus.load_vocab()[1]
    if id_to_word is None:
        raise ValueError(f"{path} has weights but no vocabulary: say with --corpus what it was trained on")
    return TextWriter(model, {word: i for i, word in id_to_word.items()}, id_to_word)


def usual_prompt(writer: TextWriter, usual: str) -> str:
    """`usual`, or "the" for a small vocabulary that lacks words of it and has no word for unknown ones."""
    known = writer.word_to_id
    return usual if UNK in known or all(word in known for word in usual.split()) else "the"


def note_unknown(writer: TextWriter, prompt: str | None) -> None:
    """Say which words of the prompt the vocabulary lacks."""
    if missing := writer.encode(prompt).unknown:
        print(f"(not in the vocabulary, read as <unk>: {', '.join(missing)})")


def write_texts(
    run: Run,
    writer: TextWriter,
    prompt: str | None,
    count: int,
    length: int,
    *,
    banned: Sequence[str] | None,
    default_bans: bool,
    stop: Sequence[str] | None,
    scores: bool,
    **sampling: Any,
) -> None:
    """Print `count` texts, with `scores` also the mean log p of the drawn words, and keep them in the run's text.txt.

    `sampling` are options of :class:`common.sampling.Sampling`. Raises ValueError for banned and stop words that the
    vocabulary lacks; otherwise as :meth:`common.text_writer.TextWriter.write`.
    """
    banned, stop = banned or [], stop or []
    for name, words in (("banned", banned), ("stop", stop)):
        check_words(name, words)
        for word in words:
            if word not in writer.word_to_id:
                raise ValueError(f"{name}: {unknown(word, writer.word_to_id)}")
    if default_bans:
        banned = [*BANNED, *banned]
    note_unknown(writer, prompt)
    texts = writer.write(prompt, count, length, banned=banned, stop=stop, rng=run.rng("words"), **sampling)
    parts = []
    for written in texts:
        mean = sum(written.log_probs) / len(written.log_probs)
        note = f"\n(mean log probability {mean:.2f} of {len(written.log_probs)} words)" if scores else ""
        parts.append(written.text.rstrip("\n") + note)
    text = "\n---\n".join(parts)
    print(text)
    run.path("text.txt").write_text(text + "\n", encoding="utf-8")
