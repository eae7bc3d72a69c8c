"""Several scripts at once, each in a process of its own.

    scripts = {"plain": Call("ch07.train_seq2seq", {"seed": 0, "out": folder}), "peeky": Call(...)}
    run_scripts(scripts, jobs=2, done=print)

A small recurrent network leaves most of a second core idle, since its products are too small to be shared among
threads; two trainings side by side use both. Each process is the command line of its script, and the BLAS in it gets
its share of the cores, where the environment does not say otherwise. So the last digits may differ from those of a
training that has all cores for itself: the BLAS adds in another order.

What a script prints is printed here, behind its name. After Ctrl-C, after a failure of one of them, and when this
process ends in whatever way, the others are stopped as Ctrl-C stops them: a training saves a checkpoint. They notice it
by the end of a pipe, which closes with this process.
"""

import _thread
import contextlib
import enum
import importlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from common import config
from common.interrupt import TrainingInterrupted
from common.progress import write

if sys.platform == "win32":
    import _winapi
    import msvcrt

# The numbers of threads of OpenBLAS, of BLAS libraries on OpenMP, of Intel's, and of Apple's.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # on Windows, which sends Ctrl-C to a group


class Call(NamedTuple):
    """A script, named by its module, which has it as `main`, and the arguments it is called with."""

    module: str
    arguments: Mapping[str, Any]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def how_many(jobs: int | None, scripts: int) -> int:
    """How many of so many scripts run at once: `jobs`, or by default one for each core, or a single one on the GPU.

    Fewer than twice as many scripts as cores run all at once, or the last ones would leave cores idle. ValueError for
    `jobs` below 1.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    if jobs is None:
        jobs = 1 if config.GPU else scripts if scripts < 2 * cores() else cores()
    return min(jobs, max(1, scripts))


def run_scripts(scripts: Mapping[str, Call], jobs: int | None, done: Callable[[str], object]) -> None:
    """Run all scripts, :func:`how_many` at a time, and call ``done(name)`` after each of them.

    A single one at a time runs in this process, and its errors are its own. Otherwise ChildProcessError says which
    script failed, and with what message. After Ctrl-C the scripts that run are stopped, and TrainingInterrupted is
    raised when they have ended; a second Ctrl-C does not wait for them.
    """
    jobs = how_many(jobs, len(scripts))
    if jobs == 1:
        for name, call in scripts.items():
            write(f"--- {name}")
            importlib.import_module(call.module).main.execute(**call.arguments)
            done(name)
        return
    processes = _Processes(max(1, cores() // jobs))
    try:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                waiting = {pool.submit(processes.run, name, call) for name, call in scripts.items()}
                while waiting:
                    finished, waiting = wait(waiting, 0.5, FIRST_COMPLETED)  # Ctrl-C on Windows interrupts no long wait
                    for script in finished:
                        done(script.result())
            except KeyboardInterrupt:
                raise TrainingInterrupted("All trainings were stopped. With --resume they go on.") from None
            finally:  # the pool waits for its threads, and these for their processes
                processes.stop()
    except KeyboardInterrupt:
        processes.kill()  # those that are left after the second one
        raise


class _Processes:
    """The scripts that run, each with `threads` threads for its BLAS."""

    def __init__(self, threads: int) -> None:
        limited = any(name in os.environ for name in THREADS)
        self.environment = os.environ | ({} if limited else dict.fromkeys(THREADS, str(threads)))
        self.environment["MPLBACKEND"] = "Agg"  # windows are the business of the script that was started
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def run(self, name: str, call: Call) -> str:
        """Run one script to its end and return its name."""
        if hasattr(signal, "pthread_sigmask"):  # in this thread, which the process inherits it from: see _child
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        with self.lock:
            if self.stopped:
                return name
            start = _START.format(path=sys.path, module=call.module)
            process = subprocess.Popen(
                [sys.executable, "-c", start, *options(call.arguments)],
                env=self.environment, text=True, encoding="utf-8", errors="replace",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, creationflags=_OWN_GROUP,
            )  # fmt: skip
            self.running.add(process)
        last: deque[str] = deque(maxlen=5)
        assert process.stdout and process.stdin
        with process.stdout, process.stdin:
            for line in process.stdout:
                write(f"{name}: {line.rstrip()}")
                if not line.startswith("(--traceback"):
                    last.append(line.rstrip())
            code = process.wait()
        with self.lock:
            self.running.remove(process)
        if code and not self.stopped:
            ended = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise ChildProcessError(f"{name}: {call.module} {ended}: " + "\n".join(last))
        return name

    def stop(self) -> None:
        """Let no further script begin, and those that run be interrupted."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                if process.stdin:
                    process.stdin.close()

    def kill(self) -> None:
        """End those that run, at once."""
        with self.lock:
            for process in self.running:
                process.kill()


def options(arguments: Mapping[str, Any]) -> list[str]:
    """The arguments of a script as its command line has them; None, which stands for a default, is left out."""
    found = ["--gpu"] if config.GPU else []
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            found.append(f"--{option}={value.value if isinstance(value, enum.Enum) else value}")
    return found


_START = "import sys; sys.path[:] = {path!r}; from common.parallel import _child; _child({module!r})"


def _child(module: str) -> None:
    """What a process does: its script, by the command line. Only the process that started it can interrupt it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A terminal's Ctrl-C, which goes to all processes, has been blocked before this one began, on Windows by a group of
    # its own: the other one passes it on, by the end of the pipe.
    sys.stdout = sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_ToParent(1, "w", closefd=False)), "utf-8", "backslashreplace", line_buffering=True
    )
    try:
        threading.Thread(target=_interrupt_at_the_end_of_the_pipe, daemon=True).start()
        script = importlib.import_module(module).main
    except KeyboardInterrupt:  # stopped before it has begun
        sys.exit(130)
    script.cli(sys.argv[1:])


class _ToParent(io.FileIO):
    """Standard output, which a process that has lost the other one, and is to save its work, need not care for."""

    def write(self, data: Any, /) -> int:
        with contextlib.suppress(OSError):
            return super().write(data)
        return len(data)


def _interrupt_at_the_end_of_the_pipe() -> None:
    if sys.platform == "win32":
        # A read that waits would let everybody else wait who asks what standard input is, as the BLAS does when loaded.
        with contextlib.suppress(OSError):
            while True:
                _winapi.PeekNamedPipe(msvcrt.get_osfhandle(0))
                time.sleep(0.2)
    else:
        while os.read(0, 1):
            pass
    _thread.interrupt_main()
