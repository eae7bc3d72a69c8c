import math
import re
from types import SimpleNamespace

import numpy
import pytest
from small_trainings import ExampleTraining, LanguageTraining

from ch01.two_layer_net import TwoLayerNet
from ch06.rnnlm import Rnnlm
from common import base_trainer, checkpoint, state_file
from common.callbacks import Callback
from common.checkpoint import Checkpoints
from common.layers import Dropout, Embedding
from common.optimizer import SGD, Adam
from common.trainer import RnnlmTrainer, Trainer
from common.training import Step


class Scripted:
    """A model whose losses are given, and which remembers its batches; its gradient is 1."""

    def __init__(self, losses=()):
        self.losses, self.batches = iter(losses), []
        self.params, self.grads = [numpy.zeros(1)], [numpy.ones(1)]

    def forward(self, x, t):
        self.batches.append((x, t))
        return next(self.losses, 1.0)

    def backward(self, dout=1):
        pass


def lines(capsys):
    """The printed lines, with the seconds as #."""
    return re.sub(r"time \d+\[s\]", "time #[s]", capsys.readouterr().out).splitlines()


class TestTrainer:
    def test_lines_and_curve(self, capsys):
        losses = [float(i) for i in range(1, 46)]
        trainer = Trainer(Scripted(losses), SGD())
        trainer.fit(numpy.zeros((92, 2)), numpy.zeros(92, int), max_epoch=1, batch_size=2)
        assert lines(capsys) == [
            "| epoch 1 |  iter 1 / 46 | time #[s] | loss 1.00",
            "| epoch 1 |  iter 21 / 46 | time #[s] | loss 11.50",
            "| epoch 1 |  iter 41 / 46 | time #[s] | loss 31.50",
        ]
        assert trainer.loss_list == [1.0, 11.5, 31.5]  # the means since the line before

    def test_no_mean_spans_two_epochs(self, capsys):
        trainer = Trainer(Scripted([1, 3, 5, 7, 9, 11]), SGD())
        trainer.fit(numpy.zeros((3, 2)), numpy.zeros(3), max_epoch=2, batch_size=1, eval_interval=2)
        assert trainer.loss_list == [1, 4, 7, 10]
        assert [line[:20] for line in lines(capsys)] == ["| epoch 1 |  iter 1 ", "| epoch 1 |  iter 3 ",
                                                         "| epoch 2 |  iter 1 ", "| epoch 2 |  iter 3 "]  # fmt: skip
        assert [epoch["loss"] for epoch in trainer.history] == [3, 9]

    def test_losses_after_the_last_line_of_an_epoch_are_in_no_mean_of_the_next(self):
        trainer = Trainer(Scripted(range(1, 9)), SGD())
        trainer.fit(numpy.zeros((4, 2)), numpy.zeros(4), max_epoch=2, batch_size=1, eval_interval=2)
        assert trainer.loss_list == [1, 2.5, 5, 6.5]

    def test_epochs_and_curve_go_on_over_repeated_fits(self, capsys):
        trainer = Trainer(Scripted(), SGD())
        for _ in range(2):
            trainer.fit(numpy.zeros((4, 2)), numpy.zeros(4), max_epoch=3, batch_size=2)
        assert trainer.current_epoch == 6 and len(trainer.loss_list) == 6
        assert lines(capsys)[-1] == "| epoch 6 |  iter 1 / 2 | time #[s] | loss 1.00"

    def test_epochs_are_counted_from_a_number_set_by_hand(self, capsys):
        """As readers do who load weights and go on, and whose loops of fits count themselves."""
        trainer = Trainer(Scripted(), SGD())
        trainer.current_epoch = 10
        trainer.fit(numpy.zeros((4, 2)), numpy.zeros(4), max_epoch=2, batch_size=2)
        assert trainer.current_epoch == 12 and lines(capsys)[0] == "| epoch 11 |  iter 1 / 2 | time #[s] | loss 1.00"
        trainer.current_epoch = 0
        trainer.fit(numpy.zeros((4, 2)), numpy.zeros(4), max_epoch=3, batch_size=2)
        assert trainer.current_epoch == 3 and len(trainer.history) == 5

    def test_without_an_interval_nothing_is_printed(self, capsys):
        trainer = Trainer(Scripted(), SGD())
        trainer.fit(numpy.zeros((4, 2)), numpy.zeros(4), 2, 2, eval_interval=None)
        assert (lines(capsys), trainer.loss_list, trainer.current_epoch) == ([], [], 2)

    def test_examples_are_shuffled_with_their_targets(self):
        model = Scripted()
        x = numpy.arange(10)
        Trainer(model, SGD(), rng=0).fit(x, x * 2, max_epoch=2, batch_size=5)
        seen = [x.tolist() for x, _ in model.batches]
        assert sorted(seen[0] + seen[1]) == sorted(seen[2] + seen[3]) == list(range(10))
        assert seen[0] + seen[1] != seen[2] + seen[3] != list(range(10))
        assert all((t == 2 * x).all() for x, t in model.batches)
        again = Scripted()
        Trainer(again, SGD(), rng=0).fit(x, x * 2, max_epoch=2, batch_size=5)
        assert [x.tolist() for x, _ in again.batches] == seen

    def test_other_examples_are_left_over_in_each_epoch(self):
        model = Scripted()
        Trainer(model, SGD(), rng=0).fit(numpy.arange(10), numpy.arange(10), max_epoch=20, batch_size=4)
        assert [len(x) for x, _ in model.batches] == [4] * 40
        epochs = [numpy.concatenate([model.batches[i][0], model.batches[i + 1][0]]) for i in range(0, 40, 2)]
        assert len({frozenset(epoch.tolist()) for epoch in epochs}) > 5

    def test_gradients_are_clipped_on_request(self):
        for max_grad, expected in ((None, -1), (0.5, -0.5)):
            model = Scripted()
            Trainer(model, SGD(1.0)).fit(numpy.zeros(2), numpy.zeros(2), 1, 2, max_grad=max_grad)
            assert model.params[0][0] == pytest.approx(expected, rel=1e-5)

    def test_an_optimizer_of_ones_own(self):
        class Plain:
            def update(self, params, grads):
                for p, g in zip(params, grads, strict=True):
                    p -= g

        model = Scripted()
        Trainer(model, Plain()).fit(numpy.zeros(2), numpy.zeros(2), 1, 2, max_grad=0.25)
        assert model.params[0][0] == pytest.approx(-0.25, rel=1e-5)

    def test_a_loss_may_be_an_array_without_axes(self, capsys):
        Trainer(Scripted([numpy.array(2.5, "f")]), SGD()).fit(numpy.zeros(2), numpy.zeros(2), 1, 2)
        assert lines(capsys)[0].endswith("| loss 2.50")

    def test_the_norm_of_an_epoch_is_the_mean_of_those_measured(self):
        class Growing(Scripted):
            def backward(self, dout=1):
                self.grads[0] += 1

        trainer = Trainer(Growing(), SGD())
        trainer.fit(numpy.zeros(60), numpy.zeros(60), 1, 1, eval_interval=None)
        assert trainer.history[0]["gradient_norm"] == (2 + 52) / 2  # of the first and the 51st

    @pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
    def test_a_loss_that_is_not_finite_ends_the_training_before_the_update(self, loss):
        model = Scripted([1.0, 1.0, loss])
        with pytest.raises(FloatingPointError, match=rf"epoch 2, iteration 1: the loss is {loss}: .*learning rate"):
            Trainer(model, SGD(1.0)).fit(numpy.zeros(4), numpy.zeros(4), max_epoch=3, batch_size=2)
        assert model.params[0][0] == -2

    def test_a_gradient_that_is_not_finite_cannot_be_clipped(self):
        model = Scripted()
        model.grads[0][0] = math.nan
        with pytest.raises(FloatingPointError, match=r"epoch 1, iteration 1: gradient 0 of shape \(1,\) holds NaN"):
            Trainer(model, SGD(1.0)).fit(numpy.zeros(4), numpy.zeros(4), max_grad=1.0, batch_size=2)
        assert model.params[0][0] == 0

    @pytest.mark.parametrize("max_grad", [None, 0.3])
    def test_a_shared_weight_takes_one_step_along_the_sum_of_its_gradients(self, max_grad, rng):
        W, grads = rng.standard_normal((3, 2)), [rng.standard_normal((3, 2)), rng.standard_normal((2, 3))]
        model = Scripted()
        model.params, model.grads = [W, W.T], [g.copy() for g in grads]
        expected = Scripted()
        expected.params, expected.grads = [W.copy()], [grads[0] + grads[1].T]
        for net in (model, expected):
            Trainer(net, Adam()).fit(numpy.zeros(2), numpy.zeros(2), 1, 2, max_grad)
        numpy.testing.assert_allclose(W, expected.params[0], rtol=1e-12)

    def test_plot(self):
        pytest.importorskip("matplotlib", reason="figures need Matplotlib")
        trainer = Trainer(Scripted(), SGD())
        trainer.fit(numpy.zeros(4), numpy.zeros(4), 2, 2)
        ax = trainer.plot(ylim=5)
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[1]) == ("iterations (x20)", "loss", 5)
        assert ax.lines[0].get_ydata().tolist() == trainer.loss_list


