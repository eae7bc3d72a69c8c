import pytest

from common.tensor_names import METADATA, is_name


@pytest.mark.parametrize("name", ["W", "0", "lstm.Wh", "layers.0.W", "a-b_c", "语", "a" * 1000])
def test_names(name):
    assert is_name(name)


OTHERS = ["", ".", "-a", "../a", "a/b", "a\\b", "a b", "a\0", "a\n", METADATA, "a" * 1001, 3, None]


@pytest.mark.parametrize("name", OTHERS)
def test_others(name):
    assert not is_name(name)
