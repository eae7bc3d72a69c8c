"""How alike are "you" and "i"? The cosine of their rows in the co-occurrence matrix: 0.7071 (book, section 2.3.5).

python -m ch02.similarity
"""

from typing import Annotated

from common.experiment import script
from common.util import cos_similarity, create_co_matrix, preprocess

TEXT = "You say goodbye and I say hello."


@script
def main(word1: str = "you", word2: str = "i", text: Annotated[str, "The corpus."] = TEXT) -> float:
    corpus, word_to_id, _ = preprocess(text)
    for word in (word1, word2):
        if word not in word_to_id:
            raise ValueError(f"{word!r} is not in the text, whose words are {', '.join(word_to_id)}")
    C = create_co_matrix(corpus, len(word_to_id))
    return float(cos_similarity(C[word_to_id[word1]], C[word_to_id[word2]]))


if __name__ == "__main__":
    main.cli()
