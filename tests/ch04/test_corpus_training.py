import errno
import importlib
import re
import shutil
import signal
import sys
import threading
from pathlib import Path

import numpy
import pytest

import ch04
from ch04 import corpus_training
from ch04.cbow import CBOW
from ch04.corpus_training import CorpusTrainer, RowAdaGrad
from ch04.skip_gram import SkipGram
from ch04.word_frequency import keep_probability
from common.checkpoint import Checkpoints
from common.files import FileFormatError
from common.folder_lock import NAME
from common.interrupt import TrainingInterrupted
from common.np import np, to_cpu
from common.vector_evaluation import evaluate_analogies
from common.word_vectors import WordVectors
from dataset import mini

CORPUS = mini.load_data("valid")[0]
WORDS = len(mini.load_vocab()[0])
both = pytest.mark.parametrize("kind", [CBOW, SkipGram])


def trained(kind, corpus=CORPUS, max_epoch=2, width=8, window=3, **options):
    model = kind(WORDS, width, window, corpus, rng=0)
    trainer = CorpusTrainer(model, **{"rng": 0, **options})
    trainer.fit(corpus, max_epoch, verbose=False)
    return model, trainer


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "width", "epochs"), [(CBOW, 50, 8), (SkipGram, 50, 5)])
def test_mini_corpus(kind, width, epochs):
    """Where the truth is known: analogies are solved, and words of one grammatical class are neighbours."""
    corpus, _, id_to_word = mini.load_data(size=300_000)
    model, trainer = trained(kind, corpus, epochs, width, window=5)
    assert trainer.loss_list[-1] < 0.7 * kind(WORDS, width, 5, corpus, rng=0).forward(
        numpy.zeros((1, 10), int), numpy.zeros(1, int))
    vectors = WordVectors(model.word_vecs, id_to_word)
    _, sections = evaluate_analogies(vectors, mini.analogies())
    assert sections["number"].accuracy >= 0.9
    assert sections["gender"].accuracy >= 0.9
    class_of = {word: name for name, words in mini.word_classes().items() for word in words}
    alike = [class_of.get(vectors.most_similar(word, topn=1)[0][0]) == name for word, name in class_of.items()]
    assert numpy.mean(alike) >= 0.9


@both
def test_results_depend_on_the_seed_and_not_on_threads(kind):
    first, again, other = (
        trained(kind, threads=threads, rng=rng)[0].params for threads, rng in ((1, 0), (2, 0), (2, 1))
    )
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert all((a != b).any() for a, b in zip(first, other, strict=True))


@both
@pytest.mark.parametrize("options", [{"sample": 1e-3}, {"shrink_windows": False}, {"shared": 5, "stretch": 100}])
def test_options(kind, options):
    plain, changed = trained(kind), trained(kind, **options)
    assert (plain[0].word_vecs != changed[0].word_vecs).any()
    assert changed[1].loss_list[-1] < 0.95 * 6 * numpy.log(2) * (6 if kind is SkipGram else 1)


class Killed(Exception):
    pass


@both
@pytest.mark.parametrize("saves", [1, 3, 5])
def test_training_goes_on_with_the_same_bits(kind, saves, tmp_path, monkeypatch):
    def train(checkpoint):
        model = kind(WORDS, 8, 3, CORPUS, rng=0)
        trainer = CorpusTrainer(model, rng=0, sample=1e-2, stretch=2000)
        trainer.fit(CORPUS, 2, verbose=False, checkpoint=checkpoint)
        return model.params, trainer.loss_list

    unbroken = train(None)

    class Dying(Checkpoints):
        def save(self, state):
            path = super().save(state)
            if int(path.stem) == saves:
                raise Killed
            return path

    monkeypatch.setattr(Dying, "due", lambda self: True)
    with pytest.raises(Killed):
        train(Dying(tmp_path))
    params, losses = train(Checkpoints(tmp_path, resume=True))
    assert losses == unbroken[1]
    for ours, expected in zip(params, unbroken[0], strict=True):
        assert (ours == expected).all()

    message = r"\d\.npz: this training cannot go on .* belongs to another training: checksum of the data was \d+ and"
    with pytest.raises(FileFormatError, match=message):
        CorpusTrainer(kind(WORDS, 8, 3, CORPUS, rng=0), rng=0).fit(
            CORPUS[:-1], 2, checkpoint=Checkpoints(tmp_path, resume=True)
        )


