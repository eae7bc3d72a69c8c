"""One training iteration of chapter 6's language model, 20 x 35 words, vocabulary 10,000, against PyTorch.

    python benchmarks/rnnlm.py

The words are random: the time of an iteration does not depend on them, and no corpus is needed.
"""

import time

import numpy
import side_by_side

V, WIDTH, N, T = 10_000, 100, 20, 35
ITERATIONS = 30


def words() -> numpy.ndarray:
    # Skewed as in real text, where few words make up most of it.
    return (V * numpy.random.default_rng(0).random((ITERATIONS + 2) * N * T + 1) ** 3).astype(numpy.int64)


def ours() -> dict[str, float]:
    from ch06.rnnlm import Rnnlm
    from common.optimizer import SGD
    from common.trainer import RnnlmTrainer

    corpus = words()
    trainer = RnnlmTrainer(Rnnlm(V, WIDTH, WIDTH, rng=0), SGD(20.0))
    size = 2 * N * T
    trainer.fit(corpus[:size], corpus[1 : size + 1], 1, N, T, 0.25, eval_interval=None)  # to warm up
    size = ITERATIONS * N * T
    start = time.perf_counter()
    trainer.fit(corpus[:size], corpus[1 : size + 1], 1, N, T, 0.25, eval_interval=None)
    return {"seconds": (time.perf_counter() - start) / ITERATIONS}


def pytorch() -> dict[str, float]:
    import torch

    embed, lstm, affine = torch.nn.Embedding(V, WIDTH), torch.nn.LSTM(WIDTH, WIDTH), torch.nn.Linear(WIDTH, V)
    params = [*embed.parameters(), *lstm.parameters(), *affine.parameters()]
    optimizer, loss_of = torch.optim.SGD(params, lr=20.0), torch.nn.CrossEntropyLoss()
    corpus = torch.from_numpy(words())
    blocks = corpus[:-1].reshape(-1, T, N), corpus[1:].reshape(-1, T, N)
    h = c = torch.zeros(1, N, WIDTH)
    for i, (x, t) in enumerate(zip(*blocks, strict=True)):
        if i == 2:
            start = time.perf_counter()
        y, (h, c) = lstm(embed(x), (h.detach(), c.detach()))
        loss = loss_of(affine(y).reshape(N * T, V), t.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 0.25)
        optimizer.step()
    return {"seconds": (time.perf_counter() - start) / ITERATIONS}


if __name__ == "__main__":
    side_by_side.main({"rnnlm": {"ours": ours, "pytorch": pytorch}})
