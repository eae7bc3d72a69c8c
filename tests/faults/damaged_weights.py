"""Damage weight files in every way we can think of and count what becomes of them.

    python tests/faults/damaged_weights.py [count] [seed] [--small]

Every file must be refused with a FileFormatError that names it, or decode to valid content: exactly the original where
the format has a checksum, finite tensors of consistent shapes where it has none. Nothing in it may run: an audit hook
counts imports, compilations, processes and files opened for writing during the reads. Memory is traced by tracemalloc
and compared with the honest size of a file: its bytes or, if that is more, what it decodes to, which is the bytes of
its arrays and, as Python holds them, its texts, numbers, lists and dictionaries, each object once. A pickle of plain
data whose dictionaries do not fit each other has decoded, too, when it is refused.
"""

import argparse
import contextlib
import encodings.cp437  # noqa: F401  (this and pickletools are imported when first needed; the hook would count that)
import json
import pickle
import pickletools  # noqa: F401
import struct
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
from hostile_weights import hostile_files

from common import safe_pickle, weight_files, word_vector_pickle
from common.files import FileFormatError
from common.pickle_machine import ALLOWANCE

Random = numpy.random.Generator


@dataclass(frozen=True)
class Good:
    """A sound file: its bytes, the reader, what it holds, and whether a checksum protects that."""

    name: str
    data: bytes
    read: Callable[[Path], Any]
    content: Any
    sealed: bool


@dataclass
class Report:
    """Counts by outcome; `wrong` lists what must not happen."""

    damaged: int = 0
    refused: int = 0
    original: int = 0
    other: int = 0
    wrong: list[str] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)
    excess: int = -1 << 62  # peak memory beyond twice the honest size, bytes
    ratio: dict[str, float] = field(default_factory=dict)  # peak memory / honest size of copies of at least 1 MB
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)


# --- sound files

def sound_files(folder: Path, rows: int, seed: int = 0) -> list[Good]:
    """One file of each layout that is read, with matrices of `rows` rows."""
    rng = numpy.random.default_rng(seed)
    tensors = {"embedding.W": rng.standard_normal((rows, 16)).astype("f4"), "lstm.b": rng.standard_normal(24),
               "affine.W": rng.standard_normal((8, rows)).astype("f4").T, "step": numpy.arange(3),
               "lr": numpy.array(0.5)}
    halves = [tensor.astype("f2") for tensor in tensors.values()]
    numbered = {str(i): half for i, half in enumerate(halves)}
    metadata = {"format_version": "1", "model": "Rnnlm"}
    words = [f"word{i}" for i in range(rows)]
    vectors = (halves[0], {word: i for i, word in enumerate(words)}, dict(enumerate(words)))
    found = []

    def add(name: str, content: Any, sealed: bool, make: Callable[[Path], object],
            read: Callable[[Path], Any] = weight_files.read) -> None:
        path = folder / name
        make(path)
        found.append(Good(name, path.read_bytes(), read, content, sealed))

    def dump(value: Any, protocol: int) -> Callable[[Path], object]:
        return lambda path: path.write_bytes(pickle.dumps(value, protocol))

    for suffix in (".npz", ".safetensors"):
        add(f"ours{suffix}", (tensors, metadata), True,
            lambda path: weight_files.write(path, tensors, metadata=metadata))
    add("compressed.npz", (tensors, {}), True, lambda path: numpy.savez_compressed(path, **tensors))
    add("foreign.safetensors", (tensors, {}), False, lambda path: path.write_bytes(foreign_safetensors(tensors)))
    add("ours.pkl", (numbered, {}), True, lambda path: safe_pickle.write_list(path, halves))
    for protocol in (2, 3, 4, 5):
        add(f"book{protocol}.pkl", (numbered, {}), False, dump(halves, protocol))
    book = dict(zip(("word_vecs", "word_to_id", "id_to_word"), vectors, strict=True))
    add("ours_vectors.pkl", vectors, True, lambda path: word_vector_pickle.write(path, *vectors),
        word_vector_pickle.read)
    for protocol in (2, 4, 5):
        add(f"vectors{protocol}.pkl", vectors, False, dump(book, protocol), word_vector_pickle.read)
    return found