def test_a_folder_for_checkpoints(tmp_path):
    """As the other trainers: a further fit goes on in it, and afterwards it is free for other processes."""
    trainer = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS, rng=0), rng=0)
    for folder in (str(tmp_path / "mine"), tmp_path / "mine"):
        trainer.fit(CORPUS, 1, verbose=False, checkpoint=folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["000001.npz", "000002.npz"]
    again = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS, rng=1), rng=1)
    again.fit(CORPUS, 1, verbose=False, checkpoint=Checkpoints(tmp_path / "mine", resume=True))
    assert again.loss_list == trainer.loss_list


def test_a_loop_of_fits_goes_on(tmp_path, monkeypatch):
    """From every checkpoint that it leaves, those in the middle of a fit too, to what the unbroken loop leads to."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)

    def train(folder, resume):
        trainer = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS, rng=0), rng=0, stretch=4000)
        checkpoints = Checkpoints(folder, resume=resume, keep=1000)
        for max_epoch in (1, 2, 1):
            trainer.fit(CORPUS, max_epoch, verbose=False, checkpoint=checkpoints)
        return trainer.current_epoch, trainer.loss_list, [param.tolist() for param in trainer.model.params]

    whole = train(tmp_path / "whole", False)
    assert whole[0] == 4
    for path in Checkpoints(tmp_path / "whole").files():
        (other := tmp_path / path.stem).mkdir()
        shutil.copy(path, other)
        assert train(other, True) == whole


def fit_with(folder, kind=CBOW, resume=True, max_epoch=1, size=(4, 2), negatives=(0.75, 5), **options):
    """A short training by default settings, but for those that are given."""
    power, sample_size = negatives
    model = kind(WORDS, *size, CORPUS, power=power, sample_size=sample_size, rng=0)
    trainer = CorpusTrainer(model, **{"rng": 0, "stretch": 4000, **options})
    trainer.fit(CORPUS, max_epoch, verbose=False, checkpoint=Checkpoints(folder, resume=resume))
    return trainer


@pytest.mark.parametrize("setting, other", [
    ("max_epoch was 1 and is now 2", {"max_epoch": 2}),
    ("model was 'CBOW' and is now 'SkipGram'", {"kind": SkipGram}),
    ("model.hidden_size was 4 and is now 5", {"size": (5, 2)}),
    ("model.window_size was 2 and is now 3", {"size": (4, 3)}),
    ("model.sample_size was 5 and is now 6", {"negatives": (0.75, 6)}),
    ("model.power was 0.75 and is now 0.5", {"negatives": (0.5, 5)}),
    ("learning_rate was [0.2, 0.1] and is now [0.2, 0.2]", {"learning_rate": 0.2}),
    ("sample was None and is now 0.001", {"sample": 1e-3}),
    ("shrink_windows was True and is now False", {"shrink_windows": False}),
    ("shared was 32 and is now 16", {"shared": 16}),
    ("stretch was 4000 and is now 1024", {"stretch": 1024}),
])  # fmt: skip
def test_a_checkpoint_of_other_settings_is_refused(setting, other, tmp_path):
    done = fit_with(tmp_path, resume=False)
    refusal = r"\.npz: this training cannot go on from it: it belongs to another training: "
    with pytest.raises(FileFormatError, match=f"{refusal}(.*; )?{re.escape(setting)}(; |$)"):
        fit_with(tmp_path, **other)
    again = fit_with(tmp_path, rng=1, threads=1)  # on which the rest of a training does not depend
    assert again.loss_list == done.loss_list


def test_after_a_refusal_the_right_training_goes_on(tmp_path):
    done, checkpoint = fit_with(tmp_path, resume=False), Checkpoints(tmp_path, resume=True)
    trainer = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS, rng=1), stretch=1024)
    with pytest.raises(FileFormatError, match="stretch was 4000 and is now 1024"):
        trainer.fit(CORPUS, 1, verbose=False, checkpoint=checkpoint)
    trainer.stretch = 4000
    trainer.fit(CORPUS, 1, verbose=False, checkpoint=checkpoint)
    assert trainer.loss_list == done.loss_list and trainer.current_epoch == 1


class Full(Checkpoints):
    """On a disk that has been full since the first of them."""

    def due(self):
        return True

    def save(self, state):
        if self.files():
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().save(state)


@both
def test_a_checkpoint_that_cannot_be_written_is_told_of(kind, tmp_path, capsys):
    expected, _ = trained(kind)
    model = kind(WORDS, 8, 3, CORPUS, rng=0)
    CorpusTrainer(model, rng=0).fit(CORPUS, 2, verbose=False, checkpoint=Full(tmp_path))
    assert all((a == b).all() for a, b in zip(model.params, expected.params, strict=True))
    lines = set(capsys.readouterr().out.splitlines())
    stays = "the one before it stays: [Errno 28] No space left on device"
    assert lines == {f"the checkpoint could not be written, {stays}"}


def test_ctrl_c_without_room_for_a_checkpoint(tmp_path, monkeypatch):
    """The training does not go back to the older one, which it had before."""
    trainer, checkpoint = CorpusTrainer(CBOW(WORDS, 8, 3, CORPUS, rng=0), rng=0), Full(tmp_path, resume=True)
    step, calls = trainer._step, []
    monkeypatch.setattr(trainer, "_step", lambda *args: (calls.append(1), len(calls) == 7 and stop(), step(*args)))
    with pytest.raises(TrainingInterrupted, match=r"^training stopped in epoch 1, at iteration 7 / 8\.$"):
        trainer.fit(CORPUS, 1, False, checkpoint=checkpoint)
    assert checkpoint.start() is None


def stop():
    signal.raise_signal(signal.SIGINT)


class StopsLate:
    """Ctrl-C that comes between two looks at the same step."""

    looks = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    @property
    def requested(self):
        self.looks += 1
        return self.looks > 1


def test_ctrl_c_right_after_a_look(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_training, "Interrupt", StopsLate)
    message = r"in epoch 1, at iteration 1 / 2, and was saved in .*000001\.npz; it goes on"
    with pytest.raises(TrainingInterrupted, match=message):
        fit_with(tmp_path, resume=False)


@pytest.mark.parametrize("saved", [True, False])
def test_weights_that_are_not_finite_reach_no_checkpoint(saved, tmp_path, monkeypatch):
    """Those of a word that the windows which the loss is computed for need not have met."""
    model = CBOW(WORDS, 4, 2, CORPUS, rng=0)
    trainer, checkpoint, steps = CorpusTrainer(model, rng=0), Checkpoints(tmp_path), []
    step, last = trainer._step, len(CorpusTrainer(model, rng=0)._steps(CORPUS))

    def diverging(*args):
        step(*args)
        steps.append(1)
        if len(steps) == (2 if saved else last):
            model.params[1][5] = numpy.inf

    monkeypatch.setattr(trainer, "_step", diverging)
    monkeypatch.setattr(trainer, "_loss", lambda ids: 1.0)
    monkeypatch.setattr(checkpoint, "due", lambda: saved)
    weight = r"weight ns_loss\.\S+ of shape \(\d+, 4\) holds NaN or infinity"
    with pytest.raises(FloatingPointError, match=f"^epoch 1: training has diverged, {weight}; a lower learning rate"):
        trainer.fit(CORPUS, 1, verbose=False, checkpoint=checkpoint)
    assert len(steps) == (2 if saved else last) and len(checkpoint.files()) == saved
    assert trainer.current_epoch == 0 and not trainer.loss_list


@both
def test_after_ctrl_c_the_same_call_goes_on(kind, tmp_path, monkeypatch):
    expected, _ = trained(kind)
    model = kind(WORDS, 8, 3, CORPUS, rng=0)
    trainer, checkpoint = CorpusTrainer(model, rng=0), Checkpoints(tmp_path, resume=True)
    step, calls = trainer._step, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 7:
            signal.raise_signal(signal.SIGINT)
        step(*args)

    monkeypatch.setattr(trainer, "_step", interrupted)
    with pytest.raises(TrainingInterrupted, match="; the same call goes on"):
        trainer.fit(CORPUS, 2, False, checkpoint=checkpoint)
    trainer.fit(CORPUS, 2, False, checkpoint=checkpoint)
    assert trainer.current_epoch == len(trainer.loss_list) == 2
    assert all((a == b).all() for a, b in zip(model.params, expected.params, strict=True))


def test_ctrl_c_without_checkpoints(monkeypatch):
    trainer = CorpusTrainer(CBOW(WORDS, 8, 3, CORPUS, rng=0), rng=0)
    step, calls = trainer._step, []

    def interrupted(*args):
        calls.append(args)
        signal.raise_signal(signal.SIGINT)
        step(*args)

    monkeypatch.setattr(trainer, "_step", interrupted)
    message = r"^training stopped in epoch 1, at iteration 1 / 8\. .*; nothing was saved\.$"
    with pytest.raises(TrainingInterrupted, match=message):
        trainer.fit(CORPUS, 2, False)
    assert len(calls) == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_training_that_fails_leaves_its_folder_free(begun, tmp_path):
    trainer, checkpoint = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS)), tmp_path / "mine"
    if begun:
        trainer.model.word_vecs[:] = numpy.nan
        with pytest.raises(FloatingPointError):
            trainer.fit(CORPUS, 1, checkpoint=checkpoint)
    else:
        trainer.fit(CORPUS, 1, verbose=False, checkpoint=checkpoint)
        with pytest.raises(FileFormatError, match="it belongs to another training: max_epoch was 1 and is now 2"):
            trainer.fit(CORPUS, 2, checkpoint=Checkpoints(checkpoint, resume=True))
    assert checkpoint.is_dir() and not (checkpoint / NAME).exists()


def test_a_folder_that_another_thread_trains_in(tmp_path):
    def fit():
        with pytest.raises(ValueError, match="another training or thread of this process is at work in this folder"):
            CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS)).fit(CORPUS, 1, verbose=False, checkpoint=tmp_path / "mine")
        refused.append(1)

    refused, theirs = [], Checkpoints(tmp_path / "mine")
    theirs.start()
    thread = threading.Thread(target=fit)
    thread.start()
    thread.join()
    assert refused and (tmp_path / "mine" / NAME).exists()
    theirs.release()


@both
def test_the_learning_rate_falls_evenly(kind):
    trainer = CorpusTrainer(kind(WORDS, 4, 2, CORPUS, rng=0), (0.3, 0.1), rng=0)
    rates = [[], []]
    for optimizer, seen in zip(trainer.optimizers, rates, strict=True):
        update = optimizer.update
        optimizer.update = lambda rate, rows, update=update, seen=seen: (seen.append(rate), update(rate, rows))
    trainer.fit(CORPUS, 3, verbose=False)
    steps = 3 * len(trainer._steps(CORPUS))
    expected = numpy.linspace(0.3, 0.1, steps, endpoint=False)
    assert steps > 6
    numpy.testing.assert_allclose(rates, [expected, expected], rtol=1e-12)


@both
def test_words_are_kept_with_their_probability(kind):
    trainer = CorpusTrainer(kind(WORDS, 4, 2, CORPUS, rng=0), sample=1e-2, rng=0)
    texts, steps = [], trainer._steps
    trainer._steps = lambda text: (texts.append(text), steps(text))[1]
    trainer.fit(CORPUS, 4, verbose=False)
    counts = numpy.bincount(CORPUS, minlength=WORDS)
    keep = keep_probability(counts, 1e-2)
    p = keep[CORPUS]
    chance = numpy.sqrt((p * (1 - p)).sum() / 4)  # the standard deviation of the mean length
    assert chance < 0.02 * p.sum() < 0.02 * len(CORPUS)
    assert abs(numpy.mean([len(text) for text in texts]) - p.sum()) < 4 * chance
    kept = numpy.bincount(numpy.concatenate(texts), minlength=WORDS) / 4
    assert (abs(kept - keep * counts) <= 5 * numpy.sqrt(keep * (1 - keep) * counts / 4)).all()


@both
def test_each_epoch_has_an_order_of_its_own(kind):
    trainer = CorpusTrainer(kind(WORDS, 4, 2, CORPUS, rng=0), shrink_windows=False, stretch=10, rng=0)
    text = numpy.arange(1000)
    starts = [[int(ids[0]) for step in trainer._steps(text) for ids, _, _ in step] for _ in range(2)]
    assert sorted(starts[0]) != sorted(starts[1])  # the text is cut at other places
    after_the_first = [[(start - epoch[0]) % 1000 for start in epoch] for epoch in starts]
    assert after_the_first[0] != after_the_first[1]
    assert after_the_first[0] != sorted(after_the_first[0])


@both
def test_epochs_are_counted_and_reported(kind, capsys):
    model = kind(WORDS, 8, 3, CORPUS, rng=0)
    trainer = CorpusTrainer(model, rng=0)
    trainer.fit(CORPUS, 1)
    trainer.fit(CORPUS, 2)
    assert trainer.current_epoch == len(trainer.loss_list) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines] == ["| epoch 1 ", "| epoch 2 ", "| epoch 3 "]
    assert lines[2].endswith(f"| loss {trainer.loss_list[2]:.2f}")


@both
@pytest.mark.parametrize("size", [7, 8, 20, 75, 1000])
def test_short_texts(kind, size):
    corpus = CORPUS[:size]
    model, _ = trained(kind, corpus, window=3)
    assert numpy.isfinite(model.word_vecs).all()


@both
@pytest.mark.parametrize(("width", "shared"), [(8, 32), (100, 32), (300, 64)])
def test_products_stay_small(kind, width, shared):
    trainer = CorpusTrainer(kind(WORDS, width, 5, CORPUS), shared=shared)
    block = trainer._block()
    columns = shared if kind is CBOW else max(shared, block + 10)
    assert block * columns * width <= 2**18


@both
@pytest.mark.parametrize("size", [700, 133, 130])
def test_every_word_is_a_target_equally_often(kind, size):
    model = kind(WORDS, 4, 2, CORPUS, rng=0)
    trainer, text = CorpusTrainer(model, stretch=128, rng=0), numpy.arange(size)
    model.ns_loss.sampler.draw = lambda shape: numpy.zeros(shape, int)
    seen = numpy.zeros(size, int)
    for _ in range(400):
        for step in trainer._steps(text):
            for ids, window, _ in step:
                assert (numpy.diff(ids) % size == 1).all()
                seen[ids[window:-window]] += 1
    assert seen.max() <= 400
    assert seen.mean() > 0.9 * 400 if size != 133 else 0.4 * 400
    assert seen.std() < 15


def test_row_adagrad(rng):
    W = rng.standard_normal((5, 4))
    expected, s = W.copy(), numpy.zeros(5)
    optimizer = RowAdaGrad(W)
    for _ in range(3):
        ids, rows = rng.integers(0, 5, 6), rng.standard_normal((6, 4))
        optimizer.update(0.3, [(ids[:4], rows[:4]), (ids[4:], rows[4:])])
        g = numpy.zeros((5, 4))
        numpy.add.at(g, ids, rows)
        s += (g**2).mean(axis=1)
        used = s > 0
        expected[used] -= 0.3 * g[used] / (numpy.sqrt(s[used]) + 1e-7)[:, None]
    numpy.testing.assert_allclose(W, expected, rtol=1e-10)


@both
def test_a_word_with_almost_all_of_p(kind):
    """1 - p rounds to 0 for it."""
    corpus = numpy.zeros(400, "int64")
    corpus[::100] = 1
    model = kind(2, 4, 1, corpus, power=10.0, rng=0)
    assert model.ns_loss.sampler.word_p[0] == 1
    trainer = CorpusTrainer(model, rng=0)
    trainer.fit(corpus, 2, verbose=False)
    assert numpy.isfinite(trainer.loss_list).all() and numpy.isfinite(to_cpu(model.word_vecs)).all()


@both
def test_sizes_of_numpys_integers_of_few_bits(kind):
    trainer = CorpusTrainer(kind(WORDS, numpy.int8(4), numpy.int8(2), CORPUS, rng=0), rng=0)
    trainer.fit(CORPUS[:3000], 1, verbose=False)
    assert len(trainer.loss_list) == 1


@both
def test_dtype_stays(kind):
    for dtype in ("f", "d"):
        model = kind(WORDS, 4, 2, CORPUS, rng=0, dtype=dtype)
        CorpusTrainer(model, rng=0).fit(CORPUS, 1, verbose=False)
        assert {p.dtype for p in model.params} == {numpy.dtype(dtype)}


@both
def test_gpu(kind, gpu):
    model, trainer = trained(kind, CORPUS[:3000], max_epoch=1)
    assert isinstance(model.word_vecs, np.ndarray)
    assert numpy.isfinite(to_cpu(model.word_vecs)).all()
    assert len(trainer.loss_list) == 1


def test_models_of_the_chapters_folder(monkeypatch):
    """``from skip_gram import SkipGram`` is another class object than that of ch04, but trained alike."""
    monkeypatch.syspath_prepend(str(Path(ch04.__file__).parent))
    monkeypatch.delitem(sys.modules, "skip_gram", raising=False)
    other = importlib.import_module("skip_gram").SkipGram
    assert other is not SkipGram
    one, two = trained(SkipGram)[0], trained(other)[0]
    assert (one.word_vecs == two.word_vecs).all()
    monkeypatch.delitem(sys.modules, "skip_gram")


def test_learning_rate_is_one_number_or_two():
    model = CBOW(WORDS, 4, 2, CORPUS)
    assert CorpusTrainer(model, numpy.float32(0.5)).learning_rate == (0.5, 0.5)
    assert CorpusTrainer(model, [0.5, 0.25]).learning_rate == (0.5, 0.25)


class Unlucky:
    """A generator by which no word is kept."""

    def random(self, size):
        return numpy.ones(size)


class TestMisuse:
    @pytest.mark.parametrize("rate", [0, -0.1, "0.1", numpy.nan, numpy.inf, (0.1,), (0.1, 0), (0.1, 0.1, 0.1), {}])
    def test_learning_rate(self, rate):
        with pytest.raises(ValueError, match="CorpusTrainer: learning_rate must be a positive number, or two"):
            CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS), rate)

    def test_settings_of_the_wrong_kind(self):
        model = CBOW(WORDS, 4, 2, CORPUS)
        for name in ("shared", "stretch", "threads"):
            with pytest.raises(TypeError, match=f"CorpusTrainer: {name} must be a whole number, not 1.5"):
                CorpusTrainer(model, **{name: 1.5})
        with pytest.raises(TypeError, match=r"CorpusTrainer.fit: max_epoch must be a whole number, not 2\.5"):
            CorpusTrainer(model).fit(CORPUS, 2.5)
        with pytest.raises(ValueError, match=r"CorpusTrainer: sample must be positive, .* not 'a'"):
            CorpusTrainer(model, sample="a")

    def test_settings(self):
        model = CBOW(WORDS, 4, 2, CORPUS)
        for options in ({"shared": 0}, {"stretch": 0}, {"threads": 0}):
            with pytest.raises(ValueError, match=f"CorpusTrainer: {next(iter(options))} must be at least 1, not 0"):
                CorpusTrainer(model, **options)
        with pytest.raises(ValueError, match="CorpusTrainer: threads must be 1 or 2, not 3"):
            CorpusTrainer(model, threads=3)
        with pytest.raises(ValueError, match="fit: max_epoch must be at least 1, not 0"):
            CorpusTrainer(model).fit(CORPUS, 0)
        with pytest.raises(ValueError, match="sample must be positive"):
            CorpusTrainer(model, sample=-1.0)

    def test_corpus(self):
        model = CBOW(WORDS, 4, 2, CORPUS)
        with pytest.raises(ValueError, match="window of 2 takes 5 words, got 4"):
            CorpusTrainer(model).fit(CORPUS[:4], 1)
        with pytest.raises(ValueError, match=f"got {WORDS}"):
            CorpusTrainer(model).fit(numpy.append(CORPUS, WORDS), 1)
        with pytest.raises(ValueError, match="empty"):
            CorpusTrainer(model).fit(CORPUS[:0], 1)

    def test_a_training_that_cannot_start_leaves_the_checkpoints_where_they_are(self, tmp_path):
        folder, text = tmp_path / "mine", CORPUS[:2000]
        CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS)).fit(text, 1, verbose=False, checkpoint=folder)
        for window, sample, message in (
            (1000, None, "a window of 1000 takes 2001 words, got 2000$"),
            (1000, 1e-3, "a window of 1000 takes 2001 words, got 2000$"),
            (2, 1e-18, r"a window of 2 takes 5 words, got 2000, of which sample 1e-18 leaves 2\.\d+e-05$"),
        ):
            model = CBOW(WORDS, 4, window, CORPUS)
            with pytest.raises(ValueError, match=f"^CorpusTrainer.fit: {message}"):
                CorpusTrainer(model, sample=sample).fit(text, 1, checkpoint=folder)
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]
        assert [path.name for path in folder.iterdir()] == ["000001.npz"]

    def test_chance_may_leave_less_than_a_window(self):
        trainer = CorpusTrainer(CBOW(WORDS, 4, 2, CORPUS), sample=1e-2)
        trainer.rng = Unlucky()
        with pytest.raises(ValueError, match=r"takes 5 words, got 15\d\d\d, of which sample 0\.01 leaves 0$"):
            trainer.fit(CORPUS, 1)

    def test_divergence_is_noticed(self):
        model = CBOW(WORDS, 4, 2, CORPUS)
        model.word_vecs[:] = numpy.nan
        with pytest.raises(FloatingPointError, match=r"epoch 1: training has diverged, weight in\.W .* holds NaN"):
            CorpusTrainer(model).fit(CORPUS, 1)

    def test_a_loss_that_is_not_finite(self, monkeypatch):
        model = CBOW(WORDS, 4, 2, CORPUS)
        monkeypatch.setattr(model, "forward", lambda contexts, target: numpy.inf)
        with pytest.raises(FloatingPointError, match=r"epoch 1: the loss is inf; a lower learning rate may help"):
            CorpusTrainer(model).fit(CORPUS, 1)
