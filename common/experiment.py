"""What the scripts of all chapters share, so that each of them contains only what it is about.

    @experiment(quick={"max_epoch": 10})
    def main(run: Run, max_epoch: int = 300, lr: Annotated[float, "Step of SGD."] = 1.0) -> dict[str, float]:
        model = TwoLayerNet(2, 10, 3, rng=run.rng("weights"))
        ...
        run.plot("loss.png", plot_curve, losses, xlabel="iteration", ylabel="loss")
        run.record(loss=losses)
        return {"accuracy": accuracy}

    if __name__ == "__main__":
        main.cli()

``main(max_epoch=3, seed=1)`` from Python and ``--max-epoch 3 --seed 1`` from the shell do the same. Beside its own
parameters an experiment understands

    seed    an integer >= 0, which all random numbers of the run come from
    gpu     compute with CuPy during this run
    out     the folder for the results, by default ``runs/<chapter>_<script>`` in the current folder,
            and ``…-quick`` for a quick run
    quick   the whole path of the script in seconds: other defaults for some of its own parameters
    resume  go on with the training that was cut off; for scripts with ``@experiment(..., options=TRAINING)`` that give
            their trainer ``checkpoint=run.checkpoint``

and leaves in its folder whatever it writes there and ``history.json`` with its arguments, scores and curves. While it
runs, no other process can run in that folder.
"""

import enum
import functools
import inspect
import operator
import os
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from common import config
from common.checks import as_flag, as_number
from common.files import check_writable, remove_leftovers
from common.folder_lock import FolderLock
from common.run import Run

__all__ = ["TRAINING", "Run", "Script", "experiment", "script"]

Result = TypeVar("Result")

OPTIONS = ("seed", "gpu", "out", "quick")
TRAINING = (*OPTIONS, "resume")


class Script(Generic[Result]):
    """A function that can be called from Python, and from the shell by :meth:`cli`.

    A function whose first parameter is `run` gets a :class:`Run`, and its script the shared `options`. One that the
    function declares itself, such as ``seed: int = 3``, keeps the function's default and is passed on to it as well.
    """

    def __init__(
        self,
        function: Callable[..., Result],
        quick: Mapping[str, Any],
        options: Sequence[str],
        writes: str | None = None,
        free: Collection[str] = (),
    ) -> None:
        functools.update_wrapper(self, function)
        self.__doc__ = function.__doc__ or function.__globals__.get("__doc__")
        own = dict(inspect.signature(function, eval_str=True).parameters)
        self.takes_run = own.pop("run", None) is not None
        for what, names in (("quick", quick), ("free", free)):
            if unknown := set(names) - own.keys():
                raise ValueError(f"{what}={names!r}: {function!r} has no parameter {', '.join(sorted(unknown))}")
        self.function, self.quick, self.own, self.writes, self.free = function, quick, tuple(own), writes, free
        self.name = _name(function)
        self.folder = Path("runs", self.name)
        names = set(options) - own.keys()
        shared = (parameter for parameter in _shared(self.folder, quick, names) if parameter.name in names)
        self.__signature__ = inspect.Signature([*own.values(), *shared])

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        """What the function returns.

        Raises TypeError for arguments other than the parameters, and for a number that is none; ValueError for one
        that is not among the choices.
        """
        result, run = self.execute(*args, **kwargs)
        if run:
            run.show()
        return result

    def execute(self, *args: Any, **kwargs: Any) -> tuple[Result, Run | None]:
        """What the function returns, and the run, with its files written and its figures not shown yet."""
        bound = self._bind(args, kwargs)
        quick = bool(bound.arguments.get("quick", False))
        if quick:
            bound.arguments = {**self.quick, **bound.arguments}
        bound.apply_defaults()
        parameters = self.__signature__.parameters
        values = {name: _convert(parameters[name], value) for name, value in bound.arguments.items()}
        own = {name: values[name] for name in self.own}
        if not self.takes_run:
            return self.function(**own), None

        seed = operator.index(values.get("seed", 0))
        if seed < 0:
            raise ValueError(f"seed must be a non-negative integer, not {seed}")
        default = _quick_folder(self.folder) if quick else self.folder
        reads_only = self.writes is not None and not values[self.writes]
        with (
            _folder(values.get("out") or default) as out,
            nullcontext() if reads_only else _alone_in(out),
            _backend(values.get("gpu", False)),
        ):
            if values.get("resume") and not reads_only:
                remove_leftovers(out)  # of the run that was cut off
            run = Run(self.name, out, own, seed, quick, bool(values.get("resume", False)), self.free)
            result = self.function(run, **own)
            if not reads_only:
                run.finish(result)
        return result, run

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        try:
            return self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            names, problem = list(self.__signature__.parameters), str(error)
            if unknown := [name for name in kwargs if name not in names]:
                near = get_close_matches(unknown[0], names, n=1)
                problem = f"no parameter is called {unknown[0]}" + (f", the nearest is {near[0]}" if near else "")
            raise TypeError(f"{self.name}: {problem}; the parameters are {', '.join(names) or 'none'}") from error

    def cli(self, arguments: Sequence[str] | None = None) -> None:
        """Run as the command line (or `arguments`) says, print the result, and exit. See :mod:`common.cli`."""
        from common import cli

        cli.run(self, arguments)


