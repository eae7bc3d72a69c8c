"""One step of training, as both trainers and the loops of your own take it."""

import inspect
import math
from operator import is_
from typing import Any

from numpy import errstate  # CuPy never warns

from common.clipping import clip_rate, gradient_norm
from common.model_tree import unique_params
from common.np import is_active, np
from common.optimizer import Optimizer
from common.regularization import Penalized
from common.shared_weights import SharedWeights

REMEDY = "A smaller learning rate or gradient clipping (max_grad) may help"


class Step:
    """forward, backward, sum the gradients of shared weights, clip, update.

    Which weights are shared is found out once, here, and again when `params` has other arrays: a model of your own may
    make some in its first forward, or train more of them later. Raises ValueError if the weights are not on the device
    that ``config.GPU`` names.

    norm    the joint norm of the last gradients, before clipping, or None if it was not measured
    """

    def __init__(self, model: Any, optimizer: Any) -> None:
        self.model, self.optimizer = model, optimizer
        self.norm: float | None = None
        self._find_weights()
        self._penalties = model.penalties if isinstance(model, Penalized) else []
        # Our optimizers multiply by the clipping rate themselves; a class derived from one may have the book's update.
        self._scales = isinstance(optimizer, Optimizer) and "scale" in inspect.signature(optimizer.update).parameters

    def _find_weights(self) -> None:
        self._params = list(self.model.params)
        for i, param in enumerate(self._params):
            if not is_active(param):
                raise ValueError(
                    f"{type(self.model).__name__}: params[{i}] is a {type(param).__module__} array, but the active "
                    f"module is {np.__name__}; set config.GPU before the model is built"
                )
        self.weights = SharedWeights(self._params)

    def __call__(self, x: Any, t: Any, max_grad: float | None = None, measure: bool = False) -> float:
        """The loss before the step, without the penalties that the model has added to it.

        The norm of the gradients is measured to clip them, or if `measure` asks for it.
        Raises FloatingPointError, naming the first weight or gradient that is not finite, if the loss or a norm is not.
        """
        loss = self.model.forward(x, t)
        if getattr(loss, "shape", ()):
            loss = self._one_number(loss)
        loss = float(loss)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}: {self._cause(x, t)}")
        self.model.backward()
        if len(self.model.params) != len(self._params) or not all(map(is_, self.model.params, self._params)):
            self._find_weights()
        # Lists of its own: an optimizer may put other arrays into them.
        params, grads = list(self.weights.params), list(self.model.grads)
        if self.weights.shared:
            grads = self.weights.merge(grads, in_place=True)
        rate = self._measure(grads, max_grad, measure)
        if self._scales:  # the gradients, while it reads them anyway
            self.optimizer.update(params, grads, rate)
        else:
            if rate < 1:
                for grad in grads:
                    grad *= rate
            self.optimizer.update(params, grads)
        return loss - sum(layer.penalty for layer in self._penalties) if self._penalties else loss

    def _one_number(self, loss: Any) -> Any:
        """The number in an array of one. TypeError for others."""
        if loss.size == 1:
            return loss.item()
        name = type(self.model).__name__
        raise TypeError(f"{name}.forward must return the loss, one number, not an array {loss.shape}")

    def _measure(self, grads: list[Any], max_grad: float | None, measure: bool) -> float:
        """Set `norm`, if it is asked for; returns what the gradients are to be multiplied by."""
        rate, self.norm = 1.0, None
        try:
            if max_grad is not None:
                rate, self.norm = clip_rate(grads, max_grad)
            elif measure:
                self.norm = gradient_norm(grads)
        except FloatingPointError as error:
            raise FloatingPointError(self._first_bad("gradient", grads) or str(error)) from error
        return rate

    def _cause(self, x: Any, t: Any) -> str:
        """Why the loss of a batch is not finite."""
        for what, data in (("inputs", x), ("targets", t)):
            if problem := self._problem(data):
                return f"the {what} hold {problem}"
        bad = self._first_bad("weight", self.weights.params)
        return f"training has diverged{bad and ', ' + bad}. {REMEDY}"

    def _problem(self, data: Any) -> str:
        """What is wrong with `data`, of any kind, as far as it is an array of floats; empty if nothing is.

        That is NaN, infinity, and numbers too large for the dtype of the weights.
        """
        if getattr(getattr(data, "dtype", None), "kind", "") != "f":
            return ""
        data = np.asarray(data)
        if not bool(np.isfinite(data).all()):
            return "NaN or infinity"
        dtype = self.weights.params[0].dtype if self.weights.params else data.dtype
        with errstate(over="ignore"):
            fits = dtype.kind != "f" or bool(np.isfinite(data.astype(dtype)).all())
        return "" if fits else f"numbers too large for {dtype}"

    def check_weights(self) -> None:
        """FloatingPointError naming the first weight that is not finite: the loss before a step does not show it."""
        if bad := self._first_bad("weight", self.weights.params):
            raise FloatingPointError(f"training has diverged, {bad}. {REMEDY}")

    def _first_bad(self, what: str, arrays: list[Any]) -> str:
        """A message that names the first array that is not finite, empty if all are."""
        for place, array in enumerate(arrays):
            if not bool(np.isfinite(array).all()):
                name = list(unique_params(self.model))[place]  # a walk through the model: only now
                return f"{what} {name} of shape {array.shape} holds NaN or infinity"
        return ""
