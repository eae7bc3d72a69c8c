"""A model as a folder that is all one needs to use it again, on the CPU or the GPU, whichever it was trained on.

    config.json      format version, the model's class, and the arguments that it was made with
    vocab.json       its vocabularies, if it was saved with any: lists of words in the order of the ids
    weights.npz      its weights by name
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import FileFormatError, Location, parse_json, write_bytes
from common.np import np

VERSION = 1
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocab.json", "weights.npz"

_LIBRARY = re.compile(r"(common|ch0[1-8])\.[a-z]\w*")
_TABLE = re.compile(r"(\w+_)?id_to_(\w+)")


def save(model: Any, folder: Location, vocabularies: Mapping[str, Mapping[int, str]]) -> Path:
    """Write the folder, file by file; returns its path. See :meth:`common.base_model.BaseModel.save`."""
    folder = Path(folder)
    config = json.dumps(_config(model), indent=1, ensure_ascii=False)
    words = {name: _words(name, table) for name, table in vocabularies.items()}
    folder.mkdir(parents=True, exist_ok=True)
    model.save_params(folder / WEIGHTS)
    write_bytes(folder / VOCABULARY, json.dumps(words, indent=0, ensure_ascii=False).encode())
    write_bytes(folder / CONFIG, config.encode())
    return folder


def load(kind: type[Any], folder: Location) -> Any:
    """The model in a folder, an instance of `kind`. See :meth:`common.base_model.BaseModel.load`."""
    path = Path(folder, CONFIG)
    config = _read(path)
    match config:
        case {"format_version": int(version)} if version != VERSION:
            raise FileFormatError(path, f"format version {version}, this program reads version {VERSION}")
        case {"module": str(module), "class": str(name), "arguments": dict(arguments)}:
            pass
        case _:
            raise FileFormatError(path, "no configuration of a model: it lacks module, class or arguments")
    made = _find(path, kind, module, name)
    given = set(inspect.signature(made).parameters)
    try:
        # The first weights are drawn from a generator of their own, and replaced at once.
        model = made(**arguments, **({"rng": 0} if "rng" in given else {}))
    except (TypeError, ValueError) as error:
        raise FileFormatError(path, f"{name} cannot be made with {arguments}: {error}") from error
    model.load_params(Path(folder, WEIGHTS))
    for table, words in _read(Path(folder, VOCABULARY)).items():
        match = _TABLE.fullmatch(table)
        if not match or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise FileFormatError(Path(folder, VOCABULARY), f"{table[:100]!r} is no list of words named id_to_…")
        setattr(model, table, dict(enumerate(words)))
        setattr(model, f"{match[1] or ''}{match[2]}_to_id", {word: i for i, word in enumerate(words)})
    return model


def _config(model: Any) -> dict[str, Any]:
    kind = type(model)
    bound = inspect.signature(kind).bind(*model._made_with[0], **model._made_with[1])
    arguments = {name: value for name, value in bound.arguments.items() if name != "rng"}
    if "dtype" in arguments:
        arguments["dtype"] = np.dtype(arguments["dtype"]).name
    for name, value in arguments.items():
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise TypeError(f"{kind.__name__}: its argument {name}, a {type(value).__name__}, has no place in a folder")
    return {"format_version": VERSION, "module": _module(kind), "class": kind.__name__, "arguments": arguments}


def _module(kind: type[Any]) -> str:
    """Where a class comes from, also if its module was imported by its bare name from inside the chapter's folder."""
    path = Path(getattr(sys.modules[kind.__module__], "__file__", None) or "").resolve()
    full = f"{path.parent.name}.{path.stem}"
    return full if path.parents[1:2] == [Path(__file__).resolve().parents[1]] else kind.__module__


def _find(path: Path, kind: type[Any], module: str, name: str) -> type[Any]:
    """The class to make: `kind`, if it is the one named or derived from it, or the one named, if that is a `kind`."""
    if any(_module(base) == module and base.__name__ == name for base in kind.__mro__[:-1]):
        return kind
    if not _LIBRARY.fullmatch(module):
        raise FileFormatError(path, f"its class {name} of {module} is not this library's; call the load of that class")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        found = None
    if not isinstance(found, type) or not issubclass(found, kind):
        raise FileFormatError(path, f"{module} has no model {name}, or it is no {kind.__name__}")
    return found


def _words(name: str, table: Mapping[int, str]) -> list[str]:
    if not _TABLE.fullmatch(name):
        raise ValueError(f"a vocabulary is called id_to_word or the like, not {name}")
    if set(table) != set(range(len(table))):
        raise ValueError(f"{name}: its keys must be the ids from 0 to {len(table) - 1}")
    return [table[i] for i in range(len(table))]


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise FileFormatError(path, f"not sound JSON: {error}") from error
