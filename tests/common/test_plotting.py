import io
import itertools
import subprocess
import sys
import warnings
from pathlib import Path

import numpy
import pytest

from common import plotting
from common.plotting import plot_curve, plot_decision_boundary, plot_heatmap, plot_words, scatter_points

matplotlib = pytest.importorskip("matplotlib", reason="figures need Matplotlib")


has_viewer = plotting.has_viewer


@pytest.fixture(autouse=True)
def no_viewer(monkeypatch):
    monkeypatch.setattr(plotting, "has_viewer", lambda: False)
    yield
    if "matplotlib.pyplot" in sys.modules:  # whose the figures are then
        sys.modules["matplotlib.pyplot"].close("all")


def draw(ax):
    """Render everything, which raises what drawing raises. A figure without pyplot has no canvas that draws."""
    ax.figure.savefig(io.BytesIO())


def test_curve_has_the_values_labels_and_limits():
    ax = plot_curve([3.0, 2.0, 1.0], "epoch", "loss", ylim=5, label="SGD")
    (line,) = ax.lines
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == [3.0, 2.0, 1.0]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[1]) == ("epoch", "loss", 5)
    assert 0.5 < ax.get_ylim()[0] < 1  # a little below the values
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["SGD"]
    draw(ax)


def test_curves_share_given_axes():
    ax = plotting.new_axes()
    assert plot_curve([1.0, 2.0], ax=ax, ylim=(0, 3)) is ax
    assert plot_curve([2.0, 1.0], ax=ax) is ax
    assert len(ax.lines) == 2
    for ylim in ((0, 3), [0, 3], numpy.array([0, 3])):
        assert plot_curve([1.0], ylim=ylim).get_ylim() == (0, 3)
    for top in (3, numpy.float32(3), numpy.array(3)):
        assert plot_curve([0.0, 1.0], ylim=top).get_ylim()[1] == 3
    assert plot_curve([0.0, 1.0], ylim=(None, 3)).get_ylim()[1] == 3


def test_single_value_is_visible():
    assert plot_curve([1.0]).lines[0].get_marker() == "o"
    assert plot_curve([1.0, 2.0]).lines[0].get_marker() == "None"


def test_values_have_whole_numbers():
    ax = plot_curve([0.1, 0.2])
    draw(ax)
    assert [tick for tick in ax.get_xticks() if 1 <= tick <= 2] == [1, 2]
    ax = plotting.new_axes()
    ax.set_xticks([1.5])
    assert plot_curve([0.1, 0.2], ax=ax).get_xticks() == [1.5]  # the caller's own


@pytest.mark.parametrize("values", [[], [float("nan"), 1.0, float("inf")]])
def test_strange_curves_are_drawn(values):
    draw(plot_curve(values, "x", "y"))


@pytest.mark.parametrize("one_hot", [True, False])
def test_points_are_grouped_by_class(one_hot):
    x = numpy.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    ids = numpy.array([0, 2, 2])
    ax = scatter_points(x, numpy.eye(3, dtype=int)[ids] if one_hot else ids)
    assert [points.get_offsets().tolist() for points in ax.collections] == [[[0, 0]], [], [[1, 0], [0, 2]]]
    draw(ax)


def test_decision_boundary_asks_for_few_points_and_colours_the_right_side():
    x = numpy.array([[-1, -1], [1, -1], [0, 3]], dtype="float32")
    asked = []

    def predict(points):
        asked.append(points)
        above, right = points[:, 1] > 1, points[:, 0] > 0
        return numpy.stack([~above & ~right, ~above & right, above], axis=1).astype("float32")

    plot_decision_boundary(predict, numpy.array([[0, 0], [1, 1]]), numpy.arange(2), resolution=10)
    assert len(numpy.unique(asked.pop())) == 10  # not the integers among them alone
    with pytest.raises(ValueError, match="plot_decision_boundary: resolution must be at least 1, not 0"):
        plot_decision_boundary(predict, x, numpy.arange(3), resolution=0)
    ax = plot_decision_boundary(predict, x, numpy.arange(3), resolution=100)
    (points,) = asked
    assert points.shape == (10_000, 2)
    assert points.dtype == numpy.float32
    (image,) = ax.images
    classes = numpy.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    for column, row, label in ((-1, -1, 0), (1, -1, 1), (-1, 3, 2), (1, 3, 2)):
        i, j = int((row - bottom) / (top - bottom) * 100), int((column - left) / (right - left) * 100)
        assert classes[i, j] == label
    assert image.origin == "lower"
    draw(ax)


def test_words_stand_at_their_points_whatever_they_contain():
    words = ["you", "$", "a$b$", "%", "_x^", "<unk>"]
    points = numpy.arange(12.0).reshape(6, 2)
    ax = plot_words(points, words)
    assert [text.get_text() for text in ax.texts] == words
    assert [text.xy for text in ax.texts] == [tuple(point) for point in points]
    draw(ax)


def boxes(ax):
    """Left, bottom, right, top of each label as it is drawn."""
    draw(ax)
    return [text.get_window_extent().extents for text in ax.texts]