@pytest.mark.parametrize(("reason", "shown"), [("enough", "training ends in epoch 1: enough"),
                                               ("", "training ends in epoch 1")])  # fmt: skip
def test_a_training_is_stopped_for_any_reason(capsys, reason, shown):
    class Stop(Callback):
        def on_iteration(self, trainer):
            if trainer.iteration == 2:
                trainer.stop(reason)

    model = Scripted()
    trainer = Trainer(model, SGD())
    trainer.fit(numpy.zeros(6), numpy.zeros(6), 2, 2, eval_interval=None, callbacks=[Stop()])
    assert (len(model.batches), trainer.iteration, trainer.stopped) == (2, 2, reason)
    assert lines(capsys) == [shown]


def test_a_state_put_back_by_hand_goes_on_within_its_epoch():
    class Stop(Callback):
        def on_iteration(self, trainer):
            if trainer.iteration == 3:
                trainer.stop("enough")

    x, trainers = numpy.arange(8), [Trainer(Scripted(), SGD(), rng=0) for _ in range(2)]
    trainers[0].fit(x, x, 1, 2, callbacks=[Stop()])
    trainers[1].load_state_dict(trainers[0].state_dict())
    trainers[1].fit(x, x, 1, 2)
    seen = numpy.concatenate([batch for trainer in trainers for batch, _ in trainer.model.batches])
    assert sorted(seen.tolist()) == list(range(8))
    assert trainers[1].current_epoch == 1


