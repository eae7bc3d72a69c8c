"""Scores on validation data, which leave the model as it was: weights, recurrent state and generators."""

import inspect
from typing import Any

from common.evaluation import eval_perplexity, without_training
from common.model_tree import evaluation_mode
from common.np import np


def own_scores(model: Any, function: Any) -> dict[str, float]:
    """What ``function(model)`` returns: a dictionary of scores, or one number, called "score"; as Python's numbers."""
    with evaluation_mode(model):
        scores = function(model)
    if not isinstance(scores, dict):
        return {"score": float(scores)}
    return {name: value.item() if getattr(value, "ndim", None) == 0 else value for name, value in scores.items()}


def language_model_scores(model: Any, corpus: Any, time_size: int) -> dict[str, float]:
    """perplexity and loss, its logarithm, of the corpus (n,)."""
    perplexity = eval_perplexity(model, corpus, time_size=time_size)
    return {"loss": float(np.log(perplexity)), "perplexity": perplexity}


def example_scores(model: Any, x: Any, t: Any, batch_size: int) -> dict[str, float]:
    """The mean loss of the examples, and for a classifier the accuracy.

    A classifier is a model whose ``predict(x)`` gives scores (n, K) for classes t, ids (n,) or one-hot (n, K).
    """
    x, t = np.asarray(x), np.asarray(t)
    if len(x) != len(t) or len(x) == 0:
        raise ValueError(f"fit: valid has {len(x)} inputs and {len(t)} targets, expected as many, and one at least")
    mode = without_training(model, x[:batch_size], t[:batch_size])
    classifies = t.ndim <= 2 and list(inspect.signature(getattr(model, "predict", example_scores)).parameters) == ["x"]
    loss, right = 0.0, 0
    with evaluation_mode(model):
        for start in range(0, len(x), batch_size):
            batch, labels = x[start : start + batch_size], t[start : start + batch_size]
            loss += float(model.forward(batch, labels, **mode)) * len(batch)
            if classifies:
                scores = model.predict(batch)
                classifies = scores.ndim == 2 and (t.ndim == 1 or t.shape[1:] == scores.shape[1:])
            if classifies:
                ids = labels.argmax(axis=1) if labels.ndim == 2 else labels
                right += int((scores.argmax(axis=1) == ids).sum())
    return {"loss": loss / len(x), **({"accuracy": right / len(x)} if classifies else {})}
