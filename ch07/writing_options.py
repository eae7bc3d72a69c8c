"""What the scripts that write have in common: their options, from files to a writer, and from that to texts."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from ch06.trained_models import check_vocabulary, corpus_of, vocabulary
from common.experiment import Run
from common.language_model import LanguageModel
from common.progress import print_line
from common.similarity import unknown
from common.text import UNK
from common.text_writer import TextWriter, checked_words
from dataset.corpora import Corpus

Vocabulary = Annotated[Corpus | None, "The corpus that bare weights were trained on, if they have no vocabulary."]

BANNED = ("N", UNK, "$")  # words that stand for something else, which a text reads better without


def make_writer(path: Path, model: LanguageModel, corpus: Corpus | None) -> TextWriter:
    """A writer with the vocabulary of the corpus, or else of the model's own, or else of the corpus of that size.

    The last, a guess, is told on standard error. ValueError without any, or for one that does not fit the model.
    """
    id_to_word = vocabulary(model)
    if corpus is None and id_to_word is None and (corpus := corpus_of(model)):
        print(f"vocabulary: that of {corpus}, which has as many words (--corpus names another)", file=sys.stderr)
    if corpus is not None:
        id_to_word = corpus.load_vocab()[1]
        check_vocabulary(path, model, corpus, id_to_word)
    if id_to_word is None:
        raise ValueError(f"{path} has weights but no vocabulary: say with --corpus what it was trained on")
    return TextWriter(model, {word: i for i, word in id_to_word.items()}, id_to_word)


def usual_prompt(writer: TextWriter, usual: str) -> str:
    """`usual`, if the vocabulary has its words, or some of them and a word for the others; else a word that it has."""
    known = writer.word_to_id
    found = [word in known for word in usual.split()]
    if all(found) or (any(found) and UNK in known):
        return usual
    return "the" if "the" in known else next((word for word in known if word.split() == [word]), usual)


def note_unknown(writer: TextWriter, prompt: str | None) -> None:
    """Say which words of the prompt the vocabulary lacks."""
    if missing := writer.encode(prompt).unknown:
        print_line(f"(not in the vocabulary, read as <unk>: {', '.join(missing)})")


def write_texts(
    run: Run,
    writer: TextWriter,
    prompt: str | None,
    count: Annotated[int, "How many texts."] = 1,
    length: Annotated[int, "Words of a text at most, without the prompt."] = 100,
    temperature: Annotated[float, "Below 1 likely words come more often; 0 takes the likeliest."] = 1.0,
    top_k: Annotated[int | None, "Only so many of the likeliest words can come."] = None,
    top_p: Annotated[float | None, "Only the likeliest words can come that have this probability together."] = None,
    repetition_penalty: Annotated[float, "Above 1, words of the text come again more seldom."] = 1.0,
    banned: Annotated[list[str] | None, "One more word that must not come; may be given several times."] = None,
    default_bans: Annotated[bool, "Whether N, <unk> and $ must not come either."] = True,
    stop: Annotated[list[str] | None, "A word that ends the text; may be given several times."] = None,
    scores: Annotated[bool, "Print how probable the model finds its words."] = False,
) -> None:
    """Print `count` texts, with `scores` also the mean log p of the drawn words, and keep them in the run's text.txt.

    Raises ValueError for banned and stop words that the vocabulary lacks; otherwise as
    :meth:`common.text_writer.TextWriter.write`.
    """
    banned, stop = banned or [], stop or []
    for name, words in (("banned", banned), ("stop", stop)):
        for word in checked_words(name, words):
            if word not in writer.word_to_id:
                raise ValueError(f"{name}: {unknown(word, writer.word_to_id)}")
    if default_bans:
        banned = [*BANNED, *banned]
    note_unknown(writer, prompt)
    texts = writer.write(
        prompt, count, length, banned=banned, stop=stop, rng=run.rng("words"), temperature=temperature, top_k=top_k,
        top_p=top_p, repetition_penalty=repetition_penalty,
    )  # fmt: skip
    parts = []
    for written in texts:
        mean = sum(written.log_probs) / len(written.log_probs)
        note = f"\n(mean log probability {mean:.2f} of {len(written.log_probs)} words)" if scores else ""
        parts.append(written.text.rstrip("\n") + note)
    text = "\n---\n".join(parts)
    print_line(text)
    run.path("text.txt").write_text(text + "\n", encoding="utf-8")


def with_writing_options(main: Callable[..., Any]) -> Callable[..., Any]:
    """`main` as a function of all options of :func:`write_texts`, which it takes as ``**options`` to pass them on.

    They stand behind its other parameters, but in front of those by name only.
    """
    own = inspect.signature(main, eval_str=True).parameters.values()
    _, _, _, *options = inspect.signature(write_texts, eval_str=True).parameters.values()
    first = [parameter for parameter in own if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    last = [
        parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for parameter in own
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    main.__signature__ = inspect.Signature([*first, *options, *last])  # type: ignore[attr-defined]
    return main
