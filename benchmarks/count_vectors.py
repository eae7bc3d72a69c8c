"""Seconds that count vectors take on the Penn Treebank: counts, PPMI, SVD, and the whole of ch02/count_method_big.py.

    python -m benchmarks.count_vectors [--repeat 5]

The stages are timed in this process, the script as a process of its own; each number is the median of the repetitions.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from os import cpu_count
from typing import Any

from common.counts import co_occurrences, ppmi
from common.experiment import script
from common.reduction import truncated_svd
from dataset.corpora import Corpus


def stages(corpus: Corpus, window_size: int, wordvec_size: int) -> dict[str, float]:
    """Seconds of each stage."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Any, *args: Any) -> Any:
        start = time.perf_counter()
        result = function(*args)
        seconds[name] = time.perf_counter() - start
        return result

    ids, word_to_id, _ = timed("load", corpus.load)
    C = timed("counts", co_occurrences, ids, len(word_to_id), window_size)
    W = timed("ppmi", ppmi, C)
    timed("svd", truncated_svd, W, wordvec_size)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--corpus", str(corpus), "--window-size", str(window_size), "--wordvec-size", str(wordvec_size)]
        command = [sys.executable, "-m", "ch02.count_method_big", *arguments, "--out", folder]
        timed("script", lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    return seconds


@script
def main(repeat: int = 5, corpus: Corpus = Corpus.ptb, window_size: int = 2, wordvec_size: int = 100) -> str:
    runs = [stages(corpus, window_size, wordvec_size) for _ in range(repeat)]
    row = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    versions = {name: metadata.version(name) for name in ("numpy", "scipy")}
    return json.dumps({"seconds": row, "python": platform.python_version(), **versions, "cores": cpu_count()})


if __name__ == "__main__":
    main.cli()
