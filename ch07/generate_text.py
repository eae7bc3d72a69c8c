"""Text from a trained LSTM language model (book, section 7.1), with the one that comes along.

    python -m ch07.generate_text                                      100 words after "you"
    python -m ch07.generate_text --prompt "the company said" --count 3 --top-p 0.9
    python -m ch07.generate_text --temperature 0                      always the likeliest word
    python -m ch07.generate_text --weights runs/ch06_train_rnnlm/weights.npz --prompt "the queen"
    python -m ch07.generate_text --untrained                          what a model writes before its training

The words N, <unk> and $ are banned, and those that --banned names; --no-default-bans allows the three.
"""

from pathlib import Path
from typing import Annotated

from ch06.rnnlm_file import SHIPPED, Cell, new_language_model, read_language_model
from ch07.writing_options import (
    Banned,
    Count,
    DefaultBans,
    Length,
    RepetitionPenalty,
    Scores,
    Stop,
    Temperature,
    TopK,
    TopP,
    Vocabulary,
    make_writer,
    write_texts,
)
from common.experiment import Run, experiment


@experiment(options=("seed", "gpu", "out"))
def main(
    run: Run,
    prompt: Annotated[str | None, "What the text begins with, by default a word of the corpus."] = None,
    count: Count = 1,
    length: Length = 100,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    top_p: TopP = None,
    repetition_penalty: RepetitionPenalty = 1.0,
    banned: Banned = None,
    default_bans: DefaultBans = True,
    stop: Stop = None,
    scores: Scores = False,
    weights: Annotated[Path, "The trained model."] = SHIPPED,
    cell: Cell = None,
    corpus: Vocabulary = None,
    untrained: Annotated[bool, "Use weights as they are before training."] = False,
) -> None:
    if untrained:
        model = new_language_model(weights, cell, rng=run.rng("weights"))
    else:
        model = read_language_model(weights, cell)
    writer = make_writer(weights, model, corpus)
    if prompt is None and "you" in writer.word_to_id:
        prompt = "you"
    write_texts(
        run, writer, prompt, count, length, banned=banned, default_bans=default_bans, stop=stop, scores=scores,
        temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty,
    )  # fmt: skip


if __name__ == "__main__":
    main.cli()