class TestStep:
    def test_the_norm_is_that_of_the_last_gradients_if_it_was_measured(self):
        step = Step(Scripted(), SGD())
        step(0, 0, measure=True)
        assert step.norm == 1
        step(0, 0)
        assert step.norm is None

    @pytest.mark.parametrize("own", [False, True])
    def test_weights_that_are_made_or_replaced_while_training(self, own):
        """They are trained as by a loop that reads params and grads in each step."""

        class PlainSGD:
            lr = 0.1

            def update(self, params, grads):
                for param, grad in zip(params, grads, strict=True):
                    param -= self.lr * grad

        class Growing(Scripted):
            def __init__(self):
                super().__init__()
                self.params, self.grads = [], []

            def forward(self, x, t):
                done = len(self.batches)
                if done == 0:
                    self.params, self.grads = [numpy.zeros(1)], [numpy.ones(1)]
                elif done == 2:
                    self.params[0] = self.params[0].copy()
                elif done == 3:  # a second use of the first weight
                    self.params, self.grads = [*self.params, self.params[0][:]], [numpy.ones(1), numpy.ones(1)]
                return super().forward(x, t)

            def backward(self, dout=1):
                for grad in self.grads:
                    grad[...] = 1

        model = Growing()
        step = Step(model, PlainSGD() if own else SGD(0.1))
        seen = [float((step(0, 0), model.params[0][0])[1]) for _ in range(5)]
        assert seen == pytest.approx([-0.1, -0.2, -0.3, -0.5, -0.7])

    def test_an_argument_scale_of_another_kind_is_left_alone(self):
        class Scaled:
            def update(self, params, grads, scale=100.0):
                params[0] -= scale * grads[0]

        model = Scripted()
        Step(model, Scaled())(0, 0, max_grad=0.25)
        assert model.params[0][0] == pytest.approx(-25, rel=1e-5)


