"""Trainings that take milliseconds, with every kind of state that a checkpoint must keep."""

from typing import Any

import numpy

from ch04.cbow import CBOW
from common.base_model import BaseModel
from common.language_model import LanguageModel
from common.layers import Affine, Dropout, SoftmaxWithLoss
from common.np import np
from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from common.rng import stream
from common.text import create_contexts_target
from common.time_layers import TimeAffine, TimeDropout, TimeEmbedding, TimeLSTM
from common.trainer import RnnlmTrainer, Trainer

OPTIMIZERS = {
    "SGD": lambda: SGD(0.5),
    "Momentum": lambda: Momentum(0.1),
    "Nesterov": lambda: Nesterov(0.1),
    "AdaGrad": lambda: AdaGrad(0.1),
    "RMSprop": lambda: RMSprop(0.01),
    "Adam": lambda: Adam(0.01),
}


class BookAdam:
    """An optimizer as the book's readers type it: attributes, lists by place, None before the first step."""

    def __init__(self, lr: float = 0.01) -> None:
        self.lr, self.iter = lr, 0
        self.m: Any = None
        self.v: Any = None

    def update(self, params: list[Any], grads: list[Any]) -> None:
        if self.m is None:
            self.m, self.v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        self.iter += 1
        lr = self.lr * (1 - 0.999**self.iter) ** 0.5 / (1 - 0.9**self.iter)
        for p, g, m, v in zip(params, grads, self.m, self.v, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            p -= lr * m / (np.sqrt(v) + 1e-7)


class TiedLanguageModel(LanguageModel):
    """Embedding, dropout, LSTM with a state, affine with the embedding's weight, 12 words."""

    def __init__(self, rng: int) -> None:
        draw = stream(rng, "weights")

        def normal(*shape: int) -> Any:
            return np.asarray(draw.standard_normal(shape, "f") / 2)

        W = normal(12, 5)
        super().__init__(
            [
                TimeEmbedding(W),
                TimeDropout(0.3, rng=stream(rng, "dropout")),
                TimeLSTM(normal(5, 20), normal(5, 20), normal(20), stateful=True),
                TimeAffine(W.T, np.zeros(12, "f")),
            ]
        )


class DropoutNet(BaseModel):
    """A classifier with dropout, and with noise from NumPy's global generator, as a reader's layer may have it."""

    def __init__(self, rng: int) -> None:
        draw = stream(rng, "weights")
        self.affine = Affine(np.asarray(draw.standard_normal((3, 4), "f")), np.zeros(4, "f"))
        self.dropout, self.loss_layer = Dropout(0.3, rng=stream(rng, "dropout")), SoftmaxWithLoss()
        self.params, self.grads = self.affine.params, self.affine.grads

    def predict(self, x: Any) -> Any:
        return self.affine.forward(x)

    def forward(self, x: Any, t: Any, train_flg: bool = True) -> Any:
        if train_flg:
            x = x + 0.01 * np.asarray(numpy.random.standard_normal(x.shape).astype("f"))  # noqa: NPY002
        return self.loss_layer.forward(self.dropout.forward(self.predict(x), train_flg), t)

    def backward(self, dout: Any = 1) -> None:
        self.affine.backward(self.dropout.backward(self.loss_layer.backward(dout)))


class LanguageTraining:
    """Two epochs of 5 iterations on a text of 121 words."""

    kind = RnnlmTrainer

    def __init__(self, optimizer: Any = None, seed: int = 0) -> None:
        text = numpy.random.default_rng(1).integers(0, 12, 121)
        self.data, self.valid = (text[:-1], text[1:]), text[:40]
        self.trainer: Any = RnnlmTrainer(TiedLanguageModel(seed), optimizer or Adam(0.01))

    def fit(self, max_epoch: int = 2, **options: Any) -> Any:
        self.trainer.fit(
            *self.data, max_epoch, batch_size=4, time_size=6, max_grad=0.5, eval_interval=2, valid=self.valid, **options
        )
        return self

    @property
    def result(self) -> list[Any]:
        """All that must come out the same: weights, curve, means."""
        trainer = self.trainer
        curve = trainer.ppl_list if isinstance(trainer, RnnlmTrainer) else trainer.loss_list
        timed = ("seconds", "tokens_per_second", "examples_per_second")
        means = [{name: value for name, value in epoch.items() if name not in timed} for epoch in trainer.history]
        return [[param.tobytes() for param in trainer.model.params], list(curve), means]


class ExampleTraining(LanguageTraining):
    """Two epochs of 5 iterations on 21 examples."""

    kind = Trainer

    def __init__(self, optimizer: Any = None, seed: int = 0) -> None:
        rng = numpy.random.default_rng(1)
        self.data = rng.standard_normal((21, 3)).astype("f"), rng.integers(0, 4, 21)
        self.valid = self.data
        numpy.random.seed(5)  # noqa: NPY002
        self.trainer = Trainer(DropoutNet(seed), optimizer or Adam(0.01), rng=stream(seed, "shuffle"))

    def fit(self, max_epoch: int = 2, **options: Any) -> Any:
        self.trainer.fit(*self.data, max_epoch, batch_size=4, eval_interval=2, valid=self.valid, **options)
        return self


class Word2vecTraining(LanguageTraining):
    """Two epochs of 5 iterations of CBOW, which draws negatives, on 21 windows."""

    kind = Trainer

    def __init__(self, optimizer: Any = None, seed: int = 0) -> None:
        text = numpy.random.default_rng(1).integers(0, 12, 25)
        self.data = create_contexts_target(text, 2)
        self.valid: Any = None
        model = CBOW(12, 4, 2, text, rng=stream(seed, "model"))
        self.trainer = Trainer(model, optimizer or Adam(0.01), rng=stream(seed, "shuffle"))

    def fit(self, max_epoch: int = 2, **options: Any) -> Any:
        self.trainer.fit(*self.data, max_epoch, batch_size=4, eval_interval=2, **options)
        return self


TRAININGS = [LanguageTraining, ExampleTraining]
