"""Whether a model is the library's own in all its parts, and copies of it that share its weights.

What computes an answer in another way than layer by layer, because that is faster, is for such models only.
"""

import copy
import functools
from typing import Any

from common.library import full_name
from common.model_tree import with_layers

# With the classes that models of questions and answers are made of. The modules of the library are told by name, and
# not by their folder: a reader's own may well lie in that of a chapter.
MODULES = frozenset({
    "ch07.peeky_seq2seq", "ch07.seq2seq", "ch08.attention_layer", "ch08.attention_scores", "ch08.attention_seq2seq",
    "ch08.deep_seq2seq", "common.layers", "common.losses", "common.recurrent", "common.recurrent_variants",
    "common.regularization", "common.time_layers",
})  # fmt: skip


def is_own(model: Any) -> bool:
    """Whether all that a model or layer computes is the library's own, and draws no random numbers.

    That is, in it there is nothing of a user's class, no function in the place of a method, of one object or of a
    class, and no dropout that is on. Anything else may count what it is asked, keep it, look at what the others keep,
    or differ from call to call.
    """
    parts = [part for _, part in with_layers(model)]
    kinds = {kind for part in parts for kind in type(part).__mro__[:-1]}
    return (
        all(full_name(type(part).__module__) in MODULES and not getattr(part, "train_flg", False) for part in parts)
        and all(map(_has_its_own_methods, kinds))
        and all(_is_plain(value) for part in parts for value in vars(part).values())
    )


def _has_its_own_methods(kind: type) -> bool:
    """Whether no method of a class has been replaced by a function from elsewhere, as in a notebook to watch it."""
    for value in vars(kind).values():
        if isinstance(value, type):
            if full_name(value.__module__) not in MODULES:
                return False
            continue
        function = getattr(value, "__func__", value)  # of a static method
        if callable(function) or isinstance(value, functools.partialmethod):
            # Its globals say where it is from; functools.wraps gives it the name of another module, and __wrapped__.
            home = getattr(function, "__globals__", {}).get("__name__")
            if home != kind.__module__ or hasattr(function, "__wrapped__"):
                return False
    return True


def _is_plain(value: Any) -> bool:
    """Whether an attribute is data: a number, an array, a collection, or what is the library's own."""
    module = type(value).__module__
    if callable(value):
        return False
    if module.partition(".")[0] in ("builtins", "numpy") or hasattr(value, "dtype"):
        return True
    return module in ("common.model_arguments", "common.reader") or full_name(module) in MODULES


def copy_sharing_weights(model: Any) -> Any:
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
