"""The modules of this library, by the names that they have however they were imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def full_name(module: str) -> str:
    """The name with the package: ``ch07.seq2seq`` also of the `module` ``seq2seq`` that a script inside ch07 imports.

    Modules of others keep their names.
    """
    if "." in module or (file := getattr(sys.modules.get(module), "__file__", None)) is None:
        return module
    path = Path(file).resolve()
    return f"{path.parent.name}.{path.stem}" if path.parent.parent == ROOT else module
