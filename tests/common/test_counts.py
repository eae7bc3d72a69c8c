import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from common.counts import co_occurrences, create_co_matrix, ppmi
from common.np import is_active, np, to_cpu
from common.text import preprocess

CORPUS = preprocess("You say goodbye and I say hello.")[0]


def counted_one_by_one(corpus, size, window):
    C = numpy.zeros((size, size), int)
    for i, word in enumerate(corpus):
        for j in range(max(0, i - window), min(len(corpus), i + window + 1)):
            C[word, corpus[j]] += i != j
    return C


def ppmi_one_by_one(C, eps):
    sums, total = C.sum(axis=0).tolist(), int(C.sum())
    M = numpy.zeros(C.shape)
    for i, j in numpy.ndindex(*C.shape):
        if sums[i] * sums[j]:
            M[i, j] = max(0, math.log2(int(C[i, j]) * total / (sums[i] * sums[j]) + eps))
    return M


CORPORA = st.lists(st.integers(0, 5), min_size=1, max_size=25)


class TestCoOccurrences:
    def test_books_sentence(self):
        C = create_co_matrix(CORPUS, 7)
        assert C.dtype == numpy.int32
        assert C[0].tolist() == [0, 1, 0, 0, 0, 0, 0]
        assert C[1].tolist() == [1, 0, 1, 0, 1, 1, 0]
        assert C.sum(axis=0).tolist() == [1, 4, 2, 2, 2, 2, 1]

    @given(CORPORA, st.integers(1, 30))
    def test_definition(self, corpus, window):
        expected = counted_one_by_one(corpus, 6, window)
        C = co_occurrences(numpy.array(corpus), 6, window)
        assert sparse.issparse(C)
        assert C.dtype == numpy.int64
        assert (C.toarray() == expected).all()
        assert (create_co_matrix(numpy.array(corpus), 6, window) == expected).all()

    @pytest.mark.parametrize(
        ("corpus", "window", "message"),
        [
            ([0, 1], 0, "window_size must be at least 1, not 0"),
            ([0, 7], 1, "ids of the corpus must lie in 0 … 6, got 7"),
            ([0, -1], 1, "got -1"),
            ([], 1, "empty"),
            ([[0, 1]], 1, r"\(n,\), got \(1, 2\)"),
        ],
    )
    @pytest.mark.parametrize("count", [co_occurrences, create_co_matrix])
    def test_misuse(self, count, corpus, window, message):
        with pytest.raises(ValueError, match=f"^{count.__name__}: .*{message}"):
            count(corpus, 7, window)

    @pytest.mark.parametrize("count", [co_occurrences, create_co_matrix])
    def test_numbers_are_whole(self, count):
        with pytest.raises(TypeError, match="window_size must be a whole number, not '1'"):
            count([0, 1, 2, 1], 3, "1")
        with pytest.raises(TypeError, match=r"vocab_size must be a whole number, not 3\.0"):
            count([0, 1], 3.0)
        with pytest.raises(ValueError, match=f"^{count.__name__}: vocab_size must be at least 1, not 0$"):
            count([0, 1], 0)
        assert count([0, 1], numpy.int64(3), numpy.int8(1)).shape == (3, 3)

    @pytest.mark.parametrize("count", [co_occurrences, create_co_matrix])
    def test_ids_are_integers(self, count):
        with pytest.raises(TypeError, match="ids of the corpus must be integers, not float64"):
            count([0.0], 7)

    def test_counts_that_a_dense_matrix_cannot_hold(self, monkeypatch):
        counts = sparse.csr_array(numpy.array([[0, 2**31], [2**31, 0]]))
        monkeypatch.setattr("common.counts.sum_over_pairs", lambda *_: counts)
        with pytest.raises(OverflowError, match="count of 2147483648 exceeds int32, use co_occurrences"):
            create_co_matrix([0, 1], 2)


