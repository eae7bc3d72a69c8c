import contextlib
import copy
import gc
import math
import pickle
import time
import weakref
from types import SimpleNamespace

import numpy
import pytest
from small_trainings import ExampleTraining, LanguageTraining

from common.callbacks import (
    BestWeights,
    Callback,
    EarlyStopping,
    Plateau,
    Schedule,
    TimeLimit,
    cosine_decay,
    step_decay,
)
from common.checkpoint import Checkpoints
from common.optimizer import SGD


class Constant:
    """A model whose loss never changes; gradient zero."""

    def __init__(self):
        self.params, self.grads = [numpy.ones(2)], [numpy.zeros(2)]

    def forward(self, x, t):
        return 1.0

    def backward(self, dout=1):
        pass


def train(scores, *callbacks, lr=1.0):
    """A training in whose epochs the score is as given; returns the trainer."""
    training = ExampleTraining(SGD(lr))
    training.trainer.model, given = Constant(), iter(scores)
    valid = {"valid": lambda model: {"loss": next(given)}}
    training.trainer.fit(*training.data, len(scores), 7, eval_interval=None, callbacks=callbacks, **valid)
    return training.trainer


class TestEarlyStopping:
    def test_ends_after_some_epochs_without_a_better_score(self, capsys):
        trainer = train([3, 2, 2, 4, 1], EarlyStopping(patience=2))
        assert trainer.current_epoch == 4
        assert trainer.stopped == "valid_loss has not improved on 2 for 2 epochs"
        assert "training ends in epoch 4: valid_loss has not" in capsys.readouterr().out

    def test_a_better_score_begins_the_count_anew(self):
        trainer = train([3, 4, 2, 4, 1], EarlyStopping(patience=2))
        assert trainer.current_epoch == 5 and trainer.stopped is None

    @pytest.mark.parametrize("maximize", [None, False])
    def test_higher_is_better_for_an_accuracy(self, maximize):
        trainer = SimpleNamespace(validates=True, current_epoch=0, iteration=0, model=Constant(), history=[])
        best = BestWeights("valid_accuracy", maximize)
        best.on_start(trainer)
        for score in (0.5, 0.9, 0.1):
            trainer.history.append({"valid_accuracy": score})
            best.on_epoch(trainer)
        assert best.best == (0.1 if maximize is False else 0.9)
        assert not EarlyStopping().maximize and Plateau(monitor="accuracy").maximize

    def test_higher_may_be_better(self):
        assert train([1, 2, 3, 4], EarlyStopping(patience=1, maximize=True)).current_epoch == 4

    def test_a_training_that_has_ended_and_is_put_back_ends_at_once(self, tmp_path):
        scores = iter([1, 2, 3])
        for resume in (False, True):
            training = ExampleTraining()
            training.valid = lambda model: {"loss": next(scores)}
            training.fit(5, callbacks=[EarlyStopping(2)], checkpoint=Checkpoints(tmp_path, resume=resume))
            assert (training.trainer.current_epoch, training.trainer.iteration) == (3, 0)

    @pytest.mark.parametrize("maximize", [False, True])
    def test_a_score_that_is_as_good_is_not_better(self, maximize):
        assert train([2, 2, 2, 2], EarlyStopping(patience=2, maximize=maximize)).current_epoch == 3

    def test_nan_is_never_better(self):
        assert train([math.nan, math.nan, 1, 2], EarlyStopping(patience=2)).current_epoch == 2

    def test_a_score_that_there_is_not(self):
        with pytest.raises(ValueError, match=r"EarlyStopping: an epoch has epoch, .*valid_loss, but no valid_acc"):
            train([1], EarlyStopping(monitor="valid_acc"))

    def test_no_score_at_all_is_found_out_before_training(self):
        training = ExampleTraining()
        with pytest.raises(ValueError, match=r"BestWeights: monitors valid_loss, but fit has no validation data"):
            training.trainer.fit(*training.data, 1, 4, callbacks=[BestWeights()])
        assert training.trainer.iteration == 0
        training.trainer.fit(*training.data, 1, 4, callbacks=[EarlyStopping(monitor="loss")])

    def test_patience(self):
        for patience, error in ((0, ValueError), (1.5, TypeError)):
            with pytest.raises(error, match=f"EarlyStopping: patience must be .*, not {patience}"):
                EarlyStopping(patience=patience)