class TestRnnlmTrainer:
    def test_lines_and_curve(self, capsys):
        trainer = RnnlmTrainer(Scripted([math.log(8), math.log(2), math.log(32)]), SGD())
        trainer.fit(numpy.arange(31), numpy.arange(31), max_epoch=1, batch_size=2, time_size=5, eval_interval=2)
        assert lines(capsys) == [
            "| epoch 1 |  iter 1 / 3 | time #[s] | perplexity 8.00",
            "| epoch 1 |  iter 3 / 3 | time #[s] | perplexity 8.00",  # the root of 2 times 32
        ]
        assert trainer.ppl_list == pytest.approx([8, 8])

    @pytest.mark.parametrize(("loss", "shown"), [(1e5, "1.014e+304"), (math.log(123456.7), "1.235e+05")])
    def test_a_huge_loss_is_a_huge_perplexity(self, capsys, loss, shown):
        RnnlmTrainer(Scripted([loss]), SGD()).fit(numpy.arange(10), numpy.arange(10), 1, 2, 5)
        assert lines(capsys)[0].split()[-1] == shown

    def test_rows_start_apart_and_move_on(self):
        trainer, corpus = RnnlmTrainer(Scripted(), SGD()), numpy.arange(199)
        x, t = trainer.get_batch(corpus[:-1], corpus[1:], batch_size=2, time_size=5)
        numpy.testing.assert_array_equal(x, [range(5), range(99, 104)])
        numpy.testing.assert_array_equal(t, x + 1)
        x, _ = trainer.get_batch(corpus[:-1], corpus[1:], batch_size=2, time_size=5)
        numpy.testing.assert_array_equal(x, [range(5, 10), range(104, 109)])
        assert trainer.time_idx == 10

    def test_rows_wrap_round_at_the_end(self):
        trainer, corpus = RnnlmTrainer(Scripted(), SGD()), numpy.arange(11)
        rows = numpy.concatenate([trainer.get_batch(corpus, corpus, 2, 4)[0] for _ in range(3)], axis=1)
        numpy.testing.assert_array_equal(rows, [[*range(11), 0], [*range(5, 11), *range(6)]])

    def test_the_place_in_the_text_goes_on_over_epochs_and_fits(self):
        model = Scripted()
        trainer = RnnlmTrainer(model, SGD())
        for _ in range(2):
            trainer.fit(numpy.arange(23), numpy.arange(23), max_epoch=2, batch_size=2, time_size=5)
        first_rows = numpy.concatenate([x[0] for x, _ in model.batches])
        numpy.testing.assert_array_equal(first_rows, numpy.arange(40) % 23)
        assert (len(model.batches), trainer.time_idx, trainer.current_epoch) == (8, 40, 4)

    def test_plot(self):
        pytest.importorskip("matplotlib", reason="figures need Matplotlib")
        trainer = RnnlmTrainer(Scripted(), SGD())
        trainer.fit(numpy.arange(10), numpy.arange(10), 1, 2, 5, eval_interval=7)
        ax = trainer.plot((0, 500))
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()) == ("iterations (x7)", "perplexity", (0, 500))


class Converted:
    """Data that become an array, and count how often."""

    def __init__(self, values):
        self.values, self.times = values, 0

    def __array__(self, dtype=None, copy=None):
        self.times += 1
        return numpy.asarray(self.values, dtype)


class TestValidationData:
    """They are made arrays once, however many epochs there are."""

    def test_of_a_text(self):
        trainer, valid = RnnlmTrainer(Scripted(), SGD()), Converted(list(range(12)))
        trainer.fit(numpy.arange(20), numpy.arange(20), 3, 2, 5, valid=valid)
        assert valid.times == 1 and [epoch["valid_loss"] for epoch in trainer.history] == pytest.approx([1, 1, 1])

    def test_of_examples(self):
        trainer, valid = Trainer(Scripted(), SGD()), (Converted([1, 2, 3]), Converted([0, 1, 2]))
        trainer.fit(numpy.arange(4), numpy.arange(4), 3, 2, valid=valid)
        assert [data.times for data in valid] == [1, 1] and len(trainer.history) == 3


