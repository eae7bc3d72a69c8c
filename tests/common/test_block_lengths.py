import copy
import shutil

import numpy
import pytest
from small_trainings import LanguageTraining

from common.block_lengths import BlockLengths
from common.checkpoint import Checkpoints
from common.files import FileFormatError
from common.optimizer import SGD
from common.rng import stream
from common.trainer import RnnlmTrainer


class VaryingTraining(LanguageTraining):
    """Two epochs of 5 iterations, with blocks of 2 to 10 words or so."""

    def fit(self, max_epoch=2, **options):
        lengths = BlockLengths(stream(0, "blocks"), full=0.7, deviation=2.0, shortest=2)
        return super().fit(max_epoch, **{"block_lengths": lengths, **options})


class Recorder:
    """A model that remembers its batches; its gradient is 1."""

    def __init__(self):
        self.batches = []
        self.params, self.grads = [numpy.zeros(1)], [numpy.ones(1)]

    def forward(self, x, t):
        self.batches.append((x, t))
        return 1.0

    def backward(self, dout=1):
        pass


def test_lengths_are_the_papers():
    lengths = numpy.array([BlockLengths(rng).draw(70) for rng in [numpy.random.default_rng(0)] for _ in range(20_000)])
    short = lengths < 52.5
    assert short.mean() == pytest.approx(0.05, abs=0.005)
    for part, mean in ((lengths[~short], 70), (lengths[short], 35)):
        assert part.mean() == pytest.approx(mean, abs=0.5)
        assert part.std() == pytest.approx(5, abs=0.3)
    assert lengths.mean() == pytest.approx(BlockLengths().mean(70), abs=0.2)
    assert BlockLengths().mean(70) == pytest.approx(68.25)


def test_lengths_are_whole_and_not_too_short():
    lengths = BlockLengths(0, full=0.0, deviation=50.0, shortest=3)
    drawn = [lengths.draw(10) for _ in range(200)]
    assert {type(n) for n in drawn} == {int}
    assert min(drawn) == 3 and drawn.count(3) > 50
    assert [BlockLengths(0, full=1.0, deviation=0.0).draw(35) for _ in range(3)] == [35] * 3


@pytest.mark.parametrize(
    ("time_size", "full", "deviation"), [(5, 0.95, 5), (10, 0.5, 5), (8, 1, 2), (7, 0, 0), (5, 1, 0)]
)
def test_the_mean_is_that_of_the_lengths_though_none_is_too_short(time_size, full, deviation):
    lengths = BlockLengths(0, full=full, deviation=deviation)
    drawn = numpy.array([lengths.draw(time_size) for _ in range(40_000)])
    assert lengths.mean(time_size) == pytest.approx(drawn.mean(), abs=5 * drawn.std() / 200 + 1e-9)


def test_the_mean_length_must_be_no_shorter_than_the_shortest():
    with pytest.raises(ValueError, match="blocks have 7 words at least, time_size is only 6"):
        LanguageTraining().fit(block_lengths=BlockLengths(0, shortest=7))


