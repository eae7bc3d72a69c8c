"""What history, gradient norms, callbacks and checkpoints add to an iteration of a training.

    python -m benchmarks.training_overhead [spiral | rnnlm] [--rounds 11]

Against them stands the loop as the book's trainer has it: batches, steps, and a line with the mean loss after every 20
of them. Both sides take the same steps in turn, several times; the medians of the time for an iteration and of the
ratios of neighbours are printed, for wall time and for processor time, that of all threads. Only the second means
something where other processes keep the cores busy; waiting, as for the disk, is in the first alone.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
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

    def loop() -> None:
        begin = time.perf_counter()
        for epoch in range(epochs):
            order, total, count = numpy.random.default_rng(0).permutation(len(x)), 0.0, 0
            for i in range(iterations):
                chosen = order[i * batch_size : (i + 1) * batch_size]
                total += step(*((x[chosen], t[chosen]) if examples else batch(i)), 1.0)
                count += 1
                if i % 20 == 0:
                    place = f"| epoch {epoch + 1} |  iter {i + 1} / {iterations} | "
                    print(f"{place}time {int(time.perf_counter() - begin)}[s] | loss {total / count:.2f}")
                    total, count = 0.0, 0

    def trainer() -> None:
        callbacks = [EarlyStopping(10**9, "loss"), Plateau(0.999, 1, "loss"), BestWeights("loss")]
        with tempfile.TemporaryDirectory() as folder:
            fit = partial(trainer_type(model, SGD(0.1)).fit, x.reshape(x.shape if examples else -1), t.ravel(), epochs)
            fit(**sizes, max_grad=1.0, callbacks=callbacks, checkpoint=Checkpoints(folder))

    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(rounds):
            start = clocks()
            loop()
            middle = clocks()
            trainer()
            times.append((middle - start, clocks() - middle))
    seconds = numpy.median(times, axis=0) / iterations / epochs
    ratios = numpy.median([two / one for one, two in times], axis=0)
    for clock, (bare, full), ratio in zip(("wall", "processor"), seconds.T, ratios, strict=True):
        print(
            f"{case.__name__:8} {clock:9} time {bare * 1e6:10.1f} us the loop, {full * 1e6:10.1f} us the trainer, "
            f"ratio {ratio:.3f}", flush=True
        )


def clocks() -> numpy.ndarray:
    """Seconds by the clock on the wall, and of all processors for this process."""
    return numpy.array([time.perf_counter(), time.process_time()])


CASES = {"spiral": (spiral, 11, 100), "rnnlm": (rnnlm, 3, 4)}  # rounds, epochs

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=list(CASES), help="by default both")
    parser.add_argument("--rounds", type=int, help="turns of each side, by default 11 (spiral) and 3 (rnnlm)")
    arguments = parser.parse_args()
    for name, (case, rounds, epochs) in CASES.items():
        if arguments.case in (None, name):
            compare(case, arguments.rounds or rounds, epochs)
