"""Figures: axes in, axes out.

Every function draws into the Matplotlib axes `ax` and returns them. By default these are pyplot's current ones, where
the caller has opened a figure with it, as by ``plt.subplot``, and otherwise those of a new figure. Matplotlib is
optional (``pip install matplotlib``) and imported at the first figure, not before. NumPy and CuPy arrays are both
welcome.

A new figure belongs to pyplot where somebody can see it, in a notebook or where there is a display, and also where the
program has imported pyplot itself, as for ``plt.savefig``. Elsewhere it is a plain object, so that a server writes
files without a window system and without any choice of a backend. Figures that our scripts save are pyplot's only where
they can be seen, since nobody closes them.
"""

import contextlib
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy

from common.checks import check_counts
from common.fonts import legible
from common.functions import as_float
from common.np import np, to_cpu

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any  # for typing.get_type_hints, also without Matplotlib

MARKERS = "ox^sDvP*"
MOST_WINDOWS = 20  # pyplot warns of more open figures
MANY_WORDS = 30  # more than these get a larger figure and smaller letters
LABEL_SPACE, MARGIN = 0.16, 1.0  # inches that a label beside a heat map takes, and what else is at its sides
LARGEST_SIDE = 100.0  # inches; Matplotlib refuses more than 655
WORD_GAP = 3  # points between a point and its word
# Where a word may stand, the best first: to the right (1) or left (-1) of its point, above (1) or below (-1).
WORD_PLACES = numpy.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])


def has_viewer() -> bool:
    """Whether somebody can look at a figure: in a notebook, or where there is a display."""
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return "ipykernel" in sys.modules or sys.platform in ("win32", "darwin") or bool(display)


def new_axes() -> "Axes":
    """The axes of a new figure that a script saves: pyplot's where there is a viewer, unless many are open already.

    Raises ImportError, with the remedy, without Matplotlib.
    """
    pyplot = sys.modules.get("matplotlib.pyplot")
    many = pyplot is not None and len(pyplot.get_fignums()) >= MOST_WINDOWS
    return _axes(has_viewer() and not many)


def callers_axes() -> "Axes":
    """pyplot's current axes, if the caller has made them, or those of a new figure.

    That is as in :func:`new_axes`, but pyplot's also where the caller has imported that.
    """
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and pyplot.get_fignums() and (ax := pyplot.gca()) not in _own:
        return ax
    return _axes(has_viewer() or pyplot is not None)


_own: "weakref.WeakSet[Axes]" = weakref.WeakSet()  # of our new figures


def _axes(of_pyplot: bool) -> "Axes":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"figures need Matplotlib, the extra `plot`: pip install matplotlib ({error})") from error
    if of_pyplot:
        # Without a display after all, or without its toolkit, the backend that was asked for cannot be imported, or
        # fails in its own way: the figure is worth more than its window.
        with contextlib.suppress(Exception):
            from matplotlib import pyplot

            ax = pyplot.figure(layout="constrained").add_subplot()
            _own.add(ax)
            return ax
    ax = Figure(layout="constrained").add_subplot()
    _own.add(ax)
    return ax


def save(ax: "Axes", file: IO[bytes], suffix: str) -> None:
    """Write the figure of `ax` to an open file, in the format that a name with that suffix, such as ".png", has."""
    figure: Any = ax.figure
    figure.savefig(file, format=suffix[1:], dpi=150)


def show(ax: "Axes") -> None:
    """Open the windows of `ax` and of all other figures, and wait until they are closed.

    A notebook shows its figures by itself; without a viewer nothing happens.
    """
    # Which graphical toolkit the figure needs: none, unless it was made for a window.
    if getattr(ax.figure.canvas, "required_interactive_framework", None):
        from matplotlib import pyplot

        pyplot.show()


