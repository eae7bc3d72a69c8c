import contextlib
import copy
import errno
import io
import itertools
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from small_trainings import (
    OPTIMIZERS,
    TRAININGS,
    BookAdam,
    DropoutNet,
    ExampleTraining,
    LanguageTraining,
    Word2vecTraining,
)

from ch04.skip_gram import SkipGram
from ch06.better_rnnlm import BetterRnnlm
from common import checkpoint, folder_lock, state_file, training_state, weight_files
from common.callbacks import BestWeights, Callback, EarlyStopping, Plateau, Schedule, cosine_decay
from common.checkpoint import Checkpoints, checkpoints_of
from common.experiment import TRAINING, Run, experiment
from common.files import FileFormatError
from common.interrupt import TrainingInterrupted
from common.np import is_active, to_cpu
from common.optimizer import SGD
from common.trainer import RnnlmTrainer
from common.training_state import step_settings

SHARE = checkpoint.SHARE  # as it is for users
KINDS = {**OPTIMIZERS, "one's own": BookAdam}


@pytest.fixture(autouse=True)
def every_iteration(monkeypatch):
    """Checkpoints with seconds=0 are written after every iteration, however long that takes."""
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def all_checkpoints(training, folder, **options):
    training.fit(checkpoint=Checkpoints(folder, seconds=0, keep=100), **options)
    return Checkpoints(folder).files()


def resume(training, path, folder, **options):
    """The training, gone on with from one checkpoint alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder)
    return training.fit(checkpoint=Checkpoints(folder, resume=True), **options)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", [*TRAININGS, Word2vecTraining])
def test_resuming_at_any_iteration_gives_the_same_bits(kind, name, folder, tmp_path):
    whole = kind(KINDS[name]()).fit()
    files = all_checkpoints(kind(KINDS[name]()), folder)
    assert len(files) == 12  # 10 iterations and the ends of the epochs
    for path in files[len(name) % 3 :: 3]:
        numpy.random.seed(99)  # noqa: NPY002
        resumed = resume(kind(KINDS[name](), seed=7), path, tmp_path / "other")
        assert resumed.result == whole.result


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRAININGS)
def test_callbacks_go_on_too(kind, folder, tmp_path):
    def callbacks():
        return [Schedule(cosine_decay(4, warm_up=0.5)), Plateau(0.5), EarlyStopping(1), BestWeights()]

    whole = kind().fit(4, callbacks=callbacks())
    for path in all_checkpoints(kind(), folder, max_epoch=4, callbacks=callbacks()):
        resumed = resume(kind(), path, tmp_path / "other", max_epoch=4, callbacks=callbacks())
        assert resumed.result == whole.result
        assert resumed.trainer.optimizer.lr == whole.trainer.optimizer.lr


class Heavy(SGD):
    """Momentum as a reader writes it, with a velocity of its own; each subclass keeps it in another way."""

    def __init__(self):
        super().__init__(0.1)
        self.begin()

    def begin(self):
        self.v = None

    def velocity(self, i, p):
        if self.v is None:
            self.v = [None] * 99
        if self.v[i] is None:
            self.v[i] = numpy.zeros_like(p)
        return self.v[i]

    def update(self, params, grads, scale=1.0):
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            v = self.velocity(i, p)
            v *= 0.9
            v -= self.lr * scale * g
            p += v


class ByText(Heavy):
    def begin(self):
        self.v = {}

    def velocity(self, i, p):
        return self.v.setdefault(f"weight {i}", numpy.zeros_like(p))


class ByPlace(ByText):
    def velocity(self, i, p):
        return self.v.setdefault(i, numpy.zeros_like(p))


class Late(ByPlace):
    def begin(self):
        self.v = {"unused": 1}

    def velocity(self, i, p):
        if not hasattr(self, "m"):
            self.m = {0: {}}
        return self.m[0].setdefault(i, numpy.zeros_like(p))


class Foreign:
    """The same without our base."""

    update = Heavy.update

    def __init__(self):
        self.lr = numpy.float32(0.1)
        self.begin()


def foreign(kind):
    return type(f"Foreign{kind.__name__}", (Foreign,), {name: getattr(kind, name) for name in ("begin", "velocity")})


OWN = [Heavy, ByText, ByPlace, Late]


@pytest.mark.parametrize("kind", [*OWN, *map(foreign, OWN)], ids=lambda kind: kind.__name__)
def test_an_optimizer_of_ones_own_goes_on(kind, folder, tmp_path):
    whole = ExampleTraining(kind()).fit()
    for path in all_checkpoints(ExampleTraining(kind()), folder)[::3]:
        assert resume(ExampleTraining(kind(), seed=7), path, tmp_path / "other").result == whole.result


def test_a_learning_rate_that_becomes_one_of_numpy(folder):
    class Falls(Callback):
        def on_epoch(self, trainer):
            trainer.optimizer.lr = numpy.float32(0.05)

    whole = ExampleTraining(BookAdam()).fit(callbacks=[Falls()])
    ExampleTraining(BookAdam()).fit(1, callbacks=[Falls()], checkpoint=folder)
    resumed = ExampleTraining(BookAdam()).fit(callbacks=[Falls()], checkpoint=Checkpoints(folder, resume=True))
    assert resumed.result == whole.result


def test_dictionaries_that_grow(folder):
    class Counting(BookAdam):
        def __init__(self):
            super().__init__()
            self.seen = {"begin": self.lr}

        def update(self, params, grads):
            super().update(params, grads)
            self.seen[f"step {self.iter}"] = self.lr

    class Counts(Callback):
        state = ("seen",)

        def __init__(self):
            self.seen = {}

        def on_epoch(self, trainer):
            self.seen[trainer.current_epoch] = len(trainer.optimizer.seen)

    for max_epoch in (1, 2):
        counts, checkpoints = Counts(), Checkpoints(folder, resume=max_epoch == 2)
        ExampleTraining(Counting()).fit(max_epoch, callbacks=[counts], checkpoint=checkpoints)
    assert counts.seen == {1: 6, 2: 11}


@pytest.mark.parametrize("kind", [numpy.random.default_rng, numpy.random.RandomState])
def test_the_generator_of_an_optimizer_of_ones_own_goes_on(kind, folder):
    class Noisy(BookAdam):
        def __init__(self):
            super().__init__()
            self.rng = kind(3)

        def update(self, params, grads):
            super().update(params, [g + self.rng.standard_normal(g.shape).astype(g.dtype) for g in grads])

    whole = ExampleTraining(Noisy()).fit()
    ExampleTraining(Noisy()).fit(1, checkpoint=folder)
    assert ExampleTraining(Noisy()).fit(checkpoint=Checkpoints(folder, resume=True)).result == whole.result


@pytest.mark.parametrize("make", [SGD, BookAdam])
def test_learning_rates_of_numpy(make, folder, tmp_path):
    """They compute other bits than Python's, and so what is resumed must have the same kind of number."""

    class Falling(Callback):
        kind = numpy.float64

        def on_iteration(self, trainer):
            trainer.optimizer.lr = self.kind(0.3) * self.kind(0.9) ** trainer.iteration

    for Falling.kind in (numpy.float64, numpy.float32, float):
        lr = Falling.kind(0.1)
        for path in all_checkpoints(ExampleTraining(make(lr)), folder, callbacks=[Falling()])[-11::3]:
            resumed = resume(ExampleTraining(make(lr)), path, tmp_path / "other", callbacks=[Falling()])
            assert resumed.result == ExampleTraining(make(lr)).fit(callbacks=[Falling()]).result


def test_ids_of_weights_as_keys_are_not_saved(folder, capsys):
    class ById(ByPlace):
        def velocity(self, i, p):
            return self.v.setdefault(id(p), numpy.zeros_like(p))

    training = ExampleTraining(ById()).fit(checkpoint=folder)
    assert training.result[0] == ExampleTraining(ByPlace()).fit().result[0]
    assert "ById has the ids of weights as keys, take their places" in capsys.readouterr().out
    assert Checkpoints(folder).files() == []


@pytest.mark.parametrize("place", [0, -2])
@pytest.mark.parametrize("velocities", [lambda key: [{key: 0.0}], lambda key: {"v": ({}, {key: 0.0})}])
def test_ids_of_weights_are_found_wherever_they_are_keys(velocities, place):
    training = LanguageTraining(BookAdam())  # the last weight but one is a view of the first
    training.trainer.optimizer.v = velocities(id(training.trainer.model.params[place]))
    with pytest.raises(TypeError, match="BookAdam has the ids of weights as keys"):
        training_state.take(training.trainer)


