import math
from types import SimpleNamespace

import numpy
import pytest
from gradient_check import check_model

from ch06.awd_lstm import AwdLstm
from common.averaged_sgd import AveragedSGD
from common.evaluation import eval_perplexity
from common.optimizer import SGD
from common.regularization import EmbeddingDropout, SizePenalty, SlownessPenalty, VariationalDropout
from common.shared_weights import SharedWeights
from common.time_layers import TimeAffine, TimeLSTM
from common.trainer import RnnlmTrainer
from common.training import Step

V, D, H, N, T = 30, 6, 8, 3, 5
NO_DROPOUT = {f"{place}_dropout": 0.0 for place in ("embedding", "input", "hidden", "output")} | {"dropconnect": 0.0}


def ids(*shape, seed=0):
    return numpy.random.default_rng(seed).integers(V, size=shape)


def small(dtype="d", **options):
    return AwdLstm(V, D, H, rng=0, dtype=dtype, **options)


def repeat_masks(model):
    """Let every dropout draw the same mask in each forward."""
    drops = [*model.training_mode_layers, model.layers[0]._dropout]
    for drop in (d for d in drops if hasattr(d, "draw_mask")):
        draw = drop.draw_mask
        drop.draw_mask = lambda shape, dtype, draw=draw, drop=drop: (
            setattr(drop, "rng", numpy.random.default_rng(1)), draw(shape, dtype)
        )[1]  # fmt: skip
    return model


def test_the_papers_size():
    model = AwdLstm(rng=0)
    assert [layer.hidden_size for layer in model.recurrent_layers] == [1150, 1150, 400]
    # 24 million in the paper, whose LSTMs have a second bias each.
    assert sum(p.size for p in SharedWeights(model.params).params) == 24_210_800
    assert numpy.shares_memory(model.params[0], model.params[-2])
    assert model.layers[0]._dropout.dropout_ratio == 0.1
    drops = [layer for layer in model.layers if isinstance(layer, VariationalDropout)]
    assert [drop.dropout_ratio for drop in drops] == [0.4, 0.25, 0.25, 0.4]
    assert [lstm.weight_dropout.dropout_ratio for lstm in model.recurrent_layers] == [0.5] * 3
    assert [penalty.weight for penalty in model.penalties] == [1.0, 2.0]


def test_each_part_has_its_place_and_its_strength():
    model = small(embedding_dropout=0.1, input_dropout=0.2, hidden_dropout=0.3, output_dropout=0.4, dropconnect=0.5,
                  alpha=3.0, beta=4.0)  # fmt: skip
    assert [type(layer) for layer in model.layers] == [
        EmbeddingDropout, *[VariationalDropout, TimeLSTM] * 3, SlownessPenalty, VariationalDropout, SizePenalty,
        TimeAffine,
    ]  # fmt: skip
    assert model.layers[0]._dropout.dropout_ratio == 0.1
    drops = [layer for layer in model.layers if isinstance(layer, VariationalDropout)]
    assert [drop.dropout_ratio for drop in drops] == [0.2, 0.3, 0.3, 0.4]
    assert [lstm.weight_dropout.dropout_ratio for lstm in model.recurrent_layers] == [0.5] * 3
    assert [penalty.weight for penalty in model.penalties] == [4.0, 3.0]


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_each_penalty_is_its_equation(name):
    """Of the outputs of the last LSTM, x: alpha mean(x²), and beta mean((x_{t+1} - x_t)²)."""
    batch = ids(N, T), ids(N, T, seed=1)
    model = small(**NO_DROPOUT, **({"alpha": 0.0, "beta": 0.0} | {name: 50.0}))
    plain = model.forward(*batch, train_flg=False)
    model.reset_state()
    found = model.forward(*batch) - plain
    model.reset_state()
    xs = batch[0]
    for layer in model.layers[:-4]:  # without the penalties, the dropout between them and the affine layer
        xs = layer.forward(xs)
    steps = xs if name == "alpha" else xs[:, 1:] - xs[:, :-1]
    assert found == pytest.approx(50 * (steps**2).mean(), rel=1e-9)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_gradients_with_all_that_is_in_it(layers, rng):
    check_model(repeat_masks(small(layers=layers)), [ids(N, T), ids(N, T, seed=1)], rng, 1e-5)


