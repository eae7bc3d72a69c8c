"""The settings of a training that goes on must be those it began with."""

import json
from collections.abc import Iterable

from common.files import parse_json, write_bytes
from common.run import Run, plain

FREE = ("max_epoch",)  # a longer training has the same beginning


def check_settings(run: Run, free: Iterable[str] = FREE) -> None:
    """Note the arguments and the seed of a run in its folder; of a resumed one, compare them with those noted.

    Raises ValueError naming each that differs, but for the `free` ones.
    """
    path = run.path("settings.json")
    now = plain({**run.arguments, "seed": run.seed})
    if run.checkpoint.resume and path.exists():
        before = parse_json(path.read_bytes())
        differences = [
            f"{name} was {before.get(name)!r} and is now {now.get(name)!r}"
            for name in sorted({*before, *now} - set(free))
            if before.get(name) != now.get(name)
        ]
        if differences:
            raise ValueError(f"{run.out}: this training cannot go on with other settings: {'; '.join(differences)}")
    write_bytes(path, json.dumps(now, indent=1, ensure_ascii=False).encode())
