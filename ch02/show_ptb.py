"""A look at a corpus: its size, its first ids, and the ids of some words (book, section 2.4.4).

python -m ch02.show_ptb [--corpus mini]
"""

from typing import Annotated

from common.experiment import script
from dataset.corpora import Corpus

WORDS = {Corpus.ptb: ("car", "happy", "lexus"), Corpus.mini: ("king", "queens", "wore")}


@script
def main(corpus: Corpus = Corpus.ptb, split: Annotated[str, "train, valid or test."] = "train") -> None:
    ids, word_to_id, id_to_word = corpus.load(split)
    print(f"corpus size: {len(ids)}")
    print(f"corpus[:30]: {ids[:30]}")
    print()
    for i in range(3):
        print(f"id_to_word[{i}]: {id_to_word[i]}")
    print()
    for word in WORDS[corpus]:
        print(f"word_to_id[{word!r}]: {word_to_id[word]}")


if __name__ == "__main__":
    main.cli()
