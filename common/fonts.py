"""Fonts for labels in any script: Matplotlib's own font has no Chinese, Japanese or Korean characters."""

import functools
import warnings
from collections.abc import Sequence

# Colourful pictures, which Matplotlib cannot draw, and a sign of its script in place of each character there is.
NO_LETTERS = "Emoji", "Last Resort"

# Halves of a pair, which stand for bytes that are no UTF-8, are no characters, and Matplotlib cannot draw them.
SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def legible(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """(labels, families): font families for Matplotlib which together have all characters of the labels.

    The first is Matplotlib's default; for characters that it lacks, installed fonts follow, the one that has most of
    them first. A character that no font has becomes its number, such as U+65E5, and a warning names the remedy; a lone
    surrogate becomes U+FFFD.
    """
    from matplotlib import font_manager, rcParams

    labels = [label.translate(SURROGATES) for label in labels]
    default = font_manager.findfont(font_manager.FontProperties())
    missing = {c for label in labels for c in label if ord(c) not in _characters(default) and c.isprintable()}
    families = list(rcParams["font.family"])
    installed = [font for font in font_manager.fontManager.ttflist if not any(name in font.name for name in NO_LETTERS)]
    while missing and installed:
        best = max(installed, key=lambda font: sum(ord(c) in _characters(font.fname) for c in missing))
        found = {c for c in missing if ord(c) in _characters(best.fname)}
        if not found:
            break
        families.append(best.name)
        missing -= found
    if missing:
        warnings.warn(
            f"no installed font has {', '.join(sorted(missing)[:5])}{' …' * (len(missing) > 5)}: a figure shows them "
            "by their numbers. Install a font that has them, such as Noto Sans CJK.",
            stacklevel=4,
        )
    numbers = {ord(c): f"U+{ord(c):04X}" for c in missing}
    return [label.translate(numbers) for label in labels], families


@functools.cache
def _characters(path: str) -> frozenset[int]:
    """The numbers of the characters that the font file has; none, if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