def foreign_safetensors(tensors: dict[str, numpy.ndarray]) -> bytes:
    codes = {"float32": "F32", "float64": "F64", "int64": "I64"}
    header, body = {}, b""
    for name, tensor in tensors.items():
        place = [len(body), len(body) + tensor.nbytes]
        header[name] = {"dtype": codes[tensor.dtype.name], "shape": tensor.shape, "data_offsets": place}
        body += tensor.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


# --- damage

def flip(rng: Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 1, 1, 2, 8, 64])):
        at = place(rng, len(data))
        data[at] ^= 1 << rng.integers(8)


def cut(rng: Random, data: bytearray) -> None:
    del data[place(rng, len(data)):]


def cut_inside(rng: Random, data: bytearray) -> None:
    at = place(rng, len(data))
    del data[at : at + rng.integers(1, 64)]


def grow(rng: Random, data: bytearray) -> None:
    at = rng.choice([0, len(data), place(rng, len(data))])
    data[at:at] = rng.bytes(rng.integers(1, 500))


def repeat(rng: Random, data: bytearray) -> None:
    at = place(rng, len(data))
    data[at:at] = data[at : at + rng.integers(1, 500)]


def swap(rng: Random, data: bytearray) -> None:
    size = int(rng.integers(1, 128))
    one, two = place(rng, len(data)), place(rng, len(data))
    data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]


def overwrite(rng: Random, data: bytearray) -> None:
    at, size = place(rng, len(data)), int(rng.integers(1, 64))
    data[at : at + size] = rng.choice([b"\0" * size, b"\xff" * size, rng.bytes(size)])


def huge_number(rng: Random, data: bytearray) -> None:
    at = place(rng, len(data))
    number = int(rng.choice([2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1]))
    data[at : at + 8] = struct.pack("<Q", number)[: rng.choice([4, 8])]


def place(rng: Random, size: int) -> int:
    """A position; half of them in the first and last 600 bytes, where the headers are."""
    low, high = [(0, size), (0, size), (0, min(size, 600)), (max(0, size - 600), size)][rng.integers(4)]
    return int(rng.integers(low, max(high, low + 1)))


DAMAGE = (flip, cut, cut_inside, grow, repeat, swap, overwrite, huge_number)


# --- the count

def measure(count: int, seed: int = 0, large_every: int = 50) -> Report:
    """Read `count` damaged files; one in six is hostile, one in `large_every` has more than a megabyte."""
    rng, report, watch = numpy.random.default_rng(seed), Report(), _Watch()
    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = sound_files(folder, rows=40), sound_files(folder, rows=20_000 if large_every <= count else 1)
        for good in small:
            judge(report, folder, good.name, good.data, good, watch)
        if report.original != len(small):
            raise AssertionError(f"sound files are not read: {report}")
        report = Report()
        hostile = hostile_files(rng)
        tracemalloc.start()
        for index in range(count):
            if index % 6 == 0:
                file_name, data = next(hostile)
                judge(report, folder, file_name, data, None, watch)
                continue
            goods = large if index % large_every == 1 else small
            good = goods[rng.integers(len(goods))]
            damaged = bytearray(good.data)
            for _ in range(rng.choice([1, 1, 2])):
                DAMAGE[rng.integers(len(DAMAGE))](rng, damaged)
            if index % 97 == 0:  # the front of another format
                front = small[rng.integers(len(small))].data[: rng.integers(1, 200)]
                damaged[: len(front)] = front
            judge(report, folder, good.name, bytes(damaged), good, watch)
        tracemalloc.stop()
    report.foreign = watch.events
    return report