class TestBestWeights:
    def test_the_model_has_them_in_the_end(self):
        class Snapshots(Callback):
            seen: tuple = ()

            def on_epoch(self, trainer):
                self.seen += ([param.copy() for param in trainer.model.params],)

        snapshots, training, scores = Snapshots(), ExampleTraining(), iter([3, 1, 2])
        training.trainer.fit(
            *training.data, 3, 7, callbacks=[snapshots, BestWeights()], valid=lambda model: {"loss": next(scores)}
        )
        assert all(map(numpy.array_equal, training.trainer.model.params, snapshots.seen[1]))
        assert not numpy.array_equal(snapshots.seen[1][0], snapshots.seen[2][0])

    def test_they_come_back_with_a_checkpoint(self, tmp_path):
        scores, results = iter([1, 2]), []
        for max_epoch, resume in ((1, False), (2, True)):
            training = ExampleTraining()
            training.valid = lambda model: {"loss": next(scores)}
            training.fit(max_epoch, callbacks=[BestWeights()], checkpoint=Checkpoints(tmp_path, resume=resume))
            results.append(training.result[0])
        assert training.trainer.current_epoch == 2 and results[0] == results[1]


class TestSeveralTrainings:
    """With one list of callbacks, as in a loop over seeds."""

    def callbacks(self):
        return [BestWeights(), Plateau(0.25), EarlyStopping(2)]

    @pytest.mark.parametrize("kind", [ExampleTraining, LanguageTraining])
    def test_each_begins_anew(self, kind):
        shared, lr = self.callbacks(), 1.0
        for seed in range(3):
            one = kind(SGD(lr), seed).fit(4, callbacks=shared)
            alone = kind(SGD(lr), seed).fit(4, callbacks=self.callbacks())
            assert one.result == alone.result and one.trainer.stopped == alone.trainer.stopped
            assert one.trainer.optimizer.lr == alone.trainer.optimizer.lr

    def test_the_second_may_have_another_model(self):
        best = BestWeights()
        for training in (ExampleTraining(), LanguageTraining()):
            training.fit(1, callbacks=[best])
            kept = [weight.tobytes() for weight in best.weights.values()]
            assert set(kept) <= set(training.result[0])

    def test_several_fits_of_one_go_on(self):
        shared = self.callbacks()
        scores = iter([1, 2, 0.5, 3, 4, 5])
        training = ExampleTraining(SGD(0.1))
        training.valid = lambda model: {"loss": next(scores)}
        for _ in range(2):
            training.fit(2, callbacks=shared)
        assert [callback.best for callback in shared] == [0.5] * 3 and training.trainer.stopped is None
        training.fit(2, callbacks=shared)
        assert training.trainer.current_epoch == 5 and shared[2].waited == 2

    @pytest.mark.parametrize("kind", [ExampleTraining, LanguageTraining])
    def test_one_that_has_begun_without_them(self, kind):
        def second(callbacks):
            return kind(SGD(0.5), 1).fit(1).fit(4, callbacks=callbacks)

        shared = [*self.callbacks(), Schedule(cosine_decay(9))]
        kind(SGD(1.0)).fit(3, callbacks=shared)
        one, alone = second(shared), second([*self.callbacks(), Schedule(cosine_decay(9))])
        assert one.result == alone.result and one.trainer.stopped == alone.trainer.stopped
        assert one.trainer.optimizer.lr == alone.trainer.optimizer.lr

    def test_a_trainer_gets_another_model(self):
        best, training, scores = BestWeights(), LanguageTraining(), iter([1, 2])
        training.valid = lambda model: {"loss": next(scores)}
        first = training.fit(1, callbacks=[best]).result[0]
        training.trainer.model = LanguageTraining(seed=1).trainer.model
        training.fit(1, callbacks=[best])
        assert best.best == 2 and not set(first) & set(training.result[0])

    def test_a_model_is_not_kept_but_known_to_be_gone(self):
        stopping, training = EarlyStopping(), LanguageTraining()
        stopping.best = 0.0
        training.fit(1, callbacks=[stopping])
        model = weakref.ref(training.trainer.model)
        del training
        gc.collect()
        assert model() is None
        other = LanguageTraining(seed=1).fit(1)
        other.fit(1, callbacks=[stopping])
        assert stopping.best == other.trainer.history[-1]["valid_loss"]

    def test_a_model_that_cannot_be_referred_to_weakly(self):
        class Bare:
            __slots__ = ("backward", "forward", "grads", "params")

            def __init__(self, model):
                for name in self.__slots__:
                    setattr(self, name, getattr(model, name))

        best, training = BestWeights("loss"), ExampleTraining()
        training.trainer.model = Bare(Constant())
        for _ in range(2):
            training.trainer.fit(*training.data, 1, 7, callbacks=[best])
        assert best.waited == 1
        training.trainer.model = Bare(Constant())
        training.trainer.fit(*training.data, 1, 7, callbacks=[best])
        assert best.waited == 0

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
    def test_a_copy_of_the_trainer_goes_on(self, copied):
        """Its schedules, too, have no part that cannot be pickled."""
        callbacks = [*self.callbacks(), Schedule(cosine_decay(6, 1, 0.1)), Schedule(step_decay(0.5, 2))]
        training, other = LanguageTraining().fit(2, callbacks=callbacks), LanguageTraining()
        other.trainer = copied(training.trainer)
        for one in (training, other):
            one.fit(2, callbacks=one.trainer.callbacks)
        assert training.result == other.result
        assert training.trainer.optimizer.lr == other.trainer.optimizer.lr
        assert training.trainer.callbacks[2].waited == other.trainer.callbacks[2].waited

    def test_what_is_put_back_belongs_to_the_model(self, tmp_path):
        callbacks = self.callbacks()
        LanguageTraining().fit(1, callbacks=callbacks)  # which may have watched another one before
        whole = LanguageTraining(seed=1).fit(4, callbacks=self.callbacks())
        LanguageTraining(seed=1).fit(2, callbacks=self.callbacks(), checkpoint=tmp_path)
        checkpoint = Checkpoints(tmp_path, resume=True)
        resumed = LanguageTraining(seed=2).fit(4, callbacks=callbacks, checkpoint=checkpoint)
        assert resumed.result == whole.result

    def test_what_is_put_back_is_not_forgotten_for_another_model_before(self, tmp_path):
        scores, stopping, other = iter([1, 2, 3, 5]), EarlyStopping(9), LanguageTraining(seed=1)
        for training in (other, first := LanguageTraining(), resumed := LanguageTraining()):
            training.valid = lambda model: {"loss": next(scores)}
        first.fit(2, callbacks=[EarlyStopping(9)], checkpoint=tmp_path)
        other.fit(1, callbacks=[stopping])
        resumed.fit(3, callbacks=[stopping], checkpoint=Checkpoints(tmp_path, resume=True))
        assert (stopping.best, stopping.waited) == (1, 2)


