import errno
import io
import sys
import threading

import pytest

from common.interrupt import Interrupt
from common.progress import print_line, progress, short, write


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_for(monkeypatch, *streams):
    """One terminal in the place of sys.stderr, and of sys.stdout if asked for."""
    terminal = Terminal()
    for stream in streams:
        monkeypatch.setattr(sys, stream, terminal)
    return terminal


def test_log_gets_no_bar(capsys):
    assert list(progress([1, 2, 3], "epoch")) == [1, 2, 3]
    with progress(10, "download") as bar:
        bar.update(10)
    write("a line")
    assert capsys.readouterr() == ("a line\n", "")


class Tee:
    """What people put in the place of a stream to keep a log as well."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.mark.parametrize("stream", [Tee(), None])
def test_no_bar_where_standard_error_does_not_say_what_it_is(monkeypatch, capsys, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    for i in progress(range(2), "epoch", mininterval=0):
        write(f"line {i}")
    with progress(10, "download", mininterval=0) as bar:
        bar.set_description("more")
        bar.update(10)
    assert capsys.readouterr().out == "line 0\nline 1\n"
    assert getattr(stream, "text", "") == ""


def test_terminal_gets_a_bar_with_total_and_description(monkeypatch):
    terminal = terminal_for(monkeypatch, "stderr")
    assert list(progress([1, 2, 3], "epoch 7", mininterval=0, leave=True)) == [1, 2, 3]
    assert "epoch 7" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")  # leave=True


def test_bar_counts_up_to_a_total(monkeypatch):
    terminal = terminal_for(monkeypatch, "stderr")
    with progress(2048, "file", unit="B", unit_scale=True, mininterval=0, leave=True) as bar:
        bar.update(1024)
        bar.update(1024)
    assert "2.05k/2.05k" in terminal.getvalue()


def test_bar_disappears(monkeypatch):
    terminal = terminal_for(monkeypatch, "stderr")
    list(progress([1, 2, 3], "epoch", mininterval=0))
    # The last thing written is the empty line, with the cursor at its start.
    assert terminal.getvalue().rsplit("\r", 2)[-2:] != ["", ""]
    assert terminal.getvalue().rsplit("\r", 2)[-2].strip() == ""
    assert terminal.getvalue().endswith("\r")


def test_line_is_printed_whole_while_a_bar_is_shown(monkeypatch):
    terminal = terminal_for(monkeypatch, "stderr", "stdout")
    for _ in progress(range(2), "epoch", mininterval=0):
        write("| loss 2.30")
    text = terminal.getvalue()
    assert text.count("| loss 2.30\n") == 2
    # Each line starts at the left edge, after the bar was blanked out.
    assert all(before.endswith("\r") for before in text.split("| loss 2.30\n")[:-1])


def test_lines_of_several_threads_are_whole(capfd):
    """As those of scripts that run side by side."""

    def print_many(name):
        for i in range(1000):
            print_line(f"{name} {i}")

    threads = [threading.Thread(target=print_many, args=(name,)) for name in "abcd"]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(capfd.readouterr().out.splitlines()) == sorted(f"{name} {i}" for name in "abcd" for i in range(1000))


@pytest.mark.parametrize("streams", [["stdout"], ["stdout", "stderr"]])
def test_characters_that_the_encoding_lacks(monkeypatch, streams):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    for name in streams:
        monkeypatch.setattr(sys, name, stream)
    write("results in ü/日本")
    write("a line")
    stream.flush()
    text = stream.buffer.getvalue().replace(b"\r", b"")
    assert b"results in \\xfc/\\u65e5\\u672c\na line\n" in text


def test_a_log_on_a_full_disk_loses_lines_and_a_closed_pipe_is_an_error(monkeypatch, capsys):
    class Broken(io.StringIO):
        def write(self, text):
            raise error

    monkeypatch.setattr("sys.stdout", Broken())
    error = OSError(errno.ENOSPC, "No space left on the disk of this test")
    for _ in range(3):
        write("a line")
    assert capsys.readouterr().err == "standard output loses lines: No space left on the disk of this test\n"
    error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    with pytest.raises(BrokenPipeError):
        write("a line")
    with pytest.raises(BrokenPipeError), Interrupt() as interrupt:  # of a training, which first saves its work
        write("a line")
    assert interrupt.requested


def test_a_result_is_not_lost_unnoticed(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stdout", Full())
    with pytest.raises(OSError, match="No space"):
        print_line("a line")


def test_a_closed_pipe_on_windows(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("sys.stdout", Broken())
    write("a line")
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(BrokenPipeError, match="Invalid argument"):
        write("a line")


def test_huge_numbers_are_short():
    assert [short(x) for x in (2, -99999.994, 1e5, -1.0144e304)] == ["2.00", "-99999.99", "1e+05", "-1.014e+304"]


def test_bar_ends_with_an_exception(monkeypatch):
    terminal = terminal_for(monkeypatch, "stderr")
    with pytest.raises(KeyboardInterrupt):
        for _ in progress([1], "epoch", mininterval=0):
            raise KeyboardInterrupt
    write("after")
    assert terminal.getvalue().endswith("\r")