class TestValidationDataAreChecked:
    """Before the first iteration."""

    @pytest.mark.parametrize("place", [0, 500, 999])
    @pytest.mark.parametrize("word", [-1, 7])
    def test_text(self, place, word):
        text, valid = numpy.arange(100) % 7, numpy.arange(1000) % 7
        valid[place] = word
        trainer = RnnlmTrainer(Rnnlm(7, 3, 4), SGD())
        with pytest.raises(IndexError, match=f"^fit: valid: ids .* in 0 … 6, got {word}"):
            trainer.fit(text, text, 1, batch_size=2, valid=valid)
        assert trainer.iteration == 0
        text[3] = valid[place] = 0
        trainer.fit(text, text, 1, batch_size=2, valid=valid)

    def test_of_other_embeddings_nothing_is_known(self):
        class Two(Rnnlm):
            def __init__(self):
                self.first = Embedding(numpy.zeros((3, 2), "f"))
                super().__init__(7, 3, 4)

        text = numpy.arange(100) % 7
        RnnlmTrainer(Two(), SGD()).fit(text, text, 1, batch_size=2, valid=text)

    def test_an_array_is_no_pair(self, rng):
        x, t = rng.standard_normal((50, 2)), rng.integers(0, 3, 50)
        with pytest.raises(ValueError, match=r"^fit: valid must be a pair \(x, t\) .* array \(2, 2\)"):
            Trainer(TwoLayerNet(2, 3, 3), SGD()).fit(x, t, 1, valid=numpy.ones((2, 2)))

    def test_rows_of_unequal_length(self):
        ragged, even = [[1, 2], [3]], [[0, 1], [0, 1]]
        for trainer in (Trainer(Scripted(), SGD()), RnnlmTrainer(Scripted(), SGD())):
            with pytest.raises(ValueError, match=r"^fit: inputs: expected as many .*pad.*, got \[\[1, 2\], \[3\]\]$"):
                trainer.fit(ragged, even, 1, 1)
            with pytest.raises(ValueError, match=r"^fit: targets: expected as many"):
                trainer.fit(even, ragged, 1, 1)

    @pytest.mark.parametrize(("columns", "word"), [(3, 0), (2, 5)])
    def test_of_a_pair_the_first_batch_is_tried(self, rng, columns, word):
        x, t = rng.standard_normal((50, 2)), rng.integers(0, 3, 50)
        trainer = Trainer(TwoLayerNet(2, 3, 3), SGD())
        with pytest.raises((ValueError, IndexError), match=r"TwoLayerNet|Affine|SoftmaxWithLoss"):
            trainer.fit(x, t, 1, valid=(numpy.ones((4, columns)), numpy.array([1, 2, 0, word])))
        assert trainer.current_epoch == trainer.iteration == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8])
def test_settings_of_few_bits(kind, rng):
    text, x = numpy.arange(2000) % 7, rng.standard_normal((2000, 2))
    for make, data, sizes in (
        (lambda: RnnlmTrainer(Rnnlm(7, 3, 4, rng=0), SGD()), (text, text), (2, 20, 35)),
        (lambda: Trainer(TwoLayerNet(2, 3, 7, rng=0), SGD(), rng=0), (x, text), (2, 5)),
    ):
        few, plain = make(), make()
        few.fit(*data, *map(kind, sizes), eval_interval=kind(20), valid=text if len(sizes) == 3 else data)
        plain.fit(*data, *sizes, eval_interval=20)
        assert all(map(numpy.array_equal, few.model.params, plain.model.params)) and few.current_epoch == 2
    few, plain = RnnlmTrainer(Scripted(), SGD()), RnnlmTrainer(Scripted(), SGD())
    for _ in range(6):
        blocks = few.get_batch(text, text, kind(20), kind(35)), plain.get_batch(text, text, 20, 35)
        numpy.testing.assert_array_equal(*blocks)


