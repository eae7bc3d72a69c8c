"""The corpora that scripts offer by name."""

from typing import Any

from common.choice import Choice
from dataset import mini, ptb


class Corpus(Choice):
    """A corpus to train on."""

    ptb = "ptb"
    mini = "mini"

    def load(self, split: str = "train") -> tuple[Any, dict[str, int], dict[int, str]]:
        """``(corpus, word_to_id, id_to_word)`` of the split "train", "valid" or "test"."""
        return self._call("load_data", split)

    def load_vocab(self) -> tuple[dict[str, int], dict[int, str]]:
        """``(word_to_id, id_to_word)``."""
        return self._call("load_vocab")

    def _call(self, function: str, *args: str) -> Any:
        try:
            return getattr({"ptb": ptb, "mini": mini}[self.value], function)(*args)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}\nThe corpus mini needs no files: --corpus mini") from error
