"""Saving and loading what a model has learnt."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from numpy import errstate  # CuPy never warns

from common import model_arguments, model_folder, weight_files
from common.files import FileFormatError, Location
from common.model_tree import unique_params
from common.np import np, to_cpu
from common.shared_weights import tie_again, ties, uses
from common.signature import InitSignature

__all__ = ["BaseModel"]

Model = TypeVar("Model", bound="BaseModel")


class BaseModel:
    """Base of the models: to a file or folder and back.

    params, grads   lists of the weights and their gradients; a shared weight stands once for each use
    """

    params: list[Any]
    grads: list[Any]
    _made_with: model_arguments.Arguments
    __signature__ = InitSignature()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new model, which remembers the arguments it is made with; they are what a folder keeps of it."""
        model = super().__new__(cls)
        model._made_with = model_arguments.Arguments(args, kwargs)
        return model

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, and which of the params are views of one weight, for copies and pickles."""
        return {**vars(self), "_ties": ties(getattr(self, "params", None))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Weights that shared memory do so again."""
        vars(self).update(state)
        if tied := vars(self).pop("_ties", None):  # a class's own __getstate__ may know of none
            tie_again(self, self.params, tied)

    def save(self, folder: Location, **vocabularies: Mapping[int, str]) -> Path:
        """Write the model as a folder, see :mod:`common.model_folder`; returns its path.

        ``save("mine", id_to_word=id_to_word)`` keeps a vocabulary, which the loaded model has as its attributes
        id_to_word and word_to_id; a second one may be called target_id_to_word. Raises TypeError for a model made with
        arguments other than numbers and text, and for words that are no text; ValueError for ids with gaps, words that
        occur twice, and another number of words than the model has. All is checked before a file changes.
        """
        return model_folder.save(self, folder, vocabularies)

    def saved_arguments(self) -> dict[str, Any]:
        """The arguments that :meth:`save` keeps to make the model with again: those it was made with, but for `rng`.

        A class with arguments that are not numbers, text, or lists and dictionaries of them overrides this, and says
        what its ``__init__`` may have in their places.
        """
        return model_arguments.arguments(self)

    @classmethod
    def load(cls: type[Model], folder: Location) -> Model:
        """The model that :meth:`save` wrote, ready for use.

        ``BaseModel.load`` makes models of this library, ``Mine.load`` those of Mine, or of a class that Mine is derived
        from. Raises FileFormatError naming a file that does not fit, and FileNotFoundError.
        """
        return model_folder.load(cls, folder)

    def save_params(self, file_name: Location | None = None, *, half: bool = False) -> Path:
        """Write the weights; returns the path. The default is the class's name with ".npz" in the current folder.

        The ending chooses the format: .npz and .safetensors hold the tensors by name in their own dtypes, with `half`
        in float16, a shared weight once; .pkl is the book's list of float16 arrays, one for each use. Raises
        ValueError, and leaves a previous file as it is, for weights that are not finite or too large for float16.
        """
        path = weight_files.with_suffix(file_name or type(self).__name__)
        weights = _weights(self, each_use=weight_files.holds_list(path))
        return weight_files.write(path, {name: to_cpu(param) for name, param in weights.items()}, half=half)

    def load_params(self, file_name: Location | None = None) -> None:
        """Copy the weights of a file into the existing arrays; without a name, the file that save_params() writes.

        Where there is no file of that name, one of the same name with another of the endings serves; a UserWarning
        says so where the .pkl file that is taken is older than an .npz file of save_params() beside it. The tensors go
        by their names, or, where the names are those of other attributes, by their order, which is that of params, if
        all shapes fit. Nothing is copied unless everything fits. Raises FileNotFoundError, and FileFormatError naming
        the file and the first tensor that is missing, not known, or of another shape.
        """
        name = type(self).__name__
        path = _found(name, weight_files.with_suffix(file_name or name))
        tensors, _ = weight_files.read(path)
        is_list = weight_files.is_list(tensors)
        own = _weights(self, each_use=is_list and len(tensors) == len(self.params))
        tensors = _by_order(tensors, own)
        if is_list and tensors.keys() != own.keys():  # they have no names, so none can be said to be missing
            raise FileFormatError(path, f"has {len(tensors)} tensors, {name} has {len(self.params)}")
        _check_shapes(path, name, tensors, own)
        converted = _converted(path, name, tensors, own)
        for key, param in own.items():
            param[...] = converted[key]