class Curve(Trainer):
    """A trainer as in the book, whose __init__ sets what the book's has."""

    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer
        self.loss_list = []
        self.eval_interval = None
        self.current_epoch = 0


class Text(RnnlmTrainer):
    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer
        self.time_idx = None
        self.ppl_list = None
        self.eval_interval = None
        self.current_epoch = 0


class TestSubclasses:
    """Their __init__ need not call that of the base."""

    def test_examples(self, tmp_path):
        trainer, data = Curve(Scripted([3.0, 1.0]), SGD()), (numpy.arange(4), numpy.arange(4))
        trainer.fit(*data, 1, 2, eval_interval=1, checkpoint=tmp_path)
        assert trainer.loss_list == [3, 1] and trainer.current_epoch == len(trainer.history) == 1
        resumed = Curve(Scripted(), SGD())
        resumed.fit(*data, 1, 2, eval_interval=1, checkpoint=Checkpoints(tmp_path, resume=True))
        assert resumed.loss_list == [3, 1]

    def test_text(self):
        trainer = Text(Scripted([0.0, 0.0]), SGD())
        trainer.fit(numpy.arange(20), numpy.arange(20), 1, 2, 5, eval_interval=1)
        assert (trainer.ppl_list, trainer.time_idx, trainer.stopped) == ([1, 1], 10, None)

    def test_each_has_its_own(self):
        one, two = Curve(Scripted(), SGD()), Curve(Scripted(), SGD())
        one.fit(numpy.arange(4), numpy.arange(4), 1, 2)
        assert len(one.history) == 1 and len(two.history) == 0


class TestSeedOfNumpy:
    """numpy.random.seed after the trainer and its model have been made, as in the cells of a notebook."""

    def train(self, seed, **options):
        training = ExampleTraining()
        training.trainer = Trainer(training.trainer.model, SGD(0.5))
        training.trainer.model.dropout = Dropout(0.3)
        numpy.random.seed(seed)  # noqa: NPY002
        return training.fit(**options).result

    def test_it_is_what_shuffles_and_drops(self):
        assert self.train(0) == self.train(0) != self.train(1)

    def test_with_checkpoints_it_is_the_same(self, tmp_path):
        whole = self.train(0)
        assert self.train(0, checkpoint=tmp_path / "a") == whole
        self.train(0, max_epoch=1, checkpoint=tmp_path / "b")
        assert self.train(5, checkpoint=Checkpoints(tmp_path / "b", resume=True)) == whole

    def test_before_the_trainer_is_made(self):
        orders = []
        for _ in range(2):
            numpy.random.seed(3)  # noqa: NPY002
            trainer = Trainer(Scripted(), SGD())
            trainer.fit(numpy.arange(9), numpy.arange(9), 1, 3)
            orders.append(trainer.order.tolist())
        assert orders[0] == orders[1]

    def test_the_generator_may_be_set(self):
        trainer = Trainer(Scripted(), SGD())
        trainer.rng = numpy.random.default_rng(4)
        trainer.fit(numpy.arange(9), numpy.arange(9), 1, 3)
        assert trainer.order.tolist() == numpy.random.default_rng(4).permutation(9).tolist()


@pytest.mark.parametrize("ylim", [[0, 3], numpy.array([0, 3]), numpy.array([0.0, 3.0], "f")])
def test_limits_of_a_plot(ylim):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    assert Trainer(Scripted(), SGD()).plot(ylim=ylim).get_ylim() == (0, 3)


@pytest.mark.parametrize("kind", [Trainer, RnnlmTrainer])
def test_a_plot_before_there_is_anything_to_plot(kind):
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    ax = kind(Scripted(), SGD()).plot()
    assert ax.get_xlabel() == "iterations" and not len(ax.lines[0].get_xdata())


