import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import util
from common.np import is_active, np, to_cpu
from common.text import MARKS, convert_one_hot, create_contexts_target, preprocess

TEXT = "You say goodbye and I say hello."


class TestPreprocess:
    def test_books_sentence(self):
        corpus, word_to_id, id_to_word = preprocess(TEXT)
        assert corpus.tolist() == [0, 1, 2, 3, 4, 1, 5, 6]
        assert corpus.dtype == numpy.int64
        assert list(word_to_id) == ["you", "say", "goodbye", "and", "i", "hello", "."]
        assert id_to_word == {i: word for word, i in word_to_id.items()}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("  a\t b\r\n\u3000c ", "a b c"),
            ("Hello, you. Bye.", "hello , you . bye ."),
            ("Über die Straße!", "über die straße !"),
            ("今日 は 晴れ。", "今日 は 晴れ 。"),
            ("一：二；三？", "一 ： 二 ； 三 ？"),
            ("كيف حالك؟ نعم، شكرا؛", "كيف حالك ؟ نعم ، شكرا ؛"),
            ("n't <unk> <eos> well-known", "n't <unk> <eos> well-known"),
            ("\ufeffThe queen", "the queen"),
        ],
    )
    def test_words(self, text, words):
        corpus, _, id_to_word = preprocess(text)
        assert " ".join(id_to_word[i] for i in corpus.tolist()) == words

    @pytest.mark.slow
    @given(st.text())
    def test_any_text(self, text):
        text = text.lstrip("\ufeff")
        if not text.split():
            with pytest.raises(ValueError, match="empty"):
                preprocess(text)
            return
        corpus, word_to_id, id_to_word = preprocess(text)
        words = [id_to_word[i] for i in corpus.tolist()]
        assert "".join(words) == "".join(text.lower().split())
        assert all(word in MARKS or not set(word) & set(MARKS) for word in words)
        assert "" not in word_to_id
        assert list(word_to_id) == list(dict.fromkeys(words))
        assert sorted(id_to_word) == list(range(len(word_to_id)))

    def test_a_byte_order_mark_alone_is_an_empty_text(self):
        with pytest.raises(ValueError, match="empty"):
            preprocess("\ufeff")

    @pytest.mark.parametrize("text", [["you", "say"], b"you say", None])
    def test_text_is_a_string(self, text):
        with pytest.raises(TypeError, match=f"one string, got {type(text).__name__}"):
            preprocess(text)


class TestContexts:
    def test_books_sentence(self):
        contexts, target = create_contexts_target(preprocess(TEXT)[0], window_size=1)
        assert contexts.tolist() == [[0, 2], [1, 3], [2, 4], [3, 1], [4, 5], [1, 6]]
        assert target.tolist() == [1, 2, 3, 4, 1, 5]

    @given(st.data())
    def test_definition(self, data):
        window = data.draw(st.integers(1, 4))
        corpus = data.draw(st.lists(st.integers(0, 9), min_size=2 * window + 1, max_size=30))
        contexts, target = create_contexts_target(numpy.array(corpus), window)
        places = range(window, len(corpus) - window)
        assert target.tolist() == [corpus[i] for i in places]
        assert contexts.tolist() == [corpus[i - window : i] + corpus[i + 1 : i + 1 + window] for i in places]

    @pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8])
    def test_a_window_of_few_bits(self, kind):
        contexts, target = create_contexts_target(numpy.arange(1000), kind(100))
        assert contexts.shape == (800, 200) and target[0] == 100

    def test_are_copies(self):
        corpus = numpy.arange(5)
        contexts, target = create_contexts_target(corpus)
        contexts[...] = target[...] = -1
        assert corpus.tolist() == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("corpus", "window", "message"),
        [
            ([0, 1, 2], 0, "window_size must be at least 1, not 0"),
            ([0, 1, 2], -1, "at least 1, not -1"),
            ([0, 1, 2, 3], 2, "window_size 2 takes 5 words or more, the corpus has 4"),
            ([], 1, "corpus is empty"),
            ([[0, 1, 2]], 1, r"corpus must be ids \(n,\), got \(1, 3\)"),
        ],
    )
    def test_misuse(self, corpus, window, message):
        with pytest.raises(ValueError, match=message):
            create_contexts_target(corpus, window)

    @pytest.mark.parametrize("window", [None, 1.0, "1"])
    def test_the_window_is_a_whole_number(self, window):
        with pytest.raises(TypeError, match=f"window_size must be a whole number, not {window!r}"):
            create_contexts_target([0, 1, 2], window)

    def test_ids_are_integers(self):
        with pytest.raises(TypeError, match="ids of the corpus must be integers, not float64"):
            create_contexts_target([0.0, 1.0, 2.0])


class TestOneHot:
    @pytest.mark.parametrize("shape", [(6,), (6, 2), (2, 3, 4)])
    def test_definition(self, shape):
        ids = numpy.random.default_rng(0).integers(0, 7, shape)
        one_hot = convert_one_hot(ids, 7)
        assert one_hot.dtype == numpy.int32
        assert (one_hot == numpy.eye(7, dtype=int)[ids]).all()
        assert one_hot.shape == (*shape, 7)

    @pytest.mark.parametrize(
        ("ids", "message"),
        [([0, 7], "ids of the corpus must lie in 0 … 6, got 7"), ([[-1]], "got -1"), ([], "empty")],
    )
    def test_misuse(self, ids, message):
        with pytest.raises(ValueError, match=message):
            convert_one_hot(ids, 7)

    def test_ids_are_integers(self):
        with pytest.raises(TypeError, match="ids of the corpus must be integers, not float64"):
            convert_one_hot([0.5], 7)

    def test_a_vocabulary_has_words(self):
        with pytest.raises(ValueError, match=r"^convert_one_hot: vocab_size must be at least 1, not 0$"):
            convert_one_hot([0, 1], 0)


def test_names_of_the_books_util():
    assert all(hasattr(util, name) for name in util.__all__)
    assert util.preprocess is preprocess


def test_on_the_gpu(gpu):
    corpus = preprocess(TEXT)[0]
    on_device = np.asarray(corpus)
    contexts, target = create_contexts_target(on_device, 2)
    one_hot = convert_one_hot(contexts, 7)
    assert all(is_active(array) for array in (contexts, target, one_hot))
    assert to_cpu(one_hot).argmax(axis=2).tolist() == to_cpu(contexts).tolist() == [[0, 1, 3, 4], [1, 2, 4, 1],
                                                                                   [2, 3, 1, 5], [3, 4, 5, 6]]
    assert is_active(create_contexts_target(corpus)[0])
