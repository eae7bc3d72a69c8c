"""One training iteration of chapter 6's language models, vocabulary 10,000, batch 20, against PyTorch: time, memory.

    python benchmarks/language_models.py            # all
    python benchmarks/language_models.py better     # BetterRnnlm

rnnlm: one LSTM, 100 wide. better: two LSTMs, 650 wide, dropout, tied weights. gru: the same with GRUs, whose reset gate
PyTorch applies after the product instead of before it. awd: an AWD-LSTM, 400-1150-1150-400 wide, blocks of 70 words.

The words are random: the time of an iteration does not depend on them, and no corpus is needed.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy
import side_by_side

V, N = 10_000, 20
TIME_SIZE = {"rnnlm": 35, "better": 35, "gru": 35, "awd": 70}
ITERATIONS = {"rnnlm": 30, "better": 8, "gru": 8, "awd": 4}


def measure(task: str, step: Callable[[Any, Any], Any], transposed: bool) -> dict[str, float]:
    """The median seconds of a step on ids and labels (N, T), or (T, N), after two steps to warm up."""
    rng = numpy.random.default_rng(0)
    seconds = []
    for _ in range(ITERATIONS[task] + 2):
        # Skewed as in real text, where few words make up most of it.
        x, t = (V * rng.random((2, N, TIME_SIZE[task])) ** 3).astype(numpy.int64)
        if transposed:
            x, t = (numpy.ascontiguousarray(ids.T) for ids in (x, t))
        start = time.perf_counter()
        step(x, t)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[2:])}


def ours(task: str) -> dict[str, float]:
    from ch06.awd_lstm import AwdLstm
    from ch06.better_rnnlm import BetterRnnlm
    from ch06.rnnlm import Rnnlm
    from common.optimizer import SGD
    from common.training import Step

    model = {
        "rnnlm": lambda: Rnnlm(rng=0),
        "better": lambda: BetterRnnlm(rng=0),
        "gru": lambda: BetterRnnlm(cell="gru", rng=0),
        "awd": lambda: AwdLstm(alpha=0.0, beta=0.0, embedding_dropout=0.0, rng=0),
    }[task]()
    step = Step(model, SGD(20.0))
    return measure(task, lambda x, t: step(x, t, 0.25), transposed=False)


def pytorch(task: str) -> dict[str, float]:
    import torch
    from torch_language_model import LanguageModel, Training

    model = {
        "rnnlm": lambda: LanguageModel(V, [100, 100]),
        "better": lambda: LanguageModel(V, [650] * 3, 0.5, tied=True),
        "gru": lambda: LanguageModel(V, [650] * 3, 0.5, tied=True, cell="gru"),
        "awd": lambda: LanguageModel(V, [400, 1150, 1150, 400], 0.4, tied=True, weight_drop=0.5),
    }[task]()
    step = Training(model, 20.0).step
    return measure(task, lambda x, t: step(torch.from_numpy(x), torch.from_numpy(t)), transposed=True)


if __name__ == "__main__":
    side_by_side.main(
        {task: {side.__name__: functools.partial(side, task) for side in (ours, pytorch)} for task in TIME_SIZE}
    )
