"""The perplexity of a trained language model on a part of its corpus.

    python -m ch06.eval runs/ch06_train_rnnlm/weights.npz

Every word of the text counts. The widths of the model are those of the weights.
"""

from pathlib import Path
from typing import Annotated

import typer

from ch06.rnnlm import Rnnlm
from common import weight_files
from common.evaluation import eval_perplexity
from common.experiment import Corpus, script


@script
def main(
    weights: Annotated[Path, typer.Argument(help="File that ch06.train_rnnlm left.")] = Path(
        "runs/ch06_train_rnnlm/weights.npz"
    ),
    corpus: Corpus = Corpus.ptb,
    split: Annotated[str, "train, valid or test"] = "test",
) -> dict[str, float]:
    text, word_to_id, _ = corpus.load(split)
    tensors, _ = weight_files.read(weights)
    shapes = [tensor.shape for tensor in tensors.values()]
    if len(shapes) != 6 or len(shapes[0]) != 2 or len(shapes[2]) != 2:
        raise ValueError(f"{weights}: these are not the 6 tensors of an Rnnlm, but {shapes}")
    model = Rnnlm(len(word_to_id), wordvec_size=shapes[0][1], hidden_size=shapes[2][0])
    model.load_params(weights)
    return {"perplexity": eval_perplexity(model, text)}


if __name__ == "__main__":
    main.cli()
