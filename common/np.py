"""The array module, NumPy or CuPy, and how arrays and numbers get from one to the other.

This is the only module that knows CuPy. ``np`` looks at ``config.GPU`` each time one of its names is used, so the flag
may be switched at any moment, also after everything has been imported. Arrays made before the switch stay where they
are: build the model after it. What each does fastest in a way of its own is in :mod:`common.kernels`.

    from common.np import np

    x = np.asarray(x)  # on the GPU if the flag is set; no copy if it is there already
"""

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy

from common import config

__all__ = ["GPU", "np"]

Array = Any  # numpy.ndarray or cupy.ndarray; where a list is read as one, that too

if TYPE_CHECKING:
    import numpy as np

    GPU: bool
else:

    class _ActiveModule(ModuleType):
        """NumPy or CuPy, whichever ``config.GPU`` names at the moment of use."""

        def __getattribute__(self, name: str) -> Any:
            # __getattribute__, not __getattr__, which Python tries only after a slow failed look-up.
            return getattr(_cupy() if config.GPU else numpy, name)

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(_cupy() if config.GPU else numpy, name, value)

        def __delattr__(self, name: str) -> None:
            delattr(_cupy() if config.GPU else numpy, name)

        def __dir__(self) -> list[str]:
            return dir(_cupy() if config.GPU else numpy)

    np = _ActiveModule("np")


def __getattr__(name: str) -> Any:
    if name == "GPU":
        return config.GPU
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _cupy() -> ModuleType:
    """CuPy, checked once to have a GPU to work on. ImportError with the remedy when it is not usable."""
    module = sys.modules.get("cupy")
    return module if module in _usable else _find_cupy()  # type: ignore[return-value]


_usable: set[ModuleType | None] = set()


def _find_cupy() -> ModuleType:
    wanted = "config.GPU is set" if config.GPU else "an array is to be moved to the GPU"
    how = (
        'Install one that fits the CUDA driver, and with it the CUDA toolkit, pip install "cupy-cuda12x[ctk]>=14" '
        'or pip install "cupy-cuda13x[ctk]>=14"' + (", or set config.GPU = False." if config.GPU else ".")
    )
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise ImportError(f"{wanted}, but CuPy cannot be imported ({error}). {how}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        cupy.cuda.nvrtc.getVersion()  # what compiles the kernels comes with the toolkit, not with CuPy or the driver
    except Exception as error:  # CuPy's own kinds of errors: no driver, no library, a driver too old
        what = "no usable GPU or CUDA toolkit"
        raise ImportError(f"{wanted}, but CuPy finds {what} ({error}). {how}") from error
    if not count:
        raise ImportError(f"{wanted}, but CuPy finds no GPU. {how}")
    _usable.add(cupy)
    return cupy


def to_cpu(x: Any) -> numpy.ndarray:
    """`x` as a NumPy array: moved from the GPU, or as it is."""
    return x.get() if hasattr(x, "__cuda_array_interface__") else numpy.asarray(x)


def to_gpu(x: Any) -> Array:
    """`x` as a CuPy array, whatever ``config.GPU`` says. ImportError without a usable CuPy."""
    return _cupy().asarray(x)


def is_active(x: Any) -> bool:
    """Whether `x` is an array of the active module: NumPy's, or with ``config.GPU`` CuPy's."""
    return isinstance(x, np.ndarray)


def floats(numbers: Sequence[Any]) -> list[float]:
    """Python's numbers for results of the active module. The GPU is waited for once, for all of them."""
    return np.stack(numbers).tolist() if config.GPU and numbers else [float(number) for number in numbers]


def extremes(x: Array) -> list[Any]:
    """The smallest and the largest number of x, Python's. The GPU is waited for once."""
    return np.stack([x.min(), x.max()]).tolist() if config.GPU else [x.min().item(), x.max().item()]


def random(shape: int | tuple[int, ...], rng: numpy.random.Generator, dtype: Any = "f") -> Array:
    """Uniform numbers in [0, 1) on the active device, float32 or float64.

    `rng`, on the host, makes them repeatable: on the GPU it draws the seed of the CuPy generator that draws the
    numbers. So they are not the CPU's numbers, but all state is in `rng`, and nothing but a seed is transferred.
    """
    dtype = numpy.dtype(dtype)
    if config.GPU:
        cupy: Any = _cupy()
        # Number i comes from state i modulo how many there are. CuPy would make as many as suit the GPU, so that the
        # numbers would depend on that, and a hundred thousand for the smallest array. It works in blocks of 256.
        states = min(64, numpy.prod(shape, dtype=int) // 256 + 1) * 256
        generator = cupy.random.Philox4x3210(int(rng.integers(2**63)), size=int(states))
        return cupy.random.Generator(generator).random(shape, dtype=dtype)
    return rng.random(shape, dtype=dtype.type)


def address(x: Array) -> tuple[Any, ...]:
    """What two views of the very same numbers have in common: where they start, and their axes in memory's order.

    Two arrays are one shared weight, possibly transposed, if and only if their addresses are equal.
    """
    pointer = x.data.ptr if hasattr(x.data, "ptr") else x.__array_interface__["data"][0]
    return pointer, x.dtype.str, *sorted(zip(x.strides, x.shape, strict=True))
