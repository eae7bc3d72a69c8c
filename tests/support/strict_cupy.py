"""A stand-in for the module cupy, for machines without a GPU: arrays that refuse to mix with NumPy's.

Its arrays are NumPy's inside, so it gives NumPy's numbers. As with CuPy's, nothing converts them to the host but
``get()`` (and ``float``, ``int`` and ``bool`` of a single number), host arrays enter by ``asarray`` and ``array`` only,
they have no hash, a reduction gives an array without axes, and where CuPy lacks an argument so does this. An object
with the method ``__cupy_get_ndarray__`` is an array to ``asarray``, to ufuncs and to operators. It has the functions
that the project uses; add to the tables what CuPy 13 has. It is stricter than CuPy in places, never laxer.

It finds host and device arrays that mix, and names that CuPy lacks; kernels are a matter of a real GPU.
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
NOT_IN_CUPY = {"initial", "where", "subok", "device", "like"}


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
        self._host[_key(key)] = _host(value)

    def astype(self, dtype, copy=True):
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
        _refuse_arguments(name, kwargs)
        out = kwargs.get("out")
        result = getattr(self._host, name)(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()})
        return _device(result) if out is None else out

    return method


def _binary(name, reflected=False):
    function = getattr(operator, f"{name}_" if name in ("and", "or") else name)

    def method(self, other):
        hosts = self._host, _host(other if name == "matmul" else _like(other))
        return _device(function(*reversed(hosts)) if reflected else function(*hosts))

    return method


def _in_place(name):
    function = getattr(operator, f"i{name}")

    def method(self, other):
        function(self._host, _host(_like(other)))
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


def _key(key):
    """An index that makes NumPy give an array also for a single number."""
    key = key if isinstance(key, tuple) else (key,)
    return (*map(_host, key), *(() if any(part is Ellipsis for part in key) else (Ellipsis,)))


def _refuse_arguments(name, kwargs):
    for unknown in NOT_IN_CUPY & kwargs.keys():
        raise TypeError(f"{name}() has no argument {unknown!r} in CuPy")


class _Function:
    """A function of NumPy that takes and gives arrays of the device."""

    def __init__(self, name):
        self.__name__, self._function = name, getattr(numpy, name)

    def __call__(self, *args, **kwargs):
        _refuse_arguments(self.__name__, kwargs)
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError(f"{self.__name__}: out must be an array of the device, not {type(out)}")
        if self.__name__ == "matmul" and out is not None and min(arg.ndim for arg in args) < 2:
            raise ValueError("axes don't match array")  # which CuPy 13 says of a vector here
        if isinstance(self, _Ufunc) and any(isinstance(arg, (list, tuple)) for arg in args):
            raise TypeError(f"Unsupported type of an argument of {self.__name__}")
        result = self._function(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()})
        return _device(result) if out is None else out


class _Ufunc(_Function):
    def __call__(self, *args, **kwargs):
        return super().__call__(*map(_like, args), **kwargs)

    def at(self, a, indices, b):
        if not isinstance(a, ndarray):
            raise TypeError(f"{self.__name__}.at: expected an array of the device, not {type(a)}")
        if self.__name__ == "add" and a.dtype not in SUMMED_BY_ID.split():
            raise TypeError(f"cupy.add.at only supports {SUMMED_BY_ID}, not {a.dtype}")
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
    first = obj = _like(obj)
    while type(first) in (tuple, list) and first:
        first = first[0]
    made = numpy.array(_host(obj) if isinstance(first, ndarray) else obj, dtype)
    if made.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {made.dtype}")
    return _device(made)


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
