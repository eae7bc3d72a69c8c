import pytest

from common.labels import IdError
from common.prompt import encode, split
from common.text import preprocess

WORDS = ["the", "do", "n't", "N", "<unk>", "<eos>", "mr.", "cat", ",", "'s", "$", "'"]
PTB_LIKE = {word: i for i, word in enumerate(WORDS)}
PLAIN = {"queen": 0, "king": 1, "sang": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat", ["the", "cat"]),
        ("DON'T do", ["do", "n't", "do"]),
        ("The cat's, mr. cat.", ["the", "cat", "'s", ",", "mr.", "cat", "<eos>"]),
        ("the cat; the cat! the", ["the", "cat", "the", "cat", "<eos>", "the"]),
        ("1,999.5 cat 7, 8.", ["N", "cat", "N", ",", "N", "<eos>"]),
        ("  ", []),
        ('"the cat"', ["the", "cat"]),
        ("“The cat's,” (the cat)", ["the", "cat", "'s", ",", "the", "cat"]),
        ("5% [$7.50] 'the 8%).", ["N", "$", "N", "the", "N", "<eos>"]),
        ('("do cat!") ("don\'t")', ["do", "cat", "<eos>", "do", "n't"]),
        ("\" ( % $ '", ["$", "'"]),
        ("cat' 'cat", ["cat", "'", "cat"]),
        ('(dog) "', ["dog"]),
        ('"' * 2000 + "cat" + "!" * 2000, ["cat", "<eos>"]),
        ("the <eos> <eos> cat? <eos>", ["the", "<eos>", "<eos>", "cat", "<eos>", "<eos>"]),
        ("the ... cat?! the", ["the", "<eos>", "cat", "<eos>", "the"]),
    ],
)
def test_split(text, words):
    assert split(text, PTB_LIKE) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don’t Don’t", ["do", "n't", "do", "n't"]),
        ("“The cat’s,” (don’t)", ["the", "cat", "'s", ",", "do", "n't"]),
        ("the cat’ ’", ["the", "cat", "'", "'"]),
        ("‘cat’ ‘cat’s’", ["cat", "cat", "'s"]),
        ("’cat’ ’’", ["cat"]),
    ],
)
def test_typographic_apostrophes(text, words):
    assert split(text, PTB_LIKE) == words


def test_typographic_apostrophes_of_the_vocabulary_stay():
    assert split("“don’t” don’t. Cat’s", ["don’t", *WORDS]) == ["don’t", "don’t", "<eos>", "cat", "'s"]
    assert split("(O’Clock)", ["o'clock"]) == ["o'clock"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'cat' `cat'", ["cat", "cat"]),
        ("``cat'' the cat''", ["cat", "the", "cat"]),
        ("'cat', 'cat.' ``cat.''", ["cat", ",", "cat", "<eos>", "cat", "<eos>"]),
        ("\"'cat'\" ('cat')", ["cat", "cat"]),
        ("'don't' 'cat's'", ["do", "n't", "cat", "'s"]),
        ("the cat' cat", ["the", "cat", "'", "cat"]),
        ("\"the cat'\" ''", ["the", "cat", "'"]),
    ],
)
def test_single_quotes_around_a_word_are_no_words(text, words):
    assert split(text, PTB_LIKE) == words


def test_marks_that_are_words_stay():
    assert split('"the 5% (cat)', [*WORDS, "%", "(", ")"]) == ["the", "N", "%", "(", "cat", ")"]
    assert split('"the cat', ['"the', "the", "cat"]) == ['"the', "cat"]


def test_capitals_of_the_vocabulary_stay_and_so_do_numbers_where_it_has_no_n():
    assert split("Cat cat 7.", ["Cat", "cat", "<eos>"]) == ["Cat", "cat", "7", "<eos>"]


def test_a_text_is_split_as_the_preprocessed_one():
    text = "the u.s. economy grew by 3.5 percent,or 4 <unk>"
    corpus, word_to_id, _ = preprocess(text)
    assert encode(text, word_to_id).ids == corpus.tolist()
    assert split("grew,economy", word_to_id) == ["grew", ",", "economy"]
    assert split("grew,unknown grew;economy", word_to_id) == ["grew,unknown", "grew;economy"]


def test_unknown_words_become_unk():
    assert encode("the dog", PTB_LIKE) == ([0, 4], ["dog"])


def test_unknown_words_without_unk_are_named_with_the_nearest():
    with pytest.raises(KeyError, match=r"vocabulary lacks: the is .*; quen is not found, the nearest known .*: queen"):
        encode("the king quen", PLAIN)


@pytest.mark.parametrize("vocabulary", [PLAIN, PTB_LIKE])
def test_of_many_unknown_words_the_first_are_named(vocabulary):
    with pytest.raises(ValueError, match=r"known: w0 .*; w1 .*; w2 .*; and 997 more words") as error:
        encode(" ".join(f"w{i} w{i}" for i in range(1000)), vocabulary)
    assert "w3" not in str(error.value)


def test_ids():
    assert encode([2, 0], PLAIN).ids == [2, 0]
    assert encode(1, PLAIN).ids == [1]


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ("kng sng", ValueError, "no word of the prompt is known: kng .* king; sng .* sang"),
        ("", ValueError, "'' has no word"),
        ([], ValueError, "one id at least"),
        ([[1]], ValueError, r"\(1, 1\)"),
        ([3], IdError, r"0 … 2, got 3"),
        ([-1], IdError, "got -1"),
        ([0.5], TypeError, "float64"),
        (["the king"], TypeError, r"one text or the ids of its words, not \['the king'\]"),
    ],
)
def test_impossible_prompts(prompt, error, message):
    with pytest.raises(error, match=message):
        encode(prompt, PLAIN)


def test_only_unknown_words_fails_with_unk_too():
    with pytest.raises(ValueError, match="no word of the prompt is known"):
        encode("zebra", PTB_LIKE)
