"""A trained model together with all it needs to answer questions in writing: kind, sizes, vocabularies.

    answerer = Answerer.load("date_model.npz")
    answerer.answer("september 27, 1994")        # '1994-09-27'
    answerer.attention("september 27, 1994")     # which characters of the question each one of the answer came from
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ch07.peeky_seq2seq import PeekySeq2seq
from ch07.seq2seq import Seq2seq
from ch08.attention_seq2seq import AttentionSeq2seq
from ch08.deep_seq2seq import DeepSeq2seq
from common import weight_files
from common.answering import generate_all
from common.checks import as_number, check_counts
from common.choice import Choice
from common.files import FileFormatError, Location, parse_json, reason_of
from common.limited_generator import LimitedGenerator, check_integers
from common.model_tree import named_params
from common.np import np, to_cpu
from common.rng import Seed
from dataset.pairs import STOP, Codec

MARGIN = 10  # how many symbols longer than the longest answer of its training an answer may get
LONGEST_ANSWER = 100_000  # symbols; memory is set aside for the longest answer that there may be


class ModelKind(Choice):
    """A kind of model."""

    seq2seq = "seq2seq"
    peeky = "peeky"
    attention = "attention"
    deep = "deep"


MODELS: dict[ModelKind, Any] = {
    ModelKind.seq2seq: Seq2seq,
    ModelKind.peeky: PeekySeq2seq,
    ModelKind.attention: AttentionSeq2seq,
    ModelKind.deep: DeepSeq2seq,
}


class AttentionMap(NamedTuple):
    """weights (T, S): how much of each symbol of the question went into each symbol of the answer."""

    weights: Any
    question: list[str]
    answer: list[str]


class Answerer:
    """A model of a `kind` and the `codec` of the data that it has learnt.

    answer_size   the number of symbols of the longest answer, without start symbol
    options       of a deep model: layers, cell, bidirectional, score

    Raises TypeError and ValueError for another kind, for what is no codec, and for sizes and options that make no
    sense.
    """

    def __init__(
        self,
        kind: ModelKind | str,
        codec: Codec,
        wordvec_size: int,
        hidden_size: int,
        answer_size: int,
        *,
        rng: Seed = None,
        **options: Any,
    ) -> None:
        check_counts("Answerer", answer_size=answer_size)
        if answer_size > LONGEST_ANSWER:
            raise ValueError(f"Answerer: answer_size must be at most {LONGEST_ANSWER}, not {answer_size}")
        if kind not in list(MODELS):
            raise ValueError(f"Answerer: kind must be one of {', '.join(MODELS)}, not {kind!r:.80}")
        if not isinstance(codec, Codec):
            raise TypeError(f"Answerer: codec must be a Codec, as dataset.pairs.load gives it, not {codec!r:.80}")
        self.kind, self.codec = ModelKind(kind), codec
        sizes = {"wordvec_size": wordvec_size, "hidden_size": hidden_size, "answer_size": answer_size, **options}
        self.sizes = {name: as_number(size) for name, size in sizes.items()}
        self.model = MODELS[self.kind](
            len(codec.questions), wordvec_size, hidden_size, target_size=len(codec.answers), rng=rng, **options
        )

    def answers(self, questions: Sequence[str]) -> list[str]:
        """The answers to questions. TypeError for one str, and for what is no question.

        ValueError for a question with a symbol that the vocabulary lacks, one that is empty or too long.
        """
        ids = self.codec.encode(questions)
        return [self.codec.decode(row).rstrip() for row in self._generate(ids).tolist()]

    def answer(self, question: str) -> str:
        """The answer to one question, as :meth:`answers`."""
        return self.answers([question])[0]

    def attention(self, question: str) -> AttentionMap:
        """Where the model looks while it answers; question and weights in reading order, however the model reads it.

        Raises TypeError for a model without attention.
        """
        if not hasattr(self.model, "attention_weights"):
            raise TypeError(f"a {self.kind} model has no attention to look at")
        ids = self.codec.encode([question])
        answer = [i for i in self._generate(ids)[0].tolist() if i >= 0]
        read = np.asarray([[self.codec.start, *answer[:-1]]])
        weights = self.model.attention_weights(np.asarray(ids), read)[0]
        symbol_of = {i: symbol for symbol, i in self.codec.answers.items()}
        if self.codec.reversed:
            weights = weights[:, ::-1]
        return AttentionMap(to_cpu(weights), self.codec.symbols(question), [symbol_of[i] for i in answer])

    def save(self, path: Location, half: bool = False) -> Path:
        """Write weights, sizes and vocabularies to an .npz or .safetensors file; `half` stores float16."""
        tensors = {name: to_cpu(param) for name, param in named_params(self.model).items()}
        codec = {name: as_number(value) for name, value in self.codec._asdict().items()}
        metadata = {"kind": str(self.kind), "sizes": json.dumps(self.sizes), "codec": json.dumps(codec)}
        return weight_files.write(path, tensors, half=half, metadata=metadata)

    @classmethod
    def load(cls, path: Location) -> "Answerer":
        """Read what :meth:`save` has written, or the model.npz in a folder, as ch08.train leaves it.

        FileFormatError for any other file, or one that contradicts itself.
        """
        if Path(path).is_dir() and not weight_files.with_suffix(path).exists():
            path = Path(path, "model.npz")
        tensors, metadata = weight_files.read(path)
        size_of_file = sum(tensor.nbytes for tensor in tensors.values())  # whatever ending its name got
        try:
            if missing := [name for name in ("kind", "codec", "sizes") if name not in metadata]:
                raise ValueError(f"its metadata lack {', '.join(missing)}")
            written, sizes = (parse_json(metadata[name].encode()) for name in ("codec", "sizes"))
            codec = Codec(**written)
            _check_codec(codec)
            of_model = {name: size for name, size in sizes.items() if name != "answer_size"}
            check_integers(of_model, size_of_file, "the file")
            if of_model.get("layers", 0) > len(tensors):
                raise ValueError(f"{of_model['layers']} layers are too many for {len(tensors)} tensors")
            rng = LimitedGenerator(size_of_file, "the file")
            answerer = cls(metadata["kind"], codec, **sizes, rng=rng)
            rng.all_drawn()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = "no model with its vocabulary, as Answerer.save writes it"
            raise FileFormatError(path, f"{what}: {reason_of(error)}") from error
        answerer.model.load_params(path)
        return answerer

    def _generate(self, ids: Any) -> Any:
        size = self.sizes["answer_size"] + (MARGIN if self.codec.stop is not None else 0)
        return generate_all(self.model, np.asarray(ids), self.codec.start, size, self.codec.stop)


def _check_codec(codec: Codec) -> None:
    """ValueError for a codec, which comes from a file, that contradicts itself."""
    for ids in (codec.questions, codec.answers):
        if sorted(ids.values()) != list(range(len(ids))):
            raise ValueError(f"a vocabulary of {len(ids)} symbols has other ids than 0 … {len(ids) - 1}")
    start, stop, width, symbols = codec.start, codec.stop, codec.width, range(len(codec.answers))
    for name, right in (
        ("start", type(start) is int and start in symbols),
        ("stop", stop is None or (type(stop) is int and stop in symbols)),
        ("width", width is None or (type(width) is int and width >= 1)),
        ("words", isinstance(codec.words, bool)),
        ("reversed", isinstance(codec.reversed, bool)),
        ("stop", codec.answers.get(STOP) in (None, stop)),  # or answers would have its name in them
        ("width", width is None or (" " in codec.questions and not codec.words)),  # blanks fill questions up
    ):
        if not right:
            raise ValueError(f"{name} cannot be {getattr(codec, name)!r:.80}")
