"""How good a trained model is."""

import inspect
import math
from typing import Any

from common.answering import AT_ONCE, generate_all
from common.checks import check_counts
from common.labels import checked_ids
from common.model_tree import evaluation_mode, layers
from common.np import np, to_cpu
from common.padding import PAD, as_rows, row_lengths
from common.progress import print_line


def perplexity_of(loss: float) -> float:
    """exp(loss), the perplexity of a mean loss; at most exp(700), since exp(710) exceeds a float."""
    return math.exp(min(loss, 700))


def check_has_next_word(name: str, corpus: Any) -> None:
    """ValueError, beginning with `name`, unless the array is a corpus (n,) of two words at least, so that there is one
    to predict.
    """
    if corpus.ndim != 1 or len(corpus) < 2:
        raise ValueError(f"{name}: expected a corpus (n,) of 2 words at least, got {corpus.shape}")


def eval_perplexity(model: Any, corpus: Any, batch_size: int = 10, time_size: int = 35) -> float:
    """exp of the mean of -log p(next word) over all words of the corpus but the first, and those that the loss ignores.

    corpus (n,) ids. It is read in `batch_size` rows of equal length side by side, and then the fewer than `batch_size`
    words that are left as one row more, `time_size` words at a time. Each row starts from a zero state. Dropout is off;
    afterwards the model's state is what it was before. Raises ValueError for a corpus of less than 2 words, and
    FloatingPointError if the loss is not finite.
    """
    corpus = to_cpu(corpus)
    check_has_next_word("eval_perplexity", corpus)
    check_counts("eval_perplexity", batch_size=batch_size, time_size=time_size)
    words = len(corpus) - 1
    batch_size, time_size = min(int(batch_size), words), int(time_size)
    cut = words - words % batch_size
    loss_layer, counted = counting_loss(model), 0
    total, arguments = 0.0, evaluation_arguments(model, np.asarray(corpus[None, :1]), np.asarray(corpus[None, 1:2]))
    # Not one array with padded rows: which label a loss leaves out, if any, is the model's own business.
    for rows, part in ((batch_size, corpus[: cut + 1]), (1, corpus[cut:])):
        if len(part) < 2:
            continue
        xs, ts = part[:-1].reshape(rows, -1), part[1:].reshape(rows, -1)
        with evaluation_mode(model):
            for start in range(0, xs.shape[1], time_size):
                x, t = xs[:, start : start + time_size], ts[:, start : start + time_size]
                mean = float(model.forward(np.asarray(x), np.asarray(t), **arguments))
                weight = labels_of(loss_layer, t.size)
                total, counted = total + mean * weight, counted + weight
    if not math.isfinite(total):
        raise FloatingPointError(f"eval_perplexity: the loss is {total}, the model has weights that are not finite")
    return perplexity_of(total / max(counted, 1))


def counting_loss(model: Any) -> Any:
    """The one layer of the model that says how many labels the last loss has `counted`; None without one, or if there
    are more.
    """
    found = [layer for _, layer in layers(model) if hasattr(layer, "counted")]
    return found[0] if len(found) == 1 else None


def labels_of(loss_layer: Any, size: int) -> int:
    """How many labels the last loss is the mean of: those that the :func:`counting_loss` says, or else `size`."""
    counted = getattr(loss_layer, "counted", None)  # None is that of a loss with a forward of its own, too
    return size if counted is None else int(counted)


def evaluation_arguments(model: Any, x: Any, t: Any) -> dict[str, bool]:
    """The arguments by name with which a model's forward does not train: ``train_flg=False`` if it takes that.

    A forward that takes any argument by name, as the wrapper of another one does, is tried with the batch x, t.
    """
    arguments, mode = inspect.signature(model.forward).parameters, {"train_flg": False}
    if "train_flg" in arguments:
        return mode
    if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
        return {}
    try:
        with evaluation_mode(model):
            model.forward(x, t, **mode)
    except TypeError as error:
        if "unexpected keyword argument 'train_flg'" not in str(error):
            raise
        return {}
    return mode