def test_a_loss_is_one_number():
    class Losses(TwoLayerNet):
        shape = ()

        def forward(self, x, t):
            return numpy.full(self.shape, super().forward(x, t))

    x, t, net = numpy.ones((4, 2)), numpy.zeros(4, int), Losses(2, 3, 2)
    for net.shape in ((), (1,), (1, 1)):
        Trainer(net, SGD()).fit(x, t, 1, 4)
    for net.shape in ((4,), (0,)):
        message = f"Losses.forward must return the loss, one number, not an array {re.escape(str(net.shape))}"
        with pytest.raises(TypeError, match=message):
            Trainer(net, SGD()).fit(x, t, 1, 4)


class TestTime:
    """By a clock that an iteration of a model moves on by 1.75 seconds, and other things by a thousand."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        clock = SimpleNamespace(now=5000.0, perf_counter=lambda: clock.now)
        monkeypatch.setattr(base_trainer, "time", clock)
        monkeypatch.setattr(checkpoint, "SHARE", math.inf)
        return clock

    @pytest.fixture
    def model(self, clock):
        class Slow(Scripted):
            def backward(self, dout=1):
                clock.now += 1.75

        return Slow()

    def fit(self, trainer, max_epoch=1, **options):
        trainer.fit(numpy.arange(8), numpy.arange(8), max_epoch, 2, eval_interval=2, **options)

    def test_it_is_that_of_the_iterations(self, clock, model, monkeypatch, capsys):
        def away(*_):
            clock.now += 1000
            return 1.0

        class Away(Callback):
            on_start = on_epoch = away

            def on_iteration(self, trainer):
                seen.append(trainer.seconds)

        seen, trainer, write = [], Trainer(model, SGD()), state_file.write
        monkeypatch.setattr(state_file, "write", lambda *args: away() and write(*args))
        self.fit(trainer, 2, valid=away, callbacks=[Away()])
        assert trainer.history.column("seconds") == [7, 7] and seen == [1.75 * i for i in range(1, 9)]
        self.fit(trainer)
        times = re.findall(r"time (\d+)", capsys.readouterr().out)
        assert times == ["1", "5", "8", "12", "1", "5"]  # of the current fit
        assert trainer.history[-1]["examples_per_second"] == 8 / 7

    def test_checkpoints_take_none_of_it_and_keep_it(self, clock, model, monkeypatch, tmp_path, capsys):
        def slow(*args):
            clock.now += 1000
            return write(*args)

        write, trainer = state_file.write, Trainer(model, SGD())
        monkeypatch.setattr(state_file, "write", slow)
        self.fit(trainer, checkpoint=Checkpoints(tmp_path, seconds=0, keep=9))
        assert trainer.history[0]["seconds"] == trainer.seconds == 7
        for path in Checkpoints(tmp_path).files()[1:]:
            path.unlink()
        capsys.readouterr()
        resumed = Trainer(model, SGD())
        self.fit(resumed, checkpoint=Checkpoints(tmp_path, resume=True))
        assert resumed.history[0]["seconds"] == 7 and "time 5[s]" in capsys.readouterr().out


class TestBar:
    @pytest.fixture
    def bars(self, monkeypatch):
        class Bar:
            disable = False

            def __init__(self, total, initial=0):
                self.total, self.done, self.texts = total, initial, []
                bars.append(self)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def set_description(self, text, refresh=True):
                self.texts.append(text)

            def update(self):
                self.done += 1

        bars = []
        monkeypatch.setattr(base_trainer, "progress", Bar)
        return bars

    def test_it_counts_the_iterations_and_names_the_epochs(self, bars):
        LanguageTraining().fit(2)
        assert [(bar.total, bar.done, bar.texts) for bar in bars] == [(10, 10, ["epoch 1", "epoch 2"])]

    def test_it_begins_where_the_training_goes_on(self, bars, tmp_path):
        class Stop(Callback):
            at = 8

            def on_iteration(self, trainer):
                if 5 * trainer.current_epoch + trainer.iteration == self.at:
                    trainer.stop("enough")

        stop = Stop()
        LanguageTraining().fit(2, callbacks=[stop], checkpoint=tmp_path)
        stop.at = None
        LanguageTraining().fit(2, callbacks=[stop], checkpoint=Checkpoints(tmp_path, resume=True))
        assert [bar.done for bar in bars] == [8, 10] and bars[1].texts == ["epoch 2"]
