"""As damaged_weights.py, for all other files that are read: checkpoints, word vectors, model folders, data files.

    python tests/faults/damaged_files.py [count] [seed]

Half of the files are those of damaged_weights.py. Of the others each must be refused with a FileFormatError, or for
data files a ValueError, that names the file, or decode to valid content: exactly the original where there is a
checksum. A hundredth are checkpoints and folders with sound checksums but other values inside, of which a training or a
model is to be made: it must refuse them, naming the file, or go on, be it to a loss that is not finite.

Memory: reading may take twice the honest size of a file, see damaged_weights.py, and `ROOM`, whatever the file. For
those of more than 0.3 MB the worst ratio of each kind is printed, which must not be above 2 either.
"""

import argparse
import contextlib
import copy
import io
import math
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import damaged_weights
import numpy
from damaged_weights import DAMAGE, Random, _Watch, held, same

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from small_trainings import LanguageTraining

from ch06.rnnlm import Rnnlm
from common import state_file, word_vector_files
from common.base_model import BaseModel
from common.checkpoint import Checkpoints
from common.pickle_machine import ALLOWANCE
from dataset import pairs, sequence

ROOM = 8 << 20  # bytes: a line or a chunk of a file, a table of characters


@dataclass(frozen=True)
class Good:
    """A sound file: bytes, reader, whether a checksum protects it, and what is valid if not."""

    name: str
    data: bytes
    read: Callable[[Path], Any]
    content: Any
    sealed: bool
    valid: Callable[[Any], bool]


@dataclass
class Report:
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    excess: int = -1 << 62
    ratio: dict[str, float] = field(default_factory=dict)
    foreign: Counter[str] = field(default_factory=Counter)


def sound_files(folder: Path, rows: int) -> list[Good]:
    rng = numpy.random.default_rng(0)
    vectors, words = rng.standard_normal((rows, 8)).astype("f"), [f"w{i}" for i in range(rows)]
    found = []

    def add(name: str, write: Callable[[Path], object], read: Callable[[Path], Any], sealed: bool,
            valid: Callable[[Any], bool]) -> None:
        path = folder / name
        write(path)
        found.append(Good(name, path.read_bytes(), read, plain(read(path)), sealed, valid))

    state = {"params": {"W": vectors}, "rng": rng.bit_generator.state, "curve": list(range(rows)), "inf": math.inf}
    add("checkpoint.npz", lambda path: state_file.write(path, state), state_file.read, True, lambda _: True)
    files = word_vector_files
    for name, write, read, sealed in (
        ("text.txt", files.write_text, files.read_text, False),
        ("binary.bin", files.write_binary, files.read_binary, False),
        ("ours.npz", files.write_npz, files.read_npz, True),
    ):
        add(name, lambda path, write=write: write(path, vectors, words), read, sealed, vectors_valid)
    add("narrow.txt", lambda path: files.write_text(path, vectors[:, :1].round(), words), files.read_text, False,
        vectors_valid)
    add("narrow.bin", lambda path: files.write_binary(path, vectors[:, :1], words), files.read_binary, False,
        vectors_valid)
    add("glove.txt", lambda path: path.write_bytes(folder.joinpath("text.txt").read_bytes().split(b"\n", 1)[1]),
        files.read_text, False, vectors_valid)
    lines = [f"{i % 1000:4}+{i % 97:2}_{i % 1000 + i % 97:<4}\n".encode() for i in range(rows)]
    tabbed = [b"%d plus one\t%d\n" % (i, i + 1) for i in range(rows)]
    for name, content, reader in (
        ("sums.txt", lines, sequence.load),
        ("pairs.tsv", tabbed, pairs.load),
        ("words.tsv", tabbed, partial(pairs.load, words=True)),
    ):
        add(name, lambda path, content=content: path.write_bytes(b"".join(content)), reader, False, data_valid)
    return found


def plain(content: Any) -> Any:
    return tuple(content) if isinstance(content, tuple) else content


def vectors_valid(content: Any) -> bool:
    vectors, words = content
    return vectors.ndim == 2 and len(vectors) == len(words) and bool(numpy.isfinite(vectors).all())


def data_valid(content: Any) -> bool:
    parts = content[:4]
    return all(part.ndim == 2 and part.dtype == numpy.int64 for part in parts) and len(parts[0]) == len(parts[1]) > 0


def judge(report: Report, folder: Path, good: Good, data: bytes, watch: _Watch) -> None:
    path = folder / good.name
    path.write_bytes(data)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    content: Any = None
    watch.armed = True
    try:
        content = plain(good.read(path))
        outcome = "accepted"
    except ValueError as error:  # FileFormatError is one
        outcome = "refused" if str(path) in str(error) else f"wrong: {error!r} does not name the file"
    except BaseException as error:
        outcome = f"wrong: {error!r}"
    finally:
        watch.armed = False
    peak = tracemalloc.get_traced_memory()[1] - before
    if outcome == "accepted":
        if same(content, good.content):
            outcome = "original"
        elif good.sealed or not good.valid(content):
            outcome = "wrong: changed or invalid content accepted"
        else:
            outcome = "other valid content"
    honest = max(len(data), held(content))
    report.excess = max(report.excess, peak - 2 * honest)
    if len(data) > 300_000:
        report.ratio[good.name] = max(report.ratio.get(good.name, 0.0), peak / honest)
    report.counts[good.name, outcome.partition(":")[0]] += 1
    if outcome.startswith("wrong"):
        report.wrong.append(f"{good.name}: {outcome}")


