import errno
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from io import FileIO
from pathlib import Path

import pytest
from other_process import OtherProcess

from common import folder_lock
from common.folder_lock import NAME, FolderLock


@pytest.fixture
def other(tmp_path):
    other = OtherProcess(tmp_path)
    yield other
    other.end()


def test_another_process_is_kept_out_until_the_end(tmp_path, other):
    assert other.holds
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{tmp_path.name}: process {other.number} is at work in this"):
            FolderLock(tmp_path)
    other.end()
    assert not (tmp_path / NAME).exists()
    FolderLock(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_keeps_nobody_out(tmp_path, other):
    other.end(signal.SIGKILL)
    assert (tmp_path / NAME).read_text("utf-8") == str(other.number)
    (tmp_path / NAME).write_text("1", "utf-8")  # a number that a running process has now
    lock = FolderLock(tmp_path)
    assert (tmp_path / NAME).read_text("utf-8") == str(os.getpid())
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_it_without_the_number(tmp_path, monkeypatch):
    class Full(FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("common.folder_lock.FileIO", Full)
    lock = FolderLock(tmp_path)
    other = OtherProcess(tmp_path)
    other.end()
    assert not other.holds and (tmp_path / NAME).read_text("utf-8") == ""
    lock.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs a system that removes open files")
class TestRemovedFile:
    def test_it_is_made_and_locked_again(self, tmp_path):
        one = FolderLock(tmp_path)
        (tmp_path / NAME).unlink()
        two, other = FolderLock(tmp_path), OtherProcess(tmp_path)
        other.end()
        assert not other.holds
        for lock in (one, two):
            lock.release()
        assert list(tmp_path.iterdir()) == []

    def test_that_of_another_process_stays(self, tmp_path):
        lock = FolderLock(tmp_path)
        (tmp_path / NAME).unlink()
        other = OtherProcess(tmp_path)
        lock.release()
        assert other.holds and (tmp_path / NAME).exists()
        other.end()

    def test_by_its_holder_before_it_can_be_locked(self, tmp_path, monkeypatch):
        def lock_too_late(descriptor):
            monkeypatch.undo()
            (tmp_path / NAME).unlink()
            lock(descriptor)

        lock = folder_lock._lock
        monkeypatch.setattr(folder_lock, "_lock", lock_too_late)
        held, other = FolderLock(tmp_path), OtherProcess(tmp_path)
        other.end()
        assert not other.holds
        held.release()


def in_a_thread(function):
    """What a function returns, or the error it raises, in a thread of its own."""

    def run():
        try:
            results.append(function())
        except ValueError as error:
            results.append(error)

    results = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def test_another_thread_is_kept_out_until_the_end(tmp_path):
    lock = FolderLock(tmp_path)
    error = in_a_thread(lambda: FolderLock(tmp_path))
    assert str(error).startswith(f"{tmp_path}: another training or thread of this process is at work in")
    assert in_a_thread(lock.is_anothers) and not lock.is_anothers()
    lock.release()
    theirs = in_a_thread(lambda: FolderLock(tmp_path))
    assert not theirs.is_anothers()  # their thread is over
    mine = FolderLock(tmp_path)
    theirs.release()
    assert (tmp_path / NAME).exists()
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_thread_that_was_refused_a_file_holds_nothing(tmp_path):
    with pytest.raises(OSError):
        FolderLock(tmp_path / "nowhere")
    (tmp_path / "nowhere").mkdir()
    lock = in_a_thread(lambda: FolderLock(tmp_path / "nowhere"))
    lock.release()
    assert list((tmp_path / "nowhere").iterdir()) == []


def test_alone(tmp_path):
    one = FolderLock(tmp_path)  # which its thread may have left behind
    alone = FolderLock(tmp_path, alone=True)
    for again in (False, True):
        with pytest.raises(ValueError, match="another training or thread of this process"):
            FolderLock(tmp_path, alone=again)
    alone.release()
    FolderLock(tmp_path).release()
    one.release()
    assert list(tmp_path.iterdir()) == []


def test_many_threads_one_of_which_gets_it(tmp_path):
    def run():
        barrier.wait()
        try:
            lock = FolderLock(tmp_path)
        except ValueError:
            lock = None
        barrier.wait()
        if lock:
            got.append(lock)

    for _ in range(20):
        barrier, got = threading.Barrier(4), []
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        got[0].release()
        assert list(tmp_path.iterdir()) == []


def test_one_thread_may_hold_it_twice(tmp_path):
    one, two = FolderLock(tmp_path), FolderLock(tmp_path)
    one.release()
    one.release()  # does nothing
    other = OtherProcess(tmp_path)
    other.end()
    assert not other.holds
    del two
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_end_of_a_forked_child_leaves_it(tmp_path):
    program = f"""
        import os
        from pathlib import Path
        from common.folder_lock import FolderLock
        lock = FolderLock(Path({str(tmp_path)!r}))
        if os.fork():
            os.wait()
            print(os.listdir({str(tmp_path)!r}))
    """
    command, root = [sys.executable, "-c", textwrap.dedent(program)], Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, cwd=root)
    assert (done.stdout, done.stderr) == (f"{[NAME]}\n", "") and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_another_process(tmp_path):
    program = f"""
        import os
        from pathlib import Path
        from common.folder_lock import FolderLock
        held, free = Path({str(tmp_path)!r}), Path({str(tmp_path)!r}, "free")
        free.mkdir()
        parent, lock = os.getpid(), FolderLock(held, alone=True)
        for _ in range(2):  # the first child's end leaves it locked
            if not os.fork():
                FolderLock(free).release()
                try:
                    FolderLock(held)
                except ValueError as error:
                    print(f"process {{parent}} is at work in this folder" in str(error), flush=True)
                os._exit(0)
            os.wait()
        lock.release()
        if os.fork():
            os.wait()
        else:
            FolderLock(held)
            print(os.listdir(held), flush=True)
    """
    command, root = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, cwd=root)
    assert done.stdout == "True\nTrue\n['free']\n" and done.stderr == ""


def test_a_disk_without_locks(tmp_path, monkeypatch):
    def lock(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder_lock, "_lock", lock)
    held = FolderLock(tmp_path)
    assert (tmp_path / NAME).read_text("utf-8") == str(os.getpid())
    held.release()
    assert list(tmp_path.iterdir()) == []
