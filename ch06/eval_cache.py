"""What a continuous cache is worth to a trained language model: perplexities with and without it.

    python -m ch06.eval_cache                                            # the Rnnlm that comes with the project
    python -m ch06.eval_cache runs/ch06_train_rnnlm
    python -m ch06.eval_cache runs/ch06_train_awd_lstm-quick

theta and lambda are those that are best on the validation text; the test text is read once with them. Both texts are
read as a single row, so the perplexity without a cache may differ in its fourth digit from that of ch06.eval.
"""

from pathlib import Path
from typing import Annotated

import typer

from ch06.cache import WINDOW, cache_probability, perplexity, read, tune
from ch06.trained_models import SHIPPED, Cell, check_vocabulary, read_language_model, scored_corpus
from common.experiment import Run, experiment
from dataset.corpora import Corpus


@experiment(options=("gpu", "out"))
def main(
    run: Run,
    weights: Annotated[Path, typer.Argument(help="Folder that a training of chapter 6 left.")] = SHIPPED,
    cell: Cell = None,
    window: Annotated[int, "How many words the cache keeps."] = WINDOW,
    corpus: Annotated[Corpus | None, "By default the one that has as many words as the model."] = None,
) -> dict[str, float]:
    model = read_language_model(weights, cell)
    corpus = scored_corpus(weights, model, corpus)
    valid, _, id_to_word = corpus.load("valid")
    check_vocabulary(weights, model, corpus, id_to_word)
    best = tune(read(model, valid), window=window)
    reading = read(model, corpus.load("test")[0])
    p_cache = cache_probability(reading.hs, reading.words, [best.theta], window)[0]
    return {
        "theta": best.theta,
        "lambda": best.lam,
        "valid_perplexity": best.perplexity,
        "test_perplexity": perplexity(reading.p, p_cache, best.lam),
        "test_perplexity_without": perplexity(reading.p, p_cache, 0.0),
    }


if __name__ == "__main__":
    main.cli()