# --- sound checksums, other values

VALUES = [None, True, -1, 0, 3, 1e300, math.nan, "text", [], {}, [1, "a"], {"h": None}, numpy.zeros(3), numpy.arange(4)]


def change_one(rng: Random, tree: Any) -> None:
    """Replace, remove or add something at a random place of nested dictionaries and lists."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = keys[rng.integers(len(keys))]
        if isinstance(tree[key], (dict, list)) and len(tree[key]) and rng.random() < 0.8:
            tree = tree[key]
            continue
        kind = rng.integers(8)
        if kind == 0:
            del tree[key]
        else:
            tree[key] = VALUES[rng.integers(len(VALUES))]
        return


def crafted(report: Report, folder: Path, count: int, rng: Random, watch: _Watch) -> None:
    LanguageTraining().fit(1, checkpoint=Checkpoints(folder / "run"))
    (path,) = Checkpoints(folder / "run").files()
    state = state_file.read(path)
    model = Rnnlm(6, 4, 5, rng=0).save(folder / "model", id_to_word=dict(enumerate("abcdef")))
    config = (model / "config.json").read_bytes()
    for index in range(count):
        watch.armed = True
        try:
            if index % 2:
                damaged = bytearray(config)
                DAMAGE[rng.integers(len(DAMAGE))](rng, damaged)
                watch.armed = False
                (model / "config.json").write_bytes(damaged)
                watch.armed = True
                name = "config.json"
                BaseModel.load(model)
            else:
                changed = copy.deepcopy(state)
                change_one(rng, changed)
                watch.armed = False
                for old in Checkpoints(folder / "run").files():
                    old.unlink()
                state_file.write(path, changed)
                name = "crafted checkpoint"
                LanguageTraining().fit(2, checkpoint=Checkpoints(folder / "run", resume=True))
            outcome = "went on"
        except ValueError as error:
            file = str(model if index % 2 else path)
            outcome = "refused" if file in str(error) else f"wrong: {error!r} does not name the file"
        except FloatingPointError:
            outcome = "went on, diverged"
        except Exception as error:
            outcome = f"wrong: {error!r}"
        finally:
            watch.armed = False
        report.counts[name, outcome.partition(":")[0]] += 1
        if outcome.startswith("wrong"):
            report.wrong.append(f"{name}: {outcome}")


def measure(count: int, seed: int, large_every: int = 50) -> Report:
    rng, report, watch = numpy.random.default_rng(seed), Report(), _Watch()
    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = sound_files(folder, 40)
        large = sound_files(folder, 40_000) if count >= large_every else small
        tracemalloc.start()
        for index in range(count - count // 100):
            good = (large if index % large_every == 1 else small)[rng.integers(len(small))]
            damaged = bytearray(good.data)
            for _ in range(rng.choice([1, 1, 2])):
                DAMAGE[rng.integers(len(DAMAGE))](rng, damaged)
            if index % 97 == 0:
                front = small[rng.integers(len(small))].data[: rng.integers(1, 200)]
                damaged[: len(front)] = front
            judge(report, folder, good, bytes(damaged), watch)
        tracemalloc.stop()
        crafted(report, folder, count // 100, rng, watch)
    report.foreign = watch.events
    return report


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    args = parser.parse_args(argv)
    failed = damaged_weights.main([str(args.count // 2), str(args.seed)])
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # the lines of the trainings
        warnings.simplefilter("ignore", RuntimeWarning)  # of those that diverge
        # Each training makes a call to the C library, which the watch over what files may run would count.
        with mock.patch("common.base_trainer.keep_freed_memory"):
            report = measure(args.count - args.count // 2, args.seed)
    print(f"{report.counts.total()} other damaged files in {time.perf_counter() - begin:.0f} s")
    for (name, outcome), number in sorted(report.counts.items()):
        print(f"    {name:20}{outcome:22}{number}")
    print(f"  audit events while reading                   {report.foreign.total()} {dict(report.foreign)}")
    print(f"  memory beyond twice the honest size, at most {report.excess / 2**20:.1f} MiB")
    for name, ratio in sorted(report.ratio.items()):
        print(f"  peak memory / honest size, {name} over 0.3 MB {ratio:.2f}")
    print(f"  wrong                                        {len(report.wrong)}")
    for line in report.wrong[:20]:
        print(line)
    bad = report.wrong or report.foreign or report.excess > ROOM or max(report.ratio.values(), default=0) > 2
    return 1 if bad or failed.wrong or failed.foreign or failed.excess > ALLOWANCE else 0


if __name__ == "__main__":
    sys.exit(main())
