import copy
import operator

import numpy
import pytest
from gradient_check import check_gradients
from hypothesis import given
from hypothesis import strategies as st

from common import config
from common.clipping import clip_grads, gradient_norm
from common.layer_kit import check_layer
from common.layers import Embedding
from common.np import is_active, np, to_cpu, to_gpu
from common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from common.shared_weights import remove_duplicate
from common.sparse_gradient import RowGradient

every_optimizer = pytest.mark.parametrize("kind", [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam])


def gradient(ids, shape=(6, 2), dtype="d", seed=0):
    grad = RowGradient(shape, dtype)
    rows = numpy.random.default_rng(seed).standard_normal((len(ids), shape[1]))
    grad.assign(np.asarray(ids, "int64"), np.asarray(rows, dtype))
    return grad


def embedding_pair(V=7, D=3, dtype="d"):
    W = numpy.random.default_rng(1).standard_normal((V, D)).astype(dtype)
    return Embedding(np.asarray(W)), Embedding(np.asarray(W), sparse=True)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_rows_are_the_dense_gradient(ids):
    dense = numpy.zeros((6, 2))
    numpy.add.at(dense, numpy.array(ids, "int64"), numpy.random.default_rng(0).standard_normal((len(ids), 2)))
    grad = gradient(ids)
    assert grad.ids.tolist() == sorted(set(ids))
    numpy.testing.assert_allclose(grad.to_dense(), dense, rtol=1e-12, atol=1e-12)


class TestEmbedding:
    def test_same_gradient_as_without_sparse(self, rng):
        dense, sparse = embedding_pair()
        own = sparse.grads[0]
        for _ in range(2):  # overwritten, not summed, and in place
            ids, dout = rng.integers(0, 7, (4, 5)), rng.standard_normal((4, 5, 3))
            for layer in (dense, sparse):
                layer.forward(ids)
                assert layer.backward(dout) is None
            assert sparse.grads[0] is own
            numpy.testing.assert_allclose(own.to_dense(), dense.grads[0], rtol=1e-12)
        assert isinstance(dense.grads[0], numpy.ndarray)
        assert (own.shape, own.dtype) == (dense.grads[0].shape, dense.grads[0].dtype)

    def test_gradient(self, rng):
        layer = embedding_pair()[1]
        layer.forward(numpy.array([1, 1]))
        dense = Embedding(layer.params[0])
        check_gradients(dense, [numpy.array([[1, 4, 1]])], rng)

    def test_float32_stays(self):
        layer = embedding_pair(dtype="f")[1]
        layer.forward(numpy.array([2]))
        layer.backward(numpy.ones((1, 3)))
        assert layer.grads[0].rows.dtype == layer.grads[0].to_dense().dtype == numpy.float32

    def test_gpu(self, gpu, rng):
        layer = embedding_pair()[1]
        layer.forward(rng.integers(0, 7, 5))
        layer.backward(rng.standard_normal((5, 3)))
        for optimizer in (SGD(), Adam()):
            optimizer.update(layer.params, layer.grads)
        clip_grads(layer.grads, 1e-3)
        assert gradient_norm(layer.grads) == pytest.approx(1e-3, rel=0.01)
        assert to_cpu(layer.grads[0].to_dense()).shape == (7, 3)


class TestOptimizers:
    @every_optimizer
    def test_same_as_dense_where_every_row_has_a_gradient(self, kind):
        params = [numpy.ones((6, 2)) for _ in range(2)]
        optimizers = [kind(0.1), kind(0.1)]
        for step in range(5):
            grad = gradient(range(6), seed=step)
            optimizers[0].update(params[:1], [grad.to_dense()], 0.5)
            optimizers[1].update(params[1:], [grad], 0.5)
        numpy.testing.assert_allclose(params[0], params[1], rtol=1e-12)

    @every_optimizer
    def test_other_rows_stay_as_they_are(self, kind):
        param, optimizer = numpy.ones((6, 2)), kind(0.1)
        optimizer.update([param], [gradient(range(6))])
        before, state = param.copy(), [s.copy() for s in optimizer.state_dict([param])["arrays"][0]]
        grad = gradient([4, 1, 4], seed=1)
        rows = grad.rows.copy()
        optimizer.update([param], [grad])
        others = [0, 2, 3, 5]
        assert (param[others] == before[others]).all()
        assert (param[[1, 4]] != before[[1, 4]]).all()
        for old, new in zip(state, optimizer.state_dict([param])["arrays"][0], strict=True):
            assert (new[others] == old[others]).all()
        assert (grad.rows == rows).all()

    def test_shape_is_checked(self):
        with pytest.raises(ValueError, match=r"\(5, 2\).*\(6, 2\)"):
            SGD().update([numpy.ones((5, 2))], [gradient([1])])