def _weights(model: BaseModel, *, each_use: bool) -> dict[str, Any]:
    """The params by their places, a shared weight once for each use, or else by their names, each once."""
    return {str(place): param for place, param in enumerate(model.params)} if each_use else unique_params(model)


def _found(name: str, path: Path) -> Path:
    """The file of weights at the path, or one with another of the endings; see :meth:`BaseModel.load_params`."""
    # save_params() writes .npz by default, where the book's scripts look for .pkl.
    found = [other for other in (path, *map(path.with_suffix, weight_files.SUFFIXES)) if other.exists()]
    if not found:
        text = f"{name}: there is no file {path.absolute()} to load weights from"
        if path.with_suffix("").is_file():  # such as w.pickle, which with_suffix has made w.pickle.npz of
            text += f"; {path.stem} would have to end in {', '.join(weight_files.SUFFIXES)}"
        raise FileNotFoundError(text)
    path, ours = found[0], found[0].with_suffix(".npz")
    if weight_files.holds_list(path) and ours in found and ours.stat().st_mtime_ns > path.stat().st_mtime_ns:
        message = f"{name}: the weights are those of {path}, but {ours} beside it is newer; "
        warnings.warn(f"{message}load_params({ours.name!r}) would take it", stacklevel=3)
    return path


def _check_shapes(path: Path, name: str, tensors: dict[str, Any], own: dict[str, Any]) -> None:
    """FileFormatError naming the first tensor that is missing, not known, or of another shape than the param."""
    if missing := [key for key in own if key not in tensors]:
        first = f"{missing[0]} {own[missing[0]].shape}"
        raise FileFormatError(path, f"{len(tensors)} tensors, but {name} has {len(own)} and misses {first}")
    if unknown := [key for key in tensors if key not in own]:
        raise FileFormatError(path, f"tensor {unknown[0]} {tensors[unknown[0]].shape} has no place in {name}")
    for key, param in own.items():
        if tensors[key].shape != param.shape:
            raise FileFormatError(
                path, f"tensor {key}: {name} expects the shape {param.shape}, the file has {tensors[key].shape}"
            )


def in_dtype(path: Path, name: Any, tensor: Any, dtype: Any) -> Any:
    """The tensor of a file as an array of the dtype. FileFormatError, naming it, for numbers too large for that."""
    with errstate(over="ignore"):
        array = np.asarray(tensor, dtype)
    if not bool(np.isfinite(array).all()):
        raise FileFormatError(path, f"tensor {name}: some of its numbers are too large for {dtype}")
    return array


def _converted(path: Path, name: str, tensors: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The tensors in the dtypes of the params. FileFormatError for what these cannot hold, one weight or two."""
    converted = {key: in_dtype(path, key, tensors[key], param.dtype) for key, param in own.items()}
    keys = list(own)
    for place, use, transposed in uses(list(own.values())):  # a .pkl file has a shared weight for each use
        one, other = keys[use], keys[place]
        if not np.array_equal(converted[one].T if transposed else converted[one], converted[other]):
            raise FileFormatError(
                path, f"tensors {one} and {other} are one shared weight of {name}, but differ in the file"
            )
    return converted


def _by_order(tensors: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The tensors under the names of the params, place by place, if there are as many, each has the shape of the param
    in its place, and names that differ in a place do not occur on the other side. Otherwise the tensors as they are.
    """
    same = len(tensors) == len(own) and all(
        (name == param or (name not in own and param not in tensors)) and tensors[name].shape == own[param].shape
        for name, param in zip(tensors, own, strict=True)
    )
    return dict(zip(own, tensors.values(), strict=True)) if same else tensors
