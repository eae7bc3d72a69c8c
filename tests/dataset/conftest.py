"""A local HTTP server that serves files well or badly, an empty cache folder, and a guard of the global generator."""

import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import platformdirs
import pytest

from dataset import download


class _Handler(BaseHTTPRequestHandler):
    """``/<behaviour>/<file>``: the method named after the behaviour answers."""

    server: "MirrorServer"

    def do_GET(self) -> None:
        behaviour, name = self.path.strip("/").split("/")
        self.server.requests.append(behaviour)
        self.data = self.server.files[name]
        try:
            getattr(self, behaviour)()
        except ConnectionError:
            self.server.client_left.set()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def begin(self, *headers: tuple[str, object]) -> None:
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()

    def good(self) -> None:
        self.begin(("Content-Length", len(self.data)))
        self.wfile.write(self.data)

    def unsized(self) -> None:
        self.begin()
        self.wfile.write(self.data)

    def together(self) -> None:
        """Answer only when all clients have asked, and slowly."""
        self.server.gate.wait(timeout=60)
        self.begin(("Content-Length", len(self.data)))
        for start in range(0, len(self.data), 1000):
            self.wfile.write(self.data[start : start + 1000])
            self.wfile.flush()

    def truncated(self) -> None:
        self.begin(("Content-Length", len(self.data)))
        self.wfile.write(self.data[:-1])

    def unsized_truncated(self) -> None:
        self.begin()
        self.wfile.write(self.data[:-1])

    def chunk_truncated(self) -> None:
        self.protocol_version = "HTTP/1.1"
        self.begin(("Transfer-Encoding", "chunked"))
        self.wfile.write(b"%x\r\n" % len(self.data) + self.data[:-1])
        self.close_connection = True

    def empty(self) -> None:
        self.begin(("Content-Length", 0))

    def corrupted(self) -> None:
        self.begin(("Content-Length", len(self.data)))
        self.wfile.write(self.data[:-1] + bytes([self.data[-1] ^ 1]))

    def silent(self) -> None:
        self.server.stalled.set()
        self.server.stop.wait(timeout=20)

    def stalling(self) -> None:
        self.begin(("Content-Length", len(self.data)))
        self.wfile.write(self.data[: len(self.data) // 2])
        self.wfile.flush()
        self.silent()

    def dripping(self) -> None:
        self.begin(("Content-Length", len(self.data)))
        for byte in self.data[:500]:
            self.wfile.write(bytes([byte]))
            if self.server.stop.wait(timeout=0.02):
                return

    def endless(self) -> None:
        """Far more than the buffers of the network hold, so that the client's leaving is noticed."""
        self.begin()
        for _ in range(1000):
            self.wfile.write(self.data)

    def too_long(self) -> None:
        self.begin(("Content-Length", len(self.data) + 1))
        self.wfile.write(self.data + b"\n")

    def missing(self) -> None:
        self.send_error(404)

    def broken(self) -> None:
        self.send_error(500)

    def garbage(self) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")

    def hanging_up(self) -> None:
        self.close_connection = True

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.moved_to + self.path.rpartition("/")[2])
        self.end_headers()

    def looping(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()


class MirrorServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.moved_to = ""
        self.gate = threading.Barrier(1)
        self.stop, self.stalled, self.client_left = (threading.Event() for _ in range(3))

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ssl.SSLError):  # a client that refused the certificate
            super().handle_error(request, client_address)

    def mirror(self, behaviour: str, scheme: str = "http") -> str:
        """The URL to which a client appends the name of a file."""
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/{behaviour}/"


class _GlobalRandomState:
    """NumPy's global generator, as it was at the start of the test."""

    def __init__(self) -> None:
        self.before = self.now()

    @staticmethod
    def now() -> str:
        return repr(numpy.random.get_state(legacy=False))  # noqa: NPY002

    def is_untouched(self) -> bool:
        return self.now() == self.before


@pytest.fixture
def global_random_state() -> _GlobalRandomState:
    return _GlobalRandomState()


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    with MirrorServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test, which does not exist yet; no other folder is set, no proxy is asked."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *args, **kwargs: folder)
    monkeypatch.delenv(download.VARIABLE, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return folder