class TestSumsAndNorms:
    def test_norm_and_clipping(self):
        grads = [gradient([1, 3, 1]), numpy.full((2, 2), 3.0)]
        dense = [grad.copy() for grad in (grads[0].to_dense(), grads[1])]
        assert gradient_norm(grads) == pytest.approx(gradient_norm(dense), rel=1e-12)
        clip_grads(grads, 0.5)
        clip_grads(dense, 0.5)
        numpy.testing.assert_allclose(grads[0].to_dense(), dense[0], rtol=1e-12)

    def test_nan_is_found(self):
        grad = gradient([1])
        grad.rows[0, 0] = numpy.nan
        with pytest.raises(FloatingPointError, match="gradient 0"):
            gradient_norm([grad])

    def test_shared_weight(self):
        W = numpy.ones((6, 2))
        grads = [gradient([1, 3]), gradient([3, 5], seed=1)]
        expected = grads[0].to_dense() + grads[1].to_dense()
        params, merged = remove_duplicate([W, W], grads)
        assert len(params) == 1
        assert isinstance(merged[0], RowGradient)
        numpy.testing.assert_allclose(merged[0].to_dense(), expected, rtol=1e-12)
        assert grads[0].ids.tolist() == [1, 3]  # as it was

    @pytest.mark.parametrize("rows_first", [True, False])
    def test_shared_with_a_dense_use_of_the_transposed_weight(self, rows_first):
        W, rows, dense = numpy.ones((6, 2)), gradient([1, 3]), numpy.full((2, 6), 0.5)
        params, grads = ([W, W.T], [rows, dense]) if rows_first else ([W.T, W], [dense, rows])
        (param,), (merged,) = remove_duplicate(params, grads)
        expected = rows.to_dense() + 0.5
        numpy.testing.assert_allclose(merged, expected if rows_first else expected.T, rtol=1e-12)
        assert merged.shape == param.shape


