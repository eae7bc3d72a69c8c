"""Saving and loading what a model has learnt."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from numpy import errstate  # CuPy never warns

from common import model_folder, weight_files
from common.files import FileFormatError, Location
from common.model_tree import unique_params
from common.np import address, np, to_cpu

__all__ = ["BaseModel"]

Model = TypeVar("Model", bound="BaseModel")


class BaseModel:
    """Base of the models: to a file or folder and back.

    params, grads   lists of the weights and their gradients; a shared weight stands once for each use
    """

    params: list[Any]
    grads: list[Any]
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new model, which remembers the arguments it is made with; they are what a folder keeps of it."""
        model = super().__new__(cls)
        model._made_with = args, kwargs
        return model

    def __deepcopy__(self: Model, memo: dict[int, Any]) -> Model:
        """A copy in which weights that share memory do so again; the views of one would become arrays of their own."""
        first: dict[Any, Any] = {}
        for param in getattr(self, "params", ()):
            shared = first.setdefault(address(param), param)
            if shared is not param:
                twin = copy.deepcopy(shared, memo)
                memo[id(param)] = twin.T if param.shape != shared.shape or param.strides != shared.strides else twin[:]
        made = memo[id(self)] = type(self).__new__(type(self))
        vars(made).update({name: copy.deepcopy(value, memo) for name, value in vars(self).items()})
        return made

    def save(self, folder: Location, **vocabularies: Mapping[int, str]) -> Path:
        """Write the model as a folder, see :mod:`common.model_folder`; returns its path.

        ``save("mine", id_to_word=id_to_word)`` keeps a vocabulary, which the loaded model has as its attributes
        id_to_word and word_to_id; a second one may be called target_id_to_word. Raises TypeError for a model made with
        arguments other than numbers and text, and ValueError for ids with gaps, words that are no text or occur twice,
        and another number of words than the model has. All is checked before a file changes.
        """
        return model_folder.save(self, folder, vocabularies)

    @classmethod
    def load(cls: type[Model], folder: Location) -> Model:
        """The model that :meth:`save` wrote, ready for use.

        ``BaseModel.load`` makes models of this library, ``Mine.load`` those of Mine, or of a class that Mine is derived
        from. Raises FileFormatError naming a file that does not fit, and FileNotFoundError.
        """
        return model_folder.load(cls, folder)

    def save_params(self, file_name: Location | None = None, *, half: bool = False) -> Path:
        """Write the weights; returns the path. The default is the class's name with ".npz" in the current folder.

        The ending chooses the format: .npz and .safetensors hold float32 tensors by name, with `half` float16 ones, a
        shared weight once; .pkl is the book's list of float16 arrays, one for each use. Raises ValueError, and leaves a
        previous file as it is, for weights that are not finite or too large for float16.
        """
        path = weight_files.with_suffix(file_name or type(self).__name__)
        if path.suffix.lower() == ".pkl":
            tensors = {str(place): to_cpu(param) for place, param in enumerate(self.params)}
        else:
            tensors = {name: to_cpu(param) for name, param in unique_params(self).items()}
        return weight_files.write(path, tensors, half=half)

    def load_params(self, file_name: Location | None = None) -> None:
        """Copy the weights of a file into the existing arrays; without a name, the file that save_params() writes.

        Where there is no file of that name, one of the same name with another of the endings serves.
        Nothing is copied unless everything fits. Raises FileNotFoundError, and FileFormatError naming the file and the
        first tensor that is missing, not known, or of another shape.
        """
        path = weight_files.with_suffix(file_name or type(self).__name__)
        if not path.exists():
            # save_params() writes .npz by default, where the book's scripts look for .pkl.
            others = (path.with_suffix(suffix) for suffix in weight_files.SUFFIXES)
            path = next((other for other in others if other.exists()), path)
        if not path.exists():
            raise FileNotFoundError(f"{type(self).__name__}: there is no file {path.absolute()} to load weights from")
        tensors, _ = weight_files.read(path)
        by_place = list(tensors) == [str(place) for place in range(len(tensors))]
        if by_place and len(tensors) == len(self.params):
            own = {str(place): param for place, param in enumerate(self.params)}
        else:
            own = unique_params(self)
        name = type(self).__name__
        if by_place and tensors.keys() != own.keys():  # they have no names, so none can be said to be missing
            raise FileFormatError(path, f"has {len(tensors)} tensors, {name} has {len(self.params)}")
        for missing in [key for key in own if key not in tensors]:
            raise FileFormatError(
                path, f"{len(tensors)} tensors, but {name} has {len(own)} and misses {missing} {own[missing].shape}"
            )
        for unknown in [key for key in tensors if key not in own]:
            raise FileFormatError(path, f"tensor {unknown} {tensors[unknown].shape} has no place in {name}")
        for key, param in own.items():
            if tensors[key].shape != param.shape:
                raise FileFormatError(
                    path, f"tensor {key}: {name} expects the shape {param.shape}, the file has {tensors[key].shape}"
                )
        with errstate(over="ignore"):
            converted = {key: np.asarray(tensors[key], param.dtype) for key, param in own.items()}
        for key, array in converted.items():
            if not bool(np.isfinite(array).all()):
                raise FileFormatError(path, f"tensor {key}: some of its numbers are too large for {array.dtype}")
        for key, param in own.items():
            param[...] = converted[key]
