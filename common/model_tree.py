"""A model as the tree of its layers: what is in it, by which name, and in which state."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from common import weight_files
from common.object_tree import GLOBAL_GENERATOR, generators
from common.shared_weights import SharedWeights

MODULES = frozenset({  # with the classes that models of questions and answers are made of
    "ch07.peeky_seq2seq", "ch07.seq2seq", "ch08.attention_layer", "ch08.attention_scores", "ch08.attention_seq2seq",
    "ch08.deep_seq2seq", "common.layers", "common.losses", "common.recurrent", "common.recurrent_variants",
    "common.regularization", "common.time_layers",
})  # fmt: skip


def layers(model: Any) -> Iterator[tuple[str, Any]]:
    """All layers of a model, and of the models and layers inside it, each once, with their names.

    A layer is whatever has `params`. Its name joins attributes, list indices and keys by dots: ``encoder.lstm`` is the
    attribute `lstm`, or `lstm_layer` if there is no `lstm`, of the model's attribute `encoder`.
    """
    yield from _visit(model, "", model, set())


def _visit(item: Any, name: str, model: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """No function within the other, which would be a cycle and keep the model alive until it is collected."""
    if id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, (list, tuple)):
        for i, part in enumerate(item):
            yield from _visit(part, f"{name}.{i}", model, seen)
    elif hasattr(item, "params") and hasattr(item, "__dict__"):
        if item is not model:
            yield name[1:], item
        for key, part in vars(item).items():
            short = key.removesuffix("_layer")
            yield from _visit(part, f"{name}.{key if short in vars(item) else short}", model, seen)
    elif isinstance(item, Mapping):
        for key, part in item.items():
            yield from _visit(part, f"{name}.{key}", model, seen)


def named_params(model: Any) -> dict[str, Any]:
    """The params of a model by name, in the model's order, a shared weight once under the name of its first use.

    A weight is named after its layer and its role there, such as ``lstm.Wh``; one that no layer is found to own, or
    whose name no file could hold, as that of a layer in a dictionary under the key ``("fwd", 0)``, after its place in
    ``model.params``. Raises ValueError for two weights of one name, which a file could not tell apart.
    """
    names: dict[int, str] = {}
    for name, layer in layers(model):
        for role, param in zip(getattr(layer, "names", ()), layer.params, strict=False):
            names.setdefault(id(param), f"{name}.{role}")
    named: dict[str, Any] = {}
    for place, param in enumerate(model.params):
        name = names.get(id(param), "")
        name = name if weight_files.is_name(name) else str(place)
        if named.setdefault(name, param) is not param:
            raise ValueError(f"{type(model).__name__}: two weights have the name {name}, give their layers other names")
    return named


def unique_params(model: Any) -> dict[str, Any]:
    """The params by name, each weight once even if it is used several times or transposed."""
    kept = {id(param) for param in SharedWeights(model.params).params}
    return {name: param for name, param in named_params(model).items() if id(param) in kept}


def count_params(model: Any) -> int:
    """How many numbers the weights of a model have, those of a shared weight counted once."""
    return sum(param.size for param in unique_params(model).values())


def state_of(layer: Any) -> dict[str, Any]:
    """The state of a recurrent layer by name: h and for an LSTM c, each None at the start of a text."""
    return {key: vars(layer)[key] for key in ("h", "c") if key in vars(layer)}


def recurrent_states(model: Any) -> dict[str, dict[str, Any]]:
    """The states of the layers that can reset theirs, by the layers' names."""
    return {name: state_of(layer) for name, layer in layers(model) if hasattr(layer, "reset_state")}


def is_own(model: Any) -> bool:
    """Whether all that a model or layer computes is the library's own, and draws no random numbers.

    That is, in it there is nothing of a user's class, no function in the place of a method, of one object or of a
    class, and no dropout that is on. Anything else may count what it is asked, keep it, look at what the others keep,
    or differ from call to call.
    """
    return all(
        type(part).__module__ in MODULES
        and all(map(_has_its_own_methods, type(part).__mro__[:-1]))
        and not getattr(part, "train_flg", False)
        and all(map(_is_plain, vars(part).values()))
        for part in (model, *(layer for _, layer in layers(model)))
    )


def _has_its_own_methods(kind: type) -> bool:
    """Whether no method of a class has been replaced by a function from elsewhere, as in a notebook to watch it."""
    own = kind.__module__
    return not any(callable(value) and getattr(value, "__module__", own) != own for value in vars(kind).values())


def _is_plain(value: Any) -> bool:
    """Whether an attribute is data: a number, an array, a collection, or what is the library's own."""
    module = type(value).__module__
    own = module in MODULES or module in ("common.model_folder", "common.reader")
    return (own or module.partition(".")[0] in ("builtins", "numpy") or hasattr(value, "dtype")) and not callable(value)


def copy_of_states(model: Any) -> Any:
    """A copy of a model and its layers, with the same weights and gradients: what a forward of it leaves behind for a
    backward, and states, are its own. So each thread may have one. It costs no memory until it is used.
    """
    return _copy(model, {})


def _copy(item: Any, copies: dict[int, Any]) -> Any:
    if type(item) in (list, tuple):
        return type(item)(_copy(part, copies) for part in item)
    if type(item) is dict:
        return {key: _copy(part, copies) for key, part in item.items()}
    if not hasattr(item, "params") or not hasattr(item, "__dict__"):
        return item
    if id(item) not in copies:
        copies[id(item)] = copied = copy.copy(item)
        vars(copied).update({key: _copy(part, copies) for key, part in vars(item).items()})
    return copies[id(item)]


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Zero recurrent states and no dropout inside; outside, states, dropout and generators as they were before.

    The generators are those of the model and NumPy's global one.
    """
    switched = [layer for _, layer in layers(model) if getattr(layer, "train_flg", False)]
    rngs = [*generators(model).values(), GLOBAL_GENERATOR]
    before = [rng.bit_generator.state for rng in rngs]
    try:
        for layer in switched:
            layer.train_flg = False
        with fresh_state(model):
            yield
    finally:
        for layer in switched:
            layer.train_flg = True
        for rng, state in zip(rngs, before, strict=True):
            rng.bit_generator.state = state


@contextmanager
def fresh_state(model: Any) -> Iterator[None]:
    """Zero recurrent states inside; outside, the states that were there before."""
    stateful = [layer for _, layer in layers(model) if hasattr(layer, "reset_state")]
    before = [state_of(layer) for layer in stateful]
    try:
        if hasattr(model, "reset_state"):
            model.reset_state()
        for layer in stateful:
            layer.reset_state()
        yield
    finally:
        if not stateful and hasattr(model, "reset_state"):
            model.reset_state()
        for layer, state in zip(stateful, before, strict=True):
            vars(layer).update(state)
