import pytest

from ch01.forward_net import main


def test_scores():
    assert main().shape == (10, 3)
    assert (main() == main(seed=0)).all() and (main() != main(seed=1)).any()


def test_misuse():
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"forward_net: batch_size must be at least 1, not {size}"):
            main(batch_size=size)
    with pytest.raises(ValueError, match="seed must be a non-negative integer, not -1"):
        main(seed=-1)
