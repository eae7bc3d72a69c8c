"""One training iteration of chapter 6's language models, vocabulary 10,000, batch 20, against PyTorch: time, memory.

    python benchmarks/language_models.py            # all
    python benchmarks/language_models.py better     # BetterRnnlm

rnnlm: one LSTM, 100 wide. better: two LSTMs, 650 wide, dropout, tied weights. gru: the same with GRUs, whose reset gate
PyTorch applies after the product instead of before it. awd: an AWD-LSTM, 400-1150-1150-400 wide, blocks of 70 words.

The words are random: the time of an iteration does not depend on them, and no corpus is needed.
"""

import functools
import time

import numpy
import side_by_side

V, N = 10_000, 20
TIME_SIZE = {"rnnlm": 35, "better": 35, "gru": 35, "awd": 70}
ITERATIONS = {"rnnlm": 40, "better": 8, "gru": 8, "awd": 4}


def blocks(task: str, iterations: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Ids and labels of a corpus (N · T · iterations,), skewed as in real text, where few words make up most of it."""
    corpus = (V * numpy.random.default_rng(0).random(N * TIME_SIZE[task] * iterations + 1) ** 3).astype(numpy.int64)
    return corpus[:-1], corpus[1:]


def ours(task: str) -> dict[str, float]:
    from ch06.awd_lstm import AwdLstm
    from ch06.better_rnnlm import BetterRnnlm
    from ch06.rnnlm import Rnnlm
    from common.optimizer import SGD
    from common.trainer import RnnlmTrainer

    model = {
        "rnnlm": lambda: Rnnlm(rng=0),
        "better": lambda: BetterRnnlm(rng=0),
        "gru": lambda: BetterRnnlm(cell="gru", rng=0),
        "awd": lambda: AwdLstm(alpha=0.0, beta=0.0, embedding_dropout=0.0, rng=0),
    }[task]()
    trainer = RnnlmTrainer(model, SGD(20.0))

    def fit(iterations: int) -> None:
        trainer.fit(*blocks(task, iterations), 1, N, TIME_SIZE[task], 0.25, eval_interval=None)

    fit(2)  # to warm up
    start = time.perf_counter()
    fit(ITERATIONS[task])
    return {"seconds": (time.perf_counter() - start) / ITERATIONS[task]}


def pytorch(task: str) -> dict[str, float]:
    import torch
    from torch_language_model import LanguageModel, Training

    model = {
        "rnnlm": lambda: LanguageModel(V, [100, 100]),
        "better": lambda: LanguageModel(V, [650] * 3, 0.5, tied=True),
        "gru": lambda: LanguageModel(V, [650] * 3, 0.5, tied=True, cell="gru"),
        "awd": lambda: LanguageModel(V, [400, 1150, 1150, 400], 0.4, tied=True, weight_drop=0.5),
    }[task]()
    training = Training(model, 20.0)

    def fit(iterations: int) -> None:
        T = TIME_SIZE[task]
        x, t = (torch.from_numpy(ids.reshape(N, -1).T.copy()) for ids in blocks(task, iterations))
        for start in range(0, len(x), T):
            training.step(x[start : start + T], t[start : start + T])

    fit(2)
    start = time.perf_counter()
    fit(ITERATIONS[task])
    return {"seconds": (time.perf_counter() - start) / ITERATIONS[task]}


if __name__ == "__main__":
    side_by_side.main(
        {task: {side.__name__: functools.partial(side, task) for side in (ours, pytorch)} for task in TIME_SIZE}
    )
