"""Another process that holds a folder."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path


class OtherProcess:
    """Holds the folder, if it `holds` it, until it is ended; `number` is the process's."""

    def __init__(self, folder: Path | str) -> None:
        program = f"""
            import sys
            from pathlib import Path
            from common.folder_lock import FolderLock
            lock = FolderLock(Path({str(Path(folder).absolute())!r}))
            print("held", flush=True)
            sys.stdin.read()
        """
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout
        self.number = self.process.pid
        self.holds = self.process.stdout.readline().strip() == b"held"

    def end(self, number: signal.Signals | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.process.wait()