def eval_seq2seq(
    model: Any, question: Any, correct: Any, id_to_char: Any, verbose: bool = False, is_reverse: bool = False
) -> int:
    """1 if the model's answer to one question is right in every character, else 0.

    The model's `generate` gets the question as it is: (1, T) ids, or what else it takes. correct (1, L) or (L,) ids, of
    which the first is the start symbol. The padding of both, -1, is at their end and does not count. `verbose` prints
    question, true and given answer; `is_reverse` says that the question stands reversed and prints it the right way
    round. Dropout in the model stays as it is, to look for which would take as long as the answer; see
    :func:`seq2seq_accuracy`. Raises TypeError for a true answer that is not made of integers, and ValueError for
    several or none at once.
    """
    ids = as_rows("eval_seq2seq", correct)
    if ids.size == 0 or ids.shape not in ((ids.size,), (1, ids.size)):
        raise ValueError(
            f"eval_seq2seq: correct must be one answer, (1, L) or (L,) ids from the start symbol on, got {ids.shape}"
        )
    _check_answers("eval_seq2seq", ids.reshape(1, -1))
    answer = _true_ids(correct)
    size = len(answer) - 1
    # A generate of your own may return arrays of one element.
    given = [to_cpu(i) for i in model.generate(question, answer[0], size)] if size else []
    if any(i.size != 1 for i in given):
        raise ValueError(f"eval_seq2seq: the model must give the ids of one answer, to one question, not {given!r:.80}")
    guess = [int(i.item()) for i in given]
    right = guess == answer[1:]
    if verbose:
        shown = _true_ids(question)[:: -1 if is_reverse else 1]
        guessed = "".join(id_to_char[i] for i in guess)
        print_line(f"Q {''.join(id_to_char[i] for i in shown)}")
        print_line(f"T {''.join(id_to_char[i] for i in answer[1:])}")
        print_line(f"{'right' if right else 'wrong'} {guessed}\n---")
    return int(right)


def _check_answers(name: str, answers: Any) -> None:
    """TypeError unless true answers (n, L) are integers, ValueError unless their padding is at their end."""
    checked_ids(name, answers, None, "true answers")
    row_lengths(name, answers)


def _true_ids(ids: Any) -> list[int]:
    """The ids of one sequence without the padding."""
    return [int(i) for i in to_cpu(ids).reshape(-1) if i != PAD]


def seq2seq_accuracy(model: Any, questions: Any, answers: Any, batch_size: int = AT_ONCE) -> float:
    """The share of the questions (n, S) whose answer (n, L) the model gives right in every symbol.

    The first symbol of an answer is the start symbol; -1 fills up shorter rows. The model answers `batch_size`
    questions at a time, with the results that :func:`eval_seq2seq` finds one by one. Dropout is off; afterwards the
    model's states and generators are what they were before. Raises ValueError for no questions at all, for another
    number of answers, for padding before a true id, and for start symbols that differ; TypeError for answers that are
    not made of integers.

    A model is asked for one answer after the other if it has no `generate_batch`, as the book's, or if a subclass has
    overridden its `generate` alone.
    """
    questions, answers = as_rows("seq2seq_accuracy", questions), as_rows("seq2seq_accuracy", answers)
    if questions.ndim == 0 or answers.ndim == 0:
        found = f"{questions.shape} and {answers.shape}"
        raise ValueError(f"seq2seq_accuracy: expected questions (n, S) and answers (n, L), got {found}")
    if len(questions) != len(answers) or len(questions) == 0:
        found = f"{len(questions)} questions and {len(answers)} answers"
        raise ValueError(f"seq2seq_accuracy: {found}, expected as many, and one at least")
    if answers.ndim != 2 or answers.size == 0:
        raise ValueError(f"seq2seq_accuracy: expected answers (n, L) of a start symbol at least, got {answers.shape}")
    _check_answers("seq2seq_accuracy", answers)
    check_counts("seq2seq_accuracy", batch_size=batch_size)
    if other := np.flatnonzero(answers[:, 0] != answers[0, 0]).tolist():
        row, first = other[0], answers[0, 0]
        raise ValueError(
            f"seq2seq_accuracy: all answers must begin with the same start symbol, but answers[{row}] begins with "
            f"{answers[row, 0]}, the first with {first}"
        )
    if answers.shape[1] == 1:  # start symbols alone, which ask for nothing
        return 1.0
    with evaluation_mode(model):
        if not _answers_in_batches(model):
            rights = (eval_seq2seq(model, x[None], t[None], {}) for x, t in zip(questions, answers, strict=True))
            return sum(rights) / len(questions)
        guess = generate_all(model, questions, int(answers[0, 0]), answers.shape[1] - 1, batch_size=int(batch_size))
    correct = to_cpu(answers[:, 1:])
    return int(((guess == correct) | (correct == PAD)).all(axis=1).sum()) / len(questions)


def _answers_in_batches(model: Any) -> bool:
    """Whether the model has a `generate_batch`, and no `generate` that is nearer: its own, or of a nearer class."""
    owners = [getattr(model, "__dict__", {}), *map(vars, type(model).__mro__)]
    names = [name for owner in owners for name in ("generate_batch", "generate") if name in owner]
    return hasattr(model, "generate_batch") and names[:1] != ["generate"]
