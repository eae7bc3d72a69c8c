"""Atomic writing: the old file or the new one, and no leftovers, whatever fails."""

import errno
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from common import safe_pickle, state_file, weight_files
from common.base_model import BaseModel
from common.files import (
    FileFormatError,
    atomic_write,
    check_writable,
    parse_json,
    regular,
    remove_leftovers,
    write_bytes,
)
from common.vector_evaluation import read_analogies, read_word_pairs
from common.word_vector_files import read_projector
from common.word_vectors import WordVectors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_error_names_the_file_and_survives_pickling():
    error = FileFormatError(Path("a") / "b.npz", "too short")
    assert isinstance(error, ValueError)
    assert str(error) == f"{Path('a') / 'b.npz'}: too short"
    again = pickle.loads(pickle.dumps(error))  # as a worker process sends it to its parent
    assert str(again) == str(error) and again.reason == "too short"


def test_write_replaces_the_file(tmp_path):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_failure_keeps_the_previous_file_and_no_leftover(tmp_path, error):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)) as caught, atomic_write(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path) and caught.value.errno == errno.ENOSPC


def test_errors_about_other_files_keep_their_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(tmp_path / "x.bin"):
        (tmp_path / "elsewhere").read_bytes()
    assert names(tmp_path) == []


def test_nothing_appears_before_the_end(tmp_path):
    path = tmp_path / "x.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"


def test_missing_folder_folder_as_target_and_file_as_folder(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_bytes(tmp_path / "missing" / "x.bin", b"")
    assert caught.value.filename == str(tmp_path / "missing" / "x.bin")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as blocked:
        write_bytes(tmp_path / "folder", b"")
    assert blocked.value.filename == str(tmp_path / "folder")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError) as nested:
        write_bytes(tmp_path / "file" / "x.bin", b"")
    assert nested.value.filename == str(tmp_path / "file" / "x.bin")
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_unwritable_folder(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError) as caught:
            write_bytes(path, b"new")
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
@pytest.mark.parametrize("buffered", [True, False])
def test_full_disk(tmp_path, buffered):
    """A process whose files may not exceed 4 KiB: the write fails as on a full disk, also when only the flush does."""
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    program = textwrap.dedent(f"""
        import resource
        from common.files import write_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_bytes({str(path)!r}, bytes({5000 if buffered else 5_000_000}))
        except OSError as error:
            print(error)
    """)
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True,
                          encoding="utf-8", cwd=Path(__file__).parents[2])
    assert str(path) in done.stdout and done.stderr == ""
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits and links are POSIX's")
def test_permissions_follow_the_umask_and_links_stay(tmp_path):
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    (tmp_path / "plain").write_bytes(b"")
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode


READERS = [
    ("pipe.npz", weight_files.read),
    ("pipe.safetensors", weight_files.read),
    ("pipe.pkl", weight_files.read),
    ("pipe.pkl", safe_pickle.read),
    ("pipe.npz", state_file.read),
    *((f"pipe.{kind}", WordVectors.load) for kind in ("npz", "txt", "vec", "bin", "pkl")),
    ("metadata.tsv", lambda path: read_projector(path.parent)),
    ("pipe.txt", read_word_pairs),
    ("pipe.txt", read_analogies),
    ("config.json", lambda path: BaseModel.load(path.parent)),
]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
@pytest.mark.parametrize(("name", "read"), READERS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_have_no_end_is_not_read(tmp_path, name, read, kind):
    path = tmp_path / name
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(FileFormatError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: it is a pipe or a device, not a file"


def test_regular_leaves_everything_else_to_open(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "", "missing"):
        assert regular(str(tmp_path / name)) == tmp_path / name


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_leftovers_of_a_killed_process(tmp_path):
    program = textwrap.dedent(f"""
        import os, signal
        from common.files import atomic_write
        with atomic_write({str(tmp_path / "x.bin")!r}) as file:
            file.write(b"new")
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2])
    (tmp_path / ".mine.tmp").write_bytes(b"")
    assert len(names(tmp_path)) == 2 and not (tmp_path / "x.bin").exists()
    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == [".mine.tmp"]


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"a":1,"a":2}', '{"b":{"a":1,"a":2}}', "[" * 200_000, ""])
def test_json_is_strict(text):
    with pytest.raises(ValueError):
        parse_json(text.encode())


def test_json_is_utf8():
    assert parse_json('{"語": "é"}'.encode()) == {"語": "é"}
    with pytest.raises(ValueError):
        parse_json('{"é": 1}'.encode("latin-1"))


def test_check_writable(tmp_path):
    (tmp_path / "mine").write_bytes(b"x")
    check_writable(tmp_path)
    assert names(tmp_path) == ["mine"]
    with pytest.raises(FileNotFoundError):
        check_writable(tmp_path / "nowhere")
