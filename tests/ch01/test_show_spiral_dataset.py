from pathlib import Path

import pytest

from ch01.show_spiral_dataset import main


def test_shapes_and_figure(tmp_path):
    assert main(out=tmp_path) == {"x": (300, 2), "t": (300, 3)}
    pytest.importorskip("matplotlib", reason="figures need Matplotlib")
    assert Path(tmp_path, "spiral.png").read_bytes().startswith(b"\x89PNG")


def test_seed_beyond_those_of_numpy(tmp_path):
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 to 2\*\*32 - 1, not 4294967296"):
        main(out=tmp_path, seed=2**32)
