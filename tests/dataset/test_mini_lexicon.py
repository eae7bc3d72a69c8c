"""Word classes and analogies agree with each other and with the vocabulary."""

from collections import Counter

from common.text import EOS
from dataset import mini


def test_classes_partition_the_vocabulary():
    counts = Counter(word for words in mini.word_classes().values() for word in words)
    assert set(counts.values()) == {1}
    assert set(counts) == set(mini.load_vocab()[0]) - {EOS}
    assert all(word.isalpha() and word.islower() and word.isascii() for word in counts)


def test_analogies():
    analogies = mini.analogies()
    assert set(analogies) == {"gender", "number", "tense"}
    class_of = {word: name for name, words in mini.word_classes().items() for word in words}
    for category, questions in analogies.items():
        assert len(questions) == len(set(questions)) > 500
        for a, b, c, d in questions:
            assert len({a, b, c, d}) == 4 or category == "tense"
            assert class_of[a] == class_of[c] and class_of[b] == class_of[d]
    assert ("king", "queen", "prince", "princess") in analogies["gender"]
    assert ("uncles", "aunts", "bulls", "cows") in analogies["gender"]
    assert ("king", "kings", "queen", "queens") in analogies["number"]
    assert ("crown", "crowns", "cup", "cups") in analogies["number"]
    assert ("wearing", "wore", "fighting", "fought") in analogies["tense"]
