import hashlib
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import platformdirs
import pytest

from dataset import download

DATA = b"a line of text\n" * 5000
TOY = download.RemoteFile("toy.txt", hashlib.sha256(DATA).hexdigest(), len(DATA))


@pytest.fixture(autouse=True)
def toy(server, cache):
    server.files[TOY.name] = DATA


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# ---- where files are looked for


def test_named_folder_comes_first_and_nothing_is_downloaded(server, cache, tmp_path, monkeypatch):
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    (tmp_path / TOY.name).write_bytes(DATA)
    assert download.read(TOY, [server.mirror("good")]) == DATA
    assert not server.requests and not cache.exists()


def test_order_of_the_folders(cache, tmp_path, monkeypatch):
    package = str(Path(download.__file__).resolve().parent)
    assert [str(folder) for folder in download.folders()] == [package, str(cache)]
    monkeypatch.setenv(download.VARIABLE, "")
    assert [str(folder) for folder in download.folders()] == [package, str(cache)]
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    assert [str(folder) for folder in download.folders()] == [str(tmp_path), package, str(cache)]


def test_relative_and_home_folders(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(download.VARIABLE, "data")
    assert download.folders()[0] == tmp_path / "data"
    monkeypatch.setenv(download.VARIABLE, "~")
    assert download.folders()[0] == Path.home()


def test_a_user_without_a_home(server, tmp_path, monkeypatch):
    def homeless(*args, **kwargs):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(platformdirs, "user_cache_path", homeless)
    package = Path(download.__file__).resolve().parent
    assert download.folders() == [package]
    assert download.read(TOY, [server.mirror("good")]) == DATA
    with pytest.raises(FileNotFoundError, match=r"(?s)toy\.txt was looked .* put it at\n  .*dataset.toy"):
        download.read(TOY, [server.mirror("missing")])
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    (tmp_path / TOY.name).write_bytes(DATA)
    assert download.read(TOY, []) == DATA


@pytest.mark.skipif(os.name != "posix", reason="needs homes by name")
def test_the_home_of_nobody(monkeypatch):
    monkeypatch.setenv(download.VARIABLE, "~nobodyatall/x")
    for call in (download.folders, lambda: download.read(TOY, [])):
        with pytest.raises(ValueError, match=rf"variable {download.VARIABLE} is '~nobodyatall/x': Could not determine"):
            call()


def test_downloaded_once_then_read_from_the_cache(server, cache):
    for _ in range(2):
        assert download.read(TOY, [server.mirror("good")]) == DATA
    assert server.requests == ["good"]
    assert names(cache) == [TOY.name]
    assert (cache / TOY.name).read_bytes() == DATA


@pytest.mark.parametrize("content", [DATA[:-1], b"", DATA[:-1] + b"x"], ids=["truncated", "empty", "altered"])
def test_damaged_cache_is_downloaded_again(server, cache, content):
    cache.mkdir()
    (cache / TOY.name).write_bytes(content)
    assert download.read(TOY, [server.mirror("good")]) == DATA
    assert (cache / TOY.name).read_bytes() == DATA


def test_damaged_cache_without_a_network_is_reported(server, cache):
    cache.mkdir()
    (cache / TOY.name).write_bytes(DATA[:10])
    with pytest.raises(FileNotFoundError, match="damaged: it has 10 bytes"):
        download.read(TOY, [server.mirror("missing")])
    assert (cache / TOY.name).read_bytes() == DATA[:10]


def test_wrong_file_in_the_named_folder_is_an_error(server, tmp_path, monkeypatch):
    monkeypatch.setenv(download.VARIABLE, str(tmp_path))
    (tmp_path / TOY.name).write_bytes(b"another text\n")
    with pytest.raises(ValueError, match="not the expected file") as error:
        download.read(TOY, [server.mirror("good")])
    for part in (str(tmp_path / TOY.name), TOY.sha256, hashlib.sha256(b"another text\n").hexdigest()):
        assert part in str(error.value)
    assert not server.requests


# ---- bad mirrors

IMPATIENCE = {"silent": ("STALL_SECONDS", 0.5), "stalling": ("STALL_SECONDS", 0.5), "dripping": ("MAX_SECONDS", 0.4)}
BAD = {
    "truncated": f"it has {len(DATA) - 1:,} bytes",
    "unsized_truncated": f"it has {len(DATA) - 1:,} bytes",
    "chunk_truncated": "IncompleteRead",
    "empty": "it has 0 bytes",
    "corrupted": "SHA-256",
    "silent": "timed out",
    "stalling": "timed out",
    "dripping": "in 0.4 seconds",
    "endless": "sends more than",
    "too_long": "sends more than",
    "missing": "404",
    "broken": "500",
    "garbage": "this is not HTTP",
    "hanging_up": "closed connection",
    "looping": "infinite loop",
}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", BAD)
def test_bad_mirror_is_given_up(server, cache, monkeypatch, behaviour):
    if behaviour in IMPATIENCE:  # only then: on a busy machine an honest answer may take a second
        monkeypatch.setattr(download, *IMPATIENCE[behaviour])
    began = time.monotonic()
    with pytest.raises(FileNotFoundError) as error:
        download.read(TOY, [server.mirror(behaviour)])
    assert time.monotonic() - began < 10  # a mirror that says nothing hangs up after 20 s
    (answer,) = (line for line in str(error.value).splitlines() if server.mirror(behaviour) + TOY.name + ": " in line)
    assert BAD[behaviour] in answer
    assert names(cache) == []


@pytest.mark.slow
def test_the_next_mirror_is_tried(server, cache, monkeypatch):
    monkeypatch.setattr(download, "STALL_SECONDS", 1.0)
    mirrors = ["missing", "broken", "truncated", "corrupted", "hanging_up", "stalling", "good", "missing"]
    assert download.read(TOY, [server.mirror(behaviour) for behaviour in mirrors]) == DATA
    assert server.requests == mirrors[:-1]
    assert names(cache) == [TOY.name]


def test_every_mirror_is_reported(server):
    mirrors = [server.mirror(behaviour) for behaviour in ("missing", "broken", "truncated")]
    with pytest.raises(FileNotFoundError) as error:
        download.read(TOY, mirrors)
    answers = str(error.value).partition("could not be downloaded from")[2].splitlines()[1:4]
    for mirror, answer, reason in zip(mirrors, answers, ("404", "500", "it has"), strict=True):
        assert answer.strip().startswith(mirror + TOY.name) and reason in answer


def test_endless_mirror_is_hung_up_on(server):
    with pytest.raises(FileNotFoundError):
        download.read(TOY, [server.mirror("endless")])
    assert server.client_left.wait(timeout=5)


def test_length_need_not_be_announced(server):
    assert download.read(TOY, [server.mirror("unsized")]) == DATA


def test_no_network_says_where_it_looked_and_where_to_put_the_file(cache, tmp_path, monkeypatch):
    monkeypatch.setenv(download.VARIABLE, str(tmp_path / "named"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        mirror = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(FileNotFoundError) as error:
            download.read(TOY, [mirror])
    message = str(error.value)
    for folder in download.folders():
        assert str(folder / TOY.name) in message
    assert mirror + TOY.name in message and "refused" in message
    assert f"put it at\n  {cache / TOY.name}\n" in message
    assert TOY.sha256 in message and download.VARIABLE in message


# ---- storing


def test_file_appears_in_one_step(server, cache, monkeypatch):
    def replace(source, target):
        seen.append((source.parent, source.read_bytes() == DATA, target.exists()))
        return move(source, target)

    seen, move = [], Path.replace
    monkeypatch.setattr(Path, "replace", replace)
    download.read(TOY, [server.mirror("good")])
    assert seen == [(cache, True, False)]
    assert names(cache) == [TOY.name]


def test_interrupt_while_storing_leaves_nothing(server, cache, monkeypatch):
    def replace(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        download.read(TOY, [server.mirror("good")])
    assert names(cache) == []


def test_a_cache_that_cannot_be_written_is_a_warning(server, cache, monkeypatch):
    def replace(source, target):
        raise PermissionError("in use")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.warns(UserWarning, match="toy.txt cannot be kept.*in use"):
        assert download.read(TOY, [server.mirror("good")]) == DATA
    assert names(cache) == []


def test_a_file_in_place_of_the_cache_folder_is_a_warning(server, cache):
    cache.write_bytes(b"")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert download.read(TOY, [server.mirror("good")]) == DATA


# ---- processes

CHILD = """
import hashlib, sys
from pathlib import Path
import platformdirs
platformdirs.user_cache_path = lambda *args, **kwargs: Path(sys.argv[1])
from dataset import download
toy = download.RemoteFile(sys.argv[2], sys.argv[3], int(sys.argv[4]))
print(hashlib.sha256(download.read(toy, sys.argv[5:])).hexdigest())
"""


def start(cache, mirror):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(cache), TOY.name, TOY.sha256, str(TOY.size), mirror],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.slow
def test_processes_that_start_together(server, cache):
    count = 6
    server.gate = threading.Barrier(count)
    children = [start(cache, server.mirror("together")) for _ in range(count)]
    for child in children:
        out, errors = child.communicate(timeout=60)
        assert (child.returncode, out.strip(), errors) == (0, TOY.sha256, "")
    assert server.requests == ["together"] * count
    assert names(cache) == [TOY.name]
    assert (cache / TOY.name).read_bytes() == DATA


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to a child process on Windows")
def test_interrupt_while_downloading_leaves_nothing(server, cache):
    child = start(cache, server.mirror("stalling"))
    assert server.stalled.wait(timeout=30)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0 and "KeyboardInterrupt" in errors
    assert names(cache) == []


# ---- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_on_a_terminal_only(server, cache, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    download.read(TOY, [server.mirror("good")])
    assert log.getvalue() == ""
    (cache / TOY.name).unlink()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    download.read(TOY, [server.mirror("good")])
    assert TOY.name in terminal.getvalue() and "100%" in terminal.getvalue()


# ---- TLS


@pytest.fixture
def certificate(tmp_path, server):
    """Make the server speak TLS with a certificate of its own making."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    path = tmp_path / "server.pem"
    command = (
        "openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
        f"-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {path}.key -out {path}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, f"{path}.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return path


def test_untrusted_certificate_is_refused(server, certificate, monkeypatch):
    # A process that switched verification off for everybody does not switch it off for us.
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    with pytest.raises(FileNotFoundError, match="CERTIFICATE_VERIFY_FAILED"):
        download.read(TOY, [server.mirror("good", "https")])


def test_trusted_certificate_is_accepted_but_no_way_out_of_tls(server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.moved_to = server.mirror("good")
    with pytest.raises(FileNotFoundError, match="redirects from https to http:"):
        download.read(TOY, [server.mirror("moved", "https")])
    server.moved_to = server.mirror("good", "https")
    assert download.read(TOY, [server.mirror("moved", "https")]) == DATA
