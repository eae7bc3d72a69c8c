import re
import sys

import numpy
import pytest
from memory import peak

from common import word_vector_files as files
from common.files import FileFormatError
from common.np import np
from common.word_vector_pickle import read as read_word_vectors
from common.word_vectors import WordVectors

WORDS = ["king", "queen", "男", "naïve", "<unk>", "$"]
FLOAT32 = [".npz", ".txt", ".vec", ".bin"]


@pytest.fixture
def vectors(rng):
    return WordVectors(rng.standard_normal((6, 4)).astype("f"), WORDS)


def same(one, two):
    assert one.index_to_key == two.index_to_key
    assert one.key_to_index == two.key_to_index
    assert one.vectors.dtype == two.vectors.dtype
    assert (one.vectors == two.vectors).all()
    return True


class TestQuestions:
    def test_names_of_gensim(self, vectors):
        assert len(vectors) == 6
        assert vectors.vector_size == 4
        assert vectors.index_to_key == WORDS
        assert vectors.key_to_index == {word: i for i, word in enumerate(WORDS)}
        assert (vectors["男"] == vectors.vectors[2]).all()
        assert "男" in vectors
        assert "女" not in vectors
        assert repr(vectors) == "WordVectors(6 words, 4 dimensions)"

    def test_answers_are_those_of_gensim(self, rng):
        models = pytest.importorskip("gensim.models", reason="compares with gensim")
        words = [f"w{i}" for i in range(50)]
        ours = WordVectors(rng.standard_normal((50, 8)).astype("f"), words)
        theirs = models.KeyedVectors(8)
        theirs.add_vectors(words, ours.vectors)
        for question in [(["w1"], []), (["w1", "w2"], ["w3"]), ([], ["w4"]), (["w5", "w6"], ["w7", "w8"])]:
            found, expected = ours.most_similar(*question, topn=10), theirs.most_similar(*question, topn=10)
            assert [word for word, _ in found] == [word for word, _ in expected]
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-6)
        assert ours.most_similar("w1") == ours.most_similar(["w1"])
        assert ours.similarity("w1", "w2") == pytest.approx(theirs.similarity("w1", "w2"), abs=1e-6)
        assert ours.doesnt_match(words[:9]) == theirs.doesnt_match(words[:9])

    def test_unknown_word(self, vectors):
        for ask in (
            lambda: vectors["quen"],
            lambda: vectors.most_similar("quen"),
            lambda: vectors.most_similar("king", "quen"),
            lambda: vectors.similarity("king", "quen"),
            lambda: vectors.doesnt_match(["king", "quen"]),
        ):
            with pytest.raises(KeyError, match="quen is not found, the nearest known words are: queen"):
                ask()

    def test_what_is_no_word(self, vectors):
        for ask in (lambda: vectors[0], lambda: vectors.most_similar(0), lambda: vectors.similarity("king", 0)):
            with pytest.raises(TypeError, match="WordVectors: expected a word, a str, got 0"):
                ask()
        with pytest.raises(TypeError, match=r"got \['king'\]"):
            vectors[["king"]]

    def test_no_word(self, vectors):
        with pytest.raises(ValueError, match="expected a word"):
            vectors.most_similar()
        with pytest.raises(ValueError, match="topn=-1"):
            vectors.most_similar("king", topn=-1)
        with pytest.raises(ValueError, match="one word at least"):
            vectors.doesnt_match([])

    @pytest.mark.parametrize("topn", [2.5, None, "3"])
    def test_topn_is_a_whole_number(self, vectors, topn):
        with pytest.raises(TypeError, match=f"most_similar: topn must be a whole number, not {topn!r}"):
            vectors.most_similar("king", topn=topn)
        assert len(vectors.most_similar("king", topn=numpy.int64(2))) == 2
        assert vectors.most_similar("king", topn=0) == []

    @pytest.mark.parametrize("dtype", ["float16", "float64"])
    def test_zero_vectors_and_other_dtypes(self, dtype):
        vectors = WordVectors(numpy.array([[0, 0], [1, 1], [2, 2], [-1, -1]], dtype), "abcd")
        assert vectors.similarity("a", "b") == 0
        assert vectors.similarity("b", "c") == pytest.approx(1)
        assert vectors.most_similar("b") == [("c", pytest.approx(1)), ("a", 0), ("d", pytest.approx(-1))]
        assert vectors.most_similar(["b", "c"], ["d", "a"]) == []

    def test_the_odd_one_is_least_like_the_mean(self):
        vectors = WordVectors(numpy.array([[100.0, 0], [0.2, 9], [0, 1], [-0.1, 1]]), "abcd")
        assert vectors.doesnt_match(["a", "b", "c", "d"]) == "a"

    def test_vectors_come_from_any_device(self, gpu):
        vectors = WordVectors(np.asarray(numpy.eye(3, dtype="f")), "abc")
        assert type(vectors.vectors) is numpy.ndarray
        assert vectors.most_similar("a", topn=1) == [("b", 0)]
        assert vectors.doesnt_match(["a", "b"]) in "ab"
        assert vectors.similarity("a", "b") == 0


