import gc
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from common.folder_lock import NAME, FolderLock


class Other:
    """Another process, which holds the folder until it is ended."""

    def __init__(self, folder):
        program = f"""
            import sys
            from pathlib import Path
            from common.folder_lock import FolderLock
            lock = FolderLock(Path({str(folder)!r}))
            print("held", flush=True)
            sys.stdin.read()
        """
        command = [sys.executable, "-c", textwrap.dedent(program)]
        cwd = Path(__file__).parents[2]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, cwd=cwd)
        self.holds = self.process.stdout.readline().strip() == b"held"

    def end(self, number=None):
        if number is not None:
            self.process.send_signal(number)
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def other(tmp_path):
    other = Other(tmp_path)
    yield other
    other.end()


def test_another_process_is_kept_out_until_the_end(tmp_path, other):
    assert other.holds
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{tmp_path.name}: process {other.process.pid} is training in this"):
            FolderLock(tmp_path)
    other.end()
    assert not (tmp_path / NAME).exists()
    FolderLock(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_keeps_nobody_out(tmp_path, other):
    other.end(signal.SIGKILL)
    assert (tmp_path / NAME).read_text() == str(other.process.pid)
    (tmp_path / NAME).write_text("1")  # a number that a running process has now
    lock = FolderLock(tmp_path)
    assert (tmp_path / NAME).read_text() == str(os.getpid())
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_one_process_may_hold_it_twice(tmp_path):
    one, two = FolderLock(tmp_path), FolderLock(tmp_path)
    one.release()
    one.release()  # does nothing
    other = Other(tmp_path)
    other.end()
    assert not other.holds
    del two
    gc.collect()
    assert list(tmp_path.iterdir()) == []