def judge(report: Report, folder: Path, name: str, data: bytes, good: Good | None, watch: "_Watch") -> None:
    path = folder / name
    path.write_bytes(data)
    read = good.read if good else weight_files.read
    report.damaged += 1
    tracemalloc.reset_peak() if tracemalloc.is_tracing() else None
    before = tracemalloc.get_traced_memory()[0]
    content = None
    watch.armed = True
    try:
        content = read(path)
        outcome = "accepted"
    except FileFormatError as error:
        outcome = "refused" if str(path) in str(error) else f"wrong: {error} does not name the file"
    except BaseException as error:  # whatever it is, it is not ours
        outcome = f"wrong: {type(error).__name__}: {error}"
    finally:
        watch.armed = False
    if outcome == "accepted":
        if good and same(content, good.content):
            outcome = "original"
        elif good and good.sealed:
            outcome = "wrong: changed content accepted despite a checksum"
        else:
            outcome = "other" if valid(content) else "wrong: invalid content accepted"
    peak = tracemalloc.get_traced_memory()[1] - before
    if content is None and path.suffix == ".pkl":
        with contextlib.suppress(FileFormatError):
            content = safe_pickle.read(path)
    honest = max(len(data), held(content))
    report.excess = max(report.excess, peak - 2 * honest)
    if good and len(data) >= 1_000_000:
        layout = "word vectors" if "vectors" in good.name else "tensors"
        report.ratio[layout] = max(report.ratio.get(layout, 0.0), peak / honest)
    if outcome.startswith("wrong"):
        report.wrong.append(f"file {report.damaged} {name}: {outcome}")
    else:
        setattr(report, outcome, getattr(report, outcome) + 1)
    report.kinds[path.suffix, outcome.partition(":")[0]] += 1


class _Watch:
    """Counts, while armed, the audit events that reading data has no reason to cause."""

    def __init__(self) -> None:
        self.armed, self.events = False, Counter[str]()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        writes = event == "open" and isinstance(arguments[1], str) and not set(arguments[1]).isdisjoint("wax+")
        if writes or event in ("exec", "compile", "import", "marshal.loads", "pickle.find_class") or \
                event.startswith(("os.", "subprocess.", "ctypes.", "socket.", "shutil.", "code.")):
            self.events[event] += 1


def same(one: Any, two: Any) -> bool:
    if isinstance(two, numpy.ndarray):
        return isinstance(one, numpy.ndarray) and one.dtype == two.dtype and numpy.array_equal(one, two)
    if isinstance(two, dict):
        return isinstance(one, dict) and one.keys() == two.keys() and all(same(one[key], two[key]) for key in two)
    if isinstance(two, (tuple, list)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def arrays(content: Any) -> list[numpy.ndarray]:
    return [content[0]] if isinstance(content[0], numpy.ndarray) else list(content[0].values())


def valid(content: Any) -> bool:
    return all(type(array) is numpy.ndarray and array.dtype.kind in "iuf" and bool(numpy.isfinite(array).all())
               for array in arrays(content))


def held(content: Any, seen: set[int] | None = None) -> int:
    """Bytes of memory that a content takes: arrays by their bytes, all else as Python holds it, each object once."""
    seen = set() if seen is None else seen
    if content is None or id(content) in seen:
        return 0
    seen.add(id(content))
    if isinstance(content, numpy.ndarray):
        return content.nbytes
    inside = [*content, *content.values()] if isinstance(content, dict) else content
    parts = inside if isinstance(inside, (list, tuple)) else ()
    return sys.getsizeof(content) + sum(held(part, seen) for part in parts)


def main(argv: list[str] | None = None) -> Report:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--small", action="store_true", help="leave out the files of more than a megabyte")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    report = measure(args.count, args.seed, args.count + 1 if args.small else 50)
    print(f"{report.damaged} damaged files in {time.perf_counter() - start:.0f} s")
    print(f"  refused with our error, naming the file      {report.refused}")
    print(f"  decoded to the original content              {report.original}")
    print(f"  decoded to other valid content (no checksum) {report.other}")
    print(f"  wrong                                        {len(report.wrong)}")
    print(f"  audit events while reading                   {sum(report.foreign.values())} {dict(report.foreign)}")
    print(f"  memory beyond twice the honest size, at most {report.excess / 2**20:.1f} MiB")
    for layout, ratio in sorted(report.ratio.items()):
        print(f"  peak memory / honest size, {layout} over 1 MB {ratio:.2f}")
    for (suffix, outcome), number in sorted(report.kinds.items()):
        print(f"    {suffix:13}{outcome:10}{number}")
    for line in report.wrong[:20]:
        print(line)
    return report


if __name__ == "__main__":
    found = main()
    sys.exit(1 if found.wrong or found.foreign or found.excess > ALLOWANCE else 0)