@pytest.mark.parametrize("base", [object, SGD])
@pytest.mark.parametrize("hold", [list, tuple, lambda params: dict(enumerate(params))], ids=["list", "tuple", "dict"])
def test_an_optimizer_of_ones_own_that_holds_the_weights(base, hold, folder):
    """As PyTorch's do: after a resume it goes on with those of the model, not with copies."""

    class Holds(base):
        def __init__(self, params):
            super().__init__()
            self.lr, self.held = 0.1, hold(params)

        def update(self, params, grads, scale=1.0):
            held = self.held.values() if isinstance(self.held, dict) else self.held
            for p, g in zip(held, grads, strict=True):
                p -= self.lr * scale * g

    def training():
        made = ExampleTraining(SGD())
        made.trainer.optimizer = Holds(made.trainer.model.params)
        return made

    whole = training().fit()
    training().fit(1, checkpoint=folder)
    assert training().fit(checkpoint=Checkpoints(folder, resume=True)).result == whole.result


def test_a_tuple_of_an_optimizer_of_ones_own(folder):
    class Betas(BookAdam):
        def __init__(self):
            super().__init__()
            self.betas = 0.9, 0.999

    whole = ExampleTraining(Betas()).fit()
    ExampleTraining(Betas()).fit(1, checkpoint=folder)
    assert ExampleTraining(Betas()).fit(checkpoint=Checkpoints(folder, resume=True)).result == whole.result


@pytest.mark.parametrize("optimizer", [None, BookAdam])
@pytest.mark.parametrize("kind", TRAININGS)
def test_on_the_gpu_path(kind, optimizer, folder, tmp_path, gpu):
    def train(**options):
        return kind(optimizer and optimizer()), {"callbacks": [BestWeights()], **options}

    whole, options = train(checkpoint=Checkpoints(folder, seconds=0, keep=100))
    whole.fit(**options)
    assert len(Checkpoints(folder).files()) == 12
    for path in Checkpoints(folder).files()[::4]:
        training, options = train()
        resumed = resume(training, path, tmp_path / "other", **options)
        for one, two in zip(resumed.trainer.model.params, whole.trainer.model.params, strict=True):
            assert is_active(one)
            numpy.testing.assert_array_equal(to_cpu(one), to_cpu(two))


def test_data_that_are_views(folder):
    LanguageTraining().fit(1, checkpoint=folder)
    views = LanguageTraining()
    views.data = tuple(numpy.repeat(ids, 2)[::2] for ids in views.data)
    whole = LanguageTraining().fit()
    assert views.fit(checkpoint=Checkpoints(folder, resume=True)).result == whole.result


def test_more_epochs_than_at_first(folder):
    whole = LanguageTraining().fit(3)
    LanguageTraining().fit(2, checkpoint=folder)
    assert LanguageTraining().fit(3, checkpoint=Checkpoints(folder, resume=True)).result == whole.result


@pytest.mark.slow
def test_a_loop_of_fits_goes_on_in_the_one_that_was_cut_off(folder, tmp_path):
    whole = LanguageTraining()
    checkpoints = Checkpoints(folder, seconds=0, keep=100)
    for _ in range(3):
        whole.fit(1, checkpoint=checkpoints)
    for path in checkpoints.files():
        shutil.rmtree(tmp_path / "other", ignore_errors=True)
        (tmp_path / "other").mkdir()
        shutil.copy(path, tmp_path / "other")
        resumed, again = LanguageTraining(), Checkpoints(tmp_path / "other", resume=True)
        for _ in range(3):
            resumed.fit(1, checkpoint=again)
        assert resumed.result == whole.result


def test_fits_of_a_loop_that_were_done_before_write_nothing(folder):
    for resume in (False, True):
        training, checkpoints = LanguageTraining(), Checkpoints(folder, resume=resume, keep=100)
        for _ in range(3):
            training.fit(1, checkpoint=checkpoints)
    assert len(checkpoints.files()) == 3 + 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRAININGS)
def test_a_loop_of_fits_that_changes_the_learning_rate(kind, folder, tmp_path):
    """A third fit, in which callbacks and learning rate are others than before, is gone on with as it was."""

    def train(checkpoints):
        training = kind(SGD(0.5))
        for number in range(3):
            if number == 2:
                training.trainer.optimizer.lr /= 4
            training.fit(1 + number, callbacks=[BestWeights(), Plateau(0.5)], checkpoint=checkpoints)
        return training

    whole = train(checkpoints := Checkpoints(folder, seconds=0, keep=100))
    for path in checkpoints.files():
        shutil.rmtree(tmp_path / "other", ignore_errors=True)
        (tmp_path / "other").mkdir()
        shutil.copy(path, tmp_path / "other")
        resumed = train(Checkpoints(tmp_path / "other", resume=True))
        assert resumed.result == whole.result
        assert resumed.trainer.optimizer.lr == whole.trainer.optimizer.lr


def test_epochs_that_are_counted_from_another_number(folder):
    """A fit goes on within the epochs that it has, whatever number was given to the first of them by hand."""

    def train(training, checkpoint=None):
        training.trainer.current_epoch = 10
        return training.fit(2, checkpoint=checkpoint)

    with pytest.raises(TrainingInterrupted, match=r"stopped in epoch 12, at iteration \d / 5"):
        train(Interrupted(at=12), folder)  # with those of the validation
    resumed = train(LanguageTraining(), Checkpoints(folder, resume=True))
    assert resumed.trainer.current_epoch == 12 and resumed.result == train(LanguageTraining()).result


def test_a_fit_after_one_that_ended_early(folder, tmp_path):
    """The first fit, which ended before its time, is not gone on with instead of the second one."""

    def train(checkpoints):
        training = LanguageTraining()
        training.fit(5, callbacks=[StopsAfter(1)], checkpoint=checkpoints)
        training.trainer.optimizer.lr /= 4
        return training.fit(2, callbacks=[StopsAfter(9)], checkpoint=checkpoints)

    whole = train(checkpoints := Checkpoints(folder, seconds=0, keep=100))
    assert whole.trainer.current_epoch == 3
    for path in checkpoints.files():
        shutil.rmtree(tmp_path / "other", ignore_errors=True)
        (tmp_path / "other").mkdir()
        shutil.copy(path, tmp_path / "other")
        resumed = train(Checkpoints(tmp_path / "other", resume=True))
        assert resumed.result == whole.result and resumed.trainer.optimizer.lr == whole.trainer.optimizer.lr


class FirstEpochs(Checkpoints):
    """Written between epochs only, and the process is killed in the third one."""

    def due(self):
        if self.files() and self.files()[-1].stem == "000002":
            raise KeyboardInterrupt
        return False


@pytest.mark.parametrize("kind", TRAININGS)
def test_a_finished_epoch_is_kept_however_soon_the_end_comes(kind, folder):
    training = kind()
    with pytest.raises(KeyboardInterrupt):
        training.fit(3, checkpoint=FirstEpochs(folder))
    resumed = kind().fit(3, checkpoint=Checkpoints(folder, resume=True))
    assert state_file.read(Checkpoints(folder).files()[0])["trainer"]["current_epoch"] == 2
    assert resumed.result == kind().fit(3).result


class Fails(Callback):
    """An error after an epoch, as that of a process which is killed, or of a program with a mistake."""

    def __init__(self, error=None, epoch=1):
        self.error, self.epoch = error, epoch

    def on_epoch(self, trainer):
        if self.error and trainer.current_epoch == self.epoch:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), FloatingPointError(), ValueError()])
def test_a_fit_that_failed_is_taken_up_by_the_next_one(error, folder):
    """In the same process, which is killed later, and then in another one."""
    training, whole = LanguageTraining(), LanguageTraining().fit(4, callbacks=[Fails()])
    for epoch in (2, 3):
        with pytest.raises(type(error)):
            training.fit(4, callbacks=[Fails(error, epoch)], checkpoint=Checkpoints(folder, resume=True))
    resumed = LanguageTraining().fit(4, callbacks=[Fails()], checkpoint=Checkpoints(folder, resume=True))
    assert resumed.trainer.current_epoch == 4 and resumed.result == whole.result


