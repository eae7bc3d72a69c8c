"""Trained language models from folders and from files of weights.

A folder, as model.save and the trainings of chapter 6 leave it, says what model it is and has its vocabulary. Of bare
weights, such as the book's, the tensors tell kind and sizes, and the file or a corpus of that size the vocabulary.

``ch06/rnnlm.npz``, which comes with the project, is an Rnnlm trained on Penn Treebank by ``python -m ch06.train_rnnlm
--seed 1`` and written by ``python -m ch06.export_rnnlm``: float16 weights and the list of the 10,000 words.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from ch06.awd_lstm import AwdLstm
from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from ch06.weight_layout import Layout, layout_of
from common import model_folder, weight_files
from common.base_model import BaseModel, in_dtype
from common.files import FileFormatError, Location, parse_json, parse_json_value, regular
from common.language_model import LanguageModel, vocab_size
from common.model_tree import unique_params
from common.np import to_cpu
from common.rng import Seed
from dataset import mini
from dataset.corpora import Corpus

SHIPPED = Path(__file__).resolve().parent / "rnnlm.npz"
VOCABULARY = "id_to_word"

Cell = Annotated[str | None, "The cell of bare weights, if these do not say it: rnn or relu."]

_RUN = re.compile("ch06_train_[a-z_]+(-quick)?")  # folders that trainings leave by default

R = TypeVar("R", bound=Rnnlm)
L = TypeVar("L", bound=LanguageModel)


def write_rnnlm(path: Location, model: Rnnlm, id_to_word: Mapping[int, str]) -> Path:
    """Write weights as float16, and words, to an .npz or .safetensors file.

    ValueError for another number of words, and for others than the model was read with.
    """
    if len(id_to_word) != vocab_size(model):
        raise ValueError(f"{path}: {len(id_to_word)} words do not fit a model of {vocab_size(model)}")
    if difference := _difference(model, id_to_word):
        raise ValueError(f"{path}: these are not the model's words, {difference}")
    words = json.dumps([id_to_word[i] for i in range(len(id_to_word))], ensure_ascii=False)
    tensors = {name: to_cpu(param) for name, param in unique_params(model).items()}
    return weight_files.write(path, tensors, half=True, metadata={VOCABULARY: words})


def folder_of(path: Location) -> Path | None:
    """The path, if it is that of a folder with a model; None for that of a file of weights.

    FileNotFoundError for one where there is nothing, and for a folder without a model; FileFormatError for a file of
    another kind.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / model_folder.CONFIG).is_file():
            raise FileNotFoundError(
                f"{path}: there is no model in this folder, it lacks {model_folder.CONFIG}, which a training writes "
                "when it is done"
            )
        return path
    if not weight_files.with_suffix(path).exists():
        if path.exists():
            endings = ", ".join(weight_files.SUFFIXES)
            raise FileFormatError(path, f"there is no model in it, files of weights end in {endings}")
        made = path.name if _RUN.fullmatch(path.name) else "ch06_train_rnnlm"
        command = made.replace("ch06_", "ch06.").replace("-quick", " --quick")
        raise FileNotFoundError(
            f"{path.absolute()}: there is no folder of a model and no file of weights. The trainings of chapter 6 "
            f"leave such a folder, `python -m {command}` in runs/{made}"
        )
    return None


def read_rnnlm(path: Location, kind: type[R]) -> R:
    """The Rnnlm, or RnnlmGen, of a folder or file. FileFormatError for another model, or other tensors than six."""
    if folder := folder_of(path):
        return kind.load(folder)
    tensors, metadata = weight_files.read(path)
    shapes = [tensor.shape for tensor in tensors.values()]
    if len(shapes) != 6 or len(shapes[0]) != 2 or len(shapes[2]) != 2:
        raise FileFormatError(Path(path), f"these are not the 6 tensors of an Rnnlm, but {shapes}")
    model = kind(*shapes[0], shapes[2][0], rng=0)
    model.load_params(path)
    return _with_words(model, _words(path, metadata, shapes[0][0]))


def read_language_model(path: Location, cell: str | None = None) -> LanguageModel:
    """The language model in a folder, or the Rnnlm, BetterRnnlm or AwdLstm that a file has the weights of.

    Of two models with the tensors of a file that compute the same it is the simpler one; what the training dropped
    these do not say, and the model drops nothing. It has the attributes id_to_word and word_to_id, if the folder or
    file has its words.

    Raises FileFormatError for another model, or the tensors of none. Only weights with cell="rnn" look like those with
    "relu"; ValueError for these without a `cell`, for a cell that the tensors do not fit, and for one with a folder.
    """
    if folder := folder_of(path):
        if cell is not None:
            raise ValueError(f"{folder}: its {model_folder.CONFIG} says which cell it is, so --cell (cell=) has no use")
        return _in_folder(folder)
    layout, id_to_word = _layout_and_words(path)
    model = _model(path, layout, cell, 0)
    params = model.params if layout.repeated else unique_params(model).values()
    for param, tensor in zip(params, layout.tensors, strict=True):
        param[...] = in_dtype(weight_files.with_suffix(path), tensor.shape, tensor, param.dtype)
    return _with_words(model, id_to_word)


def new_language_model(path: Location, cell: str | None = None, *, rng: Seed = None) -> LanguageModel:
    """A model like that of :func:`read_language_model`, with the weights that a training would begin with."""
    if folder := folder_of(path):
        return new_like(_in_folder(folder), rng=rng)
    layout, id_to_word = _layout_and_words(path)
    return _with_words(_model(path, layout, cell, rng), id_to_word)


def new_like(trained: L, *, rng: Seed = None) -> L:
    """A model made as one from a folder was, with its words, but with the weights that a training would begin with."""
    kind: type[Any] = type(trained)
    return _with_words(kind(**trained.saved_arguments(), rng=rng), vocabulary(trained))


