"""typing.get_type_hints, which command lines, validators and documentation tools call, resolves all annotations."""

import contextlib
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from ch06.rnnlm import Rnnlm

PACKAGES = ["common", "dataset", *(f"ch0{number}" for number in range(1, 9))]
MODULES = [
    f"{package}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
]
# Names a class of a module that imports this one.
EXCEPTIONS = {"common.cli.run"}


def annotated(module: Any) -> Iterator[tuple[str, Any]]:
    """The public functions and classes of a module, and the methods of these, with their names."""
    for name, item in vars(module).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(item) or inspect.isclass(item):
            yield f"{module.__name__}.{name}", item
        if inspect.isclass(item):
            for key, method in vars(item).items():
                function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
                if inspect.isfunction(function):
                    yield f"{module.__name__}.{name}.{key}", function


@pytest.mark.parametrize("name", MODULES)
def test_hints_are_resolved(name):
    for place, item in annotated(importlib.import_module(name)):
        with pytest.raises(NameError) if place in EXCEPTIONS else contextlib.nullcontext():
            typing.get_type_hints(item)


def test_they_are_what_the_annotations_say():
    assert typing.get_type_hints(Rnnlm.__init__)["rng"] == (int | numpy.random.Generator | None)
