"""The flag config.GPU may be set at any moment, and what differs on the two devices; the errors without a GPU."""

import importlib
import sys
import types

import numpy
import pytest

from ch06.rnnlm import Rnnlm
from common import config
from common.functions import softmax
from common.kernels import choice, row_blocks
from common.layers import Affine, Dropout
from common.np import GPU, address, is_active, np, random, to_cpu, to_gpu
from common.time_layers import TimeDropout


class TestSwitch:
    def test_at_any_moment(self, gpu):
        from common.time_layers import np as imported_long_ago

        expected = None
        for config.GPU in (True, False, True, False):
            assert imported_long_ago.zeros(1).__class__ is np.ndarray
            assert importlib.import_module("common.np").GPU is config.GPU
            y = Affine(np.ones((3, 2)), np.zeros(2)).forward(numpy.arange(6.0).reshape(2, 3))
            assert is_active(y) and hasattr(y, "get") is config.GPU
            expected = to_cpu(y) if expected is None else expected
            numpy.testing.assert_array_equal(to_cpu(y), expected)

    def test_a_model_of_the_cpu_goes_on_after_an_excursion(self, gpu):
        config.GPU = False
        model, xs = Rnnlm(7, 3, 4, rng=0), numpy.arange(6).reshape(2, 3)
        expected = model.predict(xs)
        model.reset_state()
        config.GPU = True
        Rnnlm(7, 3, 4, rng=0).predict(xs)
        config.GPU = False
        numpy.testing.assert_array_equal(model.predict(xs), expected)

    def test_transfers(self, gpu):
        x = numpy.arange(3.0)
        there = to_gpu(x)
        assert is_active(there) and not is_active(x) and np.asarray(there) is there
        numpy.testing.assert_array_equal(to_cpu(there), x)
        config.GPU = False
        assert hasattr(to_gpu(x), "get")  # whatever the flag says

    def test_address_and_blocks(self, gpu):
        x = np.zeros((3, 4))
        assert address(x) == address(x.T) != address(x.copy())
        assert row_blocks(1000, 10**9) == [slice(0, 1000)]  # a kernel for each block would be slow

    def test_flag_imported_by_value(self):
        assert GPU is False

    def test_without_cupy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cupy", None)  # import says ImportError
        monkeypatch.setattr(config, "GPU", True)
        remedy = r'config.GPU is set, but CuPy cannot be imported .*install "cupy-cuda12x\[ctk\]>=14" or .*GPU = False'
        for use in (lambda: np.zeros(1), lambda: Rnnlm(7, 3, 4), lambda: softmax([1.0]), lambda: to_gpu([1])):
            with pytest.raises(ImportError, match=remedy):
                use()
        config.GPU = False
        assert np.zeros(1).shape == (1,)
        moved = r'an array is to be moved to the GPU, but CuPy cannot be imported .*>=14"\.$'
        with pytest.raises(ImportError, match=moved):
            to_gpu([1])

    @pytest.mark.parametrize(
        ("count", "version", "missing"),
        [
            (0, (12, 0), "GPU"),
            (RuntimeError("cudaErrorInsufficientDriver"), (12, 0), r"usable GPU or CUDA toolkit \(cudaErrorInsuff"),
            (1, RuntimeError("failed to load libnvrtc.so.12"), r"usable GPU or CUDA toolkit \(failed to load libnvrtc"),
        ],
    )
    def test_cupy_without_a_gpu_or_the_toolkit(self, monkeypatch, count, version, missing):
        def giving(found):
            def function():
                if isinstance(found, Exception):
                    raise found
                return found

            return function

        module = types.ModuleType("cupy")
        module.cuda = types.SimpleNamespace(
            runtime=types.SimpleNamespace(getDeviceCount=giving(count)),
            nvrtc=types.SimpleNamespace(getVersion=giving(version)),
        )
        monkeypatch.setitem(sys.modules, "cupy", module)
        monkeypatch.setattr(config, "GPU", True)
        for _ in range(2):  # not only the first time
            with pytest.raises(ImportError, match=rf"CuPy finds no {missing}.*pip install .*\[ctk\].*GPU = False"):
                np.zeros(1)


@pytest.mark.usefixtures("gpu")
class TestRandomNumbers:
    @pytest.mark.parametrize("dtype", ["f", "d"])
    def test_uniform(self, dtype):
        draws = [random((50, 40), numpy.random.default_rng(seed), dtype) for seed in (0, 0, 1)]
        assert is_active(draws[0]) and draws[0].dtype == dtype
        first, second, other = map(to_cpu, draws)
        assert (first == second).all() and (first != other).any()
        assert first.min() >= 0 and first.max() < 1 and abs(first.mean() - 0.5) < 0.03

    def test_choice(self, rng):
        drawn = choice(np.asarray(numpy.cumsum([1.0, 0.0, 3.0])), (100, 200), rng)
        assert is_active(drawn) and (to_cpu(drawn) == 2).mean() == pytest.approx(0.75, abs=0.02)

    @pytest.mark.parametrize("kind", [Dropout, TimeDropout])
    def test_dropout(self, kind):
        layer = kind(0.25, rng=0)
        y = layer.forward(np.ones((50, 4, 20), "f"))
        assert y.dtype == numpy.float32 and float(y.mean()) == pytest.approx(1, rel=0.05)
        numpy.testing.assert_array_equal(to_cpu(layer.backward(np.ones((50, 4, 20), "f"))), to_cpu(y))
