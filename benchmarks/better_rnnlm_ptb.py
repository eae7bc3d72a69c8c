"""The perplexity that BetterRnnlm reaches on Penn Treebank, here and in PyTorch, with the same settings.

    python benchmarks/better_rnnlm_ptb.py ours --epochs 2
    python benchmarks/better_rnnlm_ptb.py pytorch --epochs 2

A quarter of an hour and more for each epoch. Batch 20 x 35, lr 20, divided by 4 after an epoch without a better
validation perplexity, clipping at 0.25, dropout 0.5.
"""

import argparse
import math
import tempfile
import time
from typing import Any


def ours(epochs: int, width: int) -> None:
    from ch06 import train_better_rnnlm

    with tempfile.TemporaryDirectory() as folder:  # not that of your own trainings
        train_better_rnnlm.main(max_epoch=epochs, wordvec_size=width, hidden_size=width, out=folder)


def pytorch(epochs: int, width: int) -> None:
    import torch
    from torch_language_model import LanguageModel, Training

    from dataset import ptb

    torch.manual_seed(0)
    N, T = 20, 35
    model = LanguageModel(10_000, [width] * 3, 0.5, tied=True)
    training = Training(model, 20.0)

    def rows(corpus: Any, count: int) -> tuple[Any, Any]:
        """Ids and the ids after them (length, count), one column for each row of the batch."""
        length = (len(corpus) - 1) // count
        ids = torch.from_numpy(corpus)
        return ids[: length * count].reshape(count, -1).T, ids[1 : length * count + 1].reshape(count, -1).T

    train = rows(ptb.load_data("train")[0], N)
    valid = rows(ptb.load_data("valid")[0], 10)

    @torch.no_grad()
    def perplexity() -> float:
        model.eval()
        states, total = [None] * 2, 0.0
        for x, t in zip(valid[0].split(T), valid[1].split(T), strict=True):
            scores, states = model(x, states)
            loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), t.flatten(), reduction="sum")
            total += loss.item()
        model.train()
        return math.exp(total / valid[1].numel())

    best = math.inf
    for epoch in range(epochs):
        start = time.perf_counter()
        for i in range(len(train[0]) // T):
            block = slice(i * T, (i + 1) * T)
            training.step(train[0][block], train[1][block])
        found = perplexity()
        print(f"epoch {epoch + 1}: valid perplexity {found:.2f}, {time.perf_counter() - start:.0f} s", flush=True)
        if found >= best:
            training.optimizer.param_groups[0]["lr"] /= 4
        best = min(best, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["ours", "pytorch"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--width", type=int, default=650)
    arguments = parser.parse_args()
    {"ours": ours, "pytorch": pytorch}[arguments.side](arguments.epochs, arguments.width)
