"""Any text in: ids come out that map back to the words, or one of our errors."""

import numpy
import pytest

hypothesis = pytest.importorskip("hypothesis", reason="these tests draw their examples with Hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from common.counts import co_occurrences, create_co_matrix, ppmi  # noqa: E402
from common.text import convert_one_hot, create_contexts_target, preprocess  # noqa: E402
from dataset import pairs, sequence  # noqa: E402

examples = settings(deadline=None, max_examples=150, derandomize=True,
                    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])  # fmt: skip

TEXT = st.text(max_size=60)
CORPUS = st.lists(st.integers(0, 6), min_size=1, max_size=30).map(numpy.array)
WINDOW = st.integers(1, 4)


@pytest.mark.slow
@examples
@given(TEXT)
def test_ids_map_back_to_the_words(text):
    try:
        corpus, word_to_id, id_to_word = preprocess(text)
    except ValueError as error:
        assert "the text is empty" in str(error) and not text.lower().split()
        return
    assert "".join(id_to_word[i] for i in corpus.tolist()) == "".join(text.lower().split())
    assert [word_to_id[id_to_word[i]] for i in range(len(id_to_word))] == list(range(len(word_to_id)))
    assert corpus.dtype == numpy.int64 and all(id_to_word.values())
    assert list(dict.fromkeys(corpus.tolist())) == list(range(len(id_to_word)))  # by first appearance


@examples
@given(TEXT)
def test_the_words_of_a_text_are_a_text_of_these_words(text):
    try:
        corpus, _, id_to_word = preprocess(text)
    except ValueError:
        return
    again, _, same = preprocess(" ".join(id_to_word[i] for i in corpus.tolist()))
    assert {**same} == id_to_word and (again == corpus).all()


@examples
@given(CORPUS, WINDOW)
def test_contexts_are_the_words_around(corpus, window):
    try:
        contexts, target = create_contexts_target(corpus, window)
    except ValueError as error:
        assert len(corpus) < 2 * window + 1 and f"window_size {window}" in str(error)
        return
    assert contexts.shape == (len(corpus) - 2 * window, 2 * window)
    for place, (around, word) in enumerate(zip(contexts.tolist(), target.tolist(), strict=True), start=window):
        expected = corpus[place - window : place].tolist() + corpus[place + 1 : place + 1 + window].tolist()
        assert around == expected and word == corpus[place]


@examples
@given(CORPUS)
def test_one_hot_vectors_map_back(corpus):
    one_hot = convert_one_hot(corpus, 7)
    assert one_hot.dtype == "int32" and (one_hot.sum(axis=1) == 1).all() and (one_hot.argmax(axis=1) == corpus).all()


@examples
@given(CORPUS, WINDOW)
def test_counts_are_symmetric_and_complete(corpus, window):
    counts = co_occurrences(corpus, 7, window)
    n = len(corpus)
    assert counts.sum() == 2 * sum(n - distance for distance in range(1, window + 1) if distance < n)
    assert (counts != counts.T).nnz == 0 and (create_co_matrix(corpus, 7, window) == counts.toarray()).all()
    information = ppmi(counts)
    assert (information.data > 0).all() and information.nnz <= counts.nnz


@pytest.mark.slow
@examples
@given(st.one_of(
    st.binary(max_size=80), TEXT.map(str.encode), st.from_regex(rb"([a-c]{3}_[0-9]{2}\n){1,12}", fullmatch=True)
))  # fmt: skip
def test_any_file_of_sequences(tmp_path, data):
    path = tmp_path / "any.txt"
    path.write_bytes(data)
    try:
        read = sequence.load(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    lines = {
        "".join(read.id_to_char[i] for i in [*x, *t])
        for x, t in zip([*read.x_train.tolist(), *read.x_test.tolist()],
                        [*read.t_train.tolist(), *read.t_test.tolist()], strict=True)
    }  # fmt: skip
    assert lines == set(data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n").split("\n"))


@pytest.mark.slow
@examples
@given(st.one_of(
    st.binary(max_size=80), TEXT.map(str.encode), st.from_regex(rb"([a-c]{1,4}\t[0-9]{1,3}\n){1,12}", fullmatch=True)
))  # fmt: skip
def test_any_file_of_pairs(tmp_path, data):
    path = tmp_path / "any.tsv"
    path.write_bytes(data)
    try:
        read = pairs.load(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    if b"\t" in data:
        lines = data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n").split("\n")
        rows = [line.split("\t") for line in lines]
        answers = [read.codec.decode(row[1:]) for row in [*read.t_train.tolist(), *read.t_test.tolist()]]
        assert sorted(answers) == sorted(answer.strip() for _, answer in rows)