def test_a_fit_that_ctrl_c_ended_is_taken_up_by_the_next_one(folder):
    training, whole = Interrupted(at=3), LanguageTraining().fit(3, callbacks=[Fails()])
    with pytest.raises(TrainingInterrupted):
        training.fit(3, callbacks=[Fails()], checkpoint=Checkpoints(folder, resume=True))
    with pytest.raises(MemoryError):
        training.fit(3, callbacks=[Fails(MemoryError(), 2)], checkpoint=Checkpoints(folder, resume=True))
    resumed = LanguageTraining().fit(3, callbacks=[Fails()], checkpoint=Checkpoints(folder, resume=True))
    assert resumed.trainer.current_epoch == 3 and resumed.result == whole.result


@pytest.mark.parametrize("lengths", [(1, 1, 1), (1, 3), (3, 1)])
def test_further_fits_that_all_ask_to_go_on(lengths, folder):
    """Each with Checkpoints of its own; what the trainer has done itself is no fit to go on with."""
    training, whole = LanguageTraining(), LanguageTraining()
    for done, max_epoch in enumerate(lengths):
        training.fit(max_epoch, checkpoint=Checkpoints(folder, resume=True))
        assert training.result == whole.fit(max_epoch).result
        assert training.trainer.current_epoch == sum(lengths[: done + 1])


def test_a_fit_without_a_folder_between_two_with_one(folder, tmp_path):
    def program(training, **options):
        training.fit(1, **options)
        training.fit(1)
        return training.fit(2, **options)

    whole = program(LanguageTraining(), checkpoint=folder)
    assert len(Checkpoints(folder).files()) == 2 and not folder.with_name("checkpoints-before").exists()
    for path in Checkpoints(folder).files():
        (other := tmp_path / path.stem).mkdir()
        shutil.copy(path, other)
        assert program(LanguageTraining(), checkpoint=Checkpoints(other, resume=True)).result == whole.result


def test_a_copy_of_a_trainer_counts_its_own_epochs(folder):
    training = LanguageTraining().fit(1)
    for copied in (copy.copy(training.trainer), copy.deepcopy(training.trainer)):
        for epochs in (2, 3):
            copied.fit(*training.data, 1, batch_size=4, time_size=6)
            assert copied.current_epoch == epochs


def test_a_shorter_fit_than_what_was_done(folder):
    LanguageTraining().fit(2, checkpoint=folder)
    with pytest.raises(FileFormatError, match=r"the training has done 2 epochs already, and is now to end after 1$"):
        LanguageTraining().fit(1, checkpoint=Checkpoints(folder, resume=True))


class StopsAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_start(self, trainer):
        self.on_epoch(trainer)

    def on_epoch(self, trainer):
        if trainer.current_epoch >= self.epochs:
            trainer.stop("enough")


def test_after_a_resumed_fit_that_was_stopped_a_new_one_is_whole(folder):
    class Stop(Callback):
        at, seen = 2, 0

        def on_iteration(self, trainer):
            self.seen += 1
            if trainer.iteration == self.at:
                trainer.stop("enough")

    stop = Stop()
    ExampleTraining().fit(1, callbacks=[stop], checkpoint=folder)
    stop.at = 4
    training = ExampleTraining().fit(1, callbacks=[stop], checkpoint=Checkpoints(folder, resume=True))
    assert training.trainer.iteration == stop.seen == 4
    stop.at = None
    training.fit(1, callbacks=[stop])
    assert stop.seen == 4 + 5


