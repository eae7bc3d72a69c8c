"""Train a two-layer network on the spiral with the Trainer: a second, loss about 0.10, 97 % of the points right.

    python -m ch01.train

The results are the weights, the loss curve (book, figure 1-32) and the decision boundary (figure 1-33). The same
training with a loop of your own is ``ch01/train_custom_loop.py``.
"""

from typing import Annotated, Any

from ch01.two_layer_net import TwoLayerNet
from common.experiment import TRAINING, Run, experiment
from common.np import np
from common.optimizer import SGD
from common.plotting import plot_curve, plot_decision_boundary
from common.trainer import Trainer
from dataset import spiral


def report(run: Run, model: TwoLayerNet, x: Any, t: Any, losses: list[float], xlabel: str) -> dict[str, float]:
    """Leave weights, loss curve and figures in the run's folder.

    Returns the final loss, and the share of the points x whose class, one-hot in t, the model scores highest.
    """
    model.save_params(run.path("weights.npz"))
    run.record(loss=losses)
    run.plot("loss.png", plot_curve, losses, xlabel, "loss")
    run.plot("boundary.png", plot_decision_boundary, model.predict, x, t)
    right = model.predict(x).argmax(axis=1) == t.argmax(axis=1)
    return {"loss": float(model.forward(x, t)), "accuracy": float(right.mean())}


@experiment(quick={"max_epoch": 30}, options=TRAINING)
def main(
    run: Run,
    max_epoch: Annotated[int, "Passes over the 300 points."] = 300,
    batch_size: int = 30,
    hidden_size: Annotated[int, "Neurons of the hidden layer."] = 10,
    lr: float = 1.0,
) -> dict[str, float]:
    x, t = map(np.asarray, spiral.load_data())
    model = TwoLayerNet(input_size=2, hidden_size=hidden_size, output_size=3, rng=run.rng("weights"))
    trainer = Trainer(model, SGD(lr), rng=run.rng("shuffle"))
    trainer.fit(x, t, max_epoch, batch_size, eval_interval=10, checkpoint=run.checkpoint)
    # Not trainer.loss_list: with as many iterations in an epoch as from line to line, its means are of one batch each.
    return report(run, model, x, t, trainer.history.column("loss"), xlabel="epoch")


if __name__ == "__main__":
    main.cli()
