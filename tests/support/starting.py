"""Scripts as processes of their own, as a shell starts them."""

import os
import subprocess
import sys
from importlib import metadata

import pytest


def installed() -> bool:
    try:
        metadata.distribution("nlp-from-scratch")
    except metadata.PackageNotFoundError:
        return False
    return True


needs_installation = pytest.mark.skipif(not installed(), reason="needs the project installed: pip install -e .")


def start(where, *arguments):
    """Python in the folder `where`, without PYTHONPATH and with warnings as errors."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=where, env=environment, capture_output=True, encoding="utf-8"
    )
