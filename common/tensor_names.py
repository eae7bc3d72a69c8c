"""The names that tensors have in weight files."""

import re
from typing import Any

METADATA = "__metadata__"  # what both formats call the part that is no tensor
_NAME = re.compile(r"\w[\w.\-]*")  # not a path


def is_name(name: Any) -> bool:
    """Whether a tensor may have this name: letters, digits, ``_``, ``.`` and ``-``, at most 1000 of them."""
    return isinstance(name, str) and len(name) <= 1000 and bool(_NAME.fullmatch(name)) and name != METADATA
