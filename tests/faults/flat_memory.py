"""Does memory grow while a language model trains? Resident memory of 20,000 iterations of Rnnlm with all extras.

    python tests/faults/flat_memory.py [iterations] [hidden_size]

With validation, callbacks, history, printed lines and checkpoints every second. Memory is read from /proc (Linux) at
each tenth of the way.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy

from ch06.rnnlm import Rnnlm
from common.callbacks import BestWeights, Callback, EarlyStopping, Plateau
from common.checkpoint import Checkpoints
from common.optimizer import Adam
from common.trainer import RnnlmTrainer

WORDS, BATCH, TIME = 10_000, 10, 20


class Memory(Callback):
    """Reads resident memory, in KiB, at each tenth of the iterations."""

    def __init__(self, iterations: int) -> None:
        self.every, self.count = iterations // 10, 0
        self.seen: list[int] = []

    def on_iteration(self, trainer: object) -> None:
        self.count += 1
        if self.count % self.every == 0:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self.seen.append(pages * os.sysconf("SC_PAGE_SIZE") // 1024)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("iterations", type=int, nargs="?", default=20_000)
    parser.add_argument("hidden_size", type=int, nargs="?", default=50)
    args = parser.parse_args(argv)
    text = numpy.random.default_rng(0).integers(0, WORDS, 200 * BATCH * TIME + 1)
    model = Rnnlm(WORDS, args.hidden_size, args.hidden_size, rng=0)
    memory = Memory(args.iterations)
    callbacks = [memory, Plateau(0.99), EarlyStopping(10**6), BestWeights()]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        RnnlmTrainer(model, Adam()).fit(
            text[:-1], text[1:], args.iterations // 200, BATCH, TIME, max_grad=1.0,
            valid=text[:2000], callbacks=callbacks, checkpoint=Checkpoints(folder, seconds=1),
        )  # fmt: skip
    growth = statistics.median(memory.seen[5:]) / statistics.median(memory.seen[:5]) - 1
    sizes = f"vocabulary {WORDS}, width {args.hidden_size}, batch {BATCH} x {TIME}"
    print(f"{memory.count} iterations of Rnnlm ({sizes})")
    print(f"  resident MiB at each tenth  {' '.join(f'{kib / 1024:.1f}' for kib in memory.seen)}")
    print(f"  second half over the first  {growth:+.2%} (medians)")
    return 1 if growth > 0.01 else 0


if __name__ == "__main__":
    sys.exit(main())
