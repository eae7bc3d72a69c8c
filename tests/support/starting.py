"""Scripts as processes of their own, as a shell starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def start(where, *arguments):
    """Python in the folder `where`, without PYTHONPATH and with warnings as errors."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=where, env=environment, capture_output=True, encoding="utf-8"
    )


def installed() -> bool:
    """Whether this Python finds the project from another folder.

    Not by the project's metadata, which another Python's `pip install -e` leaves in the checkout.
    """
    find = "import sys; from importlib.util import find_spec; sys.exit(find_spec('common') is None)"
    return start(Path(sys.executable).parent, "-c", find).returncode == 0


needs_installation = pytest.mark.skipif(not installed(), reason="needs the project installed: pip install -e .")
