"""The built-in corpus: its text obeys its grammar, and what is said about its entropy is true."""

import json
import math
import os
import subprocess
import sys
from itertools import permutations

import numpy
import pytest

from common.text import EOS
from dataset import mini
from dataset.mini_grammar import grammar


@pytest.fixture(scope="module")
def train():
    return mini.load_data("train")


@pytest.fixture(scope="module")
def sentences(train):
    """The first 3,000 sentences of the training text, without <eos>."""
    corpus, _, id_to_word = train
    text = " ".join(id_to_word[i] for i in corpus.tolist())
    return [sentence.split() for sentence in text.split(f" {EOS}")[:3000]]


class TestEntropy:
    @pytest.mark.slow
    def test_a_big_sample_agrees(self, sentences):
        """Means of 3,000 sentences lie within four standard errors of the exact values."""
        surprise = numpy.array([-math.log(grammar().inside([*words, EOS]).probability) for words in sentences])
        length = numpy.array([len(words) + 1 for words in sentences])
        for sample, exact in ((surprise, grammar().entropy()), (length, grammar().mean_length())):
            error = sample.std(ddof=1) / math.sqrt(len(sample))
            assert error < 0.01 * exact
            assert abs(sample.mean() - exact) < 4 * error
        # The ratio of the two means, as for any ratio estimate, errs as the mean of (surprise - rate * length).
        rate = mini.entropy()
        error = (surprise - rate * length).std(ddof=1) / math.sqrt(len(length)) / length.mean()
        assert abs(surprise.sum() / length.sum() - rate) < 4 * error

    @pytest.mark.slow
    def test_next_words_have_probability_one(self, sentences):
        """Σ over the vocabulary of p(words so far, word) is p(words so far), at every place of a sentence."""
        vocabulary = list(mini.load_vocab()[0])
        for sentence in sentences[:3]:
            words = [*sentence, EOS]
            for end in range(len(words)):
                so_far = grammar().inside(words[:end], prefix=True).probability
                following = [grammar().inside([*words[:end], word], prefix=True).probability for word in vocabulary]
                assert sum(following) == pytest.approx(so_far)

    @pytest.mark.slow
    def test_perplexity(self):
        assert mini.perplexity() == pytest.approx(math.exp(mini.entropy()))
        assert 7 < mini.perplexity() < 20
        corpus, _, id_to_word = mini.load_data("test")
        expected = math.exp(-mini.log_probability(corpus) / len(corpus))
        assert expected == pytest.approx(mini.perplexity(), rel=0.03)
        assert mini.perplexity([id_to_word[i] for i in corpus.tolist()]) == pytest.approx(expected)

    @pytest.mark.slow
    def test_memory_pays(self, train):
        """A model that sees one word back is far from the truth, though its counts include the test text."""
        corpus, word_to_id, _ = train
        test = mini.load_data("test")[0]
        counts = numpy.zeros((len(word_to_id),) * 2)
        for text in (corpus, test):
            numpy.add.at(counts, (text[:-1], text[1:]), 1)
        p = counts / counts.sum(axis=1, keepdims=True)
        bigram = math.exp(-numpy.log(p[test[:-1], test[1:]]).mean())
        assert bigram > 2 * mini.perplexity(test)


class TestLogProbability:
    def test_sentences_add_up(self, sentences):
        texts = [[*words, EOS] for words in sentences[:5]]
        assert mini.log_probability([word for words in texts for word in words]) == pytest.approx(
            sum(map(mini.log_probability, texts))
        )
        for words in texts:
            assert mini.log_probability(words) == pytest.approx(math.log(grammar().inside(words).probability))

    def test_the_last_sentence_may_be_unfinished(self):
        corpus = mini.load_data("test", size=40)[0]
        values = [mini.log_probability(corpus[:end]) for end in range(len(corpus) + 1)]
        assert values[0] == 0.0
        assert numpy.all(numpy.diff(values) <= 1e-12) and values[-1] > -math.inf
        # Six sentences in ten begin with an adverb, with one of three tenses, with one of five adverbs each.
        assert mini.log_probability(["yesterday"]) == pytest.approx(math.log(0.6 / 3 / 5))

    @pytest.mark.parametrize(
        ("good", "bad"), [("herself", "himself"), ("washed", "washes"), ("yesterday", "tomorrow"), ("queen", "queens")]
    )
    def test_one_wrong_word(self, good, bad):
        text = "yesterday the queen near the castles washed herself <eos>"
        assert mini.log_probability(text.split()) > -math.inf
        assert mini.log_probability(text.replace(good, bad).split()) == -math.inf

    def test_words_and_ids(self):
        corpus, _, id_to_word = mini.load_data("valid", size=100)
        words = [id_to_word[i] for i in corpus.tolist()]
        assert mini.log_probability(corpus) == mini.log_probability(corpus.tolist()) == mini.log_probability(words)
        assert mini.log_probability(corpus.astype(numpy.int32)) == mini.log_probability(words)

    @pytest.mark.parametrize(
        ("tokens", "message"),
        [
            (["the", "quen"], "'quen' is not a word of the grammar; similar words: .*queen"),
            (["zzz"], "'zzz' is not a word of the grammar; similar words: none"),
            ([0, 10_000], r"no word has the id 10000, expected 0 to \d+"),
            (numpy.array([-1]), r"no word has the id -1, expected 0 to \d+"),
            (numpy.zeros((2, 3), int), r"tokens have the shape \(2, 3\), expected one dimension"),
        ],
    )
    def test_misuse(self, tokens, message):
        with pytest.raises(ValueError, match=message):
            mini.log_probability(tokens)

    def test_perplexity_of_nothing(self):
        with pytest.raises(ValueError, match="no tokens"):
            mini.perplexity([])


