import inspect
from types import SimpleNamespace

import numpy
import pytest
from small_trainings import ExampleTraining

from ch01.two_layer_net import TwoLayerNet
from common.averaged_sgd import AveragedSGD, BestAverages, NonMonotoneTrigger
from common.callbacks import BestWeights, Callback
from common.checkpoint import Checkpoints
from common.optimizer import SGD
from common.sparse_gradient import RowGradient
from common.trainer import Trainer
from dataset import spiral


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_weights_are_sgds_and_means_are_pytorchs(torch, rng, decay):
    p, q = rng.standard_normal((2, 3, 4))
    q[...] = p
    their = torch.tensor(p, requires_grad=True)
    theirs = torch.optim.ASGD([their], lr=0.1, lambd=0, alpha=0, t0=3, weight_decay=decay)
    ours, sgd = AveragedSGD(0.1, weight_decay=decay), SGD(0.1, weight_decay=decay)
    for step in range(10):
        g = rng.standard_normal((3, 4))
        if step == 4:
            ours.start_averaging()
        ours.update([p], [g])
        sgd.update([q], [g])
        their.grad = torch.tensor(g)
        theirs.step()
    numpy.testing.assert_allclose(p, q)
    numpy.testing.assert_allclose(p, their.detach(), rtol=1e-6)  # their numbers are float32
    before = p.copy()
    with ours.averages():
        numpy.testing.assert_allclose(p, theirs.state[their]["ax"], rtol=1e-6)
    numpy.testing.assert_array_equal(p, before)


def test_arguments_are_those_of_sgd():
    assert inspect.signature(AveragedSGD) == inspect.signature(SGD)


def test_means_are_those_of_the_places_visited(rng):
    p, optimizer, visited = rng.standard_normal(5), AveragedSGD(0.5), []
    for step in range(6):
        if step == 2:
            optimizer.start_averaging()
            optimizer.start_averaging()  # does nothing more
        if step == 3:
            optimizer.start_averaging()
        optimizer.update([p], [rng.standard_normal(5)], scale=0.5)
        visited.append(p.copy())
    with optimizer.averages():
        numpy.testing.assert_allclose(p, numpy.mean(visited[2:], axis=0))


def test_without_means_the_weights_stay(rng):
    p, optimizer = rng.standard_normal(5), AveragedSGD(0.5)
    optimizer.update([p], [p])
    before = p.copy()
    with optimizer.averages():  # before averaging has started
        numpy.testing.assert_array_equal(p, before)
    optimizer.start_averaging()
    with optimizer.averages():  # and before its first step
        numpy.testing.assert_array_equal(p, before)


def test_each_weight_has_its_own_count(rng):
    early, twice, late = rng.standard_normal((3, 4))
    optimizer, visited = AveragedSGD(0.5), {"early": [], "twice": [], "late": []}
    for step in range(6):
        if step == 2:
            optimizer.start_averaging()
        g = rng.standard_normal((4, 4))
        between = twice - 0.5 * g[1]
        optimizer.update([early, twice, twice], list(g[:3]))
        if step >= 2:
            visited["early"].append(early.copy())
            visited["twice"] += [between, twice.copy()]
        if step >= 4:  # a weight that comes after averaging has begun, such as that of a new layer
            optimizer.update([late], [g[3]])
            visited["late"].append(late.copy())
    with optimizer.averages():
        for name, weight in (("early", early), ("twice", twice), ("late", late)):
            numpy.testing.assert_allclose(weight, numpy.mean(visited[name], axis=0), err_msg=name)


def test_weights_come_back_after_an_error():
    p, optimizer = numpy.ones(3), AveragedSGD(0.5)
    optimizer.start_averaging()
    for _ in range(2):
        optimizer.update([p], [p])
    with pytest.raises(KeyError), optimizer.averages():
        raise KeyError
    numpy.testing.assert_allclose(p, 0.25)


def test_means_of_rows_without_a_gradient_move_on(rng):
    dense, sparse = rng.standard_normal((2, 5, 3))
    sparse[...] = dense
    one, two = AveragedSGD(0.1), AveragedSGD(0.1)
    for step in range(4):
        if step == 1:
            one.start_averaging()
            two.start_averaging()
        g = RowGradient((5, 3), "d")
        g.assign(numpy.array([step, 4]), rng.standard_normal((2, 3)))
        one.update([dense], [g.to_dense()])
        two.update([sparse], [g])
    with one.averages(), two.averages():
        numpy.testing.assert_allclose(dense, sparse)


