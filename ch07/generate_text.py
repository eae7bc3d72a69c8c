"""Text from a trained LSTM language model (book, section 7.1), with the one that is included.

    python -m ch07.generate_text                                      100 words after "you"
    python -m ch07.generate_text --prompt "the company said" --count 3 --top-p 0.9
    python -m ch07.generate_text --temperature 0                      always the likeliest word
    python -m ch07.generate_text --weights runs/ch06_train_rnnlm --prompt "the queen"
    python -m ch07.generate_text --untrained                          what a model writes before its training

The words N, <unk> and $ are banned, and those that --banned names; --no-default-bans allows the three.
"""

from pathlib import Path
from typing import Annotated, Any

from ch06.trained_models import SHIPPED, Cell, new_language_model, read_language_model
from ch07.writing_options import Vocabulary, make_writer, usual_prompt, with_writing_options, write_texts
from common.experiment import Run, experiment
from common.text import EOS


@experiment(options=("seed", "gpu", "out"))
@with_writing_options
def main(
    run: Run,
    prompt: Annotated[str | None, "What the text begins with; by default 'you', if the vocabulary has it."] = None,
    *,
    weights: Annotated[Path, "The trained model."] = SHIPPED,
    cell: Cell = None,
    corpus: Vocabulary = None,
    untrained: Annotated[bool, "Use weights as they are before training."] = False,
    **options: Any,
) -> None:
    if untrained:
        model = new_language_model(weights, cell, rng=run.rng("weights"))
    else:
        model = read_language_model(weights, cell)
    writer = make_writer(weights, model, corpus)
    if prompt is None and ("you" in writer.word_to_id or EOS not in writer.word_to_id):
        prompt = usual_prompt(writer, "you")
    write_texts(run, writer, prompt, **options)


if __name__ == "__main__":
    main.cli()