def vocabulary(model: LanguageModel) -> dict[int, str] | None:
    """id_to_word, which a model has that was read from a folder or file with its words; or None."""
    return getattr(model, "id_to_word", None)


def corpus_of(model: LanguageModel) -> Corpus | None:
    """The corpus that has as many words as the model, or None."""
    return {len(mini.load_vocab()[0]): Corpus.mini, 10_000: Corpus.ptb}.get(vocab_size(model))


def scored_corpus(path: Location, model: LanguageModel, corpus: Corpus | None) -> Corpus:
    """The corpus, or without one :func:`corpus_of` the model, which was read from the path. ValueError if none is."""
    if (found := corpus or corpus_of(model)) is None:
        raise ValueError(
            f"{path}: a model of {vocab_size(model)} words, which neither ptb (10,000) nor mini has. A model of a "
            "text of your own is scored in Python, by common.evaluation.eval_perplexity(model, ids)"
        )
    return found


def check_vocabulary(path: Location, model: LanguageModel, corpus: Corpus, id_to_word: Mapping[int, str]) -> None:
    """ValueError unless the model, which was read from the path, knows the words of the corpus by the corpus's ids.

    Of one without a vocabulary only the number of its words is known.
    """
    if vocab_size(model) == len(id_to_word):
        wrong = _difference(model, id_to_word)
    else:
        wrong = f"it is a model of {vocab_size(model)} words, the corpus has {len(id_to_word)}"
    if wrong:
        raise ValueError(f"{path} cannot read the corpus {corpus}: {wrong}. Take a model that was trained on it")


def _difference(model: LanguageModel, id_to_word: Mapping[int, str]) -> str | None:
    """The first of the model's words, if it has any, that is another in id_to_word."""
    own = vocabulary(model) or id_to_word
    for i, word in id_to_word.items():
        if own.get(i) != word:
            return f"word {i} of the model is {own.get(i)!r}, there it is {word!r}"
    return None


def _in_folder(folder: Path) -> LanguageModel:
    model = BaseModel.load(folder)
    if not isinstance(model, LanguageModel):
        kind = type(model).__name__
        raise FileFormatError(folder / model_folder.CONFIG, f"expected a language model of chapter 6, got a {kind}")
    return model


def _with_words(model: L, id_to_word: dict[int, str] | None) -> L:
    """The model with its vocabulary as :meth:`common.base_model.BaseModel.load` gives it."""
    if id_to_word is not None:
        vars(model).update(id_to_word=id_to_word, word_to_id={word: i for i, word in id_to_word.items()})
    return model


def _layout_and_words(path: Location) -> tuple[Layout, dict[int, str] | None]:
    """What a file of weights says of its model, and the words if it has any."""
    tensors, metadata = weight_files.read(path)
    layout = layout_of(path, tensors)
    return layout, _words(path, metadata, layout.vocab_size)


def _words(path: Location, metadata: Mapping[str, str], vocab_size: int) -> dict[int, str] | None:
    """id_to_word, which a file has itself or beside it, where it is that of a folder; or None.

    FileFormatError for a damaged one, and for one of another size than the model's.
    """
    file = weight_files.with_suffix(path)
    beside = file.with_name(model_folder.VOCABULARY)
    try:
        if VOCABULARY in metadata:
            words = parse_json_value(metadata[VOCABULARY].encode())
        elif file.name == model_folder.WEIGHTS and beside.exists():
            file = beside
            words = parse_json(regular(file).read_bytes()).get(VOCABULARY)
        else:
            words = None
    except ValueError as error:
        raise FileFormatError(file, f"its vocabulary is not sound JSON: {error}") from error
    if words is None:
        return None
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words) or len(set(words)) != len(words):
        raise FileFormatError(file, "its vocabulary is no list of different words")
    if len(words) != vocab_size:
        raise FileFormatError(file, f"its vocabulary has {len(words)} words, the model {vocab_size}")
    return dict(enumerate(words))


def _model(path: Location, layout: Layout, cell: str | None, rng: Seed) -> LanguageModel:
    """A model, without dropout, of the simplest class that has such tensors.

    FileFormatError if no class has, ValueError for a cell that they do not fit, or for none where it is needed.
    """
    V, D, widths = layout.vocab_size, layout.wordvec_size, layout.widths
    H, layers, lstm = widths[0], len(widths), layout.cells == ("lstm",)
    awd = lstm and layout.tied and H != D and widths == [H] * (layers - 1) + [D]
    if not awd and widths != [H] * layers:
        raise FileFormatError(Path(path), f"layers of the widths {widths} are not those of a BetterRnnlm")
    cell = _checked_cell(path, layout, cell)
    if awd:
        return AwdLstm(
            V, D, H, layers=layers, embedding_dropout=0.0, input_dropout=0.0, hidden_dropout=0.0, output_dropout=0.0,
            dropconnect=0.0, rng=rng,
        )  # fmt: skip
    if lstm and layers == 1 and not layout.tied:
        return Rnnlm(V, D, H, rng=rng)
    return BetterRnnlm(V, D, H, 0.0, layers=layers, cell=cell, tied=layout.tied, rng=rng)


def _checked_cell(path: Location, layout: Layout, cell: str | None) -> str:
    """The cell, which the tensors say if they can."""
    possible = " or ".join(layout.cells)
    if cell is None and len(layout.cells) > 1:
        raise ValueError(f"{path}: by its tensors the cell is {possible}, and only --cell (cell=) can say which")
    if cell is not None and cell not in layout.cells:
        raise ValueError(f"{path}: by its tensors the cell must be {possible}, not {cell!r}")
    return cell or layout.cells[0]