class TestLearningRate:
    def test_plateau(self):
        # The rule of the book: a quarter after each epoch that is not the best so far.
        assert train([3, 2, 4, 2.5, 1], Plateau(0.25)).history.column("lr") == [1, 1, 1, 0.25, 0.0625]
        assert train([3, 2, 4, 2.5, 1], Plateau(0.5, patience=2)).history.column("lr") == [1, 1, 1, 1, 0.5]
        # After the second epoch of each two without a better score, not after every one from the second on.
        trainer = train([1, 2, 2, 2, 2], Plateau(0.5, patience=2))
        assert trainer.history.column("lr") == [1, 1, 1, 0.5, 0.5] and trainer.optimizer.lr == 0.25

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"factor": 1}, ValueError, "factor must lie between 0 and 1, not 1"),
            ({"factor": 0}, ValueError, "factor must lie between 0 and 1, not 0"),
            ({"patience": 0}, ValueError, "patience must be at least 1, not 0"),
            ({"patience": 1.5}, TypeError, "patience must be a whole number, not 1.5"),
        ],
    )
    def test_plateau_misused(self, arguments, error, message):
        with pytest.raises(error, match=f"Plateau: {message}"):
            Plateau(**arguments)

    def test_schedule_is_in_force_from_the_first_iteration_on(self):
        class Rates(Callback):
            seen: tuple = ()

            def on_iteration(self, trainer):
                self.seen += (trainer.optimizer.lr,)

        rates = Rates()
        train([1, 1], rates, Schedule(lambda epochs: 1 + epochs), lr=2.0)
        assert rates.seen == pytest.approx([2, 2 * 4 / 3, 2 * 5 / 3, 4, 2 * 7 / 3, 2 * 8 / 3])

    def test_what_others_do_to_the_learning_rate_stays(self):
        half = Schedule(step_decay(0.5, 1))
        for callbacks in ([Plateau(0.1), half], [half, Plateau(0.1)]):
            trainer = train([3, 4, 2, 1], *callbacks, lr=8.0)
            assert trainer.history.column("lr") == pytest.approx([8, 4, 0.2, 0.1])
            assert trainer.optimizer.lr == pytest.approx(0.05)

    def test_a_learning_rate_that_has_fallen_to_0_stays_there(self):
        class Raise(Callback):
            def on_epoch(self, trainer):
                trainer.optimizer.lr += 1.0

        assert train([1, 1, 1], Schedule(cosine_decay(1)), Raise()).history.column("lr")[1:] == [0, 0]

    def test_two_schedules(self):
        trainer = train([1, 1, 1, 1], Schedule(step_decay(0.5, 1)), Schedule(step_decay(0.1, 2)), lr=1.0)
        assert trainer.history.column("lr") == pytest.approx([1, 0.5, 0.025, 0.0125])

    def test_a_schedule_begins_anew_with_a_new_training_and_goes_on_with_a_further_fit(self):
        schedule = Schedule(step_decay(0.5, 1))
        for _ in range(2):
            trainer = train([1, 1, 1], schedule, lr=1.0)
            assert trainer.history.column("lr") == [1, 0.5, 0.25]
        trainer.fit(*ExampleTraining().data, 1, 7, eval_interval=None, callbacks=[schedule])
        assert trainer.history[-1]["lr"] == 0.125

    def test_a_fit_that_fails_at_once_does_not_cost_the_learning_rate(self):
        training, schedule = ExampleTraining(SGD(1.0)), Schedule(cosine_decay(3, warm_up=1))
        (x, t), trainer = training.data, training.trainer
        with pytest.raises(ValueError, match="does not fit W"):
            trainer.fit(x[:, :1], t, 1, 4, callbacks=[schedule])
        assert trainer.optimizer.lr < 1
        put_back = Schedule(cosine_decay(3, warm_up=1))
        put_back.load_state_dict(schedule.state_dict())
        for callback in (schedule, put_back):
            callback.on_start(trainer)
            assert callback.lr == 1.0
        trainer.optimizer = SGD(trainer.optimizer.lr)  # by chance another one begins with it
        schedule.on_start(trainer)
        assert schedule.lr == trainer.optimizer.lr / schedule.factor(0) < 1

    def test_step_decay(self):
        assert [step_decay(0.5, 2)(e) for e in (0, 1.9, 2, 3.9, 4)] == [1, 1, 0.5, 0.5, 0.25]
        assert [step_decay(0.25, after=3)(e) for e in (0, 2.9, 3, 4)] == [1, 1, 0.25, 0.0625]
        for name, value, error in (
            ("every", 0, ValueError), ("every", 1.5, TypeError), ("after", -1, ValueError), ("after", 2.5, TypeError)
        ):  # fmt: skip
            with pytest.raises(error, match=f"step_decay: {name} must be .*, not {value}"):
                step_decay(0.5, **{name: value})
        for factor in (-1.0, 0, 1.5, math.nan, "0.5"):
            with pytest.raises(ValueError, match=f"step_decay: factor must be .* at most 1, not {factor!r}"):
                step_decay(factor)
        assert step_decay(1.0)(7) == 1

    def test_cosine_decay(self):
        factor = cosine_decay(10, warm_up=2, floor=0.1)
        assert [factor(e) for e in (1, 2, 6, 10, 12)] == pytest.approx([0.5, 1, 0.55, 0.1, 0.1])
        assert 0 < factor(0) < 0.01
        with pytest.raises(ValueError, match="warm_up=3, max_epoch=3"):
            cosine_decay(3, warm_up=3)
        assert [cosine_decay(math.inf, 2)(e) for e in (1, 2, 100)] == [0.5, 1, 1]  # never falls
        for floor in (-0.1, 5.0, math.nan):
            with pytest.raises(ValueError, match=f"cosine_decay: floor must be a number from 0 to 1, not {floor}"):
                cosine_decay(3, 1, floor)

    @pytest.mark.parametrize("decay", [cosine_decay(4), step_decay(0.5, 2)])
    def test_they_never_grow(self, decay):
        values = [decay(e / 10) for e in range(40)]
        assert values == sorted(values, reverse=True)