def experiment(
    quick: Mapping[str, Any] | None = None,
    options: Sequence[str] = OPTIONS,
    writes: str | None = None,
    free: Collection[str] = (),
) -> Callable[[Callable[..., Result]], Script[Result]]:
    """Decorator that makes a script of ``main(run, …)``; `options` are the shared parameters that make sense for it.

    quick: the defaults of some of main's parameters in a quick run; what the caller gives explicitly still holds.
    writes: the name of a parameter of main that is False for a run which only reads its folder, as may happen while
    another one is at work there.
    free: the names of parameters of main that may be others when a training goes on: no result depends on them, as on
    the number of threads, or the trainer compares what they come to, so that a default may then be stated.
    """
    return lambda function: Script(function, quick or {}, options, writes, free)


def script(function: Callable[..., Result]) -> Script[Result]:
    """Decorator that makes a script of a function without a run: just its own parameters, no files."""
    return Script(function, {}, ())


def _shared(folder: Path, quick: Mapping[str, Any], names: Collection[str]) -> list[inspect.Parameter]:
    """The parameters that experiments share; `names` are those that this one has."""
    quick_folder = f", of a quick run {_quick_folder(folder)}" if "quick" in names else ""
    small = ", ".join(f"{name}={value}" for name, value in quick.items())
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, text])
        for name, kind, default, text in (
            ("seed", int, 0, "Seed of all random numbers."),
            ("gpu", bool, False, "Compute on the GPU, with CuPy."),
            ("out", Path | None, None, f"Folder for the results, by default {folder}{quick_folder}."),
            ("quick", bool, False, f"The whole script in seconds: {small or 'it is quick anyway'}."),
            ("resume", bool, False, "Go on with the training that was cut off in the folder for the results."),
        )
    ]


def _name(function: Callable[..., Any]) -> str:
    """``ch06_train_rnnlm`` for a function of ``ch06/train_rnnlm.py``, whichever way that was started."""
    file = function.__globals__.get("__file__")
    if file is None:  # a notebook, or typed at the prompt
        return function.__name__
    path = Path(file).resolve()
    return f"{path.parent.name}_{path.stem}"


def _convert(parameter: inspect.Parameter, value: Any) -> Any:
    """A plain string as the enum or path that the parameter's annotation asks for; any other value as it is.

    Where that asks for a number, a flag or a path, TypeError for anything else, but for the default.
    """
    annotation = parameter.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    union = get_origin(annotation) in (Union, types.UnionType)
    kinds = get_args(annotation) if union else (annotation,)
    if isinstance(value, str):
        for kind in kinds:
            if kind is Path:
                if not value:
                    raise ValueError(f"{parameter.name} must be a path, not ''")
                return Path(value)
            if isinstance(kind, type) and issubclass(kind, enum.Enum):
                choices = [member.value for member in kind]
                if value not in choices:
                    raise ValueError(f"{parameter.name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
                return kind(value)
    if kinds == (bool,):
        return as_flag(parameter.name, value)
    value = as_number(value)  # NumPy's numbers are none that JSON knows
    checked: dict[Any, type] = {int: Integral, float: Real, Path: os.PathLike, type(None): type(None)}
    allowed = [checked.get(kind, object) for kind in kinds]
    if value is not parameter.default and not isinstance(value, tuple(allowed)):
        what = "path" if Path in kinds else "number" if float in kinds else "whole number"
        raise TypeError(f"{parameter.name} must be a {what}, not {value!r}")
    return value


def _quick_folder(folder: Path) -> Path:
    """Where a quick run leaves its results, so that they do not replace those of a whole one."""
    return folder.with_name(f"{folder.name}-quick")


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Make the folder, and find out now, not after hours of training, whether files can be written there.

    After an error, what was made and is still empty is removed.
    """
    new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
            check_writable(path)
        except OSError as error:
            reason = "it is a file" if path.is_file() else error.strerror
            try:
                place = path.absolute()
            except FileNotFoundError:
                place, reason = path, "the current folder has been deleted"
            raise type(error)(f"out: cannot write to the folder {place}: {reason}") from error
        yield path
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Inside, no other process or thread runs in the folder. ValueError, naming the process, where one does.

    Where no file for this can be written, nobody is kept out.
    """
    lock = None
    with suppress(OSError):
        try:
            lock = FolderLock(folder)
        except ValueError as error:
            raise ValueError(f"{error} (--out)") from None
    try:
        yield
    finally:
        if lock:
            lock.release()


@contextmanager
def _backend(gpu: bool) -> Iterator[None]:
    """The GPU inside, where `gpu` or ``config.GPU`` asks for it, and outside what was there before."""
    before = config.GPU
    config.GPU = gpu or before
    try:
        yield
    finally:
        config.GPU = before
