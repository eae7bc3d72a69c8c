"""All that the rest of a training depends on, as nested plain values and arrays: taken, and put back in place.

That is the weights, the states of recurrent layers, the optimizer's learning rate and state, the place in data and
epoch, the order of the epoch's examples, all generators of random numbers, the callbacks and the history. A training
put back goes on with the same bits on the CPU.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy

from common.base_model import BaseModel
from common.model_arguments import is_plain, plain_arguments
from common.model_tree import recurrent_states, unique_params, with_layers
from common.np import np, to_cpu
from common.object_tree import GLOBAL_GENERATOR, attributes, generator_states, put_back, set_generator_states
from common.resuming import ARGUMENT, check_same


def take(trainer: Any) -> dict[str, Any]:
    """The state of a trainer.

    TypeError for an optimizer whose state cannot be told: one that is not ours may have numbers, arrays and lists and
    dictionaries of them as its attributes, or the methods `state_dict` and `load_state_dict` of ours. The ids of
    weights as keys would mean nothing to the process that reads them.
    """
    model, optimizer = trainer.model, trainer.optimizer
    weights = unique_params(model)
    saved = optimizer.state_dict(list(weights.values())) if _tells_its_state(optimizer) else attributes(optimizer)
    if _has_keys(saved, {id(param) for param in [*weights.values(), *model.params]}):
        name = type(optimizer).__name__
        raise TypeError(f"state.optimizer: {name} has the ids of weights as keys, take their places")
    return {
        "params": weights,
        "layers": recurrent_states(model),
        "optimizer": saved,
        "trainer": trainer.state_dict(),
        "callbacks": [[type(callback).__name__, callback.state_dict()] for callback in trainer.callbacks],
        "generators": generator_states(trainer),
        "global_generator": GLOBAL_GENERATOR.state,
    }


def restore(trainer: Any, state: dict[str, Any]) -> None:
    """Put a state back into a trainer whose model, optimizer and callbacks are made as they were at first.

    ValueError, before any weight is changed, for a state of another kind of training, naming what differs.
    """
    model, optimizer = trainer.model, trainer.optimizer
    names = [type(callback).__name__ for callback in trainer.callbacks]
    check_same({"callbacks": [name for name, _ in state["callbacks"]]}, {"callbacks": names})
    grows = "state.optimizer.attributes" if _tells_its_state(optimizer) else "state.optimizer"
    _check("state", state, take(trainer), grows)
    weights = unique_params(model)
    if _tells_its_state(optimizer):
        optimizer.load_state_dict(list(weights.values()), _on_device(state["optimizer"]))
    else:
        for name, value in _on_device(state["optimizer"]).items():
            setattr(optimizer, name, put_back(vars(optimizer).get(name), value))
    for name, param in weights.items():
        param[...] = np.asarray(state["params"][name])
    by_name = dict(with_layers(model))
    for name, values in state["layers"].items():
        vars(by_name[name]).update(_on_device(values))
    trainer.load_state_dict(state["trainer"])
    for callback, (_, saved) in zip(trainer.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(saved)
    set_generator_states(trainer, state["generators"])
    GLOBAL_GENERATOR.state = state["global_generator"]


def step_settings(model: Any, max_grad: float | None) -> dict[str, Any]:
    """The settings that the weights do not show: `max_grad`, the model's class, and the arguments that it was made
    with, those left out by their defaults, as far as a folder keeps them. Of a list or dictionary, which may have as
    many numbers as there are words, a checksum stands. `rng` is none: a generator goes on from its state.
    """
    settings = {"model": type(model).__name__, "max_grad": None if max_grad is None else float(max_grad)}
    if not isinstance(model, BaseModel):
        return settings
    try:
        arguments = plain_arguments(model, defaults=True)
    except TypeError:  # of a class that can be trained, but not saved
        return settings
    for name, value in arguments.items():
        if is_plain(value):
            long = isinstance(value, (list, dict))
            settings[f"{ARGUMENT}{name}"] = zlib.crc32(json.dumps(value, sort_keys=True).encode()) if long else value
    return settings


def checksum(*arrays: Any) -> int:
    """A number that tells data from other data."""
    value = 0
    for array in arrays:
        value = zlib.crc32(numpy.ascontiguousarray(to_cpu(array)).data, value)
    return value


def _tells_its_state(optimizer: Any) -> bool:
    return hasattr(optimizer, "state_dict") and hasattr(optimizer, "load_state_dict")


def _has_keys(value: Any, keys: set[int]) -> bool:
    """Whether a dictionary, anywhere in nested ones and lists, has one of these keys."""
    if isinstance(value, Mapping):
        return not keys.isdisjoint(value) or any(_has_keys(item, keys) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_has_keys(item, keys) for item in value)


def _check(place: str, found: Any, own: Any, grows: str) -> None:
    """ValueError unless `found` is of the same kind as `own`, this training's. None may become anything, and an empty
    dictionary one with any keys. The place `grows` is that of an optimizer's attributes: a training may add some, and
    may change the keys of the dictionaries among them.
    """
    if isinstance(own, dict) and isinstance(found, dict):
        fits = own.keys() <= found.keys() if place == grows else not own or place.startswith(f"{grows}.")
        if not fits and found.keys() != own.keys():
            there, here = (", ".join(map(str, keys)) for keys in (found, own))
            raise ValueError(f"it belongs to another training: {place} has {there}, now {here}")
        for key in [key for key in own if key in found]:
            _check(f"{place}.{key}", found[key], own[key], grows)
    elif own is not None and _kind(found) != _kind(own):
        raise ValueError(f"it belongs to another training: {place} is {_kind(found)}, now {_kind(own)}")


def _kind(value: Any) -> str:
    value = value.item() if isinstance(value, numpy.generic) else value
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {value.shape}"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "a number" if number else "a list" if isinstance(value, (list, tuple)) else type(value).__name__


def _on_device(value: Any) -> Any:
    if isinstance(value, list):
        return [_on_device(item) for item in value]
    if isinstance(value, dict):
        return {key: _on_device(item) for key, item in value.items()}
    return np.asarray(value) if isinstance(value, numpy.ndarray) else value
