"""Make ``ch06/rnnlm.npz``, the trained language model that comes with the project, from a training's weights.

    python -m ch06.train_rnnlm --seed 1
    python -m ch06.export_rnnlm

The file holds the weights as float16 and the words of the corpus in the order of their ids, but no text.
"""

from pathlib import Path
from typing import Annotated

from ch06.rnnlm import Rnnlm
from ch06.trained_models import SHIPPED, read_rnnlm, write_rnnlm
from common.evaluation import eval_perplexity
from common.experiment import script
from dataset.corpora import Corpus


@script
def main(
    weights: Annotated[Path, "Folder that ch06.train_rnnlm left."] = Path("runs/ch06_train_rnnlm"),
    file: Annotated[Path | None, "Where to write: ch06/rnnlm.npz for ptb, rnnlm.npz beside the weights else."] = None,
    corpus: Corpus = Corpus.ptb,
) -> dict[str, float]:
    model = read_rnnlm(weights, Rnnlm)
    test, _, id_to_word = corpus.load("test")
    if file is None:
        folder = weights if weights.is_dir() else weights.parent
        file = SHIPPED if corpus is Corpus.ptb else folder / SHIPPED.name
    if file.exists() and weights.exists() and file.samefile(weights):
        raise ValueError(f"file: {file} has the weights to export, name another one to write")
    path = write_rnnlm(file, model, id_to_word)
    # What float16 costs is in this score.
    return {"test_perplexity": eval_perplexity(read_rnnlm(path, Rnnlm), test), "bytes": path.stat().st_size}


if __name__ == "__main__":
    main.cli()
