import numpy
import pytest

from ch04.word_frequency import keep_frequent, keep_probability, most_frequent_first


def test_rare_words_are_left_out():
    corpus, word_to_id, id_to_word = keep_frequent([0, 1, 2, 1, 3, 3, 1], {"a": 0, "b": 1, "c": 2, "d": 3}, 2)
    assert corpus.tolist() == [0, 0, 1, 1, 0]
    assert word_to_id == {"b": 0, "d": 1}
    assert id_to_word == {0: "b", 1: "d"}


def test_a_dictionary_in_another_order_than_its_ids():
    corpus, word_to_id, id_to_word = keep_frequent([2, 0, 1, 2, 0], {"c": 2, "a": 0, "b": 1}, 2)
    assert (corpus.tolist(), word_to_id, id_to_word) == ([1, 0, 1, 0], {"a": 0, "c": 1}, {0: "a", 1: "c"})


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "uint64"])
def test_ids_of_any_integers(dtype):
    corpus = numpy.array([0, 1, 2, 1, 2, 2], dtype)
    assert keep_frequent(corpus, {"a": 0, "b": 1, "c": 2}, 2)[0].tolist() == [0, 1, 0, 1, 1]
    vectors = most_frequent_first(numpy.eye(4), corpus, dict(enumerate("abcd")))
    assert vectors.index_to_key == ["c", "b", "a", "d"]


def test_all_are_kept_by_default():
    corpus, word_to_id, _ = keep_frequent([0, 1], {"a": 0, "b": 1, "unseen": 2}, 0)
    assert (corpus.tolist(), list(word_to_id)) == ([0, 1], ["a", "b", "unseen"])


def test_probabilities():
    counts = numpy.array([9000, 999, 1, 0])
    found = keep_probability(counts, 1e-2)
    ratio = 1e-2 / 0.9
    assert found == pytest.approx([ratio**0.5 + ratio, 0.1001 + 0.3164, 1, 1], abs=1e-3)
    assert keep_probability(counts.tolist(), 1e-2).tolist() == found.tolist()
    assert keep_probability(counts, None).tolist() == [1, 1, 1, 1]


def test_misuse():
    with pytest.raises(ValueError, match="min_count = 3"):
        keep_frequent([0, 1], {"a": 0, "b": 1}, 3)
    with pytest.raises(ValueError, match="got 2"):
        keep_frequent([0, 2], {"a": 0, "b": 1}, 1)
    for min_count in ("2", 1.5):
        with pytest.raises(TypeError, match=f"keep_frequent: min_count must be a whole number, not {min_count!r}"):
            keep_frequent([0, 1], {"a": 0, "b": 1}, min_count)
    with pytest.raises(ValueError, match="sample"):
        keep_probability(numpy.ones(2), 0.0)
