"""The gradient of a table of which a batch uses few rows, such as an embedding's: those rows, and no zeros."""

from typing import Any

import numpy

from common.np import np, sum_rows, to_cpu, to_gpu


class RowGradient(numpy.lib.mixins.NDArrayOperatorsMixin):
    """A gradient of W (V, D) that is ``rows[i]`` in row ``ids[i]`` and zero everywhere else.

    ids (U,) are distinct and ascend, rows (U, D); `shape` (V, D) and `dtype` are those of W. Our optimizers change the
    rows of W in `ids` and leave all others, and their own state for these, alone. So a step of Adam on 100 words of
    10,000 takes a hundredth of the time; its averages for a word move on only when the word occurs (called lazy Adam).

    Whoever expects an array has one: ``to_dense()``, indexing, arithmetic, NumPy's functions and the methods of arrays
    give dense results. ``+=`` of another RowGradient, ``*=`` and ``/=`` of a number, which sum and clip gradients, stay
    sparse; whatever else changes the gradient in place, such as ``+=`` of an array, gives it all its rows.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any = "f") -> None:
        self.shape, self.dtype = shape, numpy.dtype(dtype)
        self.ids, self.rows = np.zeros(0, "int64"), np.zeros((0, shape[1]), self.dtype)

    ndim = 2

    def assign(self, ids: Any, rows: Any) -> None:
        """Become the sum of rows[m] in row ids[m] over all m: ids (M,), repeated ones welcome, rows (M, D)."""
        if ids.ndim != 1 or rows.shape != (len(ids), self.shape[1]):
            raise ValueError(f"RowGradient {self.shape}: expected ids (M,), rows (M, D), got {ids.shape}, {rows.shape}")
        self.ids, self.rows = sum_rows(ids, rows.astype(self.dtype, copy=False))

    def to_dense(self) -> Any:
        """The gradient as an array (V, D), a new one."""
        dense = np.zeros(self.shape, self.dtype)
        dense[self.ids] = self.rows
        return dense

    def copy(self) -> "RowGradient":
        copy = RowGradient(self.shape, self.dtype)
        copy.ids, copy.rows = self.ids.copy(), self.rows.copy()
        return copy

    def __iadd__(self, other: Any) -> Any:
        if not isinstance(other, RowGradient):
            self[...] = self.to_dense() + other
            return self
        if other.shape != self.shape:
            raise ValueError(f"RowGradient {self.shape}: cannot add one of {other.shape}")
        self.assign(np.concatenate((self.ids, other.ids)), np.concatenate((self.rows, other.rows)))
        return self

    def __isub__(self, other: Any) -> Any:
        self += -other
        return self

    def __imul__(self, scale: Any) -> "RowGradient":
        if numpy.ndim(scale) == 0:
            self.rows *= scale
        else:
            self[...] = self.to_dense() * scale
        return self

    def __itruediv__(self, scale: Any) -> "RowGradient":
        if numpy.ndim(scale) == 0:
            self.rows /= scale
        else:
            self[...] = self.to_dense() / scale
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self.to_dense()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        dense = self.to_dense()
        dense[key] = value
        self._assign_dense(dense)

    def _assign_dense(self, dense: Any) -> None:
        self.ids, self.rows = np.arange(len(dense)), dense

    def fill(self, value: float) -> None:
        """Make all numbers `value`."""
        self[...] = value

    def __getattr__(self, name: str) -> Any:
        """What arrays have and a gradient of rows has not itself, of a dense copy, which cannot be written to."""
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        dense = self.to_dense()
        if isinstance(dense, numpy.ndarray):
            dense.flags.writeable = False
        return getattr(dense, name)

    @property
    def T(self) -> Any:
        return self.to_dense().T

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:  # as of a function that is to change the array in place: what it did would be lost
            raise ValueError("RowGradient: there is no array of it but a copy")
        return numpy.asarray(to_cpu(self.to_dense()), dtype)

    def __cupy_get_ndarray__(self) -> Any:
        """By which CuPy takes it for an array, as an argument of ``asarray`` and of its ufuncs."""
        return to_gpu(self.to_dense())

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """The ufunc of dense copies; those that it changes, as its `out` or by ``at``, are assigned."""
        changed = inputs[:1] if method == "at" else kwargs.get("out", ())
        own = {id(x): x for x in (*inputs, *changed) if isinstance(x, RowGradient)}
        copies = {key: x.to_dense() for key, x in own.items()}
        if "out" in kwargs:
            kwargs["out"] = tuple(copies.get(id(x), x) for x in changed)
        result = getattr(ufunc, method)(*(copies.get(id(x), x) for x in inputs), **kwargs)
        for key in {id(x) for x in changed} & own.keys():
            own[key]._assign_dense(copies[key])
        if "out" not in kwargs:
            return result
        results = result if isinstance(result, tuple) else (result,)
        results = tuple(own.get(id(x), y) for x, y in zip(changed, results, strict=True))
        return results if isinstance(result, tuple) else results[0]

    def __repr__(self) -> str:
        return f"RowGradient({len(self.ids)} rows of {self.shape})"


def assign_rows(grad: Any, ids: Any, rows: Any) -> None:
    """Make the gradient, an array (V, D) or a RowGradient, the sum of rows (M, D) by ids (M,), zero in other rows."""
    if isinstance(grad, RowGradient):
        grad.assign(ids, rows)
    else:
        ids, rows = sum_rows(ids, rows)
        grad.fill(0)
        grad[ids] = rows
