"""Trainings that die as a killed process does: from one moment to the next, with no word to the rest of the program."""

from common.checkpoint import Checkpoints


class Killed(BaseException):
    """Nobody catches it."""


def kill_after(monkeypatch, saves):
    """Let every training write a checkpoint after each iteration, and die when it has written so many."""
    save = Checkpoints.save

    def dying(self, state):
        path = save(self, state)
        if int(path.stem) == saves:
            raise Killed
        return path

    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    monkeypatch.setattr(Checkpoints, "save", dying)


def left(folder):
    """What a script has left in its folder, but for checkpoints and the record of the run, as bytes by name."""
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in (".json", ".png"))
    return {path.name: path.read_bytes() for path in files}