class TestAsArray:
    def test_looks_like_one(self):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        assert (grad.ndim, len(grad)) == (2, 6)
        for mine, theirs in [
            (numpy.asarray(grad), dense), (0.1 * grad, 0.1 * dense), (grad**2, dense**2), (-grad, -dense),
            (grad[1:4], dense[1:4]), (grad.T, dense.T), (numpy.sqrt(abs(grad)), numpy.sqrt(abs(dense))),
            (numpy.sum(grad), dense.sum()), (grad + grad, dense + dense), (dense - grad, 0 * dense),
        ]:  # fmt: skip
            assert type(mine) is not RowGradient
            # Not bit for bit: which vector instructions NumPy takes may depend on where in memory an array lies.
            numpy.testing.assert_allclose(mine, theirs, rtol=1e-15)

    def test_its_size_makes_no_array(self):
        grad = RowGradient((5, 2))
        assert (grad.size, grad.nbytes) == (10, 40) and grad._array is None

    def test_optimizer_of_ones_own(self):
        param, grad = numpy.ones((6, 2)), gradient([1, 3])
        param -= 0.1 * grad
        numpy.testing.assert_allclose(param, 1 - 0.1 * grad.to_dense())

    @pytest.mark.parametrize(
        "change",
        [
            lambda g: operator.iadd(g, numpy.arange(12.0).reshape(6, 2)),
            lambda g: operator.isub(g, numpy.arange(12.0).reshape(6, 2)),
            lambda g: operator.isub(g, g.copy()),
            lambda g: operator.imul(g, 3),
            lambda g: operator.imul(g, numpy.arange(2.0)),
            lambda g: operator.imul(g, numpy.arange(6.0)[:, None]),
            lambda g: operator.itruediv(g, 3),
            lambda g: operator.itruediv(g, numpy.arange(1.0, 3.0)),
            lambda g: operator.setitem(g, slice(1, 3), 7),
            lambda g: operator.setitem(g, ..., 0),
            lambda g: g.fill(2),
            lambda g: operator.ipow(g, 2),
            lambda g: numpy.multiply(g, 0.5, out=g),
            lambda g: numpy.add(1, g, out=g, where=numpy.arange(2) == 1),
            lambda g: numpy.clip(g, -0.1, 0.1, out=g),
            lambda g: numpy.add.at(g, [1, 1, 2], 1.0),
            lambda g: numpy.negative.at(g, [3]),
        ],
    )
    def test_changes_in_place(self, change):
        """In place means that the very object changes, which the list of the model's gradients holds."""
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        changed = change(grad)
        assert changed is None or changed is grad
        change(dense)
        numpy.testing.assert_allclose(grad.to_dense(), dense)
        grad.assign(numpy.array([2]), numpy.ones((1, 2)))  # the next backward
        assert grad.to_dense().sum() == 2

    def test_methods_of_arrays(self):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        assert (grad.sum(), grad.max(), grad.mean(), grad.size) == (dense.sum(), dense.max(), dense.mean(), 12)
        assert (grad.reshape(-1) == dense.ravel()).all() and grad.astype("f").dtype == "f" and grad.any()
        for unknown in ("nothing", "_nothing"):
            with pytest.raises(AttributeError, match=unknown):
                getattr(grad, unknown)

    @pytest.mark.parametrize(
        "write",
        [
            lambda g: [operator.imul(row, 0) for row in g],
            lambda g: g[3].fill(7),
            lambda g: g[:, 1].fill(7),
            lambda g: operator.setitem(g.T, 0, 7),
            lambda g: operator.imul(g.T, 0.5),
            lambda g: g.sort(axis=0),
            lambda g: operator.setitem(numpy.asarray(g), ..., 7),
            lambda g: operator.imul(g.reshape(-1), 3),
            lambda g: numpy.nan_to_num(g, copy=False),
            lambda g: [operator.setitem(g[2], slice(None), 5), operator.imul(g, 2), operator.iadd(g, 1)],
            lambda g: [g[0], operator.iadd(g, gradient([2, 2]) if isinstance(g, RowGradient) else gradient([2, 2])[:])],
            lambda g: [row := g[0], operator.iadd(g, gradient([2]) if type(g) is RowGradient else gradient([2])[:]),
                       row.fill(7)],
        ],
    )  # fmt: skip
    def test_what_is_written_into_views_belongs_to_the_gradient(self, write):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        dense[3, 0] = grad[3, 0] = numpy.nan
        write(grad)
        write(dense)
        numpy.testing.assert_array_equal(grad.to_dense(), dense)
        numpy.testing.assert_array_equal(grad.rows, dense[grad.ids])
        numpy.testing.assert_array_equal(grad.copy().to_dense(), dense)
        mine, theirs = numpy.ones((6, 2)), numpy.ones((6, 2))
        SGD(1.0).update([mine], [grad])
        SGD(1.0).update([theirs], [dense])
        numpy.testing.assert_array_equal(mine, theirs)
        grad.assign(numpy.array([2]), numpy.ones((1, 2)))  # the next backward
        assert grad.ids.tolist() == [2] and grad.to_dense().sum() == 2

    def test_to_look_changes_nothing(self):
        grad = gradient([1, 3])
        grad[0], grad.T, grad.sum(), numpy.asarray(grad)
        assert grad.ids.tolist() == [1, 3]  # so Adam still leaves the other rows alone
        grad.assign(numpy.array([1, 3]), numpy.array([[1.0, 2.0], [0.0, 0.0]]))  # a row that happens to be zero
        grad[0]
        assert grad.ids.tolist() == [1, 3]

    @pytest.mark.parametrize("looked_at", [False, True])
    @pytest.mark.parametrize("copied", [RowGradient.to_dense, RowGradient.copy, numpy.array, copy.deepcopy])
    def test_a_copy_is_the_callers(self, copied, looked_at):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        if looked_at:
            grad[0]
        other = copied(grad)
        assert type(other) is (RowGradient if copied in (RowGradient.copy, copy.deepcopy) else numpy.ndarray)
        other *= 2
        numpy.testing.assert_array_equal(other, 2 * dense)
        numpy.testing.assert_array_equal(grad.to_dense(), dense)

    def test_changes_that_would_be_lost_are_refused(self):
        grad = gradient([1, 3])
        with pytest.raises(TypeError, match="RowGradient"):
            numpy.copyto(grad, 0)
        with pytest.raises(ValueError, match="RowGradient"):  # by which NumPy asks for an array to change
            grad.__array__("f2", copy=False)

    def test_out_of_several_and_of_an_array(self):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        parts = numpy.modf(grad, out=(grad, None))
        assert parts[0] is grad
        for mine, theirs in zip((grad.to_dense(), parts[1]), numpy.modf(dense), strict=True):
            numpy.testing.assert_array_equal(mine, theirs)
        array = numpy.zeros((6, 2))
        assert numpy.add(grad, 1, out=array) is array
        numpy.testing.assert_array_equal(array, grad.to_dense() + 1)
        with pytest.raises(TypeError, match="Cannot cast"):
            numpy.multiply(grad, 1j, out=grad)


