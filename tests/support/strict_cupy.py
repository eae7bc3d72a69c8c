"""A stand-in for the module cupy, for machines without a GPU: arrays that refuse to mix with NumPy's.

Its arrays are NumPy's inside, so it gives NumPy's numbers. As with CuPy's, nothing converts them to the host but
``get()`` (and ``float``, ``int`` and ``bool`` of a single number), host arrays enter by ``asarray`` and ``array`` only,
they have no hash, a reduction gives an array without axes, and where CuPy lacks an argument so does this. An object
with the method ``__cupy_get_ndarray__`` is an array to ``asarray``, to ufuncs and to operators. It has the functions
that the project uses; add to the tables what CuPy 13 has.

It finds host and device arrays that mix, names and keyword arguments that CuPy lacks, and lists and numbers where CuPy
wants arrays. It is stricter than CuPy in places, and laxer where nobody has looked: positional arguments in an order
that only NumPy has, dtypes for which CuPy has no kernel, `out` that overlaps an argument. What kernels do is a matter
of a real GPU.
"""

import operator
from types import SimpleNamespace

import numpy

UFUNCS = """
    abs absolute add arctan cos divide equal exp expm1 floor floor_divide greater greater_equal isfinite isinf isnan
    less less_equal log log1p log2 logaddexp logical_and logical_not logical_or maximum minimum multiply negative
    not_equal power reciprocal remainder sign sin sqrt square subtract tanh true_divide
"""
FUNCTIONS = """
    all allclose any arange argmax argmin argpartition argsort array_equal array_split atleast_1d atleast_2d bincount
    broadcast_to clip concatenate count_nonzero cumsum diag dot einsum empty empty_like expand_dims eye flatnonzero
    full full_like hstack linspace matmul max mean meshgrid min moveaxis ndim nonzero ones ones_like outer pad prod
    repeat reshape result_type roll searchsorted sort split squeeze stack std sum swapaxes take take_along_axis
    tensordot tile transpose tril triu unique var vdot vstack where zeros zeros_like
"""
CONSTANTS = """
    bool_ dtype finfo float16 float32 float64 iinfo inf int8 int16 int32 int64 integer floating issubdtype nan newaxis
    pi uint8 uint16 uint32 uint64
"""
METHODS = """
    all any argmax argmin argsort clip cumsum diagonal dot max mean min nonzero prod repeat reshape round
    squeeze std sum swapaxes take transpose var view
"""
OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
DTYPES = "?bhilqBHILQefdFD"  # their characters
SUMMED_BY_ID = "int32 float16 float32 float64 uint32 uint64"  # by add.at, in CuPy 13.0
SCALARS = {int, float, bool, complex, *(numpy.dtype(char).type for char in DTYPES)}
SUBTRACTED_BY_ID = "int32 uint32"
COMPARED_BY_ID = "int32 float32 float64 uint32 uint64"
AT = {  # the ufuncs that have .at, and the dtypes it takes
    "add": SUMMED_BY_ID,
    "subtract": SUBTRACTED_BY_ID,
    "maximum": COMPARED_BY_ID,
    "minimum": COMPARED_BY_ID,
}
KEYWORDS = {  # the keyword arguments allowed here, which CuPy has; functions and methods not named have none
    "all any max min": "axis out keepdims",
    "argmax argmin": "axis keepdims",
    "mean prod sum": "axis dtype out keepdims",
    "std var": "axis dtype out ddof keepdims",
    "allclose": "rtol atol equal_nan",
    "argsort sort": "axis kind",
    "array_equal": "equal_nan",
    "array_split split argpartition count_nonzero repeat roll squeeze take_along_axis": "axis",
    "bincount": "weights minlength",
    "clip dot outer": "out",
    "concatenate stack": "axis out dtype",
    "cumsum": "axis dtype out",
    "empty full ones zeros empty_like full_like ones_like zeros_like": "dtype order",
    "arange eye linspace": "dtype",
    "matmul": "out",
    "meshgrid": "indexing",
    "pad": "mode constant_values",
    "reshape": "order",
    "searchsorted": "side sorter",
    "take": "axis out",
    "tensordot": "axes",
    "unique": "return_index return_inverse return_counts axis",
    UFUNCS: "out dtype",
}
ALLOWED = {name: allowed.split() for names, allowed in KEYWORDS.items() for name in names.split()}
NO_ARRAYS = "allclose arange empty eye full linspace ndim ones result_type zeros"  # these work on numbers
PAIRS = "array_equal dot matmul outer searchsorted take_along_axis tensordot vdot"  # their first two are arrays
JOINED = "concatenate hstack stack vstack"  # of a list of arrays
VARIADIC = "atleast_1d atleast_2d meshgrid"  # of nothing but arrays
NO_LISTS = f"{UFUNCS} allclose clip where"  # their arguments are arrays and numbers


