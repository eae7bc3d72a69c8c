"""What all tests share: Matplotlib without a window, the CPU unless a test asks for the GPU path, random numbers."""

import importlib.util
import os
import signal
import sys

import numpy
import pytest
import strict_cupy

from common import config
from dataset import ptb

os.environ["MPLBACKEND"] = "Agg"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: the tests of Ctrl-C need it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runslow", action="store_true", help="also run the tests marked slow, as CI does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--runslow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: --runslow runs it"))


def cupy_usable() -> bool:
    """Whether the real CuPy is there, with a GPU and the toolkit that compiles for it."""
    if importlib.util.find_spec("cupy") is None:
        return False
    try:
        import cupy

        cupy.cuda.nvrtc.getVersion()
        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # its own errors: no driver, no library
        return False


@pytest.fixture
def idle_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `common` had been imported before NumPy, so that OpenBLAS's threads leave the cores to ours."""
    monkeypatch.setattr("common.threads.cores_are_idle", lambda: True)


@pytest.fixture(autouse=True)
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins on the CPU and leaves the flag as it was."""
    monkeypatch.setattr(config, "GPU", False)


@pytest.fixture(params=["stand-in", "cupy"] if cupy_usable() else ["stand-in"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cpu: None) -> None:
    """config.GPU is set; CuPy is the stand-in and, where there is one, the real one."""
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "cupy", strict_cupy)
    monkeypatch.setattr(config, "GPU", True)


@pytest.fixture
def rng() -> numpy.random.Generator:
    return numpy.random.default_rng(0)


@pytest.fixture
def penn_treebank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the test where the Penn Treebank is not at hand; no test downloads it."""
    monkeypatch.setattr(ptb, "MIRRORS", ())
    try:
        for split in ("train", "valid", "test"):
            ptb.load_data(split)
    except FileNotFoundError:
        pytest.skip("needs the Penn Treebank: set NLP_FROM_SCRATCH_DATA to the folder of its three files")


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is what these numbers are compared with")