def test_time_limit(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * next(clock))
    training = LanguageTraining().fit(callbacks=[TimeLimit(minutes=0.5)])
    assert training.trainer.current_epoch == 0 and training.trainer.iteration == 3
    assert training.trainer.stopped == "the time limit of 0.5 minutes is reached"


def test_a_time_limit_is_a_number():
    for minutes in (math.nan, -1, "1", None):
        with pytest.raises(ValueError, match=f"TimeLimit: minutes must be a number of at least 0, not {minutes!r}"):
            TimeLimit(minutes)
    assert LanguageTraining().fit(1, callbacks=[TimeLimit(math.inf)]).trainer.current_epoch == 1


def test_the_context_of_the_validation_scores():
    class Doubled(Callback):
        @contextlib.contextmanager
        def while_scoring(self, trainer):
            trainer.model.params[0][:] *= 2
            yield
            trainer.model.params[0][:] /= 2

    training = ExampleTraining(SGD(0.0))
    training.trainer.model = Constant()
    training.trainer.fit(
        *training.data, 1, 7, callbacks=[Doubled()], valid=lambda model: {"weight": float(model.params[0][0])}
    )
    assert training.trainer.history[0]["valid_weight"] == 2 and training.trainer.model.params[0][0] == 1


def test_callbacks_need_the_methods_alone_and_come_in_turn():
    class Seen:
        def __init__(self, number):
            self.number = number

        def __getattr__(self, name):
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda trainer: calls.append((name, self.number))

    calls = []
    LanguageTraining().fit(1, callbacks=(Seen(number) for number in range(2)))
    names = ["on_start", *["on_iteration"] * 5, "on_epoch", "on_end"]
    assert calls == [(name, number) for name in names for number in range(2)]