def test_dout_scales_the_penalties_too():
    model, batch = repeat_masks(small()), (ids(N, T), ids(N, T, seed=1))
    model.forward(*batch)
    model.backward()
    once = [g.copy() for g in model.grads]
    model.backward(2)
    for ours, g in zip(model.grads, once, strict=True):
        numpy.testing.assert_allclose(ours, 2 * g, rtol=1e-9, atol=1e-15)


def test_loss_holds_the_penalties_only_in_training():
    plain, heavy = (small(alpha=a, beta=a, **NO_DROPOUT) for a in (0.0, 50.0))
    batch = ids(N, T), ids(N, T, seed=1)
    assert heavy.forward(*batch) > plain.forward(*batch)
    plain.reset_state()
    heavy.reset_state()
    assert heavy.forward(*batch, train_flg=False) == plain.forward(*batch, train_flg=False)


def test_evaluation_is_repeatable():
    model, corpus = small("f"), ids(100)
    model.forward(ids(N, T), ids(N, T))
    assert eval_perplexity(model, corpus) == eval_perplexity(model, corpus)


def test_float32_stays_float32():
    model = small("f")
    model.forward(ids(N, T), ids(N, T))
    model.backward()
    assert {g.dtype for g in model.grads} == {numpy.dtype("f")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "AwdLstm: layers must be at least 1, not 0"),
        ({"dropconnect": 1.0}, r"AwdLstm: dropconnect must be in \[0, 1\), not 1.0"),
        ({"hidden_dropout": -0.1}, r"AwdLstm: hidden_dropout must be in \[0, 1\), not -0.1"),
        ({"alpha": -1.0}, "SizePenalty: weight must be a number of at least 0, not -1.0"),
        ({"alpha": math.inf}, "SizePenalty: weight must be a number of at least 0, not inf"),
        ({"beta": "a"}, "SlownessPenalty: weight must be a number of at least 0, not 'a'"),
    ],
)
def test_misuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_the_perplexity_of_a_training_is_that_of_the_words():
    """The penalties are minimised with the loss, but are no part of what is reported."""
    xs, ts = ids(200), ids(200, seed=1)
    results = []
    for weight in (0.0, 5.0):
        model = small(alpha=weight, beta=weight, **NO_DROPOUT)
        for param in SharedWeights(model.params).params:
            param *= 5
        trainer = RnnlmTrainer(model, SGD(1e-12))
        trainer.fit(xs, ts, 1, 4, 5)
        assert sum(layer.penalty for layer in model.penalties) >= 0.01 * weight
        results.append((trainer.history[0]["loss"], trainer.history[0]["perplexity"], trainer.ppl_list))
    assert results[1] == (*map(pytest.approx, results[0]),)


def test_the_loss_of_a_model_that_adds_no_penalty_is_reported_as_it_is():
    model = small(alpha=5.0, beta=5.0, **NO_DROPOUT)
    model.forward = lambda xs, ts: 3.0
    model.backward = lambda: None
    assert Step(model, SGD())(None, None) == 3.0 - sum(layer.penalty for layer in model.penalties)

    assert Step(SimpleNamespace(**vars(model)), SGD())(None, None) == 3.0


def test_on_the_gpu_path(gpu):
    model, optimizer = small("f"), AveragedSGD(1.0)
    step = Step(model, optimizer)
    optimizer.start_averaging()
    losses = [step(ids(N, T), ids(N, T, seed=1), 0.25) for _ in range(3)]
    assert all(0 < loss < 10 for loss in losses)
    with optimizer.averages():
        assert model.predict(ids(N, T)).shape == (N, T, V)