class TestFolder:
    def test_the_last_few_are_kept(self, folder):
        assert [path.name for path in all_checkpoints(LanguageTraining(), folder)][-1] == "000012.npz"
        LanguageTraining().fit(checkpoint=Checkpoints(folder, seconds=0, resume=True))
        assert [path.name for path in folder.iterdir()] != []
        assert len(Checkpoints(folder).files()) == 2

    def test_a_forgotten_resume_loses_nothing(self, folder):
        LanguageTraining().fit(1, checkpoint=folder)
        (before,) = (path.read_bytes() for path in Checkpoints(folder).files())
        ExampleTraining().fit(1, checkpoint=folder)
        (kept,) = folder.with_name("checkpoints-before").iterdir()
        assert kept.read_bytes() == before

    def test_a_resume_forgotten_again_loses_nothing_either(self, folder, capsys):
        for epochs in (3, 2, 1):
            LanguageTraining().fit(epochs, checkpoint=Checkpoints(folder, settings={"epochs": epochs}))
        for name, epochs in (("checkpoints-before", 3), ("checkpoints-before-2", 2), ("checkpoints", 1)):
            path = Checkpoints(folder.with_name(name)).files()[-1]
            assert state_file.read(path)["trainer"]["current_epoch"] == epochs
            assert state_file.read(path)["__settings__"] == {"epochs": epochs}
        before = folder.with_name("checkpoints-before-2")
        assert f"in {folder} are now in {before}. To go on from these instead, stop" in capsys.readouterr().out

    def test_a_further_fit_of_the_same_training_goes_on_in_its_folder(self, folder):
        training = LanguageTraining().fit(1, checkpoint=folder).fit(1, checkpoint=str(folder))
        assert [path.name for path in Checkpoints(folder).files()] == ["000001.npz", "000002.npz"]
        assert LanguageTraining().fit(2, checkpoint=Checkpoints(folder, resume=True)).result == training.result

    def test_another_process_in_it(self, folder):
        """It writes nothing; the one that trains there goes on."""
        program = f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parents[1] / "support")!r})
            from small_trainings import LanguageTraining
            LanguageTraining().fit(checkpoint={str(folder)!r})
        """
        command, root = [sys.executable, "-c", textwrap.dedent(program)], Path(__file__).parents[2]
        errors = []

        class Intruder(Callback):
            def on_epoch(self, trainer):
                done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, cwd=root)
                errors.append(done.stderr.splitlines()[-1])

        LanguageTraining().fit(1, checkpoint=folder, callbacks=[Intruder()])
        message = f"ValueError: {folder}: process {os.getpid()} is at work in this folder."
        assert errors[0].startswith(message)
        assert [path.name for path in folder.iterdir()] == ["000001.npz"]

    def test_leftovers_of_a_killed_writer_are_removed(self, folder):
        folder.mkdir()
        (folder / ".0123456789abcdef.tmp").write_bytes(b"half")
        LanguageTraining().fit(1, checkpoint=Checkpoints(folder, resume=True))
        assert [path.name for path in folder.iterdir()] == ["000001.npz"]

    def test_a_folder_that_cannot_be_written_is_found_out_before_training(self, folder):
        folder.write_bytes(b"a file is in the way")
        training = LanguageTraining()
        with pytest.raises(FileExistsError):
            training.fit(checkpoint=folder)
        assert training.trainer.current_epoch == 0

    def test_keep(self, folder):
        with pytest.raises(ValueError, match="keep must be at least 1, not 0"):
            Checkpoints(folder, keep=0)

    def test_a_full_disk_is_reported_and_the_training_goes_on(self, folder, monkeypatch, capsys):
        whole = LanguageTraining().fit()
        LanguageTraining().fit(1, checkpoint=folder)
        (path,) = Checkpoints(folder).files()
        before = path.read_bytes()

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device", "checkpoints/000002.npz")

        monkeypatch.setattr(state_file, "write", full)
        training = LanguageTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        message = "the checkpoint could not be written, the one before it stays: .*No space left.*000002"
        assert re.search(message, capsys.readouterr().out)
        assert training.result == whole.result and path.read_bytes() == before


class TestDamage:
    @pytest.fixture
    def two(self, folder):
        LanguageTraining().fit(checkpoint=Checkpoints(folder, seconds=0))
        return Checkpoints(folder).files()

    def test_the_one_before_is_used(self, folder, two, capsys):
        two[1].write_bytes(two[1].read_bytes()[:-100])
        capsys.readouterr()
        resumed = LanguageTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        assert resumed.result == LanguageTraining().fit().result
        line, then = capsys.readouterr().out.splitlines()[:2]
        assert line.startswith(f"{two[1]}: not a sound .npz file: ")
        assert line.endswith(". The checkpoint before it, 000011.npz, is tried instead.")
        assert then == "goes on in epoch 2, at iteration 5 / 5"

    def test_one_that_cannot_be_opened_is_passed_over(self, folder, two, capsys):
        two[1].unlink()
        two[1].mkdir()
        LanguageTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        assert f"{two[1]}: it cannot be read: IsADirectoryError" in capsys.readouterr().out

    def test_none_is_sound(self, folder, two):
        for path in two:
            path.write_bytes(b"")
        with pytest.raises(FileFormatError) as error:
            LanguageTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        message = str(error.value)
        assert message.startswith(f"{two[1]}: not a sound .npz file: ")
        assert message.endswith(
            f". None of the checkpoints in {folder} can be read (2 tried). Begin anew: without --resume (in Python "
            "without resume=True), which moves them to checkpoints-before, or in another folder (--out)"
        )
        LanguageTraining().fit(checkpoint=folder)  # as it says
        assert len(list(folder.with_name("checkpoints-before").iterdir())) == 2

    def test_an_old_one_that_cannot_be_removed_now(self, folder, monkeypatch):
        """As on Windows, while another program reads it."""
        unlink, busy = Path.unlink, folder / "000001.npz"

        def refusing(path, missing_ok=False):
            if path == busy:
                raise PermissionError(13, "Permission denied", str(path))
            unlink(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", refusing)
        (checkpoints := Checkpoints(folder)).start()
        for step in range(5):
            checkpoints.save({"step": step})
        assert [path.stem for path in checkpoints.files()] == ["000001", "000004", "000005"]
        monkeypatch.undo()
        checkpoints.save({"step": 5})
        assert [path.stem for path in checkpoints.files()] == ["000005", "000006"]
        checkpoints.release()

    def test_a_users_file_in_the_folder_stays(self, folder):
        folder.mkdir(parents=True)
        (folder / "probe").write_bytes(b"mine")
        checkpoints = Checkpoints(folder)
        checkpoints.start()
        assert (folder / "probe").read_bytes() == b"mine"
        checkpoints.release()
        assert [path.name for path in folder.iterdir()] == ["probe"]

    def test_damaged_settings(self, folder):
        Checkpoints(folder).start()
        Checkpoints(folder).save({"__settings__": [3]})
        with pytest.raises(FileFormatError, match=r"000001\.npz: this training cannot go on from it"):
            Checkpoints(folder, settings={"width": 3}, resume=True).start()

    def test_what_could_not_begin_lets_others_in_and_may_begin_again(self, folder):
        folder.mkdir()
        (folder / "000001.npz").write_bytes(b"")
        checkpoints = Checkpoints(folder, resume=True)
        for _ in range(2):
            with pytest.raises(FileFormatError, match="None of the checkpoints"):
                checkpoints.start()
            assert not (folder / folder_lock.NAME).exists()
        state_file.write(folder / "000001.npz", {"step": 1})
        assert checkpoints.start() == {"step": 1}

    def test_arrays_of_a_user_in_the_folder_are_no_checkpoints(self, folder):
        folder.mkdir()
        numpy.savez(folder / "mine.npz", numpy.ones(3))
        (checkpoints := Checkpoints(folder, keep=1)).start()
        for step in range(2):
            checkpoints.save({"step": step})
        checkpoints.release()
        assert Checkpoints(folder, resume=True).start() == {"step": 1}
        assert sorted(path.name for path in folder.glob("*.npz")) == ["000002.npz", "mine.npz"]

    def test_a_full_disk_is_found_out_before_training(self, folder, monkeypatch):
        def full(**_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("common.files.tempfile.TemporaryFile", full)
        with pytest.raises(OSError, match="No space left"):
            Checkpoints(folder / "new").start()

    def test_settings_come_from_the_newest_checkpoint_that_can_be_read(self, folder):
        for width in (3, 4, 5):
            (begun := Checkpoints(folder, resume=width > 3)).start()
            begun.settings = {"width": width}
            begun.save({})
        begun.release()
        begun.files()[-1].write_bytes(b"")
        with pytest.raises(ValueError, match=r"000002\.npz: .* other settings: width was 4 and is now 3"):
            Checkpoints(folder, settings={"width": 3}, resume=True).start()
        assert Checkpoints(folder, settings={"width": 4}, resume=True).start() == {}

    def test_max_epoch_may_be_another_but_no_setting_that_is_added(self, folder):
        def resumed(max_epoch, length):
            checkpoints = Checkpoints(folder, settings={"max_epoch": max_epoch, "sizes": (3, 4)}, resume=True)
            checkpoints.settings["length"] = length
            return checkpoints

        (begun := resumed(2, 2)).start()
        begun.save({"step": 1})
        begun.release()
        assert resumed(3, 2).start() == {"step": 1}
        with pytest.raises(ValueError, match=r"000001\.npz: .* other settings: length was 2 and is now 3$"):
            resumed(3, 3).start()

    def test_settings_of_a_checkpoint(self, folder):
        Checkpoints(folder, settings={"width": 4}).start()
        Checkpoints(folder, settings={"width": 4}).save({"step": 1})
        with pytest.raises(ValueError, match=r"000001\.npz: .* other settings: width was 4 and is now 3"):
            Checkpoints(folder, settings={"width": 3}, resume=True).start()
        assert Checkpoints(folder, resume=True).start() == {"step": 1}
        Checkpoints(folder).save({"step": 2})  # without any
        assert Checkpoints(folder, settings={"width": 3}, resume=True).start() == {"step": 2}

    def test_a_further_fit_has_those_of_the_last_one_in_its_folder(self, folder):
        last = Checkpoints(folder, keep=3)
        assert checkpoints_of(str(folder), last) is checkpoints_of(last, None) is last
        for where, other in ((folder, None), (folder / "other", last)):
            made = checkpoints_of(where, other)
            assert made.folder == where and made.keep == 2

    def test_one_training_at_a_time_in_a_folder(self, folder, tmp_path):
        def fit_there(place=folder):
            LanguageTraining().fit(1, checkpoint=place)

        class Another(Callback):
            """A second training in the same folder, during an iteration of the first."""

            def on_iteration(self, trainer):
                thread = threading.Thread(target=self.run)
                thread.start()
                thread.join()

            def run(self):
                link = tmp_path / "link"
                if not link.is_symlink():
                    link.symlink_to(folder, target_is_directory=True)
                for place in (folder, link, training.trainer._fits._checkpoints):
                    with pytest.raises(ValueError, match="another training or thread of this process is at"):
                        fit_there(place)
                    refused.append(place)

        class Fails(Another):
            def on_iteration(self, trainer):
                super().on_iteration(trainer)
                raise KeyboardInterrupt

        refused, training = [], LanguageTraining()
        assert training.fit(checkpoint=folder, callbacks=[Another()]).result == LanguageTraining().fit().result
        assert len(refused) == 30
        fit_there()
        training = LanguageTraining()
        with pytest.raises(KeyboardInterrupt):
            training.fit(checkpoint=folder, callbacks=[Fails()])
        fit_there()
        with pytest.raises(FileFormatError, match="belongs to another training"):
            ExampleTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        fit_there()
        assert len(refused) == 33

    @pytest.mark.parametrize("shared", [False, True])
    def test_no_training_within_another_one_in_its_folder(self, shared, folder):
        class Nested(Callback):
            def on_iteration(self, trainer):
                with pytest.raises(ValueError, match="another training or thread of this process is at work in this"):
                    LanguageTraining().fit(checkpoint=checkpoints if shared else folder)
                refused.append((folder / folder_lock.NAME).exists())

        refused, checkpoints = [], Checkpoints(folder, seconds=0)
        done = LanguageTraining().fit(checkpoint=checkpoints, callbacks=[Nested()])
        assert done.result == LanguageTraining().fit().result
        assert refused and all(refused) and not (folder / folder_lock.NAME).exists()
        assert not folder.with_name("checkpoints-before").exists()

    def test_one_loop_of_ones_own_at_a_time_in_a_folder(self, folder):
        def start(checkpoints):
            try:
                checkpoints.start()
            except ValueError as error:
                errors.append(str(error))
            checkpoints.release()  # gives up what it has, not what another thread has

        errors, mine = [], Checkpoints(folder)
        mine.start()
        for other in (mine, Checkpoints(folder)):
            thread = threading.Thread(target=start, args=[other])
            thread.start()
            thread.join()
        assert len(errors) == 2 and all("another training or thread of this" in error for error in errors)
        mine.release()
        thread = threading.Thread(target=start, args=[Checkpoints(folder)])
        thread.start()
        thread.join()
        assert len(errors) == 2

    def test_weights_are_no_checkpoint(self, tmp_path):
        path = LanguageTraining().trainer.model.save_params(tmp_path / "1.npz")
        with pytest.raises(FileFormatError, match=r"1\.npz: no checkpoint: .* a file of weights"):
            state_file.read(path)


class TestAnotherTraining:
    @pytest.fixture(autouse=True)
    def one(self, folder):
        LanguageTraining().fit(1, checkpoint=folder)

    def refused(self, folder, training, message, **options):
        weights = [param.copy() for param in training.trainer.model.params]
        message = rf"checkpoints.000001\.npz: this training cannot go on from it: .*{message}"
        with pytest.raises(FileFormatError, match=message):
            training.fit(checkpoint=Checkpoints(folder, resume=True), **options)
        assert all(map(numpy.array_equal, weights, training.trainer.model.params))

    def test_model(self, folder):
        self.refused(folder, ExampleTraining(), "model was 'TiedLanguageModel' and is now 'DropoutNet'")

    def test_optimizer(self, folder):
        self.refused(folder, LanguageTraining(BookAdam()), "optimizer was 'Adam' and is now 'BookAdam'")

    @pytest.mark.parametrize("which", [0, 1])
    def test_data(self, folder, which):
        training = LanguageTraining()
        training.data = tuple(ids.copy() for ids in training.data)
        training.data[which][0] ^= 1
        self.refused(folder, training, r"data was \d+ and is now \d+")

    def test_validation_data(self, folder):
        training = LanguageTraining()
        training.valid = training.valid[:-1]
        self.refused(folder, training, r"validation data was \d+ and is now \d+")
        for valid in (None, lambda model: {"loss": 1.0}):  # which are not compared
            training.valid = valid
            training.fit(2, checkpoint=Checkpoints(folder, resume=True))

    def test_time_size(self, folder):
        training = LanguageTraining()
        with pytest.raises(FileFormatError, match="another training: time_size was 6 and is now 5"):
            training.trainer.fit(*training.data, 1, 4, 5, 0.5, checkpoint=Checkpoints(folder, resume=True))

    def test_callbacks(self, folder):
        self.refused(folder, LanguageTraining(), r"callbacks was \[\] and is now \['Plateau'\]", callbacks=[Plateau()])

    def test_settings_that_the_weights_do_not_show(self, folder, tmp_path):
        corpus = numpy.arange(80) % 9

        def fit(folder, resume, max_grad=5, kind=BetterRnnlm, **arguments):
            model = kind(9, 5, 5, **{"cell": "rnn", "rng": 0} | arguments)
            trainer = RnnlmTrainer(model, SGD(0.1))
            trainer.fit(corpus[:-1], corpus[1:], 1, 2, 5, max_grad, checkpoint=Checkpoints(folder, resume=resume))
            return model

        fit(tmp_path / "one", False)
        for options in ({"max_grad": 5.0}, {"dropout_ratio": numpy.float64(0.5)}, {"rng": 3, "dtype": "float32"}):
            fit(tmp_path / "one", True, **options)
        with pytest.raises(FileFormatError) as refused:
            fit(tmp_path / "one", True, None, cell="relu", dropout_ratio=0.1, variational=True, dropconnect=0.2)
        assert str(refused.value).endswith(
            "cannot go on from it: it belongs to another training: max_grad was 5.0 and is now None; "
            "model.cell was 'rnn' and is now 'relu'; model.dropconnect was 0.0 and is now 0.2; "
            "model.dropout_ratio was 0.5 and is now 0.1; model.variational was False and is now True"
        )

    def test_arguments_that_no_folder_keeps_are_not_compared(self, tmp_path):
        class Sized(DropoutNet):
            def __init__(self, rng=0, sizes=(2, 3)):
                super().__init__(rng)

        sizes = [{}, {"sizes": (2, 3)}, {"sizes": [2, 3]}, {"sizes": numpy.array([2, 3])}]
        for i, (before, now) in enumerate(itertools.permutations(sizes, 2)):
            for made, resume in ((before, False), (now, True)):
                training = ExampleTraining()
                training.trainer.model = Sized(**made)
                training.fit(1 + resume, checkpoint=Checkpoints(tmp_path / str(i), resume=resume))
            assert training.trainer.current_epoch == 2

    def test_of_long_arguments_a_checksum(self):
        """A Word2vec has the counts of all its words among its arguments."""

        def settings(corpus, **arguments):
            return step_settings(SkipGram(5000, 2, 2, corpus, rng=0, **arguments), None)

        corpus = numpy.arange(20000) % 5000
        found = settings(corpus)
        assert len(json.dumps(found)) < 300
        assert found == settings(corpus[::-1], sample_size=numpy.int64(5), dtype="float32")
        other = settings(corpus % 4000, power=0.5)
        assert {name for name in found if found[name] != other[name]} == {"model.corpus", "model.power"}

    def test_the_order_of_a_dictionary_does_not_matter(self):
        class Sized(DropoutNet):
            def __init__(self, rng=0, sizes=None):
                super().__init__(rng)

        one, other = ({"sizes": sizes} for sizes in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
        assert step_settings(Sized(**one), None) == step_settings(Sized(**other), None)

    def test_models_whose_arguments_are_not_known(self, tmp_path):
        class Unsaved(DropoutNet):
            def saved_arguments(self):
                raise TypeError("this one is not to be saved")

        class Foreign:
            def __init__(self, net):
                self.net, self.params, self.grads = net, net.params, net.grads
                self.forward, self.backward = net.forward, net.backward

        class Given(DropoutNet):
            def __init__(self, sizes, table, *more, rng=0):
                super().__init__(rng)

        makers = {
            "unsaved": lambda: Unsaved(0),
            "foreign": lambda: Foreign(DropoutNet(0)),
            "given": lambda: Given((3, 4), numpy.ones(3), object()),
        }
        for name, make in makers.items():
            results = []
            for resume in (False, True):
                training = ExampleTraining()
                training.trainer.model, training.valid = make(), None
                training.fit(1 + resume, checkpoint=Checkpoints(tmp_path / name, resume=resume))
                results.append(training.trainer.current_epoch)
            assert results == [1, 2]

    @pytest.mark.parametrize(
        ("fits", "other_last", "difference"),
        [
            ([(4, None), (4, 0.5), (4, 0.1)], (4, 0.2), r"max_grad was 0\.1 and is now 0\.2"),
            ([(2, None), (4, None)], (3, None), "batch_size was 4 and is now 3"),
        ],
    )
    def test_each_fit_of_a_loop_may_have_its_own(self, fits, other_last, difference, tmp_path):
        """(batch_size, max_grad); those of a later fit are compared when it begins."""

        def train(folder, resume, fits):
            training, checkpoints = ExampleTraining(), Checkpoints(folder, resume=resume, seconds=0, keep=100)
            for batch_size, max_grad in fits:
                training.trainer.fit(*training.data, 1, batch_size, max_grad, checkpoint=checkpoints)
            return training.result

        whole = train(tmp_path / "whole", False, fits)
        for path in Checkpoints(tmp_path / "whole").files()[::3]:
            (other := tmp_path / path.stem).mkdir()
            shutil.copy(path, other)
            assert train(other, True, fits) == whole
        with pytest.raises(FileFormatError, match=f"another training: {difference}"):
            train(tmp_path / "whole", True, [*fits[:-1], other_last])

    def test_shape(self, folder):
        training = LanguageTraining()
        training.trainer.model.params[3] = numpy.zeros(7, "f")
        training.trainer.model.layers[2].params[2] = training.trainer.model.params[3]
        self.refused(folder, training, r"state\.params\.\S+ is float32 \(20,\), now float32 \(7,\)")


def put(state, place, value):
    """The state with another value at a place such as ``optimizer/steps/0``."""
    *path, last = [int(key) if key.isdecimal() else key for key in place.split("/")]
    inside = state
    for key in path:
        inside = inside[key]
    inside[last] = value
    return state


class TestValuesThatNoTrainingHas:
    """Checkpoints with sound checksums, in which somebody has changed a value."""

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            ("version", 2, "it has format version 2, this program reads version 4"),
            ("version", 5, "format version 5"),
            ("trainer/iteration", 1.5, "iteration must be an integer of at least 0, not 1.5"),
            ("trainer/current_epoch", -1, "current_epoch must be an integer"),
            ("trainer/time_idx", 1e300, "time_idx must be an integer"),
            ("fits", [[0, -1]], "fits must be an integer of at least 0, not -1"),
            ("fits", [], "it is of no fit"),
            ("trainer/seconds", math.nan, "seconds must be finite"),
            ("trainer/sums/seconds", math.inf, "seconds must be finite"),
            ("trainer/_interval", ["a"], "the losses must be numbers"),
            ("trainer/ppl_list", [[]], "ppl_list must be numbers"),
            ("trainer/history", [1], "the history is no list of epochs"),
            ("params", {}, "state.params has"),
            ("layers", {}, "state.layers has"),
            ("layers/layers.2/h", numpy.zeros((9, 5), "f"), r"a state \(9, 5\) does not fit a batch of 4"),
            ("optimizer/steps/0", {}, "dict"),
            ("optimizer/arrays/0/0", numpy.zeros(3, "f"), "must be 2 arrays of shape"),
            ("generators/model.layers.1.rng/state/state", 1 << 200, "OverflowError"),
            ("generators/model.layers.1.rng/bit_generator", "os.system", "PCG64"),
            ("global_generator/state/pos", -1 << 99, "OverflowError|between 0 and 624"),
            ("callbacks/0/1/best", "text", "best must be numbers"),
            ("callbacks/0/1/waited", -1, "waited must be an integer"),
            ("callbacks/0/1/weights", {}, "those of another model"),
            ("callbacks/1/1/lr", [], "lr must be numbers"),
        ],
    )
    def test_language_model(self, folder, place, value, message):
        self.refused(LanguageTraining, folder, place, value, message)

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            ("trainer/order", numpy.zeros(21, int), "the order of the examples"),
            ("trainer/order", numpy.arange(20), "the order of the examples"),
            ("trainer/order", {}, "AxisError|the order of the examples"),
            ("trainer/loss_list", None, "a list|loss_list must be numbers"),
            ("optimizer/attributes/lr", "text", "is str, now a number"),
            ("optimizer/attributes/lr", True, "is bool, now a number"),
            ("optimizer/attributes/lr", -1.0, "Adam: lr must be a number of at least 0, not -1"),
            ("optimizer/attributes", {"beta1": 0.9}, "state.optimizer.attributes has beta1, now lr, beta1, beta2"),
        ],
    )
    def test_examples(self, folder, place, value, message):
        self.refused(ExampleTraining, folder, place, value, message)

    def refused(self, kind, folder, place, value, message):
        def callbacks():
            return [BestWeights(), Schedule(cosine_decay(4))]

        files = all_checkpoints(kind(), folder, callbacks=callbacks())
        path = files[6]  # in the middle of the second epoch
        for other in {*files} - {path}:
            other.unlink()
        state = put(state_file.read(path), place, value)
        state_file.write(path, state)
        with pytest.raises(FileFormatError, match=rf"000007\.npz: this training cannot go on from it: .*({message})"):
            kind().fit(callbacks=callbacks(), checkpoint=Checkpoints(folder, resume=True))


def test_an_error_after_the_first_iteration_is_not_the_checkpoints(folder):
    class Failing(Callback):
        at = 0

        def on_iteration(self, trainer):
            if (trainer.current_epoch, trainer.iteration) == (1, self.at):
                raise ValueError("a mistake of mine")

    callback = Failing()
    LanguageTraining().fit(1, callbacks=[callback], checkpoint=folder)
    for callback.at in (1, 2):
        with pytest.raises(ValueError, match=r"^a mistake of mine$"):
            LanguageTraining().fit(2, callbacks=[callback], checkpoint=Checkpoints(folder, resume=True))


@pytest.mark.parametrize("error", [FloatingPointError("has diverged"), BrokenPipeError(errno.EPIPE, "Broken pipe")])
def test_nor_is_a_divergence_or_a_reader_that_goes_away(folder, error):
    class Failing(Callback):
        def on_start(self, trainer):
            if trainer.current_epoch:
                raise error

    LanguageTraining().fit(1, callbacks=[Failing()], checkpoint=folder)
    with pytest.raises(type(error)) as found:
        LanguageTraining().fit(2, callbacks=[Failing()], checkpoint=Checkpoints(folder, resume=True))
    assert found.value is error


def test_an_optimizer_that_cannot_be_saved(folder):
    optimizer = BookAdam()
    optimizer.file = open  # what has no place in a file
    with pytest.raises(TypeError, match=r"state\.optimizer\.file: a builtin_function_or_method cannot be saved"):
        LanguageTraining(optimizer).fit(checkpoint=folder)


def test_a_callback_that_cannot_be_saved_is_found_out_before_training(folder):
    class Odd(Callback):
        state = ("seen",)
        seen: set = set()  # noqa: RUF012

    training = LanguageTraining()
    with pytest.raises(TypeError, match=r"state\.callbacks\.0\.1\.seen: a set cannot be saved"):
        training.fit(callbacks=[Odd()], checkpoint=folder)
    assert training.trainer.iteration == 0


class TestDivergence:
    """A learning rate that makes the weights infinite in one step, whose loss was still finite."""

    def fit(self, folder, **options):
        training = ExampleTraining(SGD(0.1))

        class Boom(Callback):
            def on_iteration(self, trainer):
                if (trainer.current_epoch, trainer.iteration) == (1, 4):
                    trainer.optimizer.lr = 1e39

        message = r"epoch 2, iteration 5: training has diverged, weight affine\.[Wb] of shape .* holds NaN or inf"
        with pytest.raises(FloatingPointError, match=message), numpy.errstate(all="ignore"):
            training.fit(2, callbacks=[Boom(), *options.pop("callbacks", [])], **options)
        return training

    def test_no_checkpoint_has_bad_weights(self, folder):
        self.fit(folder, checkpoint=Checkpoints(folder, seconds=0, keep=100))
        files = Checkpoints(folder).files()
        assert len(files) == 10
        for path in files:
            assert all(numpy.isfinite(weight).all() for weight in state_file.read(path)["params"].values())

    def test_at_the_end_without_checkpoints(self, folder):
        assert self.fit(folder).trainer.current_epoch == 1

    def test_the_model_gets_its_best_weights(self, folder):
        first = ExampleTraining(SGD(0.1)).fit(1)
        training = self.fit(folder, callbacks=[BestWeights()])
        assert training.result[0] == first.result[0]


class Interrupted(LanguageTraining):
    """Gets Ctrl-C, once or twice, during one of its iterations."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__()
        forward, count = self.trainer.model.forward, iter(range(1, 1000))

        def interrupted(*args, **options):
            if next(count) == at:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return forward(*args, **options)

        self.trainer.model.forward = interrupted


