"""What the tensors of a language model of chapter 6 say of it: its layers, their sizes and their cell.

The tensors come in the order of the model's params:

    embedding                   W (V, D)
    for each recurrent layer    Wx (inputs, gates H), Wh (H, gates H), b (gates H,), and with peepholes
                                Wc (3H,), if each gate sees only its own cell, or else (H, 3H)
    affine layer                W (H, V), b (V,)

A file of names, ``layers.2.Wx``, has each tensor once, and none of the affine W if this is the embedding's. A file
without, such as the book's ``.pkl``, is a list, and there that W stands twice, the second time transposed. Which tensor
of a list is which is found out by their number and by which of them are vectors.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from common import weight_files
from common.files import FileFormatError, Location

_ROLES = ["W", "Wx", "Wh", "b", "Wc"]  # of tensors, in the order of a layer's
_AXES = {"W": (2,), "Wx": (2,), "Wh": (2,), "b": (1,), "Wc": (1, 2)}
_NAME = re.compile(f"layers[.]([0-9]+)[.]({'|'.join(_ROLES)})")
_ORDER = re.compile("W( Wx Wh b( Wc)?)+( W)? b")

_CELLS = {  # by the number of gates and of the axes of Wc, 0 without one
    (1, 0): ("rnn", "relu"),
    (3, 0): ("gru",),
    (4, 0): ("lstm",),
    (4, 1): ("peephole_diagonal",),
    (4, 2): ("peephole",),
}


class Layout(NamedTuple):
    """What tensors say of their language model."""

    tensors: list[Any]  # in the order of the model's params
    repeated: bool  # as in a list, which has a tied weight twice
    vocab_size: int
    wordvec_size: int
    widths: list[int]  # of the states of each recurrent layer
    cells: tuple[str, ...]  # whose weights have these shapes
    tied: bool


def layout_of(path: Location, named: Mapping[str, Any]) -> Layout:
    """The layout of the tensors in a file, by name, or by "0", "1" and so on in a list.

    FileFormatError unless they are those of an embedding, recurrent layers and an affine layer that fit each other.
    """
    is_list = weight_files.is_list(named)
    names = list(named) if is_list else _ordered(named)
    tensors = [named[name] for name in names]
    roles = _roles_in_list(tensors) if is_list else [name.rpartition(".")[2] for name in names]
    layout = None
    if len(roles) == len(tensors) == len(named) and _ORDER.fullmatch(" ".join(roles)):
        layout = _fitting(roles, tensors, is_list)
    if layout is None:
        shapes = {name: tensor.shape for name, tensor in named.items()}
        raise FileFormatError(Path(path), f"these are not the tensors of a language model of chapter 6, but {shapes}")
    return layout


def _ordered(names: Mapping[str, Any]) -> list[str]:
    """The names of a language model's tensors, in the order of its params."""
    matches = [match for match in map(_NAME.fullmatch, names) if match]
    matches.sort(key=lambda match: (int(match[1]), _ROLES.index(match[2])))
    return [match[0] for match in matches]


def _roles_in_list(tensors: Sequence[Any]) -> list[str]:
    """The roles of tensors without names, if they are those of a language model."""
    vectors = sum(tensor.ndim == 1 for tensor in tensors) - 1  # a bias for each recurrent layer, and maybe a Wc
    layers, rest = divmod(len(tensors) - 3, 4)  # with a Wc
    if rest == 0 and vectors in (layers, 2 * layers):
        return ["W", *["Wx", "Wh", "b", "Wc"] * layers, "W", "b"]
    return ["W", *["Wx", "Wh", "b"] * vectors, "W", "b"]


def _fitting(roles: Sequence[str], tensors: list[Any], is_list: bool) -> Layout | None:
    """The layout of tensors in the order of params, None if their shapes do not fit each other."""
    by_role: dict[str, list[Any]] = {role: [] for role in _ROLES}
    for role, tensor in zip(roles, tensors, strict=True):
        if tensor.ndim not in _AXES[role] or tensor.size == 0:
            return None
        by_role[role].append(tensor)
    V, D = tensors[0].shape
    widths = [len(Wh) for Wh in by_role["Wh"]]
    gates, tied = len(by_role["b"][0]) // widths[0], len(by_role["W"]) == 1
    axes_of_Wc = by_role["Wc"][0].ndim if by_role["Wc"] else 0
    cells = _CELLS.get((gates, axes_of_Wc))
    if cells is None or (tied and widths[-1] != D):
        return None
    if [tensor.shape for tensor in tensors] != _shapes(V, D, widths, gates, axes_of_Wc, tied):
        return None
    if is_list:
        tied = numpy.array_equal(tensors[0].T, tensors[-2])
    return Layout(tensors, is_list, V, D, widths, cells, tied)


def _shapes(V: int, D: int, widths: Sequence[int], gates: int, axes_of_Wc: int, tied: bool) -> list[tuple[int, ...]]:
    """The shapes of all tensors of a model of these sizes, where a tied W stands once."""
    shapes: list[tuple[int, ...]] = [(V, D)]
    for inputs, H in zip([D, *widths[:-1]], widths, strict=True):
        shapes += [(inputs, gates * H), (H, gates * H), (gates * H,)]
        if axes_of_Wc:
            shapes.append((3 * H,) if axes_of_Wc == 1 else (H, 3 * H))
    return [*shapes, (V,)] if tied else [*shapes, (widths[-1], V), (V,)]
