"""Texts from a recurrent language model: it reads what is there, a word is drawn, and the model reads that."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy

from common.checks import check_counts
from common.dropout_language_model import DropoutLanguageModel
from common.functions import distribution
from common.labels import checked_ids, checked_integers
from common.language_model import LanguageModel, vocab_size
from common.model_tree import evaluation_mode
from common.np import np, to_cpu
from common.prompt import checked_prompt
from common.rng import Seed, generator
from common.sampling import Sampling

PLAIN = Sampling()
AT_ONCE = 1024  # words of prompts that are read together
Seeds: TypeAlias = Seed | Sequence[Seed]


class Generated(NamedTuple):
    """ids: those of the prompt and those drawn after it; log_probs: the model's log p of the drawn ones."""

    ids: list[int]
    log_probs: list[float]


def generate_texts(
    model: LanguageModel,
    prompts: Sequence[Any],
    sample_size: int = 100,
    sampling: Sampling = PLAIN,
    stop: Collection[int] = (),
    rng: Seeds = None,
) -> list[Generated]:
    """Continue each prompt, the ids of its words, by `sample_size` words, or until one of `stop` has been drawn.

    The texts are one batch, but each has its own random stream, so that it comes out as it does alone, up to the
    rounding of the scores. `rng` seeds these streams, or is a sequence of one for each text. Every text starts from a
    zero state, without dropout; afterwards the model's state is what it was before.

    Raises ValueError for no prompt, an empty one, a size below 1, and all words banned; TypeError for a size that is no
    whole number, and for what are no prompts or ids; IdError for ids out of range, those of `stop` too.
    """
    size = vocab_size(model)
    if not isinstance(prompts, Iterable):
        raise TypeError(f"generate_texts: expected a list of prompts, got {prompts!r:.80}")
    prompts = [checked_prompt(prompt, size) for prompt in prompts]
    rngs = streams(rng, len(prompts))
    with evaluation_mode(model, drawn_from=rngs):
        return continue_texts(model, prompts, sample_size, sampling, stop, rngs)


def continue_texts(
    model: LanguageModel,
    prompts: Sequence[list[int]],
    sample_size: int,
    sampling: Sampling,
    stop: Collection[int],
    rngs: Sequence[numpy.random.Generator],
) -> list[Generated]:
    """As :func:`generate_texts`, from the model's state, which then has read all words but the last one."""
    check_counts("generate", sample_size=sample_size)
    if not prompts:
        raise ValueError("generate: expected one prompt at least")
    sampling.check(vocab_size(model))
    stop_ids = checked_integers("generate", stop, "stop")
    checked_ids("generate", stop_ids, vocab_size(model), "stop ids")
    ends = set(stop_ids)  # in which every word is looked up
    texts = [Generated([*prompt], []) for prompt in prompts]
    going = [True] * len(texts)
    position = min(map(len, prompts))  # the prompts' common length is read at once, without a score
    xs = [prompt[:position] for prompt in prompts]
    while True:
        scores = to_cpu(next_scores(model, np.asarray(xs)))
        for i, (ids, log_probs) in enumerate(texts):
            if going[i] and position >= len(prompts[i]):
                seen = set(ids) if sampling.repetition_penalty != 1 else ()
                word, log_p = sampling.draw(scores[i], rngs[i], seen)
                ids.append(word)
                log_probs.append(log_p)
                going[i] = len(log_probs) < sample_size and word not in ends
        if not any(going):
            return texts
        # A text that has ended reads its last word again and again, to nobody's use.
        xs = [[ids[min(position, len(ids) - 1)]] for ids, _ in texts]
        position += 1


def next_scores(model: LanguageModel, xs: Any) -> Any:
    """The scores (N, V) of the word that follows xs (N, T).

    All words but the last one are only read, some at a time: their scores would be N x T x V numbers.
    """
    size = max(1, AT_ONCE // len(xs))
    for start in range(0, xs.shape[1] - 1, size):
        _read(model, xs[:, start : min(start + size, xs.shape[1] - 1)])
    return model.predict(xs[:, -1:])[:, 0]


def _read(model: LanguageModel, xs: Any) -> None:
    """Move the states on by xs (N, T), in evaluation mode."""
    if getattr(model.predict, "__func__", None) not in (LanguageModel.predict, DropoutLanguageModel.predict):
        model.predict(xs)  # which is somebody's own, and may do more
        return
    for layer in model.layers[:-1]:
        xs = layer.forward(xs)


def next_words(model: LanguageModel, prompt: Any, topn: int = 10) -> list[tuple[int, float]]:
    """The `topn` likeliest words after a prompt, and their probabilities; of equal ones that with the lower id first.

    State and dropout are as in :func:`generate_texts`. Raises ValueError for topn below 1, TypeError if it
    is no whole number.
    """
    check_counts("next_words", topn=topn)
    prompt = checked_prompt(prompt, vocab_size(model))
    with evaluation_mode(model):
        p = distribution(to_cpu(next_scores(model, np.asarray([prompt])))[0])[1]
    best = numpy.argsort(-p, kind="stable")[:topn]
    return [(int(i), float(p[i])) for i in best]


def streams(rng: Seeds, count: int) -> list[numpy.random.Generator]:
    """`count` generators: those that a sequence names, or new ones seeded from one. ValueError for another number."""
    if isinstance(rng, (Sequence, numpy.ndarray)):
        if len(rng) != count:
            raise ValueError(f"{len(rng)} seeds for {count} texts")
        return [generator(seed) for seed in rng]
    # The k-th stream is the same however many texts there are.
    return [numpy.random.default_rng(int(seed)) for seed in generator(rng).integers(2**63, size=count)]
