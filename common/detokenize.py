"""From the words of a corpus back to text that reads well."""

import re
from collections.abc import Iterable

from common.text import EOS, MARKS

SENTENCE_ENDS = ".!?。！？"

# What stands close to the word before it: marks, and what the Penn Treebank splits off, as in do n't, he 's, girls '.
_CLOSES = re.compile(f"n't|'(s|re|m|ve|d|ll)?|[{MARKS})%]")
_OPENS = re.compile(r"[($#]|us\$|c\$")  # close to the word after it


def detokenize(words: Iterable[str], capitals: bool = True) -> str:
    """The words as a text: ``do n't`` becomes ``don't``, and ``<eos>`` a full stop and a new line.

    With `capitals` sentences begin with a capital letter and the word ``i`` is one. A sentence that already ends in a
    full stop, as after ``inc.``, gets no second one; one that is cut off gets none; empty ones are left out.
    """
    text = ""
    begins, close = True, True  # whether the next word begins a sentence, and stands close to the last one
    for word in words:
        if word == EOS:
            if text and text[-1] != "\n":
                text += "\n" if text[-1] in SENTENCE_ENDS else ".\n"
            begins, close = True, True
            continue
        if not close and not _CLOSES.fullmatch(word):
            text += " "
        text += word[:1].upper() + word[1:] if capitals and (begins or word == "i") else word
        begins, close = word in SENTENCE_ENDS, bool(_OPENS.fullmatch(word))
    return text
