import numpy
import pytest

from common.labels import IdError, checked_corpus, checked_ids, class_ids
from common.np import is_active, np


def test_ids_pass_in_their_shape():
    ids = numpy.array([[0, 4], [2, 3]], "u1")
    assert checked_ids("E", ids, 5) is ids
    assert checked_ids("E", ids[:0], 5).shape == (0, 2)


@pytest.mark.parametrize(("ids", "found"), [([0, 5], "5"), ([-1], "-1"), ([7, -2], "-2")])
def test_ids_outside_are_named(ids, found):
    with pytest.raises(IdError, match=rf"^E: ids must lie in 0 … 4, got {found}$"):
        checked_ids("E", ids, 5)


def test_the_error_is_both_an_index_and_a_value_error():
    assert issubclass(IdError, IndexError) and issubclass(IdError, ValueError)


@pytest.mark.parametrize("ids", [[1.0], [True], ["a"]])
def test_only_integers_are_ids(ids):
    with pytest.raises(TypeError, match="ids must be integers, not"):
        checked_ids("E", ids, 5)


@pytest.mark.parametrize("ids", [["a"], [None], numpy.array(["a"]), [[0], ["b"]], [1.0]])
def test_the_gpu_refuses_alike(ids, gpu):
    """CuPy has neither text nor objects."""
    with pytest.raises(TypeError, match="E: ids must be integers, not"):
        checked_ids("E", ids, 5)
    corpus = ids if numpy.ndim(ids) == 1 else ids[0] + ids[1]
    with pytest.raises(TypeError, match="C: ids of the corpus must be integers, not"):
        checked_corpus("C", corpus, 5)
    with pytest.raises(ValueError, match=r"C: corpus must be ids \(n,\), got \(\)"):
        checked_corpus("C", "text")


def test_lists_of_arrays_of_the_gpu(gpu):
    ids = checked_ids("E", [np.asarray([0, 4]), np.asarray([1, 2])], 5)
    assert is_active(ids) and ids.tolist() == [[0, 4], [1, 2]]


def test_lists_of_several_lengths():
    with pytest.raises(ValueError, match="inhomogeneous") as caught:
        checked_ids("E", [[0, 1], [2]], 5)
    assert caught.value.__context__ is None


def test_an_empty_list_has_no_dtype_that_could_be_wrong():
    for ids, shape in (([], (0,)), ([[], []], (2, 0)), ((), (0,))):
        assert checked_ids("E", ids, 5).shape == shape
        assert checked_ids("E", ids, 5).dtype.kind == "i"
    with pytest.raises(TypeError, match=r"^E: ids must be integers, not float64 \(0,\)$"):
        checked_ids("E", numpy.zeros(0), 5)


def test_without_a_size_any_integers_pass():
    assert checked_ids("E", [-1, 10**9], None).tolist() == [-1, 10**9]


def test_a_corpus_is_ids_in_a_row():
    assert checked_corpus("C", [0, 4], 5).tolist() == checked_corpus("C", [0, 4]).tolist() == [0, 4]
    with pytest.raises(ValueError, match=r"^C: corpus is empty, expected one id at least$"):
        checked_corpus("C", [])
    with pytest.raises(ValueError, match=r"^C: corpus must be ids \(n,\), got \(1, 2\)$"):
        checked_corpus("C", [[0, 1]])
    with pytest.raises(IdError, match=r"^C: ids of the corpus must lie in 0 … 4, got 5$"):
        checked_corpus("C", [0, 5], 5)
    with pytest.raises(TypeError, match=r"^C: ids of the corpus must be integers, not float64 \(1,\)$"):
        checked_corpus("C", [0.5], 5)
    with pytest.raises(ValueError, match=r"^C: vocab_size must be at least 1, not 0$"):
        checked_corpus("C", [0, 1], 0)


def test_one_hot_labels_become_ids():
    numpy.testing.assert_array_equal(class_ids("L", numpy.eye(3, dtype=int)[[2, 0]], (2, 3)), [2, 0])
    numpy.testing.assert_array_equal(class_ids("L", [2, 0], (2, 3)), [2, 0])


def test_one_class_is_told_from_one_hot_by_its_shape():
    numpy.testing.assert_array_equal(class_ids("L", [[1], [1]], (2, 1)), [0, 0])
    numpy.testing.assert_array_equal(class_ids("L", [0, 0], (2, 1)), [0, 0])


@pytest.mark.parametrize("t", [[[0, 0]], [[1, 1]], [[0.5, 0.5]], [[2, 0]], [[1, -1]]])
def test_rows_that_are_not_one_hot(t):
    with pytest.raises(ValueError, match="must be one-hot"):
        class_ids("L", t, (1, 2))


def test_the_label_to_ignore_needs_no_class():
    numpy.testing.assert_array_equal(class_ids("L", [-1, 1], (2, 2), ignore=-1), [-1, 1])
    with pytest.raises(IdError, match="got -2"):
        class_ids("L", [-1, -2], (2, 2), ignore=-1)
