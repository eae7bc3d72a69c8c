"""What a script has left in its folder."""

import json
from pathlib import Path

from common import weight_files


def history(out):
    return json.loads(Path(out, "history.json").read_text(encoding="utf-8"))


def tensors(out):
    return weight_files.read(Path(out, "weights.npz"))[0]