class ndarray:
    """An array on the pretended device."""

    __slots__ = ("_host",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape, dtype=float):
        self._host = numpy.empty(shape, dtype)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """What ufuncs of NumPy's do with it, and by them NumPy's operators: CuPy's of the same name."""
        function = _NAMES.get(ufunc.__name__)
        if method != "__call__":
            function = getattr(function, method, None)
        arguments = [*inputs, *kwargs.get("out", ())]
        known = (ndarray, numpy.ndarray)  # which the function refuses
        if function is None or not all(isinstance(x, known) or _is_like(x) or type(x) in SCALARS for x in arguments):
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return function(*inputs, **kwargs)

    def __deepcopy__(self, memo):
        return self.copy()

    def get(self):
        return self._host.copy(order="C")

    def item(self):
        return self._host.item()

    def tolist(self):
        return self._host.tolist()

    def __float__(self):
        return float(self._host.item())

    def __int__(self):
        return int(self._host.item())

    def __bool__(self):
        return bool(self._host)

    def __format__(self, form):
        return format(self._host.item() if self.ndim == 0 else self._host, form)

    def __repr__(self):
        return repr(self._host)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key):
        return _device(self._host[_key(key)])

    def __setitem__(self, key, value):
        if isinstance(value, (list, tuple)):
            raise TypeError(f"expected an array of the device or a number, not {type(value)}")
        key = _key(key)
        expected = numpy.empty_like(self._host[key])
        expected[...] = _host(value)
        self._host[key] = expected
        if not numpy.array_equal(self._host[key], expected, equal_nan=True):  # a later value replaced another one
            raise ValueError("repeated ids in an assignment: which of their values stays is undefined")

    def astype(self, dtype, *, copy=True):  # CuPy's second positional argument is `order`
        return self if not copy and self.dtype == dtype else _device(self._host.astype(dtype))

    def copy(self, order="C"):
        return _device(self._host.copy(order))

    def flatten(self):
        return _device(self._host.flatten())

    def ravel(self, order="C"):
        if order == "K":
            raise NotImplementedError("ravel with order='K'")
        return _device(self._host.ravel(order))

    def fill(self, value):
        self._host.fill(_scalar(value))

    def __abs__(self):
        return _device(abs(self._host))

    def __neg__(self):
        return _device(-self._host)

    def __invert__(self):
        return _device(~self._host)

    @property
    def T(self):
        return _device(self._host.T)

    @property
    def flags(self):
        flags = self._host.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )

    @property
    def data(self):
        return SimpleNamespace(ptr=self._host.__array_interface__["data"][0])

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}


def _attribute(name):
    return property(lambda self: getattr(self._host, name))


def _method(name):
    def method(self, *args, **kwargs):
        _check_arguments(name, (self, *args), kwargs)
        if name == "argsort" and (len(args) > 1 or "kind" in kwargs):
            raise TypeError("the method argsort has no argument 'kind' in CuPy")
        out = kwargs.get("out")
        result = getattr(self._host, name)(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()})
        return _device(result) if out is None else out

    return method


def _binary(name, reflected=False):
    function = getattr(operator, f"{name}_" if name in ("and", "or") else name)

    def method(self, other):
        hosts = self._host, _operand(other if name == "matmul" else _like(other))
        return _device(function(*reversed(hosts)) if reflected else function(*hosts))

    return method


def _in_place(name):
    function = getattr(operator, f"i{name}")

    def method(self, other):
        function(self._host, _operand(_like(other)))
        return self

    return method


for _name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides"):
    setattr(ndarray, _name, _attribute(_name))
for _name in METHODS.split():
    setattr(ndarray, _name, _method(_name))
for _name in OPERATORS:
    setattr(ndarray, f"__{_name}__", _binary(_name))
    setattr(ndarray, f"__r{_name}__", _binary(_name, reflected=True))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(_name))
for _name in COMPARISONS:
    setattr(ndarray, f"__{_name}__", _binary(_name))


def _device(value):
    """The result of a NumPy function as CuPy would give it."""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        array = ndarray.__new__(ndarray)
        array._host = numpy.asarray(value)
        return array
    return type(value)(map(_device, value)) if type(value) in (tuple, list) else value


