import json
from pathlib import Path

import pytest

from ch06 import tanh_graph


def test_figure(tmp_path):
    pytest.importorskip("matplotlib", reason="the figure needs it")
    assert tanh_graph.main(out=tmp_path) == {"largest_derivative": 1.0}
    assert (tmp_path / "tanh.png").stat().st_size > 1000
    curves = json.loads(Path(tmp_path, "history.json").read_text(encoding="utf-8"))["curves"]
    x, y, dy = curves["x"], curves["y"], curves["dy"]
    slope = (y[301] - y[299]) / (x[301] - x[299])
    assert dy[300] == pytest.approx(slope, rel=1e-3)
