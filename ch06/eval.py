"""The perplexity of a trained language model on a part of its corpus.

    python -m ch06.eval runs/ch06_train_rnnlm
    python -m ch06.eval runs/ch06_train_awd_lstm-quick

Every word of the text counts. Weights in a file of their own, such as the book's, will do too.
"""

from pathlib import Path
from typing import Annotated

import typer

from ch06.trained_models import Cell, check_vocabulary, read_language_model, scored_corpus
from common.evaluation import eval_perplexity
from common.experiment import script
from dataset.corpora import Corpus


@script
def main(
    weights: Annotated[Path, typer.Argument(help="Folder that a training of chapter 6 left.")] = Path(
        "runs/ch06_train_rnnlm"
    ),
    corpus: Annotated[Corpus | None, "By default the one that has as many words as the model."] = None,
    split: Annotated[str, "train, valid or test"] = "test",
    cell: Cell = None,
) -> dict[str, float]:
    model = read_language_model(weights, cell)
    corpus = scored_corpus(weights, model, corpus)
    text, _, id_to_word = corpus.load(split)
    check_vocabulary(weights, model, corpus, id_to_word)
    return {"perplexity": eval_perplexity(model, text)}


if __name__ == "__main__":
    main.cli()
