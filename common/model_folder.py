"""A model as a folder that is all one needs to use it again, on the CPU or the GPU, whichever it was trained on.

    config.json      format version, the model's class, the arguments that it was made with, checksums of the others
    vocab.json       its vocabularies by name, {} if it was saved without any: lists of words in the order of the ids
    weights.npz      its weights by name
"""

import hashlib
import importlib
import inspect
import json
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from common.files import FileFormatError, Location, parse_json, regular, write_bytes
from common.library import full_name
from common.limited_generator import LimitedGenerator, check_integers
from common.model_arguments import NotKept, is_plain, made_with, plain_arguments

VERSION = 1
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocab.json", "weights.npz"

_LIBRARY = re.compile(r"(common|ch0[1-8])\.[a-z]\w*")
_TABLE = re.compile(r"(\w+_)?id_to_(\w+)")
_UTF8 = re.compile("[^\ud800-\udfff]*")
_DTYPES = {name for kind in map(numpy.dtype, "efd") for name in (kind.name, kind.char, kind.str[1:])}


def save(model: Any, folder: Location, vocabularies: Mapping[str, Mapping[int, str]]) -> Path:
    """Write the folder; returns its path. See :meth:`common.base_model.BaseModel.save`.

    Whatever cannot be saved is found out before an existing folder is changed, a full disk too. Beside what is said
    there, ValueError for the empty name, FileExistsError for that of a file.
    """
    if folder == "":
        raise ValueError("save: expected the name of a folder, got ''; '.' is the current one")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: this is a file, expected a folder to save the model in")
    config = _config(model)
    words = {name: _words(model, name, table) for name, table in vocabularies.items()}
    text = json.dumps(words, indent=0, ensure_ascii=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{secrets.token_hex(8)}"  # none of tempfile's, whose files on Windows stay their owner's alone
    new.mkdir()
    try:
        model.save_params(new / WEIGHTS)
        write_bytes(new / VOCABULARY, text)
        config["checksums"] = {name: _checksum(new / name) for name in (WEIGHTS, VOCABULARY)}
        write_bytes(new / CONFIG, json.dumps(config, indent=1, ensure_ascii=False).encode())
        for name in (WEIGHTS, VOCABULARY, CONFIG):
            (new / name).replace(folder / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def load(kind: type[Any], folder: Location) -> Any:
    """The model in a folder, an instance of `kind`. See :meth:`common.base_model.BaseModel.load`."""
    path = Path(folder, CONFIG)
    if not path.parent.exists():
        raise FileNotFoundError(f"{path.parent}: there is no such folder, expected one that a model was saved in")
    if not path.parent.is_dir():
        raise FileFormatError(path.parent, "this is a file, expected the folder that a model was saved in")
    if not path.exists():
        raise FileNotFoundError(f"{path.parent}: there is no model in this folder, it lacks {CONFIG}")
    config = _read(path)
    match config:
        case {"format_version": int(version)} if version != VERSION:
            raise FileFormatError(path, f"format version {version}, this program reads version {VERSION}")
        case {"module": str(module), "class": str(name), "arguments": dict(arguments)}:
            pass
        case _:
            raise FileFormatError(path, "no configuration of a model: it lacks module, class or arguments")
    made, size = _find(path, kind, module, name), regular(Path(folder, WEIGHTS)).stat().st_size
    try:
        model = _make(made, arguments, size)
    except Exception as error:  # whatever comes of arguments that somebody has changed
        given = f"{arguments}"[:1000]
        raise FileFormatError(path, f"{name} cannot be made with {given}: {str(error) or repr(error)}") from error
    model.load_params(Path(folder, WEIGHTS))
    tables = _read(Path(folder, VOCABULARY))
    for table, words in tables.items():
        match = _TABLE.fullmatch(table)
        if not match or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise FileFormatError(Path(folder, VOCABULARY), f"{table[:100]!r} is no list of words named id_to_…")
        try:
            _words(model, table, dict(enumerate(words)))
        except ValueError as error:
            raise FileFormatError(Path(folder, VOCABULARY), str(error)) from error
        setattr(model, table, dict(enumerate(words)))
        setattr(model, f"{match[1] or ''}{match[2]}_to_id", {word: i for i, word in enumerate(words)})
    _compare(Path(folder), config.get("checksums", {}))  # which folders of before there were any lack
    return model


def _make(kind: type[Any], arguments: dict[str, Any], size: int) -> Any:
    """A model whose weights have their place in a file of `size` bytes. ValueError, before much memory is asked for,
    for one that has not: every weight is a number of at least two bytes, and has been drawn.
    """
    for name, value in arguments.items():
        if name == "dtype" and not (isinstance(value, str) and value in _DTYPES):
            raise ValueError(f"dtype must be float16, float32 or float64, not {value!r}"[:200])
    if _LIBRARY.fullmatch(full_name(kind.__module__)):
        check_integers(arguments, size, WEIGHTS)
    rng = LimitedGenerator(size, WEIGHTS)
    model = kind(**arguments, **({"rng": rng} if "rng" in inspect.signature(kind).parameters else {}))
    if not hasattr(model, "params"):
        raise ValueError("it has no weights")
    rng.all_drawn()
    return model


def _config(model: Any) -> dict[str, Any]:
    kind = type(model)
    arguments = plain_arguments(model)
    for name, value in arguments.items():
        if not is_plain(value):
            what = value.kind if isinstance(value, NotKept) else type(value).__name__
            raise TypeError(f"{kind.__name__}: its argument {name}, a {what}, has no place in a folder")
    named = {"module": full_name(kind.__module__), "class": kind.__name__, "arguments": arguments}
    return {"format_version": VERSION, **named}


def _find(path: Path, kind: type[Any], module: str, name: str) -> type[Any]:
    """The class to make: `kind`, if it is the one named or derived from it, or the one named, if that is a `kind`."""
    if any(full_name(base.__module__) == module and base.__name__ == name for base in kind.__mro__[:-1]):
        return kind
    if not _LIBRARY.fullmatch(module):
        raise FileFormatError(path, f"its class {name} of {module} is not this library's; call the load of that class")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        found = None
    if not isinstance(found, type) or not hasattr(found, "saved_arguments"):
        raise FileFormatError(path, f"{module} has no model {name}")
    if not issubclass(found, kind):
        raise FileFormatError(path, f"expected a model of the class {kind.__name__}, not {name} of {module}")
    return found


def _words(model: Any, name: str, table: Mapping[int, str]) -> list[str]:
    """The words of a vocabulary, which must be one of the model's: that of its ids, or of the ids that it answers."""
    match = _TABLE.fullmatch(name)
    if not match:
        raise ValueError(f"a vocabulary is called id_to_word or the like, not {name}")
    if set(table) != set(range(len(table))):
        raise ValueError(f"{name}: its keys must be the ids from 0 to {len(table) - 1}")
    words = [table[i] for i in range(len(table))]
    if odd := [word for word in words if not isinstance(word, str)]:
        raise TypeError(f"{name}: words must be text, not {type(odd[0]).__name__}, such as {odd[0]!r}")
    if odd := [word for word in words if not _UTF8.fullmatch(word)]:
        raise ValueError(f"{name}: the word {odd[0]!r} has half a surrogate pair, which no file can hold")
    if len(set(words)) != len(words):
        word, times = Counter(words).most_common(1)[0]
        raise ValueError(f"{name}: expected each word once, but {word!r} is there {times} times")
    bound = made_with(model)
    bound.apply_defaults()
    size = bound.arguments.get("vocab_size")
    size = {None: size, "target_": bound.arguments.get("target_size") or size}.get(match[1])
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
                "Save the model again; or, where git or a copy as text has changed the line ends, copy it as it was",
            )


def _read(path: Path) -> dict[str, Any]:
    data = regular(path).read_bytes()
    try:
        return parse_json(data)
    except ValueError as error:
        raise FileFormatError(path, f"not sound JSON: {error}") from error
