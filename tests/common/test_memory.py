import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from common.memory import keep_freed_memory


@pytest.mark.parametrize("mebibytes", [8, 64])
def test_freed_memory_is_taken_again(mebibytes):
    resource = pytest.importorskip("resource")

    def page_faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            numpy.ones(mebibytes * 2**18, "f")
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with keep_freed_memory() as kept:
        if not kept:
            pytest.skip("the C library is not glibc")
        page_faults()
        assert page_faults() < 10 * mebibytes / 2  # pages that are new, of 4 KiB or of 2 MiB


# stays() is how many of 240 MiB the process keeps after they have been freed.
STAYS = """
import threading
import numpy
from common.memory import keep_freed_memory
from common.optimizer import SGD
from common.trainer import Trainer
from small_trainings import DropoutNet

def resident():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

def more():
    return resident() - start

def fit():
    Trainer(DropoutNet(0), SGD()).fit(numpy.zeros((4, 3), "f"), numpy.zeros(4, int), max_epoch=1, batch_size=2)

def stays():
    large, small = [], []
    for _ in range(6):
        large.append(numpy.ones(40 * 2**17))
        small.append(numpy.ones(20000))  # lies behind the large one, and so keeps the heap from shrinking
    del large
    return more()

began, end = threading.Event(), threading.Event()
def other():
    with keep_freed_memory():
        began.set()
        end.wait()
thread = threading.Thread(target=other)

start = resident()
"""
PROGRAMS = {
    "after a fit": "fit(); print(stays() < 40)",
    "inside and after": """
with keep_freed_memory():
    print(stays() > 200)
print(more() < 40)
print(stays() < 40)
""",
    "nested": """
with keep_freed_memory():
    fit()
    print(stays() > 200)
print(stays() < 40)
""",
    "after an error": """
try:
    with keep_freed_memory():
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print(stays() < 40)
""",
    "parallel": """
with keep_freed_memory():
    thread.start()
    began.wait()
print(stays() > 200)  # the other one has not ended
end.set()
thread.join()
print(stays() < 40)
""",
}


if hasattr(os, "fork"):
    PROGRAMS["in a process forked meanwhile"] = """
import os
from common import memory
thread.start()
began.wait()
memory._lock.acquire()  # as the other thread may have it at that moment
child = os.fork()
if not child:
    start = resident()
    fit()
    print(stays() < 40, flush=True)
    os._exit(0)
memory._lock.release()
os.waitpid(child, 0)
end.set()
thread.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", PROGRAMS)
def test_it_is_returned_when_the_last_training_ends(case):
    with keep_freed_memory() as kept:
        if not kept or not Path("/proc/self/status").exists():
            pytest.skip("the C library is not glibc, or the system is not Linux")
    root = Path(__file__).parents[2]
    paths = f"import sys; sys.path[:0] = {[str(root), str(root / 'tests' / 'support')]!r}\n"
    command = [sys.executable, "-c", paths + STAYS + PROGRAMS[case]]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=120)
    answers = [line for line in done.stdout.splitlines() if line in ("True", "False")]
    assert answers == ["True"] * PROGRAMS[case].count("print"), done.stdout


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_c_libraries_are_left_alone(monkeypatch, error):
    def fails(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fails)
    with keep_freed_memory() as kept:
        assert kept is False
