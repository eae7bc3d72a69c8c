"""Text from a trained BetterRnnlm (book, section 7.1.4), first of all what the meaning of life is.

    python -m ch06.train_better_rnnlm        # makes the weights, and with --resume goes on making them
    python -m ch07.generate_better_text
    python -m ch07.generate_better_text --prompt "the stock market" --count 5 --temperature 0.8

Weights of other options than the book's are understood too, and those of other models of chapter 6. The words N, <unk>
and $ are banned, and those that --banned names; --no-default-bans allows the three.
"""

from pathlib import Path
from typing import Annotated

from ch06.rnnlm_file import Cell, read_language_model
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
    usual_prompt,
    write_texts,
)
from common.experiment import Run, experiment

MEANING = "the meaning of life is"
TRAINED = Path("runs/ch06_train_better_rnnlm/weights.npz")


@experiment(options=("seed", "gpu", "out"))
def main(
    run: Run,
    prompt: Annotated[str | None, f"What the text begins with; by default {MEANING!r}."] = None,
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
    weights: Annotated[Path, "What ch06.train_better_rnnlm has saved."] = TRAINED,
    cell: Cell = None,
    corpus: Vocabulary = None,
) -> None:
    if not weights.exists():
        raise FileNotFoundError(
            f"there are no weights {weights.absolute()}. `python -m ch06.train_better_rnnlm` makes them (a training of "
            "hours that --resume continues, `--corpus mini` is shorter); `python -m ch07.generate_text` needs none"
        )
    writer = make_writer(weights, read_language_model(weights, cell), corpus)
    prompt = usual_prompt(writer, MEANING) if prompt is None else prompt
    write_texts(
        run, writer, prompt, count, length, banned=banned, default_bans=default_bans, stop=stop, scores=scores,
        temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty,
    )  # fmt: skip


if __name__ == "__main__":
    main.cli()
