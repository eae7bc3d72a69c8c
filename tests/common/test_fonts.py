import warnings

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="figures need Matplotlib")

from common import fonts  # noqa: E402
from common.fonts import legible  # noqa: E402
from common.plotting import plot_heatmap, plot_words  # noqa: E402


@pytest.fixture
def bundled(monkeypatch):
    """Matplotlib with no fonts but those that come with it, by name."""
    from matplotlib import font_manager

    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    return {font.name: font for font in own}


def test_what_the_default_font_has_needs_no_other():
    labels, families = legible(["plain", "żółć ∑", ""])
    assert labels == ["plain", "żółć ∑", ""]
    assert families == list(matplotlib.rcParams["font.family"])


def test_another_font_is_found_for_what_it_lacks(bundled):
    lacking = fonts._characters(bundled["STIXGeneral"].fname) - fonts._characters(bundled["DejaVu Sans"].fname)
    label = "a" + next(chr(n) for n in sorted(lacking) if chr(n).isprintable())
    labels, families = legible([label])
    assert labels == [label]
    assert families[0] == matplotlib.rcParams["font.family"][0] and len(families) == 2
    assert any(ord(label[1]) in fonts._characters(f.fname) for n, f in bundled.items() if n == families[1])


def test_what_no_font_has_is_shown_by_its_number(bundled):
    with pytest.warns(UserWarning, match="no installed font has 日, 本.*Noto Sans CJK"):
        labels, _ = legible(["日本", "x"])
    assert labels == ["U+65E5U+672C", "x"]


def test_a_lone_surrogate_becomes_a_character_that_can_be_drawn(tmp_path):
    assert legible(["a\udcff", "b"])[0] == ["a\ufffd", "b"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot_words([[0.0, 1.0], [1.0, 0.0]], ["\ud83d", "b"])
        ax.figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("draw", [
    lambda labels: plot_heatmap([[0.0, 1.0]], labels, ["y"]),
    lambda labels: plot_words([[0.0, 1.0], [1.0, 0.0]], labels),
])  # fmt: skip
def test_a_figure_of_japanese_is_drawn_without_complaints_of_matplotlib(draw, tmp_path, bundled):
    with pytest.warns(UserWarning, match="no installed font has 日") as caught:
        ax = draw(["日", "a"])
        ax.figure.savefig(tmp_path / "figure.png")
    assert len(caught) == 1


def test_a_file_that_is_no_font_has_no_characters(tmp_path):
    path = tmp_path / "broken.ttf"
    path.write_bytes(b"no font")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fonts._characters(str(path)) == frozenset()


def test_characters_that_are_not_drawn_need_no_font():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert legible(["two\nlines", "\x07"])[0] == ["two\nlines", "\x07"]


def test_the_fonts_of_matplotlib_stay(bundled):
    before = list(matplotlib.rcParams["font.family"])
    lacking = fonts._characters(bundled["STIXGeneral"].fname) - fonts._characters(bundled["DejaVu Sans"].fname)
    assert len(legible([chr(n) for n in sorted(lacking) if chr(n).isprintable()])[1]) > 1
    assert list(matplotlib.rcParams["font.family"]) == before


@pytest.mark.parametrize(
    ("label", "shown"),
    [("語本日文字", "字, 文, 日, 本, 語"), ("語本日文字学", "字, 学, 文, 日, 本 …")],
)
def test_the_warning_names_a_few(label, shown, bundled):
    with pytest.warns(UserWarning, match=f"no installed font has {shown}: a figure"):
        legible([label])


def test_another_font_does_for_a_part(bundled):
    lacking = fonts._characters(bundled["STIXGeneral"].fname) - fonts._characters(bundled["DejaVu Sans"].fname)
    found = next(chr(n) for n in sorted(lacking) if chr(n).isprintable())
    with pytest.warns(UserWarning, match="no installed font has 日: a figure"):
        labels, families = legible([found, "日"])
    assert labels == [found, "U+65E5"] and len(families) == 2