def test_words_cover_no_other_word_and_stay_in_the_frame():
    rng = numpy.random.default_rng(0)
    heap = numpy.concatenate([rng.normal(0, 0.02, (60, 2)), rng.uniform(-1, 1, (40, 2))])
    words = [f"word{i}" for i in range(100)]
    ax = plot_words(heap, words)
    shown = [text.get_text() for text in ax.texts]
    assert shown[0] == "word0" and shown == [word for word in words if word in shown]
    assert 40 < len(shown) < 90
    assert len(ax.collections[0].get_offsets()) == 100
    found, frame = boxes(ax), ax.get_window_extent().extents
    for i, (left, bottom, right, top) in enumerate(found):
        assert left >= frame[0] - 1 and bottom >= frame[1] - 1 and right <= frame[2] + 1 and top <= frame[3] + 1
        for other in found[:i]:
            assert min(right, other[2]) - max(left, other[0]) < 1 or min(top, other[3]) - max(bottom, other[1]) < 1


def test_words_at_one_point_stand_around_it():
    ax = plot_words(numpy.zeros((5, 2)), list("abcde"))
    assert [text.get_text() for text in ax.texts] == list("abcd")
    assert len({text.get_position() for text in ax.texts}) == 4


def test_a_word_that_no_place_in_the_frame_has_room_for_is_drawn():
    ax = plot_words([[0.0, 0.0]], ["long" * 30])
    assert len(ax.texts) == 1


def test_many_words_get_a_larger_figure_if_it_is_ours():
    few, many = (plot_words(numpy.zeros((n, 2)), ["a"] * n) for n in (30, 31))
    assert (many.figure.get_size_inches() > 1.5 * few.figure.get_size_inches()).all()
    assert many.texts[0].get_fontsize() < few.texts[0].get_fontsize()
    given = matplotlib.figure.Figure((3, 3)).add_subplot()
    assert plot_words(numpy.zeros((31, 2)), ["a"] * 31, ax=given) is given
    assert given.figure.get_size_inches().tolist() == [3, 3]


@pytest.mark.parametrize("points", [[], [[0.0, float("nan")], [float("inf"), 0.0], [0.0, 0.0]]])
def test_strange_words_are_drawn(points):
    draw(plot_words(numpy.reshape(points, (-1, 2)), ["a"] * len(points)))


def test_heatmap_has_labels_in_order():
    weights = numpy.eye(2, 3)
    ax = plot_heatmap(weights, xlabels=list("ab$"), ylabels=["first", "second"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "$"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {0}
    assert numpy.array_equal(ax.images[0].get_array(), weights)
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first row is on top
    draw(ax)


def test_even_attention_is_evenly_dark():
    (image,) = plot_heatmap([[0.0344, 0.0345], [0.0346, 0.0345]]).images
    assert image.get_clim() == (0, 1)
    assert len(numpy.unique(image.to_rgba(image.get_array(), bytes=True)[..., 0])) == 1


def test_long_labels_of_columns_stand_upright():
    ax = plot_heatmap(numpy.eye(2), xlabels=["null", "und"], ylabels=["und", "null"])
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90}
    assert {label.get_rotation() for label in ax.get_yticklabels()} == {0}
    draw(ax)


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ["W", "日", "two words"])
def test_labels_of_long_questions_and_answers_have_room(symbol):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there may be no font with the symbol
        ax = plot_heatmap(numpy.zeros((70, 90)), xlabels=[symbol] * 90, ylabels=[symbol] * 70)
    draw(ax)
    across = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(across))
    down = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(lower.y1 <= upper.y0 for upper, lower in itertools.pairwise(down))


def test_size_of_heatmaps():
    usual = plotting.new_axes().figure.get_size_inches()
    assert (plot_heatmap(numpy.zeros((11, 29))).figure.get_size_inches() == usual).all()
    assert plot_heatmap(numpy.zeros((1, 100_000))).figure.get_size_inches()[0] == 100
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    plot_heatmap(numpy.zeros((1, 300)), ax=ax)
    assert (ax.figure.get_size_inches() == usual).all()  # the caller's own


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scatter_points(numpy.zeros((3, 3)), numpy.zeros(3, int)), r"x \(n, 2\).*\(3, 3\)"),
        (lambda: scatter_points(numpy.zeros((3, 2)), numpy.zeros(2, int)), r"\(3, 2\).*\(2,\)"),
        (lambda: plot_words(numpy.zeros((3, 2)), ["a"]), r"\(1, 2\) for 1 words, got \(3, 2\)"),
        (lambda: plot_heatmap(numpy.zeros(3)), r"\(rows, columns\), got \(3,\)"),
        (lambda: plot_heatmap(numpy.zeros((2, 3)), xlabels="ab"), r"2 labels .*\(2, 3\)"),
        (lambda: plot_heatmap(numpy.zeros((2, 3)), ylabels="abc"), r"3 labels .*\(2, 3\)"),
    ],
)
def test_wrong_shapes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_nothing_is_imported_before_the_first_figure_and_pyplot_never_without_a_viewer(tmp_path):
    program = """
import sys
import common.plotting as plotting
plotting.has_viewer = lambda: False
assert "matplotlib" not in sys.modules
ax = plotting.plot_curve([1.0, 2.0])
ax.figure.savefig("curve.png")
plotting.show(ax)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_of_a_program_that_uses_pyplot(tmp_path):
    program = """
