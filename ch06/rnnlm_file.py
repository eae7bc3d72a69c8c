"""Trained language models in files: sizes from the tensors, vocabulary from the file or from the corpus.

``ch06/rnnlm.npz``, which comes with the project, is an Rnnlm trained on Penn Treebank by ``python -m ch06.train_rnnlm
--seed 1`` and written by ``python -m ch06.export_rnnlm``: float16 weights and the list of the 10,000 words.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common import weight_files
from common.files import FileFormatError, Location
from common.model_tree import unique_params
from common.np import to_cpu

SHIPPED = Path(__file__).resolve().parent / "rnnlm.npz"
VOCABULARY = "id_to_word"

R = TypeVar("R", bound=Rnnlm)
B = TypeVar("B", bound=BetterRnnlm)


def write_rnnlm(path: Location, model: Rnnlm, id_to_word: Mapping[int, str]) -> Path:
    """Write weights as float16, and words, to an .npz or .safetensors file. ValueError for another number of words."""
    if len(id_to_word) != len(model.params[0]):
        raise ValueError(f"{path}: {len(id_to_word)} words do not fit a model of {len(model.params[0])}")
    words = json.dumps([id_to_word[i] for i in range(len(id_to_word))], ensure_ascii=False)
    tensors = {name: to_cpu(param) for name, param in unique_params(model).items()}
    return weight_files.write(path, tensors, half=True, metadata={VOCABULARY: words})


def read_rnnlm(path: Location, kind: type[R]) -> R:
    """The Rnnlm, or RnnlmGen, of a file of weights. FileFormatError for other tensors than its six."""
    shapes = list(_shapes(path).values())
    if len(shapes) != 6 or len(shapes[0]) != 2 or len(shapes[2]) != 2:
        raise FileFormatError(Path(path), f"these are not the 6 tensors of an Rnnlm, but {shapes}")
    model = kind(*shapes[0], shapes[2][0], rng=0)
    model.load_params(path)
    return model


def read_better_rnnlm(path: Location, kind: type[B], cell: str = "lstm") -> B:
    """The BetterRnnlm, or BetterRnnlmGen, of a file of weights, with as many layers, tied or not, as these say.

    FileFormatError for tensors that no such model has.
    """
    shapes = _shapes(path)
    roles = [name.rpartition(".")[2] for name in shapes]
    layers, tied = roles.count("Wx"), roles.count("W") == 1
    if layers < 1 or roles.count("Wh") != layers or roles[:1] != ["W"]:
        raise FileFormatError(Path(path), f"these are not the tensors of a BetterRnnlm, but {shapes}")
    V, D = next(iter(shapes.values()))
    H = shapes[list(shapes)[roles.index("Wh")]][0]
    try:
        model = kind(V, D, H, 0.0, layers=layers, cell=cell, tied=tied, rng=0)
    except ValueError as error:
        raise FileFormatError(Path(path), f"{shapes} fit no BetterRnnlm with cell={cell!r}: {error}") from error
    model.load_params(path)
    return model


def read_vocabulary(path: Location) -> dict[int, str] | None:
    """id_to_word as the file has it, or None. FileFormatError for a damaged one."""
    _, metadata = weight_files.read(path)
    if VOCABULARY not in metadata:
        return None
    try:
        words = json.loads(metadata[VOCABULARY])
    except ValueError as error:
        raise FileFormatError(Path(path), f"its vocabulary is not sound JSON: {error}") from error
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words) or len(set(words)) != len(words):
        raise FileFormatError(Path(path), "its vocabulary is no list of different words")
    return dict(enumerate(words))


def _shapes(path: Location) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in weight_files.read(path)[0].items()}
