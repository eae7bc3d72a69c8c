"""The command line of a script: an option for each of its parameters, and errors that a person can read.

    python -m ch06.train_rnnlm --max-epoch 1 --lr 10

An option is named like its parameter; the string in ``Annotated[int, "Width of the hidden layer."]`` is its help, and
the docstring of the function, or else of its module, the help of the whole. A parameter annotated with one of Typer's
own objects, such as ``Annotated[str, typer.Argument(help="A date.")]``, is left as it is.

Exit codes: 0; 2 for bad options and for errors, of which standard error gets the message; 130 after Ctrl-C; 1 where
nobody reads the output any longer.
"""

import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand
from typer.models import ParameterInfo

from common.progress import write

if TYPE_CHECKING:
    from common.experiment import Script

# What misuse raises. Anything else is a mistake in the program, and its traceback is shown at once.
EXPECTED = (ValueError, TypeError, LookupError, ArithmeticError, OSError, ImportError, MemoryError)


def run(script: "Script[Any]", arguments: Sequence[str] | None = None) -> None:
    """Run `script` as `arguments` (by default the command line) say, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # What the terminal cannot show is no reason to fail; a log or a pipe gets each line at once.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=_Command, help=_help(script))(_command(script))
    try:
        app(args=arguments)
    finally:
        _flush()


def _flush() -> None:
    """Write what is left of the output. Where nobody reads it, or the disk is full, drop it, or Python would complain
    when it exits.
    """
    try:
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's introduction
            raise


def describe(result: object) -> str:
    """A script's result as it is printed: a dictionary of scores on one line, anything else as Python prints it."""
    if isinstance(result, Mapping):
        return " | ".join(f"{str(name).replace('_', ' ')} {_value(value)}" for name, value in result.items())
    return str(result)


def _value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, Real) and not isinstance(value, Integral) else str(value)


def _message(error: Exception) -> str:
    """What an error says; a KeyError, and the system's own about a file, without numbers and quotes."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.filename is not None and error.strerror and str(error).startswith("[Errno"):
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _help(script: "Script[Any]") -> str:
    """The docstring. A backspace on a line of its own keeps the line breaks of the paragraph that follows."""
    return "".join(f"\b\n{paragraph}\n\n" for paragraph in inspect.cleandoc(script.__doc__ or "").split("\n\n"))


def _command(script: "Script[Any]") -> Any:
    """The function that Typer makes a command of; its signature lists the options."""

    def command(ctx: typer.Context, traceback: bool, **values: Any) -> None:
        # Only what was really given: a quick run has other defaults.
        given = {name: value for name, value in values.items() if "DEFAULT" not in str(ctx.get_parameter_source(name))}
        try:
            result, run = script.execute(**given)
            show = write if run else print  # what stands in the folder, too, may be lost on a full disk
            if result is not None and (text := describe(result)):
                show(text)
            if run:
                show(f"results in {run.out}")
                run.show()
        except KeyboardInterrupt as interrupt:
            print(f"\n{str(interrupt) or 'Interrupted.'}", file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # as in `python -m ch01.train | head`; Typer ends quietly
            raise
        except EXPECTED as error:
            if traceback:
                raise
            print(f"Error: {_message(error)}\n(--traceback shows where)", file=sys.stderr)
            raise typer.Exit(2) from None

    show_traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")]
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *map(_option, script.__signature__.parameters.values()),
        inspect.Parameter("traceback", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=show_traceback),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    """`parameter` annotated so that Typer makes an option of it, even without a default."""
    annotated = get_origin(parameter.annotation) is Annotated
    kind, *notes = get_args(parameter.annotation) if annotated else [parameter.annotation]
    if not any(isinstance(note, ParameterInfo) for note in notes):
        text, shown = " ".join(note for note in notes if isinstance(note, str)), None
        if Path in (kind, *get_args(kind)):  # as text: the empty one, as a path, would be the current folder
            kind, shown = str if kind is Path else str | None, "<path>"
        parameter = parameter.replace(annotation=Annotated[kind, typer.Option(help=text, metavar=shown)])
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