class TestText:
    def test_splits(self, train):
        corpora = {split: mini.load_data(split) for split in ("train", "test", "valid", "val")}
        eos = train[1][EOS]
        for split, (corpus, word_to_id, id_to_word) in corpora.items():
            assert corpus.dtype == numpy.int64 and corpus.ndim == 1
            assert mini.SIZES[split] <= len(corpus) < mini.SIZES[split] + 40
            assert corpus[-1] == eos and corpus[0] != eos and not numpy.any((corpus[1:] == eos) & (corpus[:-1] == eos))
            assert word_to_id == train[1] and id_to_word == train[2]
        assert numpy.array_equal(corpora["valid"][0], corpora["val"][0])
        n = 1000
        for a, b in permutations(("train", "test", "valid"), 2):
            assert not numpy.array_equal(corpora[a][0][:n], corpora[b][0][:n])

    def test_vocabulary(self, train):
        corpus, word_to_id, id_to_word = train
        assert mini.load_vocab() == (word_to_id, id_to_word)
        assert list(id_to_word) == list(range(len(id_to_word))) == list(word_to_id.values())
        first = dict.fromkeys(corpus.tolist())
        assert list(first) == list(id_to_word)  # every word occurs, by first appearance
        assert 200 <= len(word_to_id) <= 350
        assert numpy.bincount(corpus).min() >= 200
        word_to_id.clear()
        id_to_word.clear()
        assert len(mini.load_vocab()[0]) == len(mini.load_vocab()[1]) == len(first)
        word_to_id.update(mini.load_vocab()[0])
        id_to_word.update(mini.load_vocab()[1])

    def test_size_and_seed(self):
        short, vocabulary, _ = mini.load_data("train", size=1)
        longer = mini.load_data("train", size=500)[0]
        assert 1 < len(short) < 40 and 500 <= len(longer) < 540
        assert numpy.array_equal(longer[: len(short)], short)
        other, other_vocabulary, _ = mini.load_data("train", size=500, seed=7)
        assert not numpy.array_equal(other[: len(short)], short)
        assert vocabulary == other_vocabulary
        assert numpy.array_equal(other, mini.load_data("train", size=500, seed=7)[0])

    def test_same_text_in_every_process(self, train):
        code = "import json; from dataset import mini; c, w, _ = mini.load_data(size=999)"
        code += "; print(json.dumps([c.tolist(), w]))"
        for hash_seed in ("1", "2"):
            environment = os.environ | {"PYTHONHASHSEED": hash_seed}
            result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
            corpus, word_to_id = json.loads(result.stdout)
            assert corpus == train[0][: len(corpus)].tolist()
            assert list(word_to_id.items()) == list(train[1].items())

    def test_text_is_the_callers(self):
        """Texts are kept for the next call, but what a caller does to one shows in no other."""
        first, expected = (mini.load_data("test", size=50)[0] for _ in range(2))
        first[:] = 0
        assert numpy.array_equal(mini.load_data("test", size=50)[0], expected) and numpy.any(expected)

    def test_without_a_seed_each_text_is_another(self):
        assert not numpy.array_equal(*(mini.load_data("test", size=50, seed=None)[0][:50] for _ in range(2)))

    def test_seed_that_is_no_integer(self):
        mini.load_data(size=1, seed=1)
        with pytest.raises(TypeError, match=r"seed must be a non-negative integer, not 1\.0"):
            mini.load_data(size=1, seed=1.0)

    @pytest.mark.parametrize("split", ["dev", "", None, "Train"])
    def test_unknown_split(self, split):
        with pytest.raises(ValueError, match=f"no split {split!r}, expected one of 'train', 'test', 'valid', 'val'"):
            mini.load_data(split)

    @pytest.mark.parametrize("size", [0, -5])
    def test_size_below_one(self, size):
        with pytest.raises(ValueError, match=f"size is {size}, expected 1 token at least"):
            mini.load_data(size=size)


    def test_seed_below_zero(self):
        with pytest.raises(ValueError, match="seed must be a non-negative integer, not -1"):
            mini.load_data(size=1, seed=-1)


def test_the_text_shows_what_the_analogies_ask(train):
    """Positive pointwise mutual information, window 5, finds number, gender, tense and part of speech."""
    corpus, word_to_id, _ = train
    counts = numpy.zeros((len(word_to_id),) * 2)
    for distance in range(1, 6):
        numpy.add.at(counts, (corpus[:-distance], corpus[distance:]), 1)
    counts += counts.T
    totals = counts.sum(axis=0)
    with numpy.errstate(divide="ignore"):
        vectors = numpy.maximum(numpy.log(counts * totals.sum() / numpy.outer(totals, totals)), 0)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)

    for category, questions in mini.analogies().items():
        a, b, c, d = numpy.array([[word_to_id[word] for word in question] for question in questions]).T
        scores = (vectors[b] - vectors[a] + vectors[c]) @ vectors.T
        for given in (a, b, c):
            scores[numpy.arange(len(given)), given] = -numpy.inf
        assert numpy.mean(scores.argmax(axis=1) == d) >= 0.9, category

    similarity = vectors @ vectors.T
    numpy.fill_diagonal(similarity, -numpy.inf)
    classes = mini.word_classes()
    nouns = classes["singular noun"] + classes["plural noun"]
    verb_forms = classes["base verb"] + classes["third-person verb"] + classes["past verb"] + classes["participle"]
    for group in (nouns, verb_forms, classes["adjective"], classes["name"]):
        ids = [word_to_id[word] for word in group]
        assert set(similarity[ids].argmax(axis=1)) <= set(ids)
