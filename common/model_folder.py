"""A model as a folder that is all one needs to use it again, on the CPU or the GPU, whichever it was trained on.

    config.json      format version, the model's class, the arguments that it was made with, checksums of the others
    vocab.json       its vocabularies, if it was saved with any: lists of words in the order of the ids
    weights.npz      its weights by name
"""

import hashlib
import importlib
import inspect
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from common.files import FileFormatError, Location, parse_json, write_bytes
from common.np import np

VERSION = 1
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocab.json", "weights.npz"

_LIBRARY = re.compile(r"(common|ch0[1-8])\.[a-z]\w*")
_TABLE = re.compile(r"(\w+_)?id_to_(\w+)")


def save(model: Any, folder: Location, vocabularies: Mapping[str, Mapping[int, str]]) -> Path:
    """Write the folder; returns its path. See :meth:`common.base_model.BaseModel.save`.

    Whatever cannot be saved is found out before an existing folder is changed, a full disk too. Beside what is said
    there, ValueError for a vocabulary that has another size than the model or a word twice, TypeError for one that is
    not of text.
    """
    folder = Path(folder)
    config = _config(model)
    words = {name: _words(model, name, table, config["arguments"]) for name, table in vocabularies.items()}
    text = json.dumps(words, indent=0, ensure_ascii=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as new:
        model.save_params(Path(new, WEIGHTS))
        write_bytes(Path(new, VOCABULARY), text)
        config["checksums"] = {name: _checksum(Path(new, name)) for name in (WEIGHTS, VOCABULARY)}
        write_bytes(Path(new, CONFIG), json.dumps(config, indent=1, ensure_ascii=False).encode())
        for name in (WEIGHTS, VOCABULARY, CONFIG):
            Path(new, name).replace(folder / name)
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
    tables = _read(Path(folder, VOCABULARY))
    for table, words in tables.items():
        match = _TABLE.fullmatch(table)
        if not match or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise FileFormatError(Path(folder, VOCABULARY), f"{table[:100]!r} is no list of words named id_to_…")
        setattr(model, table, dict(enumerate(words)))
        setattr(model, f"{match[1] or ''}{match[2]}_to_id", {word: i for i, word in enumerate(words)})
    _compare(Path(folder), config.get("checksums", {}))  # which folders of before there were any lack
    return model


def _config(model: Any) -> dict[str, Any]:
    kind = type(model)
    bound = inspect.signature(kind).bind(*model._made_with[0], **model._made_with[1])
    arguments = {
        name: value.item() if isinstance(value, numpy.generic) else value
        for name, value in bound.arguments.items()
        if name != "rng"
    }
    if "dtype" in arguments:
        arguments["dtype"] = np.dtype(arguments["dtype"]).name
    for name, value in arguments.items():
        if not _is_plain(value):
            raise TypeError(f"{kind.__name__}: its argument {name}, a {type(value).__name__}, has no place in a folder")
    return {"format_version": VERSION, "module": _module(kind), "class": kind.__name__, "arguments": arguments}


def _is_plain(value: Any) -> bool:
    """Whether JSON gives the value back as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


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


def _words(model: Any, name: str, table: Mapping[int, str], arguments: Mapping[str, Any]) -> list[str]:
    """The words of a vocabulary, which must be one of the model's: that of its ids, or of the ids that it answers."""
    match = _TABLE.fullmatch(name)
    if not match:
        raise ValueError(f"a vocabulary is called id_to_word or the like, not {name}")
    if set(table) != set(range(len(table))):
        raise ValueError(f"{name}: its keys must be the ids from 0 to {len(table) - 1}")
    words = [table[i] for i in range(len(table))]
    if odd := [word for word in words if not isinstance(word, str)]:
        raise TypeError(f"{name}: words must be text, not {type(odd[0]).__name__}, such as {odd[0]!r}")
    if len(set(words)) != len(words):
        word, times = Counter(words).most_common(1)[0]
        raise ValueError(f"{name}: expected each word once, but {word!r} is there {times} times")
    size = arguments.get("vocab_size")
    size = {None: size, "target_": arguments.get("target_size") or size}.get(match[1])
    if size is not None and size != len(words):
        raise ValueError(f"{name}: {type(model).__name__} has {size} words there, the vocabulary {len(words)}")
    return words


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(partial(file.read, 1 << 18), b""):
            digest.update(part)
    return digest.hexdigest()


def _compare(folder: Path, checksums: Any) -> None:
    """FileFormatError for a file that is not the one which the configuration was written with."""
    if not isinstance(checksums, dict):
        raise FileFormatError(folder / CONFIG, "its checksums are no dictionary")
    for name in (WEIGHTS, VOCABULARY):
        if name in checksums and checksums[name] != _checksum(folder / name):
            raise FileFormatError(
                folder / name,
                f"it is not the file that {CONFIG} was written with, but changed since, or of a save that was cut off. "
                "Save the model again",
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise FileFormatError(path, f"not sound JSON: {error}") from error
