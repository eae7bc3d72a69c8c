"""What the trainers add to an iteration: lines, history, gradient norms, callbacks, checkpoints; against a bare loop.

    python -m benchmarks.training_overhead

Both sides take the same steps in turn, several times; the medians of the seconds for an iteration and of the ratios of
neighbours are printed.
"""

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy

from ch01.two_layer_net import TwoLayerNet
from ch06.rnnlm import Rnnlm
from common.callbacks import BestWeights, EarlyStopping, Plateau
from common.checkpoint import Checkpoints
from common.optimizer import SGD
from common.trainer import RnnlmTrainer, Trainer
from common.training import Step


def spiral() -> tuple[Any, Any, Callable[[int], Any], int]:
    """The smallest model of the book, 30 points an iteration; epochs of 100."""
    rng = numpy.random.default_rng(0)
    x, t = rng.standard_normal((3000, 2)).astype("f"), rng.integers(0, 3, 3000)
    return TwoLayerNet(2, 10, 3, rng=0), Trainer, lambda i: (x[30 * i : 30 * i + 30], t[30 * i : 30 * i + 30]), 30


def rnnlm() -> tuple[Any, Any, Callable[[int], Any], int]:
    """The language model of chapter 6."""
    text = numpy.random.default_rng(0).integers(0, 10_000, 20 * 3500 + 1)
    columns = numpy.arange(20)[:, None] * 3500 + numpy.arange(35)
    return Rnnlm(rng=0), RnnlmTrainer, lambda i: (text[columns + 35 * i], text[columns + 35 * i + 1]), 20


def compare(case: Callable[[], tuple[Any, Any, Callable[[int], Any], int]], rounds: int, epochs: int) -> None:
    model, trainer_type, batch, batch_size = case()
    iterations = 100
    pairs = [batch(i) for i in range(iterations)]
    examples = trainer_type is Trainer
    x, t = (numpy.concatenate(side, axis=0 if examples else 1) for side in zip(*pairs, strict=True))
    sizes = {"batch_size": batch_size} if examples else {"batch_size": batch_size, "time_size": 35}
    step, times = Step(model, SGD(0.1)), []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(epochs):
                order = numpy.random.default_rng(0).permutation(len(x))
                for i in range(iterations):
                    chosen = order[i * batch_size : (i + 1) * batch_size]
                    step(*((x[chosen], t[chosen]) if examples else batch(i)), 1.0)
            middle = time.perf_counter()
            callbacks = [EarlyStopping(10**9, "loss"), Plateau(0.999, 1, "loss"), BestWeights("loss")]
            trainer = trainer_type(model, SGD(0.1))
            trainer.fit(x.reshape(x.shape if examples else -1), t.ravel(), epochs, **sizes, max_grad=1.0,
                        callbacks=callbacks, checkpoint=Checkpoints(folder))  # fmt: skip
            times.append((middle - start, time.perf_counter() - middle))
    bare, full = (statistics.median(side) / iterations / epochs for side in zip(*times, strict=True))
    ratio = statistics.median(two / one for one, two in times)
    print(f"{case.__name__:8} {bare * 1e6:10.1f} us bare, {full * 1e6:10.1f} us with the trainer, ratio {ratio:.3f}")


if __name__ == "__main__":
    compare(spiral, 9, 50)
    compare(rnnlm, 5, 1)
