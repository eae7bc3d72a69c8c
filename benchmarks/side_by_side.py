"""How benchmarks are run: our side and the peer's as processes of their own, in turn, medians and their ratio.

A benchmark script measures one side when it is called with ``--side NAME`` and prints what it found as one line of
JSON, such as ``{"seconds": 0.04, "peak_mib": 310}``. Without ``--side`` it calls itself, side after side, several
times, and prints a table. The machine should have nothing else to do; still, only ratios of one sitting mean anything.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata

import common  # noqa: F401  for what it sets in the environment: the processes here have it as the chapters' scripts do

SIDES = Mapping[str, Callable[[], Mapping[str, float]]]


def main(tasks: Mapping[str, SIDES], packages: tuple[str, ...] = ("numpy", "torch")) -> None:
    """Measure `tasks`: for each, functions by the name of the side; the first side is ours, the others are peers."""
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"{', '.join(tasks)}; by default all")
    parser.add_argument("--side", help="measure this side of one task, in this process")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for both sides")
    arguments = parser.parse_args()
    # Not by `choices`: argparse wants the empty list to be one of them.
    if unknown := [task for task in arguments.tasks if task not in tasks]:
        parser.error(f"argument TASK: {unknown[0]!r} is not one of {', '.join(tasks)}")
    chosen = arguments.tasks or list(tasks)
    if arguments.side:
        result = dict(tasks[chosen[0]][arguments.side]())
        if (peak := _peak_mib()) is not None:
            result["peak_mib"] = peak
        print(json.dumps(result))
        return
    versions = ", ".join(f"{package} {_version(package)}" for package in packages)
    print(f"{versions}, Python {platform.python_version()}, {arguments.threads} of {os.cpu_count()} cores")
    for task in chosen:
        _compare(task, list(tasks[task]), arguments.rounds, arguments.threads)


def _peak_mib() -> int | None:
    """The memory of this process at its highest, or None on Windows, which does not say."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _compare(task: str, sides: list[str], rounds: int, threads: int) -> None:
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    environment = os.environ | {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    for _ in range(rounds):
        for side in sides:
            command = [sys.executable, sys.argv[0], task, "--side", side]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, encoding="utf-8")
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
    for key in found[sides[0]][0]:
        values = {side: statistics.median(row[key] for row in rows) for side, rows in found.items()}
        text = ", ".join(f"{side} {value:.4g}" for side, value in values.items())
        ratios = ", ".join(f"{values[sides[0]] / values[side]:.2f}" for side in sides[1:])
        print(f"{task}: {key}: {text}" + (f"; ratio {ratios}" if ratios else ""), flush=True)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
