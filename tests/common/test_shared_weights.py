from types import SimpleNamespace

import numpy
import pytest

from common.shared_weights import SharedWeights, remove_duplicate, tie_again, ties
from common.trainer import remove_duplicate as from_trainer


@pytest.fixture
def W(rng):
    return rng.standard_normal((4, 3))


def test_uses_of_one_array_become_one_and_their_gradients_add_up(W, rng):
    b = rng.standard_normal(3)
    grads = [rng.standard_normal(p.shape) for p in (W, b, W, W)]
    params, merged = remove_duplicate([W, b, W, W], grads)
    assert [id(p) for p in params] == [id(W), id(b)]
    numpy.testing.assert_allclose(merged[0], grads[0] + grads[2] + grads[3])
    assert merged[1] is grads[1]


@pytest.mark.parametrize("size", [3, 4])
def test_a_transposed_view_is_the_same_weight(rng, size):
    W = rng.standard_normal((size, 3))  # square or not
    grads = [rng.standard_normal(W.shape), rng.standard_normal(W.T.shape)]
    params, merged = remove_duplicate([W, W.T], grads)
    assert len(params) == 1 and params[0] is W
    numpy.testing.assert_allclose(merged[0], grads[0] + grads[1].T)


def test_the_first_use_may_be_the_transposed_one(W):
    params, merged = remove_duplicate([W.T, W], [numpy.ones((3, 4)), numpy.ones((4, 3))])
    assert params[0].shape == merged[0].shape == (3, 4)
    assert (merged[0] == 2).all()


def test_equal_values_are_not_one_weight(rng):
    identity, W = numpy.eye(3), rng.standard_normal((3, 3))
    for params in ([identity, numpy.eye(3)], [W, W.copy()], [W, W.T.copy()], [numpy.zeros(3), numpy.zeros(3)]):
        assert len(remove_duplicate(params, [numpy.ones(p.shape) for p in params])[0]) == 2


def test_parts_of_one_array_are_not_one_weight(W):
    for part in (W[:2], W[:, :2], W[::-1], W.reshape(3, 4), W.reshape(-1)):
        assert len(SharedWeights([W, part]).params) == 2


def test_weights_that_are_nan_are_still_shared(W):
    W[...] = numpy.nan
    assert len(SharedWeights([W, W.T]).params) == 1


def test_lists_and_arrays_given_stay_as_they_are(W):
    params, grads = [W, W, W.T], [numpy.ones((4, 3)), numpy.ones((4, 3)), numpy.ones((3, 4))]
    remove_duplicate(params, grads)
    assert (len(params), len(grads)) == (3, 3)
    assert all((g == 1).all() for g in grads)


def test_merging_in_place_adds_to_the_first_gradient(W):
    weights = SharedWeights([W, W.T])
    grads = [numpy.ones((4, 3)), numpy.ones((3, 4))]
    assert weights.shared and weights.merge(grads, in_place=True)[0] is grads[0]
    assert (grads[0] == 2).all()
    assert not SharedWeights([W]).shared


def test_the_trainer_module_has_it_too():
    assert from_trainer is remove_duplicate


class TestTies:
    def test_of_views_but_not_of_one_array(self, W, rng):
        b = rng.standard_normal(3)
        assert ties([W, b, W, W.T, W[...], b.copy()]) == [(3, 0, True), (4, 0, False)]
        assert ties([W, b]) == []

    @pytest.mark.parametrize("params", [None, {"W": numpy.ones(3)}, (numpy.ones(3),), [None, None]], ids=str)
    def test_of_what_is_no_list_of_arrays(self, params):
        assert ties(params) == []

    def test_are_made_again_wherever_a_copy_holds_the_arrays(self, W):
        one, other, apart = W.copy(), W.T.copy(), W.copy()
        root = SimpleNamespace(params=[one, other, apart], layers={"out": [other, other.T]})
        tie_again(root, root.params, ties([W, W.T, apart]))
        one[...] = 5
        for view in (root.params[1], *root.layers["out"]):
            assert numpy.shares_memory(view, one) and (view == 5).all()
        assert root.params[0] is one and root.params[2] is apart
        assert [view.shape for view in root.layers["out"]] == [(3, 4), (4, 3)]

    def test_that_a_shallow_copy_still_has_change_nothing(self, W):
        turned = W.T
        root = SimpleNamespace(params=[W, turned])
        tie_again(root, root.params, ties(root.params))
        assert root.params[1] is turned
