"""The book's file of word vectors: a pickled dictionary of the matrix and of both vocabularies."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from common import safe_pickle
from common.files import FileFormatError, Location
from common.tensor_bytes import check_finite, to_float16

_KEYS = ("word_vecs", "word_to_id", "id_to_word")


def write(path: Location, word_vecs: numpy.ndarray, word_to_id: Mapping[str, int],
                       id_to_word: Mapping[int, str]) -> None:
    """The book's file of word vectors: a pickled dict of the matrix (V, H) as float16 and the two dictionaries.

    Raises ValueError, and writes nothing, if they do not fit each other, a value exceeds float16, or a word has a lone
    surrogate.
    """
    content = _checked(word_vecs, dict(word_to_id), dict(id_to_word))
    check_encodable(word_to_id)
    safe_pickle.write(path, dict(zip(_KEYS, (to_float16(content[0], "word_vecs"), *content[1:]), strict=True)))


def read(path: Location) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """(word_vecs (V, H), word_to_id, id_to_word) of the book's file, checked against each other; ids are Python ints.

    Raises FileFormatError naming the file, and OSErrors as `open` does.
    """
    match safe_pickle.read(path):
        case {"word_vecs": word_vecs, "word_to_id": dict(word_to_id), "id_to_word": dict(id_to_word)}:
            try:
                return _checked(word_vecs, word_to_id, id_to_word)
            except ValueError as error:
                raise FileFormatError(path, str(error)) from error
    raise FileFormatError(path, f"no word vectors: expected a dictionary with {', '.join(_KEYS)}")


def check_encodable(words: Iterable[str]) -> None:
    """ValueError for a word with a lone surrogate, which UTF-8 does not have."""
    try:
        for word in words:
            word.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the word {error.object!r} cannot be written: UTF-8 has no surrogates") from None


def _checked(word_vecs: Any, word_to_id: dict[Any, Any],
                  id_to_word: dict[Any, Any]) -> tuple[numpy.ndarray, dict[str, int], dict[int, str]]:
    """The three with plain int ids; ValueError unless they are a matrix and the same V words both ways."""
    if not isinstance(word_vecs, numpy.ndarray) or word_vecs.ndim != 2 or word_vecs.dtype.kind != "f":
        raise ValueError("word_vecs is no matrix of floats")
    check_finite(word_vecs, "word_vecs")
    count = len(word_vecs)
    if not len(word_to_id) == len(id_to_word) == count:
        raise ValueError(f"word_vecs {word_vecs.shape}, word_to_id of {len(word_to_id)} and id_to_word of "
                         f"{len(id_to_word)} words do not fit each other")
    for word, number in word_to_id.items():
        if not isinstance(word, str) or not isinstance(number, (int, numpy.integer)) or not 0 <= number < count:
            raise ValueError(f"word_to_id maps {word!r} to {number!r}, expected a word and an id below {count}"[:300])
        if not isinstance(back := id_to_word.get(number), str) or back != word:
            raise ValueError(f"word_to_id has {word!r} as {number}, id_to_word has {back!r} there"[:300])
        word_to_id[word] = int(number)
    return word_vecs, word_to_id, {int(number): word for number, word in id_to_word.items()}
