"""Scores on validation data, which leave the model as it was: weights, recurrent state and generators."""

import inspect
import math
from inspect import Parameter
from typing import Any

from common.checks import as_number
from common.evaluation import check_has_next_word, counting_loss, eval_perplexity, evaluation_arguments, labels_of
from common.labels import checked_corpus
from common.layers import Embedding
from common.model_tree import evaluation_mode, fresh_state, layers
from common.np import np, to_cpu
from common.padding import PAD


def own_scores(model: Any, function: Any) -> dict[str, float]:
    """What ``function(model)`` returns: a dictionary of scores, or one number, called "score"; as Python's numbers."""
    with evaluation_mode(model):
        scores = function(model)
    if not isinstance(scores, dict):
        return {"score": float(scores)}
    return {name: as_number(value) for name, value in scores.items()}


def checked_text(valid: Any, model: Any) -> Any:
    """The corpus (n,) of ids, on the host. Raises as :func:`common.labels.checked_corpus`, also for ids that the
    one Embedding of the model does not know, such as those of another vocabulary, and ValueError for a corpus without a
    word to predict: now, as it would be found out after a whole epoch.
    """
    try:
        corpus = np.asarray(valid)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"fit: valid must be a corpus (n,) or a function of the model, not {_what(valid)}") from error
    tables = [layer.params[0] for _, layer in layers(model) if isinstance(layer, Embedding)]
    corpus = to_cpu(checked_corpus("fit: valid", corpus, len(tables[0]) if len(tables) == 1 else None))
    check_has_next_word("fit: valid", corpus)
    return corpus


def checked_pair(valid: Any) -> tuple[Any, Any]:
    """The inputs (n, ...) and targets (n, ...) of a pair, as arrays. ValueError for other data."""
    try:
        if hasattr(valid, "shape"):
            raise TypeError("the rows of one array are no pair")
        x, t = map(np.asarray, valid)
        sizes = len(x), len(t)
    except (TypeError, ValueError) as error:  # no pair, or one of what has no length or rows of unequal length
        raise ValueError(f"fit: valid must be a pair (x, t) or a function of the model, not {_what(valid)}") from error
    if sizes[0] != sizes[1] or sizes[0] == 0:
        raise ValueError(f"fit: valid has {sizes[0]} inputs and {sizes[1]} targets, expected as many, and one at least")
    return x, t


def _what(data: Any) -> str:
    """What has come, in a few words."""
    return f"an array {data.shape} of {data.dtype}" if hasattr(data, "shape") else f"{data!r:.80}"


def language_model_scores(model: Any, corpus: Any, time_size: int) -> dict[str, float]:
    """perplexity and loss, its logarithm, of the corpus (n,)."""
    perplexity = eval_perplexity(model, corpus, time_size=time_size)
    return {"loss": math.log(perplexity), "perplexity": perplexity}


def example_scores(model: Any, x: Any, t: Any, batch_size: int) -> dict[str, float]:
    """The mean loss of the examples x, t, arrays (n, ...), and for a classifier the accuracy.

    A classifier is a model whose ``predict(x)`` gives scores (n, K) for classes t, ids (n,) or one-hot (n, K); it may
    be called otherwise than x and have other arguments that can be left out. Where labels are padded, and the model's
    loss says how many it has `counted`, the mean is that of the labels.
    """
    padded = t.dtype.kind == "i" and bool((t == PAD).any())
    loss_layer = counting_loss(model) if padded else None
    arguments = evaluation_arguments(model, x[:batch_size], t[:batch_size])
    loss, counted = 0.0, 0
    with evaluation_mode(model):
        for start in range(0, len(x), batch_size):
            batch, labels = x[start : start + batch_size], t[start : start + batch_size]
            with fresh_state(model):  # the examples of a batch do not go on from those of the one before
                mean = float(model.forward(batch, labels, **arguments))
            weight = labels_of(loss_layer, len(batch))
            loss += mean * weight
            counted += weight
    accuracy = _accuracy(model, x, t, batch_size)
    return {"loss": loss / max(counted, 1), **({} if accuracy is None else {"accuracy": accuracy})}


def _accuracy(model: Any, x: Any, t: Any, batch_size: int) -> float | None:
    """The share of the examples whose own class has the highest score; None for a model that is no classifier."""
    one_hot = t.ndim == 2 and bool((((t == 0) | (t == 1)).all(axis=1) & (t.sum(axis=1) == 1)).all())
    mode = _arguments_of_predict(model)
    if mode is None or not (one_hot or (t.ndim == 1 and t.dtype.kind in "iub")):
        return None
    is_classifier, right = [*inspect.signature(model.predict).parameters] == ["x"], 0
    with evaluation_mode(model):  # of its own, as predict moves the recurrent states on, too
        for start in range(0, len(x), batch_size):
            batch, labels = x[start : start + batch_size], t[start : start + batch_size]
            try:
                with fresh_state(model):
                    scores = model.predict(batch, **mode)
            except Exception as error:
                if is_classifier or start or isinstance(error, MemoryError):
                    raise
                return None  # the predict of something else, such as a text, may raise anything for an array
            if getattr(scores, "ndim", None) != 2 or scores.dtype.kind != "f" or len(scores) != len(batch):
                return None
            if scores.shape[1] < 2 or (one_hot and labels.shape != scores.shape):
                return None
            ids = labels.argmax(axis=1) if one_hot else labels
            right += int((scores.argmax(axis=1) == ids).sum())
    return right / len(x)


def _arguments_of_predict(model: Any) -> dict[str, bool] | None:
    """The arguments by name for a predict without dropout; None if there is none that takes one thing alone."""
    if not hasattr(model, "predict"):
        return None
    parameters = inspect.signature(model.predict).parameters
    needed = [parameter for parameter in parameters.values() if parameter.default is parameter.empty]
    if [parameter.kind for parameter in needed] not in ([Parameter.POSITIONAL_OR_KEYWORD], [Parameter.POSITIONAL_ONLY]):
        return None
    by_name = [name for name, parameter in parameters.items() if parameter.kind != Parameter.POSITIONAL_ONLY]
    return {"train_flg": False} if "train_flg" in by_name else {}
