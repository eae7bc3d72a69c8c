"""The command line of a script: an option for each of its parameters, and errors that a person can read.

    python -m ch06.train_rnnlm --max-epoch 1 --learning-rate 10

An option is named like its parameter; the string in ``Annotated[int, "Width of the hidden layer."]`` is its help, and
the docstring of the function, or else of its module, the help of the whole. A parameter annotated with one of Typer's
own objects, such as ``Annotated[str, typer.Argument(help="A date.")]``, is left as it is.

Exit codes: 0; 2 for bad options and for errors, of which standard error gets the message; 130 after Ctrl-C.
"""

import inspect
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand
from typer.models import ParameterInfo

if TYPE_CHECKING:
    from common.experiment import Script

# What misuse raises. Anything else is a mistake in the program, and its traceback is shown at once.
EXPECTED = (ValueError, TypeError, LookupError, ArithmeticError, OSError, ImportError, MemoryError)


def run(script: "Script[Any]", arguments: Sequence[str] | None = None) -> None:
    """Run `script` as `arguments` (by default the command line) say, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what the terminal cannot show is no reason to fail
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=_Command, help=_help(script))(_command(script))
    app(args=arguments)


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
            if result is not None:
                print(describe(result))
            if run:
                print(f"results in {run.out}")
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
        text = " ".join(note for note in notes if isinstance(note, str))
        parameter = parameter.replace(annotation=Annotated[kind, typer.Option(help=text)])
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