import os
os.environ["MPLBACKEND"] = "agg"
from matplotlib import pyplot as plt
import common.plotting as plotting
plotting.has_viewer = lambda: False
ax = plotting.plot_curve([1.0, 2.0])
assert plt.gcf() is ax.figure
plt.savefig("curve.png")
for _ in range(30):
    plotting.new_axes()  # nobody would close them
assert plt.get_fignums() == [ax.figure.number]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)
    ax = plot_curve([1.0, 2.0])
    ax.figure.savefig(tmp_path / "expected.png")
    assert (tmp_path / "curve.png").stat().st_size > 0.8 * (tmp_path / "expected.png").stat().st_size


@pytest.mark.slow
def test_a_backend_that_cannot_be_loaded_does_without_a_window():
    program = """
import os
os.environ["MPLBACKEND"] = "module://no_such_backend"
import common.plotting as plotting
plotting.has_viewer = lambda: True
plotting.show(plotting.plot_curve([1.0, 2.0]))
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.slow
def test_a_backend_that_opens_no_window_does_without_one(tmp_path):
    (tmp_path / "failing.py").write_text(
        """
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    def __init__(self, canvas, number):
        raise RuntimeError("no usable init.tcl")


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
""",
        "utf-8",
    )
    program = """
import os, sys
sys.path.append(os.getcwd())
os.environ["MPLBACKEND"] = "module://failing"
import common.plotting as plotting
plotting.has_viewer = lambda: True
plotting.plot_curve([1.0, 2.0]).figure.savefig("curve.png")
"""
    root = str(Path(plotting.__file__).parents[1])
    program = f"import sys; sys.path.insert(0, {root!r})" + program
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "curve.png").exists()


def test_missing_matplotlib_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib \("):
        plot_curve([1.0])


class TestViewer:
    @pytest.fixture(autouse=True)
    def bare_linux(self, monkeypatch):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")

    def test_no_display(self):
        assert not has_viewer()

    @pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
    def test_display_wherever_the_output_goes(self, monkeypatch, variable):
        monkeypatch.setenv(variable, ":0")
        for terminal in (True, False):
            monkeypatch.setattr(sys.stdout, "isatty", lambda answer=terminal: answer, raising=False)
            assert has_viewer()

    def test_notebook(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
        assert has_viewer()


class TestShow:
    """Windows are pyplot's. A canvas that claims a toolkit stands in for a real one."""

    @pytest.fixture
    def shown(self, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        from matplotlib import pyplot

        pyplot.switch_backend("agg")
        shown = []
        monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.get_fignums()))
        yield shown
        pyplot.close("all")

    def test_window(self, monkeypatch, shown):
        monkeypatch.setattr(plotting, "has_viewer", lambda: True)
        ax = plot_curve([1.0])
        monkeypatch.setattr(type(ax.figure.canvas), "required_interactive_framework", "tk")
        plotting.show(ax)
        assert shown == [[ax.figure.number]]

    def test_axes_that_the_caller_has_opened(self, shown):
        """Those are pyplot's current ones; a figure of ours is nobody's to draw into by default."""
        from matplotlib import pyplot

        figure = pyplot.figure()
        pyplot.subplot(1, 2, 1)
        pyplot.plot([1, 2])
        left = plot_curve([3.0, 2.0])
        right = pyplot.subplot(1, 2, 2)
        assert plot_curve([3.0, 2.0]) is plot_curve([2.0, 1.0]) is right
        assert [len(ax.lines) for ax in figure.axes] == [2, 2] and left is figure.axes[0]
        assert pyplot.get_fignums() == [figure.number]
        pyplot.close("all")
        ours = [plot_curve([1.0]), plot_curve([1.0])]
        assert len({ax.figure.number for ax in ours}) == 2
        assert pyplot.gca() is ours[1]
        pyplot.subplot(2, 1, 1)  # by the caller, in place of ours
        assert plot_curve([1.0]) is pyplot.gca()
        pyplot.figure()
        assert plot_curve([1.0]).figure is pyplot.gcf()

    def test_backend_without_windows(self, monkeypatch, shown):
        monkeypatch.setattr(plotting, "has_viewer", lambda: True)
        plotting.show(plot_curve([1.0]))
        assert shown == []

    def test_scripts_open_no_more_windows_than_pyplot_puts_up_with(self, monkeypatch, shown):
        monkeypatch.setattr(plotting, "has_viewer", lambda: True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            axes = [plotting.new_axes() for _ in range(25)]
        assert not caught
        assert sum(ax.figure.canvas.manager is not None for ax in axes) == 20
