"""Rnnlm and BetterRnnlm at full size, 10,000 words and blocks of 20 x 35, against the same models in PyTorch.

    python benchmarks/parity_language_models.py                              # all: some minutes
    python benchmarks/parity_language_models.py better gradients             # one model, one comparison
    python benchmarks/parity_language_models.py better curve --float64

Both sides begin with the same weights, have no dropout, and read Penn Treebank, or the mini corpus where it is missing.

gradients    over 5 blocks of truncated backpropagation through time, the state going on from block to block: for each
             weight the largest |ours - theirs| / |theirs| of a block, in L2 norms
curve        the losses of the first 100 --iterations of training, gradients clipped at 0.25, ours against theirs; by
             default in float32
rounding     the same for PyTorch in float32 against PyTorch in float64: so far from the true curve does rounding alone
             lead it

At the book's learning rate of 20 the beginning of a training is chaotic: each iteration multiplies the differences, and
within 30 of them rounding leads to other losses. The default of --lr is a rate at which it does not.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy

try:
    import torch
    from torch_language_model import LanguageModel, Training
except ImportError as error:
    sys.exit(f'this comparison needs PyTorch: pip install -e ".[peers]" ({error})')

from ch06.better_rnnlm import BetterRnnlm
from ch06.rnnlm import Rnnlm
from common.model_tree import unique_params
from common.optimizer import SGD
from common.shared_weights import SharedWeights
from common.trainer import RnnlmTrainer
from common.training import Step
from dataset import mini, ptb

V, N, T = 10_000, 20, 35
BLOCKS = 5
NAMES = {"f": "float32", "d": "float64"}


MODELS = {
    "rnnlm": lambda dtype: Rnnlm(V, rng=0, dtype=dtype),
    "better": lambda dtype: BetterRnnlm(V, dropout_ratio=0.0, rng=0, dtype=dtype),
}


def pair(task: str, dtype: str = "f") -> tuple[Any, LanguageModel]:
    """Our model, and PyTorch's with the same weights, which are float32 numbers in either dtype."""
    start, ours = MODELS[task]("f"), MODELS[task](dtype)
    for p, own in zip(ours.params, start.params, strict=True):
        p[...] = own
    widths = [len(layer.params[0]) for layer in ours.recurrent_layers] + [ours.recurrent_layers[-1].hidden_size]
    theirs = LanguageModel(V, widths, tied=task == "better").to(getattr(torch, NAMES[dtype]))
    with torch.no_grad():
        for p, own in zip(weights(theirs), in_their_layout(SharedWeights(ours.params).params), strict=True):
            p.copy_(torch.from_numpy(own))
    return ours, theirs


def weights(theirs: LanguageModel) -> list[Any]:
    """PyTorch's weights in the order of ours; tied ones stand once."""
    recurrent = [p for layer in theirs.layers for p in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0)]
    tied = theirs.out.weight is theirs.embed.weight
    return [theirs.embed.weight, *recurrent, *([] if tied else [theirs.out.weight]), theirs.out.bias]


def in_their_layout(arrays: list[Any]) -> list[Any]:
    """Our weights, or gradients, of embedding, LSTMs and affine layer, as PyTorch keeps them."""
    embedding, *arrays = arrays
    count = len(arrays) // 3 * 3  # of the LSTMs; the affine layer has one or two more
    result = [embedding]
    for array in arrays[:count]:
        f, g, i, o = numpy.split(array, 4, axis=-1)
        result.append(numpy.concatenate([i, f, g, o], axis=-1).T)
    return [numpy.ascontiguousarray(array) for array in [*result, *(array.T for array in arrays[count:])]]


def blocks(count: int) -> Iterator[tuple[Any, Any]]:
    """The first blocks (N, T) of the text, with their labels."""
    try:
        corpus, name = ptb.load_data("train")[0], "Penn Treebank"
    except FileNotFoundError:
        corpus, name = mini.load_data("train")[0], "the mini corpus"
    print(f"    on {name}")
    reader = RnnlmTrainer(None, None)
    for _ in range(count):
        yield reader.get_batch(corpus[:-1], corpus[1:], N, T)


def in_columns(*ids: Any) -> list[Any]:
    """Ids (N, T) as the peer reads them, (T, N)."""
    return [torch.from_numpy(numpy.ascontiguousarray(array.T)) for array in ids]


def gradients(task: str) -> None:
    ours, theirs = pair(task)
    shared, peer = SharedWeights(ours.params), Training(theirs, lr=0.0, max_grad=float("inf"))
    largest, losses = numpy.zeros(len(shared.params)), []
    for x, t in blocks(BLOCKS):
        losses.append((float(ours.forward(x, t)), peer.step(*in_columns(x, t)).item()))
        ours.backward()
        grads = in_their_layout(shared.merge(ours.grads))
        errors = [distance(own, p.grad.numpy()) for own, p in zip(grads, weights(theirs), strict=True)]
        largest = numpy.maximum(largest, errors)
    for name, error in zip(unique_params(ours), largest, strict=True):
        print(f"    {name:<24} {error:.2e}")
    print(f"{task}: gradients of {BLOCKS} blocks differ by {largest.max():.2e} at most, losses by {worst(losses):.2e}")


def curve(task: str, lr: float, iterations: int, dtype: str) -> None:
    ours, theirs = pair(task, dtype)
    step, peer = Step(ours, SGD(lr)), Training(theirs, lr)
    losses = ((step(x, t, 0.25), peer.step(*in_columns(x, t)).item()) for x, t in blocks(iterations))
    report(f"{task}, {NAMES[dtype]}, learning rate {lr:g}, ours and PyTorch", losses)


def rounding(task: str, lr: float, iterations: int) -> None:
    single, double = (Training(pair(task, dtype)[1], lr) for dtype in "fd")
    batches = (in_columns(x, t) for x, t in blocks(iterations))
    losses = ((single.step(x, t).item(), double.step(x, t).item()) for x, t in batches)
    report(f"{task}, learning rate {lr:g}, PyTorch in float32 and in float64", losses)


def report(what: str, losses: Iterator[tuple[float, float]]) -> None:
    """Print the losses as they come, and the largest difference."""
    so_far: list[tuple[float, float]] = []
    for one, two in losses:
        so_far.append((one, two))
        k, difference = len(so_far), worst(so_far)
        if k == 1 or k % 10 == 0:
            print(f"    iteration {k:3}: {one:.5f} {two:.5f}, largest difference so far {difference:.2e}", flush=True)
    print(f"{what}: the losses of {len(so_far)} iterations differ by {worst(so_far):.2e} at most")


def distance(ours: Any, theirs: Any) -> float:
    return float(numpy.linalg.norm(ours - theirs) / numpy.linalg.norm(theirs))


def worst(losses: list[tuple[float, float]]) -> float:
    """The largest relative difference."""
    return max(abs(a - b) / b for a, b in losses)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", choices=["rnnlm", "better"])
    parser.add_argument("comparison", nargs="?", choices=["gradients", "curve", "rounding"])
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--float64", action="store_true", help="the curve in float64")
    arguments = parser.parse_args()
    comparisons = {
        "gradients": gradients,
        "curve": lambda task: curve(task, arguments.lr, arguments.iterations, "d" if arguments.float64 else "f"),
        "rounding": lambda task: rounding(task, arguments.lr, arguments.iterations),
    }
    print(f"NumPy {numpy.__version__}, PyTorch {torch.__version__}")
    for task in [arguments.model] if arguments.model else list(MODELS):
        for comparison in [arguments.comparison] if arguments.comparison else comparisons:
            comparisons[comparison](task)
