"""A model as the tree of its layers: what is in it, by which name, and in which state."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from common.object_tree import GLOBAL_GENERATOR, generators, parts
from common.shared_weights import SharedWeights
from common.tensor_names import is_name


def layers(model: Any) -> Iterator[tuple[str, Any]]:
    """All layers of a model, and of the models and layers inside it, each once, with their names.

    A layer is whatever has `params`, wherever the model holds it. Its name joins attributes, list indices and keys by
    dots: ``encoder.lstm`` is the attribute `lstm`, or `lstm_layer` if there is no `lstm`, of the model's attribute
    `encoder`.
    """
    for name, part in parts(model, _short):
        if hasattr(part, "params") and hasattr(part, "__dict__"):
            yield name, part


def with_layers(model: Any) -> list[tuple[str, Any]]:
    """The model itself, under the empty name, and its :func:`layers`."""
    return [("", model), *layers(model)]


def _short(item: Any, attribute: str) -> str:
    """The attribute's name without the book's ending."""
    short = attribute.removesuffix("_layer")
    return attribute if short in vars(item) else short


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
        name = name if is_name(name) else str(place)
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
    """The state of a recurrent layer by name: h and for an LSTM c, each None at the start of a text.

    What a model calls by these names may be something else, such as a layer or a width, and is no state.
    """
    held = getattr(layer, "__dict__", {})
    return {key: held[key] for key in ("h", "c") if key in held and (held[key] is None or hasattr(held[key], "dtype"))}


def recurrent_states(model: Any) -> dict[str, dict[str, Any]]:
    """The states of the layers that can reset theirs, by the layers' names; the model's own, if it has one, under the
    empty name.
    """
    found = {name: state_of(part) for name, part in with_layers(model) if hasattr(part, "reset_state")}
    return {name: state for name, state in found.items() if name or state}


@contextmanager
def evaluation_mode(model: Any, drawn_from: Sequence[Any] = ()) -> Iterator[None]:
    """Zero recurrent states and no dropout inside; outside, states, dropout and generators as they were before.

    The generators are those of the model and NumPy's global one, without those that are `drawn_from` on purpose.
    """
    switched = [layer for _, layer in with_layers(model) if getattr(layer, "train_flg", False) and _may_switch(layer)]
    rngs = [*generators(model).values(), GLOBAL_GENERATOR]
    rngs = [rng for rng in rngs if all(rng.bit_generator is not other.bit_generator for other in drawn_from)]
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


def _may_switch(layer: Any) -> bool:
    """Whether `train_flg` may be set: not if it is a property that only tells what the layers inside do."""
    flag = getattr(type(layer), "train_flg", None)
    return not isinstance(flag, property) or flag.fset is not None


@contextmanager
def fresh_state(model: Any) -> Iterator[None]:
    """Zero recurrent states inside; outside, the states that were there before.

    A model whose states are not found, as they are called otherwise than h and c, has zero states outside, too.
    """
    stateful = [part for _, part in with_layers(model) if hasattr(part, "reset_state")]
    before = [state_of(layer) for layer in stateful]
    try:
        for layer in stateful:
            layer.reset_state()
        yield
    finally:
        if not any(before) and hasattr(model, "reset_state"):
            model.reset_state()
        for layer, state in zip(stateful, before, strict=True):
            if state:
                vars(layer).update(state)