def plot_curve(
    values: Sequence[float],
    xlabel: str = "",
    ylabel: str = "",
    ylim: Any = None,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """A curve through `values`, drawn at 1, 2, 3, ….

    `ylim` is the top of the y axis, a number, or its (bottom, top), any pair; `label` names the curve in a legend.
    """
    ax = ax or callers_axes()  # which says so where there is no Matplotlib
    from matplotlib.ticker import MaxNLocator

    # A line through a single point would be invisible.
    ax.plot(range(1, len(values) + 1), values, marker="o" if len(values) == 1 else None, label=label)
    if isinstance(locator := ax.xaxis.get_major_locator(), MaxNLocator):  # not ticks of the caller's own
        locator.set_params(integer=True)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if ylim is not None:
        limits: Any = to_cpu(ylim)
        ax.set_ylim(*limits) if limits.ndim else ax.set_ylim(top=limits)
    if label is not None:
        ax.legend()
    return ax


def scatter_points(x: Any, t: Any, ax: "Axes | None" = None) -> "Axes":
    """The points x (n, 2), one marker and colour for each class; t (n,) class ids or (n, K) one-hot.

    Raises ValueError for other shapes.
    """
    x, t = to_cpu(x), to_cpu(t)
    if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(t):
        raise ValueError(f"scatter_points: expected x (n, 2) and t (n,) or (n, K), got x {x.shape} and t {t.shape}")
    ids = t.argmax(axis=1) if t.ndim == 2 else t
    ax = ax or callers_axes()
    for k in range(int(ids.max(initial=-1)) + 1):
        ax.scatter(x[ids == k, 0], x[ids == k, 1], s=30, color=f"C{k}", marker=MARKERS[k % len(MARKERS)])
    return ax


def plot_decision_boundary(
    predict: Callable[[Any], Any], x: Any, t: Any, resolution: int = 300, ax: "Axes | None" = None
) -> "Axes":
    """The plane coloured by the class that `predict` scores highest, and the points x (n, 2) of classes t on it.

    ``predict(points)`` gives scores (n, K); it is asked once, about resolution² points spread over the range of x.
    """
    check_counts("plot_decision_boundary", resolution=resolution)
    ax = scatter_points(x, t, ax)  # which says so where there is no Matplotlib
    from matplotlib.colors import ListedColormap

    x = to_cpu(as_float(x))
    (left, bottom), (right, top) = x.min(axis=0) - 0.1, x.max(axis=0) + 0.1
    # Centres of the grid's cells, row by row from the bottom.
    across, up = ((np.arange(resolution) + 0.5) / resolution * (b - a) + a for a, b in ((left, right), (bottom, top)))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(x.dtype)
    scores = to_cpu(predict(grid))
    classes = scores.argmax(axis=1).reshape(resolution, resolution)
    ax.imshow(
        classes,
        cmap=ListedColormap([f"C{k}" for k in range(scores.shape[1])]),
        vmin=-0.5,
        vmax=scores.shape[1] - 0.5,
        alpha=0.25,
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="nearest",
    )
    return ax


def plot_words(points: Any, words: Sequence[str], ax: "Axes | None" = None) -> "Axes":
    """The points (n, 2), each beside its word; words for which there is no room are left out.

    Those are the words that would cover one before them, wherever beside their point they stood: let the important ones
    come first. For more than 30 words a figure of our own is larger than usual. Raises ValueError unless there are as
    many points as words.
    """
    points = to_cpu(points)
    if points.shape != (len(words), 2):
        raise ValueError(f"plot_words: expected points ({len(words)}, 2) for {len(words)} words, got {points.shape}")
    ax = ax or callers_axes()
    words, fonts = legible(words)
    figure: Any = ax.get_figure(root=True)
    many = len(words) > MANY_WORDS
    if many and ax in _own:
        figure.set_size_inches(1.75 * figure.get_size_inches())
    ax.scatter(points[:, 0], points[:, 1], s=15, alpha=0.5)
    ax.margins(0.08)
    figure.draw_without_rendering()  # only now is it settled where on the page the points lie
    # parse_math=False: the word "$" is no formula.
    letters: Any = {"parse_math": False, "family": fonts, "fontsize": 8 if many else None}
    sample = ax.text(0, 0, "", **letters)
    frame, gap, drawn = ax.get_window_extent().get_points(), WORD_GAP * figure.dpi / 72, numpy.empty((0, 2, 2))
    for point, on_page, word in zip(points, ax.transData.transform(points), words, strict=True):
        sample.set_text(word)
        half = numpy.array(sample.get_window_extent().size) / 2
        centres = on_page + WORD_PLACES * (gap + half)
        boxes = numpy.stack([centres - half, centres + half], axis=1)
        place = _free_place(boxes, frame, drawn)
        if place is not None:
            drawn = numpy.concatenate([drawn, boxes[place : place + 1]])
            across, up = WORD_PLACES[place]
            ax.annotate(
                word, point, xytext=(WORD_GAP * across, WORD_GAP * up), textcoords="offset points",
                ha="left" if across > 0 else "right", va="bottom" if up > 0 else "top", **letters,
            )  # fmt: skip
    sample.remove()
    return ax


def _free_place(boxes: Any, frame: Any, drawn: Any) -> int | None:
    """Which of the `boxes` has no part in common with those `drawn` and best lies in the frame; None if there is none.

    boxes (m, 2, 2), frame (2, 2) and drawn (n, 2, 2) hold the lower left and the upper right corner.
    """
    low, high = boxes[:, 0], boxes[:, 1]
    covers = ((low[:, None] < drawn[:, 1]) & (high[:, None] > drawn[:, 0])).all(axis=2).any(axis=1)
    crosses = ((low < frame[0]) | (high > frame[1])).any(axis=1)
    free = numpy.flatnonzero(~covers)
    return int(free[crosses[free].argmin()]) if free.size else None


def plot_heatmap(
    weights: Any,
    xlabels: Sequence[str] | None = None,
    ylabels: Sequence[str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """weights (rows, columns) of attention (output step, input step), black 0 and white 1; the first row on top.

    Where labels of the columns are longer than two characters, all stand upright, lest they run into each other; a
    figure of our own grows with their number. Raises ValueError for weights of other shapes.
    """
    weights = to_cpu(weights)
    if weights.ndim != 2:
        raise ValueError(f"plot_heatmap: expected weights (rows, columns), got {weights.shape}")
    ax = ax or callers_axes()
    if ax in _own:
        figure: Any = ax.get_figure(root=True)
        rows_and_columns = numpy.minimum(MARGIN + LABEL_SPACE * numpy.array(weights.shape), LARGEST_SIDE)
        figure.set_size_inches(numpy.maximum(figure.get_size_inches(), rows_and_columns[::-1]))
    ax.imshow(weights, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for labels, size, axis in ((xlabels, weights.shape[1], ax.xaxis), (ylabels, weights.shape[0], ax.yaxis)):
        if labels is not None:
            if len(labels) != size:
                raise ValueError(f"plot_heatmap: {len(labels)} labels {list(labels)} for weights {weights.shape}")
            labels, fonts = legible(labels)
            upright = axis is ax.xaxis and max(map(len, labels), default=0) > 2
            axis.set_ticks(range(size), labels=labels, parse_math=False, family=fonts, rotation=90 * upright)
    return ax