class Gone(io.StringIO):
    """Standard output whose reader goes away after some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left = lines

    def write(self, text: str) -> int:
        if self.left == 0:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.left -= text.count("\n")
        return len(text)


class TestInterrupt:
    def test_ends_after_the_iteration_saves_and_says_how_to_go_on(self, folder):
        with pytest.raises(TrainingInterrupted) as end:
            Interrupted(at=3).fit(checkpoint=folder)
        (path,) = Checkpoints(folder).files()
        assert str(end.value) == (
            f"training stopped in epoch 1, at iteration 3 / 5, and was saved in {path}; "
            "it goes on with --resume, in Python with resume=True for a script and "
            "Checkpoints(folder, resume=True) for fit."
        )
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        resumed = LanguageTraining().fit(checkpoint=Checkpoints(folder, resume=True))
        assert resumed.result == LanguageTraining().fit().result
        with pytest.raises(TrainingInterrupted, match="; the same call goes on"):
            Interrupted(at=3).fit(checkpoint=Checkpoints(folder.with_name("other"), resume=True))

    def test_the_model_gets_its_best_weights_after_the_current_ones_are_saved(self, folder):
        training, first = Interrupted(at=9), LanguageTraining().fit(1)
        with pytest.raises(TrainingInterrupted):
            training.fit(callbacks=[BestWeights()], checkpoint=folder)
        assert training.result[0] == first.result[0]
        options = {"callbacks": [BestWeights()], "checkpoint": Checkpoints(folder, resume=True)}
        assert LanguageTraining().fit(**options).result == LanguageTraining().fit(callbacks=[BestWeights()]).result

    def test_while_the_last_checkpoint_is_written(self, folder, monkeypatch):
        ended, fsync = [], os.fsync

        class Ends(Callback):
            def on_end(self, trainer):
                ended.append(trainer.current_epoch)

        def interrupted(descriptor):
            monkeypatch.setattr(os, "fsync", fsync)
            signal.raise_signal(signal.SIGINT)
            fsync(descriptor)

        training = LanguageTraining()
        checkpoints = Checkpoints(folder)
        state = checkpoints.start()
        monkeypatch.setattr(checkpoints, "due_after_epoch", lambda: False)
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(TrainingInterrupted, match="stopped after epoch 2, and was saved"):
            training.fit(2, callbacks=[Ends()], checkpoint=checkpoints)
        assert state is None and len(checkpoints.files()) == 1 and ended == [2]

    @pytest.mark.parametrize("at", [3, 8])
    def test_the_same_trainer_goes_on_to_the_epochs_it_was_asked_for(self, folder, at):
        training = Interrupted(at)
        with pytest.raises(TrainingInterrupted):
            training.fit(2, checkpoint=folder)
        training.fit(2, checkpoint=Checkpoints(folder, resume=True))
        assert training.trainer.current_epoch == 2 and training.result == LanguageTraining().fit(2).result

    @pytest.mark.parametrize("at", [3, 5, 8])
    def test_the_same_trainer_and_the_same_checkpoints(self, folder, at):
        """As when a cell of a notebook is run again; what else it does before is done again, too."""
        training, callbacks, checkpoints = Interrupted(at), [BestWeights()], Checkpoints(folder, resume=True)
        with pytest.raises(TrainingInterrupted):
            training.fit(2, callbacks=callbacks, checkpoint=checkpoints)
        training.fit(2, callbacks=callbacks, checkpoint=checkpoints)
        whole = LanguageTraining().fit(2, callbacks=[BestWeights()])
        assert training.trainer.current_epoch == 2 and training.result == whole.result
        training.fit(1, callbacks=callbacks, checkpoint=checkpoints)  # that was one fit, this is a further one
        assert training.trainer.current_epoch == 3
        assert training.result == whole.fit(1, callbacks=whole.trainer.callbacks).result

    def test_a_loop_of_fits_with_the_same_checkpoints(self, folder, capsys):
        def program(training, **options):
            for _ in range(3):
                training.fit(1, **options)
            return training

        checkpoints = Checkpoints(folder, resume=True)
        with pytest.raises(TrainingInterrupted):
            program(Interrupted(at=12), checkpoint=checkpoints)
        resumed = program(LanguageTraining(), checkpoint=checkpoints)
        assert capsys.readouterr().out.count("goes on in epoch 2, at iteration ") == 1
        whole = program(LanguageTraining())
        assert resumed.trainer.current_epoch == 3 and resumed.result == whole.result

    def test_without_resume_the_same_checkpoints_begin_a_further_fit(self, folder):
        training, checkpoints = Interrupted(at=3), Checkpoints(folder)
        with pytest.raises(TrainingInterrupted):
            training.fit(2, checkpoint=checkpoints)
        training.fit(2, checkpoint=checkpoints)
        assert training.trainer.current_epoch == 2 and len(training.result[1]) == 8
        assert not folder.with_name(f"{folder.name}-before").exists()

    def test_what_could_not_be_saved_is_gone_on_with_by_the_same_checkpoints(self, folder, monkeypatch):
        class Begin(Callback):
            def on_start(self, trainer):
                seen.append([param.tobytes() for param in trainer.model.params])

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        seen, training, checkpoints = [], Interrupted(at=3), Checkpoints(folder, resume=True)
        LanguageTraining().fit(1, checkpoint=folder)
        with monkeypatch.context() as patch, pytest.raises(TrainingInterrupted, match=r"at iteration 3 / 5\.$"):
            patch.setattr(state_file, "write", full)
            training.fit(2, checkpoint=checkpoints)
        weights = training.result[0]
        training.fit(1, callbacks=[Begin()], checkpoint=checkpoints)
        assert seen == [weights]

    @pytest.mark.parametrize("first", [None, "first"])
    def test_after_an_earlier_fit(self, folder, first):
        """A program that trains, and then trains on with checkpoints, is run again after Ctrl-C in the second fit."""

        def program(training, **options):
            training.fit(1, checkpoint=first and folder.with_name(first))
            return training.fit(2, **options)

        with pytest.raises(TrainingInterrupted):
            program(Interrupted(at=12), checkpoint=folder)
        resumed = program(LanguageTraining(), checkpoint=Checkpoints(folder, resume=True))
        assert resumed.trainer.current_epoch == 3 and resumed.result == program(LanguageTraining()).result

    def test_without_a_folder(self):
        with pytest.raises(TrainingInterrupted, match="nothing was saved"):
            Interrupted(at=3).fit()

    def test_the_second_one_ends_at_once(self):
        training = Interrupted(at=3, times=2)
        with pytest.raises(KeyboardInterrupt) as end:
            training.fit()
        assert end.type is KeyboardInterrupt and training.trainer.iteration == 2

    @pytest.mark.parametrize("lines", [0, 2, 3, 7])
    def test_a_reader_that_goes_away_ends_it_too(self, folder, monkeypatch, lines):
        """Whichever of the 8 lines nobody reads: that of an iteration, or that of an epoch's scores."""
        options = {"callbacks": [Schedule(cosine_decay(2)), BestWeights()]}
        whole = LanguageTraining().fit(**options)
        monkeypatch.setattr(sys, "stdout", Gone(lines))
        with pytest.raises(BrokenPipeError):
            LanguageTraining().fit(**options, checkpoint=folder)
        monkeypatch.undo()
        assert Checkpoints(folder).files()
        resumed = LanguageTraining().fit(**options, checkpoint=Checkpoints(folder, resume=True))
        assert resumed.result == whole.result

    def test_with_a_reader_that_goes_away_at_the_same_time(self, folder, monkeypatch):
        monkeypatch.setattr(sys, "stdout", Gone(0))
        with pytest.raises(TrainingInterrupted, match="iteration 1 / 5, and was saved"):
            Interrupted(at=1).fit(checkpoint=folder)

    def test_after_it_a_new_fit_is_a_whole_one(self):
        training = Interrupted(at=8)
        with pytest.raises(TrainingInterrupted):
            training.fit(2)
        training.fit(2)
        assert training.trainer.current_epoch == 3


