"""Start many processes at once on an empty cache; each must get the whole file, and the cache must hold one good copy.

    python tests/faults/many_processes.py [processes] [rounds]

A server on this computer hands out the file slowly, in pieces, and only when all processes have asked.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(DATA).hexdigest()

CLIENT = f"""
import hashlib, sys, time
from pathlib import Path
import platformdirs
platformdirs.user_cache_path = lambda *args, **kwargs: Path(sys.argv[1])
from dataset import download
data = download.read(download.RemoteFile("toy.bin", "{DIGEST}", {len(DATA)}), [sys.argv[2]])
print(hashlib.sha256(data).hexdigest())
"""


class Slow(BaseHTTPRequestHandler):
    gate: threading.Barrier
    answered = 0

    def do_GET(self) -> None:
        self.gate.wait(timeout=300)
        type(self).answered += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        for start in range(0, len(DATA), 64_000):
            self.wfile.write(DATA[start : start + 64_000])
            time.sleep(0.01)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processes", type=int, nargs="?", default=50)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    args = parser.parse_args(argv)
    server = Server(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    right = leftovers = copies = 0
    variables = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    for _ in range(args.rounds):
        Slow.gate = threading.Barrier(args.processes)
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder, "cache")
            command = [sys.executable, "-c", CLIENT, str(cache), url]
            started = [
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=variables
                )
                for _ in range(args.processes)
            ]
            for process in started:
                out, err = process.communicate(timeout=300)
                right += process.returncode == 0 and out.strip() == DIGEST
                if err:
                    print(err)
            files = sorted(path.name for path in cache.iterdir())
            copies += files.count("toy.bin") and (cache / "toy.bin").read_bytes() == DATA
            leftovers += len([name for name in files if name != "toy.bin"])
    server.shutdown()
    print(f"{args.rounds} rounds of {args.processes} processes, {Slow.answered} downloads, all of a round at once")
    print(f"  processes that got the right data    {right}")
    print(f"  caches with one good copy            {copies}")
    print(f"  leftovers                            {leftovers}")
    return 0 if right == args.rounds * args.processes and copies == args.rounds and not leftovers else 1


if __name__ == "__main__":
    sys.exit(main())
