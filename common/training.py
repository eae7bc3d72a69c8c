"""One step of training, as both trainers and the loops of one's own take it."""

import math
from typing import Any

from common.clipping import clip_grads, clip_rate
from common.np import is_active, np
from common.optimizer import Optimizer
from common.shared_weights import SharedWeights


class Step:
    """forward, backward, sum the gradients of shared weights, clip, update.

    Which weights are shared is found out once, here. Raises ValueError if the weights are not on the device that
    ``config.GPU`` names.
    """

    def __init__(self, model: Any, optimizer: Any) -> None:
        for i, param in enumerate(model.params):
            if not is_active(param):
                raise ValueError(
                    f"{type(model).__name__}: params[{i}] is a {type(param).__module__} array, but the active module "
                    f"is {np.__name__}; set config.GPU before the model is built"
                )
        self.model, self.optimizer = model, optimizer
        self.weights = SharedWeights(model.params)
        self.norm: float | None = None  # of the last gradients, before clipping

    def __call__(self, x: Any, t: Any, max_grad: float | None = None) -> float:
        """The loss before the step. Raises FloatingPointError if it, or a gradient to be clipped, is not finite."""
        loss = float(self.model.forward(x, t))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss}: training has diverged. A smaller learning rate or gradient clipping (max_grad) "
                "may help"
            )
        self.model.backward()
        grads = self.model.grads
        if self.weights.shared:
            grads = self.weights.merge(grads, in_place=True)
        if max_grad is None:
            self.optimizer.update(self.weights.params, grads)
        elif isinstance(self.optimizer, Optimizer):
            # Our optimizers scale the gradients while they read them anyway.
            rate, self.norm = clip_rate(grads, max_grad)
            self.optimizer.update(self.weights.params, grads, rate)
        else:
            clip_grads(grads, max_grad)
            self.optimizer.update(self.weights.params, grads)
        return loss