def test_state_goes_on(rng):
    gradients = rng.standard_normal((6, 3))

    def run(p, optimizer, part):
        for g in part:
            optimizer.update([p], [g])

    whole, optimizer = numpy.zeros(3), AveragedSGD(0.1)
    run(whole, optimizer, gradients[:2])
    optimizer.start_averaging()
    run(whole, optimizer, gradients[2:4])
    other, restored = whole.copy(), AveragedSGD(9.0)
    restored.load_state_dict([other], optimizer.state_dict([whole]))
    run(whole, optimizer, gradients[4:])
    run(other, restored, gradients[4:])
    with optimizer.averages(), restored.averages():
        numpy.testing.assert_array_equal(whole, other)


@pytest.mark.parametrize(
    "scores",
    [
        (9, 7, 6, 8, 6.5, 7.5),  # 6.5 is compared with 9 and 7; 7.5 with 9, 7 and 6
        (9, 6, 8, 7, 5.5, 7),  # 7 with 9, 6 and 8, of which the last is not the best
    ],
)
def test_trigger_is_the_papers(scores):
    trainer = SimpleNamespace(optimizer=AveragedSGD(), history=[])
    trigger, started = NonMonotoneTrigger(2), []
    for score in scores:
        trainer.history.append({"valid_loss": score})
        trigger.on_epoch(trainer)
        started.append(trainer.optimizer.averaging)
    assert started == [False] * 5 + [True]


@pytest.mark.parametrize(("patience", "begins"), [(1, 4), (2, 5), (3, None)])
def test_patience_is_how_many_of_the_last_scores_do_not_count(patience, begins):
    trainer, trigger = SimpleNamespace(optimizer=AveragedSGD(), history=[]), NonMonotoneTrigger(patience)
    started = []
    for score in (9, 8, 5, 6, 6, 6):  # only the 5 is better than a 6, and it must not be among the last
        trainer.history.append({"valid_loss": score})
        trigger.on_epoch(trainer)
        started.append(trainer.optimizer.averaging)
    assert (started.index(True) if True in started else None) == begins


def test_a_score_that_is_as_good_as_the_best_starts_nothing():
    trainer, trigger = SimpleNamespace(optimizer=AveragedSGD(), history=[{"valid_loss": 7}]), NonMonotoneTrigger(1)
    for _ in range(4):
        trigger.on_epoch(trainer)
    assert not trainer.optimizer.averaging