@pytest.mark.parametrize(
    ("matrix", "words", "message"),
    [
        (numpy.ones((2, 3)), ["a"], r"float64 \(2, 3\) and 1 words"),
        (numpy.ones((2, 3), int), ["a", "b"], r"int64 \(2, 3\)"),
        (numpy.ones(3), ["a", "b", "c"], r"\(3,\)"),
        (numpy.ones((0, 3)), [], r"\(0, 3\)"),
        (numpy.ones((2, 0)), ["a", "b"], r"V and D at least 1, .*\(2, 0\) and 2 words"),
        (numpy.ones((3, 2)), ["a", "b", "a"], "'a' is there twice"),
        (numpy.ones((2, 2)), {0: "a", 2: "b"}, "no word has the id 1"),
        (numpy.array([[1, numpy.nan]]), ["a"], "not finite"),
    ],
)
def test_vectors_and_words_that_do_not_fit(matrix, words, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(matrix, words)


@pytest.mark.parametrize("word", [5, None, b"a", ["a"]])
def test_words_are_strings(word):
    for words in (["a", word, 7], {0: "a", 1: word, 2: 7}):
        with pytest.raises(TypeError, match=f"^WordVectors: expected words, each a str, got {re.escape(repr(word))}$"):
            WordVectors(numpy.ones((3, 2)), words)


class TestFiles:
    @pytest.mark.parametrize("suffix", [*FLOAT32, ".BIN"])
    @pytest.mark.parametrize("scale", [1, 1e-30, 1e30])
    def test_round_trip(self, tmp_path, vectors, suffix, scale):
        vectors.vectors *= numpy.float32(scale)
        path = vectors.save(tmp_path / f"v{suffix}")
        assert same(WordVectors.load(path), vectors)
        assert [file.name for file in tmp_path.iterdir()] == [f"v{suffix}"]

    def test_without_an_ending(self, tmp_path, vectors):
        assert vectors.save(tmp_path / "v") == tmp_path / "v.npz"
        assert same(WordVectors.load(tmp_path / "v"), vectors)

    @pytest.mark.parametrize("dtype", ["f2", "f8"])
    def test_npz_keeps_dtype_and_any_word(self, tmp_path, dtype):
        vectors = WordVectors(numpy.ones((3, 2), dtype), ["new york", "\n", "\ttab"])
        assert same(WordVectors.load(vectors.save(tmp_path / "v.npz")), vectors)

    def test_the_books_file(self, tmp_path, vectors):
        path = vectors.save(tmp_path / "v.pkl")
        assert same(WordVectors.load(path), WordVectors(vectors.vectors.astype("f2"), WORDS))
        matrix, word_to_id, id_to_word = read_word_vectors(path)
        assert (matrix.dtype, word_to_id, id_to_word) == ("f2", vectors.key_to_index, dict(enumerate(WORDS)))

    def test_projector(self, tmp_path, vectors):
        vectors.save_projector(tmp_path / "new")
        assert same(WordVectors.load(tmp_path / "new"), vectors)
        lines = (tmp_path / "new" / "metadata.tsv").read_text(encoding="utf-8").splitlines()
        assert lines == WORDS
        assert (tmp_path / "new" / "vectors.tsv").read_text(encoding="utf-8").count("\t") == 6 * 3

    def test_line_ends_of_windows(self, tmp_path, vectors):
        vectors.save_projector(tmp_path)
        vectors.save(tmp_path / "v.txt")
        for name in ("v.txt", "vectors.tsv", "metadata.tsv"):
            (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(b"\n", b"\r\n"))
        assert same(WordVectors.load(tmp_path / "v.txt"), vectors)
        assert same(WordVectors.load(tmp_path), vectors)

    def test_glove(self, tmp_path):
        (tmp_path / "glove.txt").write_text("the 0.1 -2e-3 3\n, 4 5 6\n", encoding="utf-8")
        vectors = WordVectors.load(tmp_path / "glove.txt")
        assert vectors.index_to_key == ["the", ","]
        assert vectors.vectors == pytest.approx(numpy.array([[0.1, -2e-3, 3], [4, 5, 6]]))

    @pytest.mark.parametrize("text", ["2 3\nthe 1 2 3\n, 4 5 6\n", "the 1 2 3\n, 4 5 6\n"])
    def test_byte_order_mark(self, tmp_path, text):
        (tmp_path / "v.txt").write_text(f"\ufeff{text}", encoding="utf-8")
        vectors = WordVectors.load(tmp_path / "v.txt")
        assert vectors.index_to_key == ["the", ","]
        assert vectors.vectors.tolist() == [[1, 2, 3], [4, 5, 6]]

    @pytest.mark.parametrize("order", [1, -1])
    def test_longest_word_of_binary_files(self, tmp_path, order):
        vectors = WordVectors(numpy.ones((2, 3), "f"), ["a" * 10_000, "b"][::order])
        assert same(WordVectors.load(vectors.save(tmp_path / "v.bin")), vectors)
        (tmp_path / "v.bin").write_bytes(b"old")
        for word in ("a" * 10_001, "語" * 3334):
            with pytest.raises(ValueError, match=r"a word of 1000\d bytes cannot be written: .* 10000 at most"):
                WordVectors(numpy.ones((2, 3), "f"), [word, "b"][::order]).save(tmp_path / "v.bin")
        assert (tmp_path / "v.bin").read_bytes() == b"old"

    @pytest.mark.parametrize("binary", [True, False])
    def test_gensim(self, tmp_path, vectors, binary):
        models = pytest.importorskip("gensim.models", reason="exchanges files with gensim")
        path = vectors.save(tmp_path / ("v.bin" if binary else "v.txt"))
        theirs = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
        assert theirs.index_to_key == WORDS
        assert (theirs.vectors == vectors.vectors).all()
        theirs.save_word2vec_format(str(path), binary=binary)
        assert same(WordVectors.load(path), vectors)

    @pytest.mark.parametrize("suffix", [".txt", ".bin"])
    @pytest.mark.parametrize("word", ["new york", "", "a\n", "a\u00a0b", "\t"])
    def test_words_that_a_format_cannot_hold(self, tmp_path, suffix, word):
        path = tmp_path / f"v{suffix}"
        path.write_bytes(b"old")
        with pytest.raises(ValueError, match=r"cannot be written: .* spaces"):
            WordVectors(numpy.ones((1, 2)), [word]).save(path)
        assert path.read_bytes() == b"old"

    @pytest.mark.parametrize("suffix", [*FLOAT32, ".pkl"])
    def test_words_that_utf8_cannot_hold(self, tmp_path, suffix):
        path = tmp_path / f"v{suffix}"
        path.write_bytes(b"old")
        vectors = WordVectors(numpy.ones((2, 2)), ["a", "b\udcff"])
        for save in (lambda: vectors.save(path), lambda: vectors.save_projector(tmp_path)):
            with pytest.raises(ValueError, match=r"^the word 'b\\udcff' cannot be written: UTF-8 has no surrogates$"):
                save()
        assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_words_with_zero_bytes_or_tabs(self, tmp_path):
        with pytest.raises(ValueError, match="zero byte"):
            WordVectors(numpy.ones((1, 2)), ["a\0b"]).save(tmp_path / "v.npz")
        with pytest.raises(ValueError, match="line ends"):
            WordVectors(numpy.ones((1, 2)), ["a\tb"]).save_projector(tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("suffix", [".txt", ".bin", ".pkl"])
    def test_numbers_too_large_for_the_format(self, tmp_path, suffix):
        with pytest.raises(ValueError, match=r"not finite|float16"):
            WordVectors(numpy.full((1, 2), 1e300), ["a"]).save(tmp_path / f"v{suffix}")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("ending", [".csv", ".npy"])
    def test_unknown_ending(self, tmp_path, vectors, ending):
        for act in (vectors.save, WordVectors.load):
            with pytest.raises(ValueError, match=rf"v\{ending}: .*\.npz, \.bin"):
                act(tmp_path / f"v{ending}")

    @pytest.mark.parametrize("suffix", [*FLOAT32, ".pkl"])
    def test_missing_file(self, tmp_path, suffix):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            WordVectors.load(tmp_path / f"nowhere{suffix}")


class TestDamage:
    @pytest.mark.parametrize("suffix", [".npz", ".txt", ".bin"])
    def test_cut_short_anywhere(self, tmp_path, suffix):
        path = WordVectors(numpy.array([[0.25, -1e-9], [3, 4]], "f"), ["a", "語"]).save(tmp_path / f"v{suffix}")
        whole = path.read_bytes()
        # gensim's binary files lack the last line end, too
        for length in range(0, len(whole) - (suffix == ".bin"), 5 if suffix == ".npz" else 1):
            path.write_bytes(whole[:length])
            with pytest.raises(FileFormatError, match="v" + suffix):
                WordVectors.load(path)

    @pytest.mark.parametrize("name", ["vectors.tsv", "metadata.tsv"])
    def test_projector_cut_short_anywhere(self, tmp_path, vectors, name):
        vectors.save_projector(tmp_path)
        whole = (tmp_path / name).read_bytes()
        for length in range(len(whole)):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(FileFormatError, match="tsv"):
                WordVectors.load(tmp_path)

    @pytest.mark.parametrize("suffix", [*FLOAT32, ".pkl"])
    def test_more_than_announced(self, tmp_path, vectors, suffix):
        path = vectors.save(tmp_path / f"v{suffix}")
        path.write_bytes(path.read_bytes() + b"more 1 2 3 4\n")
        with pytest.raises(FileFormatError, match="v" + suffix):
            WordVectors.load(path)

    @pytest.mark.parametrize("suffix", [".txt", ".bin"])
    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\n", b"2\n", b"2 x\n", b"-2 2\n", b"0 2\n", b"2 0\n", b"2.0 2\n", b"1 2", b"\xff\xfe1 2\n",
            b"999999999999999 999999999999999\na 1 2\n", b"100000 1\na 1\n", b"1 2 \n" + b"a" * 20_000,
        ],
    )  # fmt: skip
    def test_wrong_header(self, tmp_path, suffix, content):
        path = tmp_path / f"v{suffix}"
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="v" + suffix):
            WordVectors.load(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"a\t1\t2\n", "its first line has no numbers behind spaces"),
            (b"2 2\na 1 2\nb 1\n", "word 2 has 1 numbers, expected 2"),
            (b"2 2\na 1 2\nb 1 2 3\n", "word 2 has 3 numbers"),
            (b"2 2\na 1 2\nb 1 x\n", "word 2: could not convert"),
            (b"2 2\na 1 2\nb 1 nan\n", "not finite"),
            (b"2 2\na 1 2\nb 1 1e99\n", "not finite"),
            (b"2 2\na 1 2\na 1 2\n", "'a' is there twice"),
            (b"2 2\na 1 2\n\xff 1 2\n", "not UTF-8"),
            (b"2 2\na 1 2\n 1 2\n", "a word is empty"),
            (b"2 2\n 1 2\nb 1 2\n", "a word is empty"),
            (b"3 2\na 1 2\nb 1 2\n" + b" " * 20 + b"\n", "word 3 has 0 numbers"),
            (b"3 1\nalpha 1.000\nbeta 2.000\n", "it has 2 words, its first line announces 3"),
        ],
    )
    def test_text(self, tmp_path, content, message):
        path = tmp_path / "v.txt"
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=message):
            WordVectors.load(path)

    @pytest.mark.parametrize(
        "content",
        [
            b"2 3\na 0.5 0.1 0.2\nb 0.3 0.4 0.6\n",  # as long as a binary file may be
            b"2 3\na -0.5123456 0.1123456 2e-05 \r\nb 0.3 0.4 0.6 \r\n",
            b"2 3\na 1 2 3\nb 4 5 6\n",
            b"1 3\na 1 2 3\n",
        ],
    )
    def test_text_named_bin(self, tmp_path, content):
        path = tmp_path / "v.bin"
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"v\.bin: its numbers are text, .* in \.txt or \.vec: b'a "):
            WordVectors.load(path)

    @pytest.mark.parametrize("vectors, words, message", [
        (b"1\t2\n3\t4\n", b"a\n", "it has more lines, metadata.tsv has 1"),
        (b"1\t2\n3\n", b"a\nb\n", "line 2 has 1 numbers, expected 2"),
        (b"1\t2\n3\tx\n", b"a\nb\n", "line 2: could not convert"),
        (b"", b"", "metadata.tsv: its last line has no end"),
        (b"", b"a\n", "it has 0 lines, metadata.tsv has 1"),
        (b"1\t2\n3\t4", b"a\nb\n", "vectors.tsv: its last line has no end"),
        (b"1\n", b"\xff\n", "not UTF-8"),
        (b"1\n2\n", b"a\n\n", "a word is empty"),
    ])  # fmt: skip
    def test_projector(self, tmp_path, vectors, words, message):
        (tmp_path / "vectors.tsv").write_bytes(vectors)
        (tmp_path / "metadata.tsv").write_bytes(words)
        with pytest.raises(FileFormatError, match=message):
            WordVectors.load(tmp_path)

    def test_npz_of_something_else(self, tmp_path):
        numpy.savez(tmp_path / "v.npz", W=numpy.ones(3))
        with pytest.raises(FileFormatError, match="no word vectors: expected tensors vectors and words, got W"):
            WordVectors.load(tmp_path / "v.npz")
        numpy.savez(tmp_path / "v.npz", vectors=numpy.ones((3, 2)), words=numpy.frombuffer(b"a\0b", "u1"))
        with pytest.raises(FileFormatError, match=r"3, 2.* and 2 words"):
            WordVectors.load(tmp_path / "v.npz")


