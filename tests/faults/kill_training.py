"""Kill training scripts (SIGKILL) at random moments, resume them, and compare with runs that nobody disturbed.

    python tests/faults/kill_training.py [kills] [seed]

Each run of a script is killed again and again, at moments anywhere between its start and its end, and every tenth
time right in the middle of writing a checkpoint; then it resumes, until it ends by itself. It writes checkpoints as
often as it can. All files of weights that it leaves must have the very bytes of the undisturbed run, and its curves and
scores must be the same. No temporary file may be left.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# What a script is started by: checkpoints at every iteration; KILL_AT=n kills it while it writes the n-th one.
START = """
import os, signal, sys
from common import checkpoint, state_file, weight_files
checkpoint.SECONDS, checkpoint.SHARE = 0.0, float("inf")
kill_at, written = int(os.environ.get("KILL_AT", 0)), 0
real = weight_files.npz_file.write
def write(file, tensors, metadata):
    global written
    if "__state__" in tensors:
        written += 1
        if written == kill_at:
            class Half:
                def __getattr__(self, name): return getattr(file, name)
                def write(self, data):
                    file.write(bytes(data)[: len(data) // 2]); file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(Half(), tensors, metadata)
    return real(file, tensors, metadata)
weight_files.npz_file.write = write
sys.argv[0] = "script"
import importlib
importlib.import_module(sys.argv.pop(1)).main.cli()
"""

# Small runs of scripts that train, and of the parts of training that no such script has.
SCRIPTS = {
    "ch01.train": ["--max-epoch", "40"],
    "ch05.train": ["--corpus", "mini", "--max-epoch", "15"],
    "ch06.train_rnnlm": ["--corpus", "mini", "--max-epoch", "2", "--train-size", "8000", "--hidden-size", "20"],
    "ch06.train_better_rnnlm": [
        *("--corpus", "mini", "--max-epoch", "2", "--train-size", "5000"),
        *("--wordvec-size", "20", "--hidden-size", "20"),
    ],
    "ch07.train_seq2seq": ["--max-epoch", "2", "--max-examples", "1280", "--hidden-size", "16", "--shown", "1"],
    "ch03.train": ["--max-epoch", "200"],
    "ch04.train": ["--corpus", "mini", "--quick"],
    "ch04.train_glove": ["--corpus", "mini", "--max-epoch", "3", "--hidden-size", "20"],
    "killed_training": [],
}


def run(script: str, out: Path, *options: str, kill_after: float | None = None, **environment: str) -> bool:
    """Whether a script came to its end, rather than being killed. RuntimeError, with what it printed, if it failed."""
    command = [sys.executable, "-c", START, script, *SCRIPTS[script], "--out", str(out), *options]
    places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places), **environment}
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{script} {options}: exit code {process.returncode}\n{text.decode()}")
    return process.returncode == 0


def can_resume(script: str) -> bool:
    """Whether there is such a script, with the option --resume."""
    command = [sys.executable, "-c", START, script, "--help"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "COLUMNS": "100"}
    found = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    return found.returncode == 0 and "--resume" in found.stdout


def results(out: Path) -> dict[str, Any]:
    """What must be the same: the bytes of all weights, curves other than those of time, and scores."""
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    weights = {path.name: path.read_bytes() for path in sorted(out.glob("*.npz"))}
    curves = {name: curve for name, curve in history["curves"].items() if "second" not in name}
    return {"scores": history["scores"], "curves": curves, **weights}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    scripts = [script for script in SCRIPTS if can_resume(script)]
    print("left out, without --resume or not there:", ", ".join(sorted(set(SCRIPTS) - set(scripts))) or "none")
    kills = while_writing = resumed = leftovers = 0
    different: list[str] = []
    per_script = dict.fromkeys(scripts, 0)
    with tempfile.TemporaryDirectory() as folder:
        whole, seconds = {}, {}
        for script in scripts:
            begin = time.perf_counter()
            run(script, out := Path(folder, script))
            seconds[script], whole[script] = time.perf_counter() - begin, results(out)
        number = 0
        while kills < args.kills:
            script = scripts[number % len(scripts)]
            number += 1
            out = Path(folder, f"{script}-{number}")
            before = kills
            while kills < args.kills and kills - before < 12:
                midway = kills % 10 == 9
                moment = {"KILL_AT": str(rng.randint(1, 5))} if midway else {}
                limit = None if midway else rng.uniform(0.3, 1.0) * seconds[script]
                if run(script, out, "--resume", kill_after=limit, **moment):
                    seconds[script] *= 0.9  # it was too fast to be killed
                    break
                kills, while_writing = kills + 1, while_writing + midway
                per_script[script] += 1
            else:
                run(script, out, "--resume")
            resumed += 1
            found = results(out)
            different += [f"{script}: {name}" for name, value in whole[script].items() if found.get(name) != value]
            leftovers += sum(1 for _ in out.rglob("*.tmp"))
    print(f"{kills} kills, {while_writing} of them in the middle of writing a checkpoint, in {resumed} runs:")
    for script, count in per_script.items():
        print(f"  {script:26}{count:4}   ({seconds[script]:.1f} s undisturbed)")
    print(f"  weights, curves or scores that are not those of the undisturbed run  {len(different)}")
    print(f"  temporary files left                                                 {leftovers}")
    for line in different[:20]:
        print(line)
    return 1 if different or leftovers else 0


if __name__ == "__main__":
    sys.exit(main())
