"""Saving and loading what a model has learnt."""

from pathlib import Path
from typing import Any

from common import weight_files
from common.files import FileFormatError, Location
from common.model_tree import named_params
from common.np import np, to_cpu

__all__ = ["BaseModel"]


class BaseModel:
    """Base of the models: weights to a file and back.

    params, grads   lists of the weights and their gradients; a shared weight stands once for each use
    """

    params: list[Any]
    grads: list[Any]

    def save_params(self, file_name: Location | None = None) -> Path:
        """Write the weights; returns the path. The default is the class's name with ".npz" in the current folder.

        The ending chooses the format: .npz and .safetensors hold float32 tensors by name, a shared weight once; .pkl is
        the book's list of float16 arrays, one for each use. Raises ValueError, and leaves a previous file as it is, for
        weights that are not finite or too large for float16.
        """
        path = weight_files.with_suffix(file_name or type(self).__name__)
        if path.suffix.lower() == ".pkl":
            tensors = {str(place): to_cpu(param) for place, param in enumerate(self.params)}
        else:
            tensors = {name: to_cpu(param) for name, param in _unique(self).items()}
        return weight_files.write(path, tensors)

    def load_params(self, file_name: Location | None = None) -> None:
        """Copy the weights of a file into the existing arrays; without a name, the file that save_params() writes.

        Nothing is copied unless everything fits. Raises FileNotFoundError, and FileFormatError naming the file and the
        first tensor that is missing, not known, or of another shape.
        """
        path = weight_files.with_suffix(file_name or type(self).__name__)
        if not path.exists() and not path.with_suffix(".pkl").exists() and not path.is_absolute():
            raise FileNotFoundError(f"{type(self).__name__}: there is no file {path.absolute()} to load weights from")
        if file_name is None and not path.exists():
            path = path.with_suffix(".pkl")
        tensors, _ = weight_files.read(path)
        by_place = list(tensors) == [str(place) for place in range(len(tensors))]
        if by_place and len(tensors) == len(self.params):
            own = {str(place): param for place, param in enumerate(self.params)}
        else:
            own = _unique(self)
        name = type(self).__name__
        for missing in own.keys() - tensors.keys():
            raise FileFormatError(
                path, f"{len(tensors)} tensors, but {name} has {len(own)} and misses {missing} {own[missing].shape}"
            )
        for unknown in tensors.keys() - own.keys():
            raise FileFormatError(path, f"tensor {unknown} {tensors[unknown].shape} has no place in {name}")
        for key, param in own.items():
            if tensors[key].shape != param.shape:
                raise FileFormatError(
                    path, f"tensor {key}: {name} expects the shape {param.shape}, the file has {tensors[key].shape}"
                )
        for key, param in own.items():
            param[...] = np.asarray(tensors[key], param.dtype)


def _unique(model: Any) -> dict[str, Any]:
    """The params by name, each weight once even if it is used several times or transposed."""
    from common.shared_weights import SharedWeights

    kept = {id(param) for param in SharedWeights(model.params).params}
    return {name: param for name, param in named_params(model).items() if id(param) in kept}