class TestMemory:
    """At most twice what is in the file, or what it decodes to if that is more, and a little."""

    LITTLE = 200_000

    @pytest.mark.slow
    @pytest.mark.parametrize("width", [1, 8])
    @pytest.mark.parametrize("suffix", FLOAT32)
    def test_sound_and_damaged_at_its_end(self, tmp_path, suffix, width):
        words = [f"w{i}" for i in range(20_000)]
        vectors = numpy.tile(numpy.arange(width, dtype="f"), (len(words), 1))
        path = WordVectors(vectors, words).save(tmp_path / f"v{suffix}")
        reader = {".npz": files.read_npz, ".bin": files.read_binary}.get(suffix, files.read_text)
        worst, (found, names) = peak(reader, path)
        assert names == words and numpy.array_equal(found, vectors)
        held = vectors.nbytes + sys.getsizeof(names) + sum(map(sys.getsizeof, names))
        assert worst < 2 * max(held, path.stat().st_size) + self.LITTLE
        if suffix != ".npz":  # there the damage is found before anything is made of the file
            data = path.read_bytes()
            path.write_bytes(data[:-1] if suffix != ".bin" else data + b"more")
            worst, error = peak(reader, path)
            assert isinstance(error, FileFormatError) and worst < 2 * path.stat().st_size + self.LITTLE

    @pytest.mark.parametrize("suffix", [".txt", ".bin"])
    @pytest.mark.parametrize(
        "content",
        [
            b"1 " * 500_000,  # one line
            b"a" + b" 1" * 450_000 + b"\n",  # a single vector
            b"1 400000\na" + b" 1" * 400_000,
            b"1 100000\n" + b"a" * 900_000 + b"\n",
            b"100 1000\n" + b"a 1\n" * 250_000,
            b"a 1 2\n" + b"a 1\n" * 250_000,
        ],
    )
    def test_nothing_but_a_long_line_or_short_ones(self, tmp_path, content, suffix):
        path = tmp_path / f"v{suffix}"
        path.write_bytes(content)
        reader = files.read_binary if suffix == ".bin" else files.read_text
        worst, result = peak(reader, path)
        held = 0 if isinstance(result, FileFormatError) else result[0].nbytes
        assert worst < 2 * max(len(content), held) + (4 << 20)


def test_reading_needs_no_gensim(tmp_path, vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    assert same(WordVectors.load(vectors.save(tmp_path / "v.bin")), vectors)


@pytest.mark.slow
def test_writing_text_takes_little_memory(tmp_path):
    vectors = numpy.ones((20_000, 20), "f")
    worst, _ = peak(lambda path: files.write_text(path, vectors, [f"w{i}" for i in range(20_000)]), tmp_path / "v.txt")
    assert worst < 3 * vectors.nbytes  # the words included
