"""Decoders with a `generate` of a user's own, as the book's are: they are asked for one answer after the other."""

from collections.abc import Callable
from typing import Any

from common.checks import check_whole
from common.np import np
from common.padding import PAD, row_lengths


def own_generate(decoder: Any, ours: Any) -> Any:
    """The decoder's `generate`, None if there is none or it is that of the class `ours`."""
    generate = getattr(decoder, "generate", None)
    return None if getattr(generate, "__func__", None) is ours.generate else generate


def ask_one_by_one(
    model: Any, ask: Callable[[Any], Any], xs: Any, sample_size: int, stop_id: int | None = None
) -> Any:
    """The answers to the questions xs (N, S) as an array (N, sample_size), with -1 after them and after `stop_id`.

    ``ask(x)`` gives what the model's decoder answers to one question x (1, S), which is not padded. ValueError for
    padding that is not at the end, and for what are no answers.
    """
    row_lengths(type(model).__name__, xs)  # checks the padding; a question alone needs none
    if stop_id is not None:
        check_whole("generate", stop_id=stop_id)
    samples = np.full((len(xs), sample_size), PAD)
    for x, row in zip(xs, samples, strict=True):
        ids = _answered_ids(model.decoder, ask(x[x != PAD][None]), sample_size)
        row[: len(ids)] = ids
    stops = samples == stop_id
    return np.where(stops.cumsum(axis=1) > stops, PAD, samples)


def _answered_ids(decoder: Any, answer: Any, sample_size: int) -> Any:
    """What a decoder has answered to one question as an array of ids.

    ValueError naming the decoder for more than `sample_size`, and for what are no ids.
    """
    try:
        ids = np.asarray(answer).reshape(-1)
    except ValueError:  # of parts that make no array
        ids = None
    if ids is None or len(ids) > sample_size or (len(ids) and ids.dtype.kind not in "iu"):
        name = type(decoder).__name__
        raise ValueError(f"{name}.generate: expected {sample_size} ids at most for one question, got {answer!r:.80}")
    return ids