def _host(value):
    """What NumPy works on for an argument; TypeError for an array of the host."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, numpy.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: an array of the host {value.shape} among those of the device")
    if _is_like(value):
        raise TypeError(f"Unsupported type {type(value)}")
    return type(value)(map(_host, value)) if type(value) in (tuple, list) else value


def _is_like(value):
    return hasattr(value, "__cupy_get_ndarray__")


def _like(value):
    """An argument where CuPy takes what can make an array of the device of itself."""
    return value.__cupy_get_ndarray__() if _is_like(value) else value


def _scalar(value):
    if isinstance(value, (ndarray, numpy.ndarray)) and value.ndim:
        raise TypeError(f"expected a number, not an array {value.shape}")
    return _host(value)


def _operand(value):
    if isinstance(value, (list, tuple)):
        raise TypeError(f"Unsupported type {type(value)} of an operand")
    return _host(value)


def _key(key):
    """An index that makes NumPy give an array also for a single number."""
    key = key if isinstance(key, tuple) else (key,)
    return (*map(_host, key), *(() if any(part is Ellipsis for part in key) else (Ellipsis,)))


def _check_arguments(name, args, kwargs):
    """TypeError or ValueError for what NumPy's function of this name takes and CuPy's does not."""
    for unknown in kwargs.keys() - ALLOWED.get(name, []):
        raise TypeError(f"{name}() has no argument {unknown!r} in CuPy, or it is missing in the stand-in's table")
    for array in _arrays(name, args):
        if not isinstance(array, ndarray):
            raise TypeError(f"{name}: expected an array of the device, not {type(array)}")
    if name in NO_LISTS.split() and any(isinstance(arg, (list, tuple)) for arg in args):
        raise TypeError(f"Unsupported type of an argument of {name}")
    if name in ("argsort", "sort") and not {x for x in (*args, *kwargs.values()) if isinstance(x, str)} <= {"stable"}:
        raise ValueError("kind can only be None or 'stable'")
    if name == "repeat" and any(isinstance(arg, ndarray) for arg in args[1:]):
        raise ValueError("an array of the device cannot be specified as `repeats`")
    if name == "take" and len(args) > 4:
        raise TypeError("take() has no argument 'mode' in CuPy")


def _arrays(name, args):
    """Those of the arguments of a function that CuPy takes as arrays of the device only."""
    if name in VARIADIC.split():
        return args
    if name in JOINED.split():
        return args[0] if isinstance(args[0], (list, tuple)) else args[:1]
    if name == "einsum":
        return args[1:]
    if name in PAIRS.split():
        return args[:2]
    return [] if name in NO_ARRAYS.split() or name in UFUNCS.split() else args[:1]


class _Function:
    """A function of NumPy that takes and gives arrays of the device."""

    def __init__(self, name):
        self.__name__, self._function = name, getattr(numpy, name)

    def __call__(self, *args, **kwargs):
        _check_arguments(self.__name__, args, kwargs)
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError(f"{self.__name__}: out must be an array of the device, not {type(out)}")
        if self.__name__ == "matmul" and out is not None and min(arg.ndim for arg in args) < 2:
            raise ValueError("axes don't match array")  # which CuPy 13 says of a vector here
        result = self._function(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()})
        return _device(result) if out is None else out


class _Ufunc(_Function):
    def __call__(self, *args, **kwargs):
        return super().__call__(*map(_like, args), **kwargs)

    def at(self, a, indices, b):
        if self.__name__ not in AT:
            raise NotImplementedError(f"`{self.__name__}.at` is not supported yet")
        if not isinstance(a, ndarray):
            raise TypeError(f"{self.__name__}.at: expected an array of the device, not {type(a)}")
        if a.dtype not in AT[self.__name__].split():
            raise TypeError(f"cupy.{self.__name__}.at only supports {AT[self.__name__]}, not {a.dtype}")
        self._function.at(a._host, _host(indices), _host(b))


_NAMES = {
    **{name: _Function(name) for name in FUNCTIONS.split()},
    **{name: _Ufunc(name) for name in UFUNCS.split()},
    **{name: getattr(numpy, name) for name in CONSTANTS.split()},
}


def __getattr__(name):
    try:
        return _NAMES[name]
    except KeyError:
        raise AttributeError(f"the stand-in for CuPy has no {name}; add it to its tables if CuPy has") from None


def asarray(a, dtype=None, order=None):
    """Moves an array of the host, which is the only way there for it; no copy of one that is on the device."""
    a = _like(a)
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    return array(a, dtype)


def array(obj, dtype=None, copy=True):
    obj = _like(obj)
    on_device = [isinstance(leaf, ndarray) for leaf in _leaves(obj)]
    if any(on_device) and not all(on_device):
        raise TypeError("Unsupported: arrays of the device in a list among other things")
    made = numpy.array(_host(obj) if any(on_device) else obj, dtype)
    if made.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {made.dtype}")
    return _device(made)


def _leaves(nested):
    if type(nested) not in (tuple, list):
        return [nested]
    return [leaf for part in nested for leaf in _leaves(part)]


def ascontiguousarray(a, dtype=None):
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else a.copy()


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else numpy.asarray(a)


class _Generator:
    """cupy.random.Generator has few methods, and other streams of numbers than NumPy's."""

    def __init__(self, bits):
        self._generator = numpy.random.Generator(bits.host)

    def random(self, size=None, dtype=numpy.float64, out=None):
        return _device(self._generator.random(size, numpy.dtype(dtype).type))

    def standard_normal(self, size=None, dtype=numpy.float64, out=None):
        return _device(self._generator.standard_normal(size, numpy.dtype(dtype).type))

    def integers(self, low, high=None, size=None, dtype=numpy.int64, endpoint=False):
        return _device(self._generator.integers(low, high, size, dtype, endpoint))


class _Philox4x3210:
    def __init__(self, seed=None, *, size=-1):
        self.host = numpy.random.Philox(seed)


random = SimpleNamespace(Generator=_Generator, Philox4x3210=_Philox4x3210)
cuda = SimpleNamespace(
    runtime=SimpleNamespace(getDeviceCount=lambda: 1), nvrtc=SimpleNamespace(getVersion=lambda: (12, 0))
)
