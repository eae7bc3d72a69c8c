"""Train a two-layer network on the spiral with a loop of your own: shuffle, forward, backward, update.

    python -m ch01.train_custom_loop

The loop does what the Trainer of ``ch01/train.py`` does and gives the same numbers, where the batches divide the 300
points: what does not fill a last batch the Trainer leaves out.
"""

from ch01.train import report
from ch01.two_layer_net import TwoLayerNet
from common.experiment import Run, experiment
from common.np import np
from common.optimizer import SGD
from dataset import spiral


@experiment(quick={"max_epoch": 30})
def main(
    run: Run, max_epoch: int = 300, batch_size: int = 30, hidden_size: int = 10, lr: float = 1.0
) -> dict[str, float]:
    x, t = map(np.asarray, spiral.load_data())
    if max_epoch < 1:
        raise ValueError(f"max_epoch must be at least 1, not {max_epoch}")
    if not 1 <= batch_size <= len(x):
        raise ValueError(f"batch_size must be between 1 and {len(x)}, the number of points, not {batch_size}")
    model = TwoLayerNet(input_size=2, hidden_size=hidden_size, output_size=3, rng=run.rng("weights"))
    optimizer = SGD(lr)
    shuffle = run.rng("shuffle")
    losses = []  # the mean of each epoch

    for epoch in range(max_epoch):
        order = np.asarray(shuffle.permutation(len(x)))
        total = 0.0
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            loss = float(model.forward(x[batch], t[batch]))
            model.backward()
            optimizer.update(model.params, model.grads)
            total += loss * len(batch)
        losses.append(total / len(x))
        print(f"| epoch {epoch + 1} | loss {losses[-1]:.2f}")

    return report(run, model, x, t, losses, xlabel="epoch")


if __name__ == "__main__":
    main.cli()
