"""Word vectors with their words: asked, saved and loaded, under the names that users of gensim know."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from common import word_vector_files, word_vector_pickle
from common.checks import check_whole
from common.files import FileFormatError, Location
from common.np import to_cpu
from common.similarity import Pairs, best, cosines, normalize, unknown
from common.tensor_bytes import check_finite

__all__ = ["WordVectors"]

_READERS: dict[str, Callable[[Location], tuple[numpy.ndarray, Any]]] = {
    ".npz": word_vector_files.read_npz,
    ".bin": word_vector_files.read_binary,
    ".txt": word_vector_files.read_text,
    ".vec": word_vector_files.read_text,
    ".pkl": lambda path: word_vector_pickle.read(path)[::2],
}


class WordVectors:
    """The vectors (V, D) of V different words; row i belongs to ``words[i]``.

    words: a list, or the book's ``id_to_word``. `vectors` stays what was given, in host memory. Attributes: `vectors`,
    `index_to_key` (the words), `key_to_index` (``word_to_id``), `vector_size` (D).

    Raises ValueError when vectors and words do not fit each other, and for a number that is not finite, TypeError for a
    word that is no str.
    """

    def __init__(self, vectors: Any, words: Sequence[str] | Mapping[int, str]) -> None:
        vectors = to_cpu(vectors)
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.size or len(words) != len(vectors):
            raise ValueError(
                f"WordVectors: expected vectors (V, D) of floats, V and D at least 1, and V words, "
                f"got {vectors.dtype} {vectors.shape} and {len(words)} words"
            )
        check_finite(vectors, "vectors")
        try:
            self.index_to_key = [words[i] for i in range(len(words))]
        except KeyError as error:
            raise ValueError(f"WordVectors: no word has the id {error}, expected ids 0 to {len(words) - 1}") from None
        for word in self.index_to_key:
            if not isinstance(word, str):
                raise TypeError(f"WordVectors: expected words, each a str, got {word!r}")
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        if len(self.key_to_index) != len(words):
            twice = next(word for i, word in enumerate(self.index_to_key) if self.key_to_index[word] != i)
            raise ValueError(f"WordVectors: the word {twice!r} is there twice")
        self.vectors = vectors
        self.vector_size = vectors.shape[1]

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, word: object) -> bool:
        return word in self.key_to_index

    def __getitem__(self, word: str) -> numpy.ndarray:
        """The vector (D,) of a word. Raises KeyError, naming the nearest known words, for an unknown one."""
        return self.vectors[self.index(word)]

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, {self.vector_size} dimensions)"

    def index(self, word: str) -> int:
        """The row of a word. KeyError, naming the nearest known words, for an unknown one, TypeError for no str."""
        if not isinstance(word, str):
            raise TypeError(f"WordVectors: expected a word, a str, got {word!r}; rows are in `vectors`")
        if word not in self.key_to_index:
            raise KeyError(unknown(word, self.key_to_index))
        return self.key_to_index[word]

    def unit_vectors(self) -> numpy.ndarray:
        """The vectors with length 1, at least float32, computed anew at each call."""
        return to_cpu(normalize(self.vectors))

    def most_similar(
        self, positive: str | Sequence[str] = (), negative: str | Sequence[str] = (), topn: int = 10
    ) -> Pairs:
        """The `topn` words with the highest cosine to the sum of positive less negative words, and their cosines.

        The words' vectors are brought to length 1 before they are added, and are no answers themselves. "a is to b as c
        is to what" is ``most_similar([b, c], [a])``. Raises KeyError for an unknown word, ValueError without a word
        and for a negative topn, TypeError for one that is no whole number.
        """
        check_whole("most_similar", topn=topn)
        plus, minus = ([self.index(word) for word in _as_list(words)] for words in (positive, negative))
        if not plus + minus or topn < 0:
            raise ValueError(f"most_similar: expected a word and topn >= 0, got {positive=}, {negative=}, {topn=}")
        query = normalize(self.vectors[plus]).sum(axis=0) - normalize(self.vectors[minus]).sum(axis=0)
        found = best(to_cpu(cosines(self.vectors, query)), self.index_to_key, topn, without={*plus, *minus})
        return [(word, float(score)) for word, score in found]

    def similarity(self, word1: str, word2: str) -> float:
        """The cosine of two words. Raises KeyError for an unknown one."""
        one, two = to_cpu(normalize(self.vectors[[self.index(word1), self.index(word2)]]))
        return float(one @ two)

    def doesnt_match(self, words: Sequence[str]) -> str:
        """The word that is least similar to the mean of all of them. Raises KeyError as `most_similar` does."""
        words = _as_list(words)
        if not words:
            raise ValueError("doesnt_match: expected one word at least")
        unit = to_cpu(normalize(self.vectors[[self.index(word) for word in words]]))
        return words[int((unit @ unit.mean(axis=0)).argmin())]

    def save(self, path: Location) -> Path:
        """Write a file, whose ending chooses the format, and return its path.

        .npz (also without an ending) keeps everything; .txt and .vec are word2vec text, .bin is word2vec binary, both
        float32, and .pkl the book's file, float16. Raises ValueError for another ending and for what a format cannot
        hold, such as a word with a space, or in .bin one of more than 10,000 bytes, in word2vec's.
        """
        path = _with_suffix(path)
        match path.suffix.lower():
            case ".npz":
                word_vector_files.write_npz(path, self.vectors, self.index_to_key)
            case ".bin":
                word_vector_files.write_binary(path, self.vectors, self.index_to_key)
            case ".pkl":
                id_to_word = dict(enumerate(self.index_to_key))
                word_vector_pickle.write(path, self.vectors, self.key_to_index, id_to_word)
            case _:
                word_vector_files.write_text(path, self.vectors, self.index_to_key)
        return path

    @classmethod
    def load(cls, path: Location) -> "WordVectors":
        """The word vectors of a file, whose ending tells the format (see `save`), or of a projector's folder.

        A text file may also be GloVe's. Raises FileFormatError naming the file if it is damaged or of another kind,
        ValueError for another ending, and OSErrors as `open` does.
        """
        if Path(path).is_dir():
            return cls._checked(path, *word_vector_files.read_projector(path))
        path = _with_suffix(path)
        return cls._checked(path, *_READERS[path.suffix.lower()](path))

    @classmethod
    def _checked(cls, path: Location, vectors: numpy.ndarray, words: Sequence[str]) -> "WordVectors":
        try:
            return cls(vectors, words)
        except ValueError as error:
            raise FileFormatError(path, str(error)) from error

    def save_projector(self, folder: Location) -> None:
        """Write vectors.tsv and metadata.tsv for https://projector.tensorflow.org into `folder`, made if missing."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        word_vector_files.write_projector(folder, self.vectors, self.index_to_key)


def _as_list(words: str | Sequence[str]) -> list[str]:
    return [words] if isinstance(words, str) or not isinstance(words, Iterable) else list(words)


def _with_suffix(path: Location) -> Path:
    path = Path(path)
    if not path.suffix:
        return path.with_name(f"{path.name}.npz")
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"{path}: files of word vectors end in {', '.join(_READERS)}, not in {path.suffix}")
    return path