def test_one_seed_gives_the_lengths():
    one, two, other = (BlockLengths(seed) for seed in (1, 1, 2))
    drawn = [[lengths.draw(70) for _ in range(20)] for lengths in (one, two, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_blocks_follow_one_another_without_a_gap():
    model, text = Recorder(), numpy.arange(4001)
    trainer = RnnlmTrainer(model, SGD())
    trainer.fit(text[:-1], text[1:], 2, batch_size=4, time_size=20, block_lengths=BlockLengths(0, full=0.8))
    lengths = [x.shape[1] for x, _ in model.batches]
    assert len(lengths) == 2 * (4000 // (4 * 18)) and len(set(lengths)) > 10
    for row in range(4):
        seen = numpy.concatenate([x[row] for x, _ in model.batches])
        numpy.testing.assert_array_equal(seen, (row * 1000 + numpy.arange(sum(lengths))) % 4000)
    assert trainer.time_idx == sum(lengths)
    assert all((t == x + 1).all() for x, t in model.batches)


def test_the_learning_rate_of_a_step_is_that_of_its_block():
    model, optimizer, text = Recorder(), SGD(0.5), numpy.arange(1001)
    trainer = RnnlmTrainer(model, optimizer)
    trainer.fit(text[:-1], text[1:], 1, batch_size=4, time_size=20, block_lengths=BlockLengths(0))
    lengths = [x.shape[1] for x, _ in model.batches]
    assert len(set(lengths)) > 3
    assert model.params[0][0] == pytest.approx(-0.5 * sum(lengths) / 20)
    assert optimizer.lr == 0.5 == trainer.history[0]["lr"]


def test_tokens_per_second_are_those_of_blocks_of_the_mean_length():
    trainer, text = RnnlmTrainer(Recorder(), SGD()), numpy.arange(401)
    trainer.fit(text[:-1], text[1:], 1, batch_size=2, time_size=20, block_lengths=BlockLengths(0, full=0.5))
    (epoch,) = trainer.history
    assert epoch["tokens_per_second"] * epoch["seconds"] == pytest.approx(2 * 15 * epoch["iterations"])


def test_a_step_that_fails_leaves_the_learning_rate():
    model, optimizer = Recorder(), SGD(0.5)
    model.forward = lambda x, t: float("nan")
    trainer = RnnlmTrainer(model, optimizer)
    with pytest.raises(FloatingPointError, match="epoch 1, iteration 1"):
        trainer.fit(numpy.arange(100), numpy.arange(100), 1, 2, 20, block_lengths=BlockLengths(0))
    assert optimizer.lr == 0.5


def test_it_equals_a_loop_of_ones_own(rng):
    """forward, backward, clip, update with the learning rate of the block, from the same weights."""
    training, by_hand = LanguageTraining(SGD(0.5, weight_decay=0.01)), LanguageTraining(SGD(0.5))
    training.trainer.fit(*training.data, 1, 4, 6, max_grad=0.3, block_lengths=BlockLengths(3, shortest=1))
    model, lengths, place = by_hand.trainer.model, BlockLengths(3, shortest=1), 0
    xs, ts = by_hand.data
    W = model.params[0]
    for _ in range(training.trainer.history[0]["iterations"]):
        T = lengths.draw(6)
        rows = (numpy.arange(4)[:, None] * 30 + place + numpy.arange(T)) % 120
        place += T
        model.forward(xs[rows], ts[rows])
        model.backward()
        dense = model.grads[0] + model.grads[-2].T
        grads = [dense, *model.grads[1:-2], model.grads[-1]]
        rate = min(1.0, 0.3 / (numpy.sqrt(sum((g * g).sum() for g in grads)) + 1e-6))
        for p, g in zip([W, *model.params[1:-2], model.params[-1]], grads, strict=True):
            p -= 0.5 * T / 6 * (rate * g + 0.01 * p)
    for ours, expected in zip(training.trainer.model.params, model.params, strict=True):
        numpy.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_resumed_at_any_iteration_it_is_the_unbroken_training(tmp_path, monkeypatch):
    monkeypatch.setattr("common.checkpoint.SHARE", 1e9)
    checkpoints = Checkpoints(tmp_path / "all", seconds=0, keep=100)
    whole = VaryingTraining().fit(checkpoint=checkpoints)
    assert whole.result != LanguageTraining().fit().result
    assert len(checkpoints.files()) > 8
    for path in checkpoints.files():
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        (tmp_path / "one").mkdir()
        shutil.copy(path, tmp_path / "one")
        resumed = VaryingTraining().fit(checkpoint=Checkpoints(tmp_path / "one", resume=True))
        assert resumed.result == whole.result


def test_it_goes_on_with_the_same_kind_of_blocks_only(tmp_path):
    VaryingTraining().fit(1, checkpoint=tmp_path / "a")
    LanguageTraining().fit(1, checkpoint=tmp_path / "b")
    others = [
        (LanguageTraining, "a", {}),
        (VaryingTraining, "b", {}),
        (VaryingTraining, "a", {"block_lengths": BlockLengths(0, full=0.9, deviation=2.0, shortest=2)}),
        (VaryingTraining, "a", {"block_lengths": BlockLengths(0, full=0.7, deviation=3.0, shortest=2)}),
        (VaryingTraining, "a", {"block_lengths": BlockLengths(0, full=0.7, deviation=2.0, shortest=3)}),
    ]
    for kind, folder, options in others:
        with pytest.raises(FileFormatError, match="belongs to another training"):
            kind().fit(checkpoint=Checkpoints(tmp_path / folder, resume=True), **options)


def test_without_them_nothing_changes():
    lengths = BlockLengths(0, full=1.0, deviation=0.0, shortest=1)
    plain, fixed = LanguageTraining().fit(), LanguageTraining().fit(block_lengths=lengths)
    before = copy.deepcopy(lengths.rng.bit_generator.state)
    assert plain.result == fixed.result
    LanguageTraining().fit()
    assert lengths.rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"full": 1.1}, "full must be a probability, not 1.1"),
        ({"full": float("nan")}, "full must be a probability, not nan"),
        ({"deviation": -1.0}, "deviation must be a number of at least 0, not -1.0"),
        ({"deviation": float("inf")}, "deviation must be a number of at least 0, not inf"),
        ({"shortest": 0}, "shortest must be at least 1, not 0"),
    ],
)
def test_misuse(options, message):
    with pytest.raises(ValueError, match=f"BlockLengths: {message}"):
        BlockLengths(**options)


def test_on_the_gpu_path(gpu):
    trainer = VaryingTraining().fit().trainer
    assert trainer.history[-1]["loss"] < 3