@pytest.mark.usefixtures("gpu")
class TestAsArrayOfTheGPU:
    def test_moves(self):
        grad = gradient([1, 3])
        dense = grad.to_dense()
        for host in (to_cpu(grad), numpy.asarray(grad), numpy.asarray(grad, "f")):
            assert type(host) is numpy.ndarray
            numpy.testing.assert_allclose(host, to_cpu(dense), rtol=1e-6)
        assert is_active(np.asarray(grad)) and (np.asarray(grad) == dense).all()
        config.GPU = False
        grad = gradient([1, 3])
        there = to_gpu(grad)
        assert hasattr(there, "get") and (there.get() == grad.to_dense()).all()

    def test_arithmetic(self):
        grad, dense = gradient([1, 3]), gradient([1, 3]).to_dense()
        total = dense.copy()
        total += grad
        for mine, theirs in [
            (total, 2 * dense), (dense + grad, 2 * dense), (grad + dense, 2 * dense), (dense - grad, 0 * dense),
            (0.1 * grad, 0.1 * dense), (np.sqrt(abs(grad)), np.sqrt(abs(dense))), (numpy.tanh(grad), np.tanh(dense)),
            (np.maximum(grad, 0), np.maximum(dense, 0)), (grad + grad, 2 * dense), (grad.T, dense.T),
        ]:  # fmt: skip
            assert is_active(mine)
            numpy.testing.assert_allclose(to_cpu(mine), to_cpu(theirs), rtol=1e-15)
        changed = numpy.multiply(grad, 0.5, out=grad)
        assert changed is grad and (grad.to_dense() == 0.5 * dense).all()

    @pytest.mark.parametrize("rows_first", [True, False])
    def test_shared_with_a_dense_use(self, rows_first):
        W, rows, dense = np.ones((6, 2)), gradient([1, 3]), np.full((6, 2), 0.5)
        _, (merged,) = remove_duplicate([W, W], [rows, dense] if rows_first else [dense, rows])
        numpy.testing.assert_allclose(to_cpu(merged), to_cpu(rows) + 0.5, rtol=1e-12)

    def test_the_layer_kit(self):
        assert "device" in check_layer(embedding_pair()[1], numpy.array([[1, 2], [1, 0]]))


def test_ids_of_other_integers():
    one, other = RowGradient((4, 2)), RowGradient((4, 2))
    one.assign(numpy.array([0, 1], "uint64"), numpy.ones((2, 2)))
    other.assign(numpy.array([1, 2], "int8"), numpy.ones((2, 2)))
    one += other
    assert one.ids.tolist() == [0, 1, 2] and one.to_dense()[:, 0].tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize("dtype", ["e", "f", "d"])
@pytest.mark.parametrize("size", [3, 300])
def test_dtype_of_the_rows(dtype, size):
    ids = numpy.arange(size) % 5
    grad = RowGradient((6, 2), dtype)
    grad.assign(ids, numpy.full((size, 2), 0.5))
    assert grad.rows.dtype == grad.to_dense().dtype == dtype
    assert grad.to_dense()[:, 0].tolist() == (numpy.bincount(ids, minlength=6) / 2).tolist()


def test_misuse():
    with pytest.raises(ValueError, match=r"got \(2,\), \(3, 2\)"):
        RowGradient((6, 2)).assign(numpy.array([0, 1]), numpy.ones((3, 2)))
    grad = gradient([1])
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        grad += gradient([1], shape=(5, 2))


def test_nothing_used():
    grad = RowGradient((6, 2))
    assert not grad.to_dense().any()
    assert gradient_norm([grad]) == 0
    param = numpy.ones((6, 2))
    Adam().update([param], [grad])
    assert (param == 1).all()
    assert repr(grad) == "RowGradient(0 rows of (6, 2))"
