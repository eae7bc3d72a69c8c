"""Which words are most like "you", by their rows in the co-occurrence matrix? (book, section 2.3.6)

python -m ch02.most_similar
"""

from typing import Annotated

from ch02.similarity import TEXT
from common.experiment import script
from common.util import create_co_matrix, most_similar, preprocess


@script
def main(query: str = "you", top: int = 5, text: Annotated[str, "The corpus."] = TEXT) -> None:
    corpus, word_to_id, id_to_word = preprocess(text)
    C = create_co_matrix(corpus, len(word_to_id))
    most_similar(query, word_to_id, id_to_word, C, top)


if __name__ == "__main__":
    main.cli()
