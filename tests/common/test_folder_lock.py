import gc
import os
import signal

import pytest
from other_process import OtherProcess

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
    assert (tmp_path / NAME).read_text() == str(other.number)
    (tmp_path / NAME).write_text("1")  # a number that a running process has now
    lock = FolderLock(tmp_path)
    assert (tmp_path / NAME).read_text() == str(os.getpid())
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_one_process_may_hold_it_twice(tmp_path):
    one, two = FolderLock(tmp_path), FolderLock(tmp_path)
    one.release()
    one.release()  # does nothing
    other = OtherProcess(tmp_path)
    other.end()
    assert not other.holds
    del two
    gc.collect()
    assert list(tmp_path.iterdir()) == []
