"""What all layers have in common."""

from functools import cached_property
from typing import Any

from common.np import Array, np


class Layer:
    """A function with weights. ``forward`` computes it and keeps what ``backward`` needs.

    params  its weights; their dtype is the dtype of all that the layer computes
    grads   the gradients of the weights, arrays alike, which ``backward`` overwrites in place

    ``backward(dout)`` takes the gradient of the loss with respect to the output of the last ``forward`` and returns
    that with respect to its input. It may be called again with the same result. A layer may keep its input until then,
    not a copy: change that in place only afterwards.
    """

    names: tuple[str, ...] = ()  # of the params, in files and messages
    # First values are class attributes, so that a subclass works whose __init__ does not call that of its base.
    _cache: Any = None

    def __init__(self, *params: Any) -> None:
        self.params: list[Any] = list(params)
        # zeros_like keeps the order in memory: the gradient of a transposed view is one too, and adds up fast with
        # the gradient of the array that it is a view of.
        self.grads: list[Any] = [np.zeros_like(param) for param in params]

    @cached_property
    def name(self) -> str:
        """How messages call the layer; may be set."""
        return type(self).__name__

    def _cached(self) -> Any:
        """What the last forward kept. RuntimeError if there was none."""
        if self._cache is None:
            raise RuntimeError(f"{self.name}: backward needs a forward before it")
        return self._cache

    def check_weights(self, **shapes: tuple[Any, tuple[Any, ...]]) -> None:
        """Check ``W=(W, ("D", "M"))``: a letter stands for any size, but for the same one everywhere.

        TypeError for what is no array, ValueError for another shape and for a size of 0.
        """
        sizes: dict[str, int] = {}
        for name, (array, expected) in shapes.items():
            shape = getattr(array, "shape", None)
            if shape is None:
                raise TypeError(f"{self.name}: {name} must be an array {_text(expected)}, not {type(array).__name__}")
            fits = len(shape) == len(expected) and all(
                size == (sizes.setdefault(letter, size) if isinstance(letter, str) else letter)
                for size, letter in zip(shape, expected, strict=True)
            )
            if not fits:
                known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items())
                wanted = f"{_text(expected)}{known and ' with ' + known}"
                raise ValueError(f"{self.name}: {name} must be {wanted}, not {shape}")
            if 0 in shape:
                raise ValueError(f"{self.name}: every size of {name} must be at least 1, not {shape}")

    def check_input(self, x: Array, *shape: Any) -> Array:
        """`x` as an array in the dtype of the weights, checked to have the shape; letters stand for any size.

        ValueError for another shape.
        """
        x = self.cast(x)
        if x.ndim != len(shape) or any(
            isinstance(size, int) and size != found for size, found in zip(shape, x.shape, strict=True)
        ):
            raise ValueError(f"{self.name}: expected an input {_text(shape)}, got {x.shape}")
        return x

    def check_gradient(self, dout: Array, shape: tuple[int, ...]) -> Array:
        """`dout` as an array in the dtype of the weights, checked to be shaped like the output.

        A single number is the gradient of every output, such as the 0 that loops over time begin with. ValueError for
        another shape; TypeError for a gradient with fractions where weights are integers, which no gradient array of
        theirs could hold.
        """
        dout = self.cast(dout)
        for param in self.params:
            if param.dtype.kind in "iu" and dout.dtype.kind == "f":
                raise TypeError(
                    f"{self.name}: a gradient of {dout.dtype} needs floating-point weights, not {param.dtype}"
                )
        if dout.ndim == 0:
            return np.full(shape, dout)
        if dout.shape != shape:
            raise ValueError(f"{self.name}: the output is {shape}, its gradient must be so too, got {dout.shape}")
        return dout

    def cast(self, x: Array) -> Array:
        """`x` as an array of the active module, in the dtype of the weights if these are floating point."""
        if self.params and self.params[0].dtype.kind == "f":
            return np.asarray(x, self.params[0].dtype)
        return np.asarray(x)


def _text(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
