"""Words in a thesaurus made by people: WordNet through nltk (book, appendix B).

    python -m ch02.wordnet [WORD] [OTHER ...]

shows the meanings of a word, the first one's definition, synonyms and path up to the most general term, and how near
its path comes to those of other words: 1 / (1 + steps between them). It needs nltk, pip install nltk. WordNet itself is
looked for in the folder given by --folder, else in nltk's data (python -m nltk.downloader wordnet), in $WNSEARCHDIR and
in /usr/share/wordnet (apt install wordnet-base).
"""

import io
import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from common.experiment import script

DEBIAN = Path("/usr/share/wordnet")
# The lexicographers' files by number: nltk wants the list as a file, which Debian leaves out. Source: lexnames(5).
LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
    "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person "
    "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social "
    "verb.stative verb.weather adj.ppl"
)


def load(folder: Path | None = None) -> Any:
    """nltk's reader of WordNet. ImportError without nltk, FileNotFoundError without WordNet, each with the remedy."""
    try:
        import nltk
        from nltk.corpus import wordnet
    except ImportError as error:
        raise ImportError(f"WordNet is read by nltk, the extra `wordnet`: pip install nltk ({error})") from error
    if folder is None:
        try:
            wordnet.ensure_loaded()
            return wordnet
        except LookupError:
            folders = [Path(os.environ["WNSEARCHDIR"])] if os.environ.get("WNSEARCHDIR") else []
            folders.append(DEBIAN)
    else:
        folders = [folder]
    for path in folders:
        if Path(path, "data.noun").exists():
            nltk.data.path.append(str(path))  # nltk opens files below its own folders only
            return _plain_reader()(str(path), None)
    raise FileNotFoundError(
        f"no WordNet {'' if folder else 'in the data of nltk, nor '}in {' or '.join(map(str, folders))}: "
        "python -m nltk.downloader wordnet, or apt install wordnet-base"
    )


def _plain_reader() -> Any:
    """nltk's class of readers, content with the files of WordNet alone."""
    from nltk.corpus.reader import WordNetCorpusReader

    class PlainReader(WordNetCorpusReader):
        def __init__(self, *args: Any) -> None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The multilingual functions are not available")
                super().__init__(*args)

        def open(self, file: str) -> Any:
            if file != "lexnames":
                return super().open(file)
            kinds = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
            names = enumerate(LEXNAMES.split())
            return io.StringIO("".join(f"{i} {name} {kinds[name.split('.')[0]]}\n" for i, name in names))

        def map_wn(self, *args: Any) -> None:
            """To other versions of WordNet, of which there is none."""

    return PlainReader


def first_sense(wordnet: Any, word: str) -> Any:
    """The most frequent meaning of a word, its first synset. ValueError for a word that WordNet does not have."""
    synsets = wordnet.synsets(word)
    if not synsets:
        raise ValueError(f"{word!r} is not in WordNet")
    return synsets[0]


@script
def main(
    word: Annotated[str, typer.Argument()] = "car",
    others: Annotated[list[str] | None, typer.Argument(help="By default novel dog motorcycle.")] = None,
    folder: Annotated[Path | None, "Folder of WordNet's files."] = None,
) -> dict[str, float]:
    wordnet = load(folder)
    sense = first_sense(wordnet, word)
    print(f"meanings of {word}: {', '.join(synset.name() for synset in wordnet.synsets(word))}")
    print(f"definition of {sense.name()}: {sense.definition()}")
    print(f"synonyms: {', '.join(sense.lemma_names())}")
    paths = [[synset.name() for synset in path] for path in sense.hypernym_paths()]
    # nltk lists them in an order that changes from run to run: the shortest, the first by name.
    shortest = min((len(path), path) for path in paths)[1]
    print(f"path: {' > '.join(shortest)}")
    print("path similarity:")
    found = {other: first_sense(wordnet, other) for other in others or ("novel", "dog", "motorcycle")}
    # Words of different kinds, such as a noun and a verb, may have no path between them.
    return {other: sense.path_similarity(synset) or 0.0 for other, synset in found.items()}


if __name__ == "__main__":
    main.cli()
