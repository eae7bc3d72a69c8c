"""The gradient of a table of which a batch uses few rows, such as an embedding's: those rows, and no zeros."""

from typing import Any

import numpy

from common.kernels import assign_row_sums, sum_rows
from common.np import np, to_cpu, to_gpu


class RowGradient(numpy.lib.mixins.NDArrayOperatorsMixin):
    """A gradient of W (V, D) that is ``rows[i]`` in row ``ids[i]`` and zero everywhere else.

    ids (U,) are distinct and ascend, rows (U, D); `shape` (V, D) and `dtype` are those of W. Our optimizers change the
    rows of W in `ids` and leave all others, and their own state for these, alone. So a step of Adam on 100 words of
    10,000 takes a hundredth of the time; its averages for a word move on only when the word occurs (called lazy Adam).

    Whoever expects an array has one: indexing, the methods of arrays and ``numpy.asarray`` give views of a dense one,
    and what is written into these belongs to the gradient, until the next :meth:`assign`. Rows that are no longer zero
    join `ids`; to look changes nothing. Arithmetic and NumPy's functions give dense results, ``to_dense()`` a copy.
    ``+=`` of another RowGradient, ``*=`` and ``/=`` of a number, which sum and clip gradients, stay sparse.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any = "f") -> None:
        self.shape, self.dtype = shape, numpy.dtype(dtype)
        self._ids, self._rows = np.zeros(0, "int64"), np.zeros((0, shape[1]), self.dtype)
        self._array: Any = None  # dense, once somebody has asked for it: it, not _rows, is the gradient from then on

    ndim = 2

    @property
    def size(self) -> int:
        """V D, as of an array, which takes none to tell."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """The bytes of an array of that shape, not those that the rows take."""
        return self.size * self.dtype.itemsize

    def assign(self, ids: Any, rows: Any) -> None:
        """Become the sum of rows[m] in row ids[m] over all m: ids (M,), repeated ones welcome, rows (M, D)."""
        if ids.ndim != 1 or rows.shape != (len(ids), self.shape[1]):
            raise ValueError(f"RowGradient {self.shape}: expected ids (M,), rows (M, D), got {ids.shape}, {rows.shape}")
        self._ids, self._rows = sum_rows(ids.astype("int64", copy=False), rows.astype(self.dtype, copy=False))
        self._array = None

    @property
    def ids(self) -> Any:
        """(U,), distinct and ascending: the rows that are not zero, or need not be."""
        if self._array is not None:
            used = self._array.any(axis=1)
            used[self._ids] = True
            self._ids = np.flatnonzero(used)
        return self._ids

    @property
    def rows(self) -> Any:
        """(U, D), those of `ids`."""
        return self._rows if self._array is None else self._array[self.ids]

    def to_dense(self) -> Any:
        """The gradient as an array (V, D), a new one."""
        if self._array is not None:
            return self._array.copy()
        dense = np.zeros(self.shape, self.dtype)
        dense[self._ids] = self._rows
        return dense

    def _as_array(self) -> Any:
        """The gradient as an array (V, D), into which one may write."""
        if self._array is None:
            self._array = self.to_dense()
        return self._array

    def copy(self) -> "RowGradient":
        copy = RowGradient(self.shape, self.dtype)
        copy._ids, copy._rows = self.ids.copy(), self.rows.copy()
        return copy

    def __iadd__(self, other: Any) -> Any:
        if not isinstance(other, RowGradient):
            self[...] += other
        elif other.shape != self.shape:
            raise ValueError(f"RowGradient {self.shape}: cannot add one of {other.shape}")
        elif self._array is not None:
            self._array[other.ids] += other.rows
        else:
            self.assign(np.concatenate((self.ids, other.ids)), np.concatenate((self.rows, other.rows)))
        return self

    def __isub__(self, other: Any) -> Any:
        self += -other
        return self

    def _to_scale(self, scale: Any) -> Any:
        """The numbers that `scale` may change: where it is one for all of them, zeros stay zeros."""
        return self._rows if self._array is None and numpy.ndim(scale) == 0 else self._as_array()

    def __imul__(self, scale: Any) -> "RowGradient":
        numbers = self._to_scale(scale)
        numbers *= scale
        return self

    def __itruediv__(self, scale: Any) -> "RowGradient":
        numbers = self._to_scale(scale)
        numbers /= scale
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self._as_array()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._as_array()[key] = value

    def __getattr__(self, name: str) -> Any:
        """What arrays have and a gradient of rows has not itself."""
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._as_array(), name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._as_array()
        ours = isinstance(array, numpy.ndarray) and dtype in (None, self.dtype)
        if copy is False and not ours:  # as of a function that is to change the array in place: it would be lost
            raise ValueError(f"RowGradient: there is no NumPy array of {numpy.dtype(dtype or self.dtype)} but a copy")
        return array if ours and not copy else numpy.array(to_cpu(array), dtype)

    def __cupy_get_ndarray__(self) -> Any:
        """By which CuPy takes it for an array, as an argument of ``asarray`` and of its ufuncs."""
        return to_gpu(self._as_array())

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """The ufunc of dense arrays; it changes those that are its `out`, or that ``at`` is called with."""
        changed = inputs[:1] if method == "at" else kwargs.get("out", ())
        own = {id(x): x for x in changed if isinstance(x, RowGradient)}

        def array(x: Any) -> Any:
            if not isinstance(x, RowGradient):
                return x
            return x._as_array() if id(x) in own else x.to_dense()

        if "out" in kwargs:
            kwargs["out"] = tuple(map(array, changed))
        result = getattr(ufunc, method)(*map(array, inputs), **kwargs)
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
        assign_row_sums(grad, ids, rows)