class TestPPMI:
    def test_books_sentence(self):
        W = ppmi(create_co_matrix(CORPUS, 7))
        assert W.dtype == numpy.float32
        assert W[0].tolist() == pytest.approx([0, math.log2(14 / 4), 0, 0, 0, 0, 0], abs=1e-6)
        assert sorted(set(W.round(3).ravel().tolist())) == pytest.approx([0, 0.807, 1.807, 2.807])

    @given(CORPORA, st.sampled_from([1e-8, 0.0, 0.3]))
    def test_sparse_and_dense_are_the_definition(self, corpus, eps):
        C = counted_one_by_one(corpus, 6, 2)
        if not eps and (C == 0).any():
            C += 1  # the definition itself would take the logarithm of 0
        dense, thin = ppmi(C, eps=eps), ppmi(sparse.csr_array(C), eps=eps)
        assert dense == pytest.approx(ppmi_one_by_one(C, eps), abs=1e-6)
        assert sparse.issparse(thin)
        assert thin.dtype == dense.dtype == numpy.float32
        assert (thin.toarray() == dense).all()
        assert thin.nnz == (dense > 0).sum()

    def test_sums_beyond_int32(self):
        C = numpy.array([[2_000_000_000, 1], [1, 2_000_000_000]], "int32")
        assert ppmi(C) == pytest.approx(numpy.eye(2), abs=1e-6)

    @pytest.mark.parametrize("form", [numpy.array, sparse.csr_array, sparse.csc_array, sparse.coo_array])
    def test_counts_stay_as_they_are(self, form):
        C = form(numpy.array([[0, 3], [3, 1]]))
        ppmi(C)
        assert numpy.asarray(C.toarray() if sparse.issparse(C) else C).tolist() == [[0, 3], [3, 1]]

    def test_a_pair_that_is_stored_twice_or_as_0(self):
        rows, columns = [0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0]
        C = sparse.coo_array(([1, 1, 2, 2, 1, 0], (rows, columns)), (2, 2))
        assert (ppmi(C).toarray() == ppmi(numpy.array([[0, 3], [3, 1]]))).all()

    def test_float16(self):
        assert ppmi(numpy.eye(2, dtype="f2")).tolist() == [[1, 0], [0, 1]]

    @pytest.mark.parametrize("dtype", [">i4", ">f2", ">f4", ">f8"])
    def test_the_other_order_of_bytes(self, dtype):
        counts = numpy.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]])
        numpy.testing.assert_array_equal(ppmi(counts.astype(dtype)), ppmi(counts))
        sparse_counts = sparse.csr_array(counts)
        sparse_counts.data = sparse_counts.data.astype(dtype)
        numpy.testing.assert_array_equal(ppmi(sparse_counts).toarray(), ppmi(counts))

    def test_no_pairs(self):
        assert not ppmi(numpy.zeros((3, 3), "int32")).any()

    def test_verbose(self, capsys):
        ppmi(create_co_matrix(CORPUS, 7), verbose=True)
        assert "14 of 14 pairs of 7 words" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("C", "message"),
        [
            (numpy.zeros((2, 3)), r"square counts C \(V, V\), got \(2, 3\)"),
            (numpy.array([[0, -1], [-1, 0]]), "not negative"),
            (numpy.array([[0, numpy.nan], [1, 0]]), "finite"),
            (numpy.array([[0, numpy.inf], [numpy.inf, 0]]), "finite"),
            (numpy.array([[0, 1], [0, 0]]), "row 0 of C has counts, column 0 has none"),
        ],
    )
    def test_misuse(self, C, message):
        with pytest.raises(ValueError, match=message):
            ppmi(C)

    @pytest.mark.parametrize(
        ("C", "dtype"),
        [([["a"]], "<U1"), ([[1j]], "complex128"), (None, "object"), (sparse.csr_array([[1j]]), "complex128")],
    )
    def test_what_are_no_counts(self, C, dtype):
        with pytest.raises(TypeError, match=f"^ppmi: counts C must be real numbers, not {dtype}$"):
            ppmi(C)

    @pytest.mark.parametrize("eps", [-1e-8, 1.0, math.nan])
    def test_eps(self, eps):
        with pytest.raises(ValueError, match="eps"):
            ppmi(numpy.eye(2), eps=eps)


def test_a_large_vocabulary_stays_sparse():
    size = 1_000_000  # dense, it would be 4 TB
    corpus = numpy.random.default_rng(0).integers(0, size, 2000)
    assert ppmi(co_occurrences(corpus, size, 5)).nnz > 0


def test_on_the_gpu(gpu):
    C = create_co_matrix(np.asarray(CORPUS), 7)
    W = ppmi(C)
    assert is_active(C)
    assert is_active(W)
    assert to_cpu(W)[0, 1] == pytest.approx(math.log2(14 / 4))