@pytest.mark.parametrize("value", [object(), numpy.zeros(1, object)])
def test_what_cannot_be_saved_in_the_middle_does_not_end_the_training(folder, capsys, value):
    class Counts(Callback):
        state = ("seen",)

        def __init__(self):
            self.seen = {}

        def on_epoch(self, trainer):
            self.seen[trainer.current_epoch] = value

    training = LanguageTraining().fit(2, callbacks=[Counts()], checkpoint=Checkpoints(folder))
    assert training.trainer.current_epoch == 2 and training.result[0] == LanguageTraining().fit(2).result[0]
    assert "the checkpoint could not be written: " in capsys.readouterr().out


def test_the_same_checkpoints_after_what_cannot_go_on(folder):
    whole = LanguageTraining().fit(2)
    LanguageTraining().fit(1, checkpoint=folder)
    checkpoints, training = Checkpoints(folder, resume=True), LanguageTraining(seed=1)
    with pytest.raises(FileFormatError, match="belongs to another training: callbacks was"):
        training.fit(2, callbacks=[BestWeights()], checkpoint=checkpoints)
    assert training.fit(2, checkpoint=checkpoints).result == whole.result


class TestWhenToSave:
    """By a clock that moves on while a state is written."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        def write(path, state):
            clock.now += clock.writing
            if not state:
                raise OSError(errno.ENOSPC, "No space left on device")
            return path

        clock = SimpleNamespace(now=100.0, writing=0.0, monotonic=lambda: clock.now)
        monkeypatch.setattr(checkpoint, "SHARE", SHARE)
        monkeypatch.setattr(checkpoint, "time", clock)
        monkeypatch.setattr(state_file, "write", write)
        return clock

    def due_after(self, checkpoints, clock):
        """In how many whole seconds it is time."""
        begin = clock.now
        while not checkpoints.due():
            clock.now += 1
        return clock.now - begin

    def test_after_a_minute(self, folder, clock):
        (checkpoints := Checkpoints(folder)).start()
        assert self.due_after(checkpoints, clock) == 60
        checkpoints.save({"step": 1})
        assert self.due_after(checkpoints, clock) == 60

    def test_after_an_epoch_as_soon_as_writing_takes_a_fiftieth_of_the_time(self, folder, clock):
        (checkpoints := Checkpoints(folder)).start()
        assert checkpoints.due_after_epoch()
        clock.writing = 0.5
        checkpoints.save({"step": 1})
        assert not checkpoints.due_after_epoch()
        clock.now += 24.9
        assert not checkpoints.due_after_epoch()
        clock.now += 0.1
        assert checkpoints.due_after_epoch() and not checkpoints.due()

    @pytest.mark.parametrize("state", [{"step": 1}, {}])
    def test_writing_takes_a_fiftieth_of_the_time_at_most(self, folder, clock, state):
        (checkpoints := Checkpoints(folder)).start()
        for clock.writing, expected in ((3.0, 150), (1.0, 60)):
            with contextlib.suppress(OSError):  # one that fails takes its time, too
                checkpoints.save(state)
            assert self.due_after(checkpoints, clock) == expected


def test_a_loop_of_ones_own(folder):
    def run(steps, checkpoints, end=10):
        rng = numpy.random.default_rng(0)
        state = checkpoints.start() or {"step": 0, "W": numpy.zeros(3), "rng": rng.bit_generator.state, "curve": []}
        rng.bit_generator.state = state["rng"]
        W, curve = state["W"], state["curve"]
        for step in range(state["step"], end)[:steps]:
            W += rng.standard_normal(3)
            curve.append(float(W.sum()))
            if checkpoints.due():
                checkpoints.save({"step": step + 1, "W": W, "rng": rng.bit_generator.state, "curve": curve})
        return W.tolist(), curve

    whole = run(10, Checkpoints(folder.with_name("whole")))
    run(4, Checkpoints(folder, seconds=0))
    assert run(10, Checkpoints(folder, seconds=0, resume=True)) == whole


@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        (ValueError("no epoch"), FileFormatError, "no epoch"),
        (KeyError("W"), FileFormatError, r"KeyError\('W'\)"),
        (OSError(5, "Input/output error"), FileFormatError, "Input/output error"),
        (MemoryError("none left"), MemoryError, "none left"),
    ],
)
def test_errors_while_restoring_name_the_file(folder, error, expected, text):
    folder.mkdir()
    Checkpoints(folder).save({"step": 1})
    checkpoints = Checkpoints(folder, resume=True)
    assert checkpoints.start() == {"step": 1} and checkpoints.source == folder / "000001.npz"
    with pytest.raises(expected, match=rf"000001\.npz: .*{text}"), checkpoints.restoring():
        raise error


INTERRUPT = {"at": 0}


@experiment(options=TRAINING)
def main(run: Run, width: int = 3) -> dict[str, float]:
    training = Interrupted(INTERRUPT["at"]).fit(checkpoint=run.checkpoint)
    return {"loss": training.trainer.history[-1]["loss"]}


class TestScript:
    @pytest.fixture(autouse=True)
    def current_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_resume(self, monkeypatch):
        whole = main(out="whole")
        with monkeypatch.context() as patch, pytest.raises(TrainingInterrupted):
            patch.setitem(INTERRUPT, "at", 7)
            main()
        with pytest.raises(ValueError, match=r"00000\d\.npz: .* other settings: seed was 0 and is now 1; width was 3"):
            main(width=4, seed=1, resume=True)
        assert main(resume=True) == whole
        assert main(resume=True) == whole  # of a finished training, too

    def test_a_shorter_training_than_was_done(self, monkeypatch):
        @experiment(options=TRAINING)
        def main(run: Run, max_epoch: int = 3, times: int = 1) -> None:
            training = Interrupted(INTERRUPT["at"])
            for _ in range(times):
                training.fit(max_epoch, checkpoint=run.checkpoint)

        with monkeypatch.context() as patch, pytest.raises(TrainingInterrupted):
            patch.setitem(INTERRUPT, "at", 10)  # with those of the validation
            main()
        with pytest.raises(FileFormatError, match=r"has done 1 epochs and \d iterations already, .* end after 1"):
            main(max_epoch=1, resume=True)
        for max_epoch in (2, 2, 4):
            main(max_epoch=max_epoch, resume=True)
        with pytest.raises(FileFormatError, match="training has done 4 epochs already, and is now to end after 2"):
            main(max_epoch=2, resume=True)
        for resume in (False, True):
            main(max_epoch=1, times=2, out="loop", resume=resume)

    def test_without_anything_to_go_on_from(self, capsys):
        assert main(resume=True) == main(out="whole")
        assert capsys.readouterr().out.count("there is nothing to go on from in ") == 1

    def test_command_line(self, capsys, monkeypatch):
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setitem(INTERRUPT, "at", 10)  # four of them in the validation, which tries first what forward takes
            main.cli([])
        assert end.value.code == 130 and "goes on with --resume" in capsys.readouterr().err
        with pytest.raises(SystemExit) as end:
            main.cli(["--resume"])
        assert end.value.code == 0 and "goes on in epoch 2, at iteration 1 / " in capsys.readouterr().out


class TestStateFile:
    def test_everything_comes_back(self, tmp_path):
        state = {
            "a": [1, 2.5, None, True, "ü", {"b": numpy.arange(3), "c": numpy.float32(0.1)}],
            "big": 2**127 + 1,
            "inf": [math.inf, -math.inf],
            "empty": numpy.zeros((0, 3), "f"),
            "bad": numpy.array([math.nan], "d"),
            "keys": {1: numpy.arange(2), "1": numpy.arange(3), -2: {"a b": numpy.arange(4)}, numpy.int8(5): None},
            "text": "q\udcff \ud83d",
            "mask": numpy.array([[True, False]]),
            "flag": numpy.array(True),
        }
        read = state_file.read(state_file.write(tmp_path / "state.npz", state))
        assert read["a"][:5] == [1, 2.5, None, True, "ü"] and read["a"][5]["c"] == float(numpy.float32(0.1))
        numpy.testing.assert_array_equal(read["a"][5]["b"], [0, 1, 2])
        assert read["mask"].tolist() == [[True, False]] and read["mask"].dtype == read["flag"].dtype == bool
        assert read["flag"].shape == () and read["flag"]
        assert read["big"] == 2**127 + 1 and read["inf"] == [math.inf, -math.inf]
        assert read["empty"].shape == (0, 3) and read["empty"].dtype == "f" and math.isnan(read["bad"][0])
        assert list(read["keys"]) == [1, "1", -2, 5] and read["text"] == state["text"]
        assert [len(read["keys"][1]), len(read["keys"]["1"]), len(read["keys"][-2]["a b"])] == [2, 3, 4]

    @pytest.mark.parametrize("value", [numpy.float64(0.1), numpy.float16(3), numpy.int8(-3), numpy.bool_(True)])
    def test_numbers_keep_their_type(self, value, tmp_path):
        (read,) = state_file.read(state_file.write(tmp_path / "state.npz", {"a": [value]}))["a"]
        assert type(read) is type(value) and read == value

    @pytest.mark.parametrize(
        "text",
        [
            '{"__number__": ["float64", "1"]}',
            '{"__number__": ["int8", 300]}',
            '{"__number__": ["object", 1]}',
            '{"__number__": 1}',
            '{"__items__": [[1, 2], [1, 3]]}',
            '{"__items__": [[null, 2]]}',
            '{"__items__": [1]}',
            '{"__array__": "b"}',
            '{"__booleans__": ["b"]}',
            f'{{"__number__": ["float32", {10**400}]}}',
        ],
    )
    def test_a_damaged_tree(self, text, tmp_path):
        for tree in (f'{{"a": {text}}}', text):
            with pytest.raises(FileFormatError, match=r"a\.npz: a damaged checkpoint"):
                state_file.read(self.written(tree, tmp_path))

    def written(self, tree, tmp_path):
        return weight_files.write(tmp_path / "a.npz", {"__state__": numpy.frombuffer(tree.encode(), numpy.uint8)})

    def test_a_number_is_no_state(self, tmp_path):
        with pytest.raises(FileFormatError, match="a damaged checkpoint: it holds no dictionary"):
            state_file.read(self.written('{"__number__": ["int8", 3]}', tmp_path))

    @pytest.mark.parametrize("depth", [800, 5000])
    def test_a_deep_tree_is_read_or_damaged(self, depth, tmp_path):
        with contextlib.suppress(FileFormatError):
            state_file.read(self.written(f'{{"a": {"[" * depth}{"]" * depth}}}', tmp_path))

    @pytest.mark.parametrize(
        "value",
        [
            {(1, 2): 2},
            {"__array__": "a"},
            {"__booleans__": "a"},
            {"__items__": []},
            object(),
            1j,
            numpy.complex64(1),
            *(numpy.zeros(1, dtype) for dtype in (object, complex, "U1", "datetime64[s]", "i4,f4")),
        ],
    )
    def test_what_has_no_place(self, value, tmp_path):
        for refuse in (state_file.check, partial(state_file.write, tmp_path / "state.npz")):
            with pytest.raises(TypeError, match=r"^state\.a"):
                refuse({"a": value})
        assert list(tmp_path.iterdir()) == []
