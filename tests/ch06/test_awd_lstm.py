import numpy
import pytest
from gradient_check import check_model

from ch06.awd_lstm import AwdLstm
from common.averaged_sgd import AveragedSGD
from common.evaluation import eval_perplexity
from common.shared_weights import SharedWeights
from common.training import Step

V, D, H, N, T = 30, 6, 8, 3, 5


def ids(*shape, seed=0):
    return numpy.random.default_rng(seed).integers(V, size=shape)


def small(dtype="d", **options):
    return AwdLstm(V, D, H, rng=0, dtype=dtype, **options)


def repeat_masks(model):
    """Let every dropout draw the same mask in each forward."""
    drops = [*model.switched, model.layers[0]._dropout]
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
    plain, heavy = (small(alpha=a, beta=a, **{f"{d}_dropout": 0.0 for d in ("embedding", "input", "hidden", "output")},
                          dropconnect=0.0) for a in (0.0, 50.0))  # fmt: skip
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
        ({"layers": 0}, "sizes must be at least 1"),
        ({"dropconnect": 1.0}, r"AwdLstm: dropconnect must be in \[0, 1\), not 1.0"),
        ({"hidden_dropout": -0.1}, r"AwdLstm: hidden_dropout must be in \[0, 1\), not -0.1"),
        ({"alpha": -1.0}, "SizePenalty: weight must be at least 0, not -1.0"),
    ],
)
def test_misuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_on_the_gpu_path(gpu):
    model, optimizer = small("f"), AveragedSGD(1.0)
    step = Step(model, optimizer)
    optimizer.start_averaging()
    losses = [step(ids(N, T), ids(N, T, seed=1), 0.25) for _ in range(3)]
    assert all(0 < loss < 10 for loss in losses)
    with optimizer.averages():
        assert model.predict(ids(N, T)).shape == (N, T, V)