class TestCallbacksAreCheckedBeforeTraining:
    @pytest.mark.parametrize("kind", [NonMonotoneTrigger, BestAverages])
    def test_validation_data_and_optimizer(self, kind):
        name = kind.__name__
        training = ExampleTraining(AveragedSGD(0.1))
        with pytest.raises(ValueError, match=f"{name}: monitors valid_loss, but fit has no validation data"):
            training.trainer.fit(*training.data, 1, 4, callbacks=[kind()])
        training = ExampleTraining(SGD(0.1))
        with pytest.raises(TypeError, match=f"{name}: the optimizer must be an AveragedSGD, not SGD"):
            training.fit(callbacks=[kind()])
        assert training.trainer.iteration == 0

    def test_a_score_that_there_is_not(self):
        with pytest.raises(ValueError, match=r"NonMonotoneTrigger: an epoch has epoch, .*, but no valid_los$"):
            ExampleTraining(AveragedSGD(0.1)).fit(1, callbacks=[NonMonotoneTrigger(monitor="valid_los")])

    def test_they_begin_anew_with_a_new_training(self):
        trigger, best, results = NonMonotoneTrigger(1), BestAverages(), []
        for callbacks in ([trigger, best], [trigger, best], [NonMonotoneTrigger(1), BestAverages()]):
            training = ExampleTraining(AveragedSGD(0.5), seed=len(results)).fit(3, callbacks=callbacks)
            results.append(training.result)
        assert len(trigger.scores) == 3
        again = ExampleTraining(AveragedSGD(0.5), seed=1).fit(3, callbacks=[NonMonotoneTrigger(1), BestAverages()])
        assert results[1] == again.result

    @pytest.mark.parametrize("epochs_before", [0, 1])
    def test_an_optimizer_that_has_averaged_another_model(self, epochs_before):
        """The second training, whether the callbacks see it begin or not, averages from when its own scores say so."""

        def second(optimizer, trigger):
            training = ExampleTraining(optimizer, seed=1)
            if epochs_before:
                training.fit(epochs_before)
            weights, _, means = training.fit(2, callbacks=[trigger]).result
            return weights, means[-2:]

        trigger, optimizer, scores = NonMonotoneTrigger(1), AveragedSGD(0.5), iter([1, 2, 3])
        first = ExampleTraining(optimizer)
        first.valid = lambda model: {"loss": next(scores)}
        first.fit(3, callbacks=[trigger])
        assert optimizer.averaging
        assert second(optimizer, trigger) == second(AveragedSGD(0.5), NonMonotoneTrigger(1))
        assert len(trigger.scores) == 2
        optimizer.start_averaging()
        third, scores = ExampleTraining(optimizer, seed=2), iter([2, 1])
        third.valid = lambda model: {"loss": next(scores)}
        third.fit(2, callbacks=[trigger])
        assert not optimizer.averaging

    def test_averaging_goes_on(self, tmp_path):
        """In a further fit, from a checkpoint, and from the beginning if it was started by hand."""

        trigger, training, scores = NonMonotoneTrigger(1), ExampleTraining(AveragedSGD(0.5)), iter([1, 2, 3, 1])
        training.valid = lambda model: {"loss": next(scores)}
        training.fit(3, callbacks=[trigger], checkpoint=tmp_path)
        assert training.fit(1, callbacks=[trigger]).trainer.optimizer.averaging and len(trigger.scores) == 4
        resumed = ExampleTraining(AveragedSGD(0.5), seed=1)
        resumed.fit(4, callbacks=[trigger], checkpoint=Checkpoints(tmp_path, resume=True))
        assert resumed.trainer.optimizer.averaging and len(trigger.scores) == 4
        by_hand = AveragedSGD(0.5)
        by_hand.start_averaging()
        ExampleTraining(by_hand).fit(1, callbacks=[NonMonotoneTrigger()])
        assert by_hand.averaging


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("callback", [BestAverages, BestWeights])
def test_validation_scores_are_those_of_what_is_kept(own, callback):
    model, optimizer, (x, t) = TwoLayerNet(2, 4, 3, rng=0), AveragedSGD(1.0), spiral.load_data()
    trainer = Trainer(model, optimizer, rng=0)
    optimizer.start_averaging()
    scores, losses = (lambda model: {"loss": model.forward(x, t)}), []
    seen = Callback()
    seen.on_epoch = lambda trainer: losses.append(model.forward(x, t))
    kept = callback()
    trainer.fit(x, t, 2, 30, valid=scores if own else (x, t), callbacks=[kept, seen])
    assert kept.best == pytest.approx(model.forward(x, t), rel=1e-6)
    assert (kept.best == pytest.approx(min(losses), rel=1e-3)) == (callback is BestWeights)


@pytest.mark.parametrize(("patience", "error"), [(0, ValueError), (1.5, TypeError), ("3", TypeError)])
def test_patience_is_a_whole_number(patience, error):
    with pytest.raises(error, match=f"NonMonotoneTrigger: patience must be .*, not {patience!r}"):
        NonMonotoneTrigger(patience)


def test_best_averages_keeps_the_means():
    class Layer:
        names = ("W",)

        def __init__(self):
            self.params, self.grads = [numpy.ones(2)], [numpy.ones(2)]

    model = SimpleNamespace(layer=Layer())
    model.params = model.layer.params
    optimizer = AveragedSGD(0.5)
    trainer = SimpleNamespace(model=model, optimizer=optimizer, history=[{"valid_loss": 1.0}])
    optimizer.start_averaging()
    for _ in range(2):
        optimizer.update(model.params, [numpy.ones(2)])  # 0.5, then 0
    best = BestAverages()
    best.on_epoch(trainer)
    assert not model.params[0].any()
    best.on_end(trainer)
    numpy.testing.assert_allclose(model.params[0], 0.25)