class TestNotFinite:
    @pytest.mark.parametrize("kind", [LanguageTraining, ExampleTraining])
    def test_the_first_bad_weight_is_named(self, kind):
        names = {LanguageTraining: r"layers\.2\.Wh of shape \(5, 20\)", ExampleTraining: r"affine\.W of shape"}
        training = kind()
        training.trainer.model.params[2 if kind is LanguageTraining else 0][1, 1] = math.nan
        training.trainer.model.params[-1][0] = math.nan
        with pytest.raises(FloatingPointError, match=f"iteration 1: the loss is nan: .* weight {names[kind]}.* holds"):
            training.fit()

    def test_the_first_bad_gradient_is_named(self):
        training = LanguageTraining()
        backward = training.trainer.model.backward

        def broken(dout=1):
            backward(dout)
            training.trainer.model.grads[3][0] = math.inf

        training.trainer.model.backward = broken
        with pytest.raises(FloatingPointError, match=r"iteration 1: gradient layers\.2\.b of shape \(20,\) holds NaN"):
            training.fit()


def test_an_epoch_that_they_are_told_of_is_finished():
    class Seen(Callback):
        def on_epoch(self, trainer):
            seen.append((trainer.current_epoch, trainer.iteration, len(trainer.history)))

    seen = []
    LanguageTraining().fit(2, callbacks=[Seen()])
    assert seen == [(1, 0, 1), (2, 0, 2)]


def test_with_checkpoints_they_need_a_state(tmp_path):
    class Plain:
        on_start = on_iteration = on_epoch = on_end = lambda self, trainer: None

    training = LanguageTraining().fit(1, callbacks=[Plain()])
    with pytest.raises(TypeError, match=r"is no callback, it has no method state_dict, load_state_dict$"):
        training.fit(1, callbacks=[Plain()], checkpoint=tmp_path / "checkpoints")
    assert training.trainer.current_epoch == 1 and not (tmp_path / "checkpoints").exists()
