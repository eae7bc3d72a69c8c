"""Teach a sequence-to-sequence model to add, to write dates in one form, or whatever pairs a file holds.

    python -m ch07.train_seq2seq                             the plain model on sums: figure 7-22 of the book
    python -m ch07.train_seq2seq --reverse                   figure 7-24
    python -m ch07.train_seq2seq --reverse --model peeky     figure 7-28
    python -m ch07.train_seq2seq --data date --model attention --reverse --hidden-size 256 --max-epoch 10
    python -m ch07.train_seq2seq --data my_pairs.tsv --model attention
    python -m ch07.train_seq2seq --data my_pairs.tsv --model deep --layers 3 --cell gru --score additive

A file of your own has lines ``question<TAB>answer``, or is of fixed width as ``addition.txt`` and ``date.txt`` are.
After each epoch a few questions of the test part are shown with the model's answers, and the share of all its questions
that are answered right in every symbol. The results are the model with its vocabulary, and the curve of that share.
"""

from pathlib import Path
from typing import Annotated, Any

from ch08.answerer import Answerer, ModelKind
from common.evaluation import seq2seq_accuracy
from common.experiment import TRAINING, Run, experiment
from common.np import to_cpu
from common.optimizer import Adam
from common.plotting import plot_curve
from common.progress import write
from common.trainer import Trainer
from dataset import pairs, sequence

FILES = {name: sequence.FOLDER / f"{name}.txt" for name in ("addition", "date")}


@experiment(
    quick={"max_epoch": 1, "max_examples": 1280, "hidden_size": 32, "shown": 2},
    options=TRAINING,
    # Nothing depends on what is shown; of the others the trainer compares what the model was made with, defaults too.
    free=("shown", "layers", "cell", "score", "bidirectional"),
)
def main(
    run: Run,
    model: ModelKind = ModelKind.seq2seq,
    data: Annotated[str, "addition, date, or the path of a file."] = "addition",
    reverse: Annotated[bool, "Let the model read the questions from their end."] = False,
    words: Annotated[bool, "The symbols of a file with tabs are words, not characters."] = False,
    wordvec_size: int = 16,
    hidden_size: int = 128,
    max_epoch: int = 25,
    batch_size: int = 128,
    lr: Annotated[float, "Step of Adam."] = 0.001,
    max_grad: Annotated[float, "The largest joint norm of the gradients."] = 5.0,
    shown: Annotated[int, "Test questions that are shown after each epoch."] = 10,
    max_examples: Annotated[int | None, "Train on so many examples only."] = None,
    layers: Annotated[int | None, "Of the deep model, which has 2 by default."] = None,
    cell: Annotated[str | None, "Of the deep model: lstm, by default, or gru."] = None,
    score: Annotated[str | None, "Of the deep model's attention: dot, by default, scaled or additive."] = None,
    bidirectional: Annotated[bool | None, "Whether the deep model's encoder reads both ways, as by default."] = None,
) -> dict[str, float]:
    choices: dict[str, Any] = {"layers": layers, "cell": cell, "score": score, "bidirectional": bidirectional}
    options = {name: value for name, value in choices.items() if value is not None}
    if options and model is not ModelKind.deep:
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise ValueError(f"only the deep model has a choice of {', '.join(choices)}, not {model}: {given}")
    if shown < 0:
        raise ValueError(f"shown must be at least 0, not {shown}")
    if max_examples is not None and max_examples < 1:
        raise ValueError(f"max_examples must be at least 1, or None for all, not {max_examples}")
    x_train, t_train, x_test, t_test, codec = pairs.load(FILES.get(data, data), reversed=reverse, words=words)
    if not len(x_test):
        raise ValueError(f"{data}: {len(x_train)} pairs are too few, there must be 10: a tenth is kept for testing")
    x, t = x_train[:max_examples], t_train[:max_examples]
    if batch_size > len(x):
        remedy = "take more, or let ch07.train_seq2seq take a smaller --batch-size"
        raise ValueError(f"there are {len(x)} pairs to train on, fewer than the {batch_size} of a batch: {remedy}")
    if data not in FILES and "data" in run.checkpoint.settings:
        # The file may lie, or be called from, elsewhere when the training goes on: checkpoints know what was in it.
        run.checkpoint.settings["data"] = Path(data).name
    sizes = wordvec_size, hidden_size, t_train.shape[1] - 1
    answerer = Answerer(model, codec, *sizes, rng=run.rng("weights"), **options)
    trainer = Trainer(answerer.model, Adam(lr), rng=run.rng("shuffle"))

    def scores(model: Any) -> dict[str, float]:
        show(answerer, x_test[:shown], t_test[:shown])
        return {"accuracy": seq2seq_accuracy(model, x_test, t_test)}  # which the trainer prints

    with run.kept_if_interrupted(lambda folder: answerer.save(folder / "model.npz")):
        trainer.fit(x, t, max_epoch, batch_size, max_grad, valid=scores, checkpoint=run.checkpoint)
    accuracies = trainer.history.column("valid_accuracy")
    losses = trainer.history.column("loss")
    run.record(accuracy=accuracies, loss=losses)
    answerer.save(run.path("model.npz"))
    run.plot("accuracy.png", plot_curve, accuracies, "epoch", "accuracy", (-0.05, 1.05))
    return {"accuracy": accuracies[-1], "loss": losses[-1]}


def show(answerer: Answerer, questions: pairs.Ids, answers: pairs.Ids) -> None:
    """Print questions, true answers and what the model answers."""
    if not len(questions):
        return
    codec = answerer.codec
    guesses = answerer.model.generate_batch(questions, codec.start, answers.shape[1] - 1)
    for question, true, guess in zip(questions, answers[:, 1:], to_cpu(guesses), strict=True):
        right, answer = codec.decode(true), codec.decode(guess)
        write(f"Q {codec.question(question)}\nT {right}\n{'right' if right == answer else 'wrong'} {answer}\n---")


if __name__ == "__main__":
    main.cli()
