"""How every figure looks: one matplotlib style, and colours that follow the page's theme.

Figures are drawn once, in fixed marker colours. For the page each marker colour becomes a CSS variable
(so one SVG serves light, dark and paper); for the file beside it, the light theme's colour.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

# Name → (marker colour in the drawing, light, dark). Okabe and Ito's palette, which every common form of
# colour blindness can tell apart, lightened for dark ground.
COLOURS = {
    "ink": ("#010101", "#1d2126", "#e7e5e0"),
    "muted": ("#020202", "#6a7077", "#9aa0a6"),
    "rule": ("#030303", "#dcdcd6", "#35393f"),
    "ground": ("#040404", "#ffffff", "#15181c"),
    "base": ("#050505", "#7d838a", "#a4aab1"),
    "tuned": ("#060606", "#0072b2", "#56b4e9"),
    "run2": ("#070707", "#009e73", "#2fc49a"),
    "run3": ("#080808", "#cc79a7", "#e39cc4"),
    "run4": ("#090909", "#b8860b", "#e6b93c"),
    "within": ("#0a0a0a", "#0072b2", "#3d94cf"),
    "beyond": ("#0b0b0b", "#56b4e9", "#8fd0f5"),
    "unresolved": ("#0c0c0c", "#8a8f96", "#8a9098"),
    "expansion": ("#0d0d0d", "#e69f00", "#f0b437"),
    "forgetting": ("#0e0e0e", "#d55e00", "#f07f36"),
}
RUNS = ("tuned", "run2", "run3", "run4")


def colour(name: str) -> str:
    """The marker colour to draw with."""
    return COLOURS[name][0]


_STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": colour("muted"),
    "axes.labelcolor": colour("ink"),
    "axes.titlecolor": colour("ink"),
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "grid.color": colour("rule"),
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "text.color": colour("ink"),
    "xtick.color": colour("muted"),
    "ytick.color": colour("muted"),
    "xtick.labelcolor": colour("ink"),
    "ytick.labelcolor": colour("ink"),
    "xtick.minor.visible": False,
    "hatch.color": colour("ground"),
    "hatch.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a policy's name may hold a dollar sign
}


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """The style in force while a figure is drawn and saved; `name` keeps the ids of its parts its own."""
    style: dict[Any, Any] = _STYLE | {"svg.hashsalt": name}
    with rc_context(style):
        yield


def canvas(width: float, height: float, **grid) -> tuple[Canvas, list[Axes]]:
    """A figure without pyplot's global state, `width` × `height` inches, and its axes row by row."""
    figure = Canvas(figsize=(width, height), layout="constrained")
    axes = figure.subplots(squeeze=False, **grid)
    return figure, list(axes.flat)


def svg(figure: Canvas, name: str) -> str:
    """The drawing as SVG in marker colours, without ids that another figure on the page may use too."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The drawing's text stays text, set in the reader's fonts; that ours lacks a glyph does not matter.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.S)
    text = re.sub(r'style="([^"]*)"', lambda m: _attributes(m[1]), text)
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = text.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    return re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)


def for_page(drawn: str, title: str) -> str:
    """An inline SVG whose colours follow the page, sized by the page, with a name for screen readers."""
    for key, (marker, _, _) in COLOURS.items():
        drawn = drawn.replace(marker, f"var(--{key})")
    head = re.sub(r'\s(width|height)="[^"]*"', "", drawn[: drawn.index(">")], count=2)
    head += f' role="img" aria-label="{_quoted(title)}"'
    return head + drawn[drawn.index(">") :]


def for_file(drawn: str) -> str:
    """A file of its own, in the light theme's colours, for papers and slides."""
    for marker, light, _ in COLOURS.values():
        drawn = drawn.replace(marker, light)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + drawn


def variables(theme: str) -> str:
    """The CSS variables of one theme ("light" or "dark")."""
    at = {"light": 1, "dark": 2}[theme]
    return "".join(f"--{key}:{value[at]};" for key, value in COLOURS.items())


def _attributes(style: str) -> str:
    """An SVG style as attributes: the page's security policy allows no inline styles.

    The one shorthand that matplotlib writes, `font`, has no attribute; its size has, and the family is the
    page's own.
    """
    out = []
    for part in filter(None, (p.strip() for p in style.split(";"))):
        key, _, value = (p.strip() for p in part.partition(":"))
        if key == "font":
            if "bold" in value.split():
                out.append('font-weight="bold"')
            if "italic" in value.split() or "oblique" in value.split():
                out.append('font-style="italic"')
            size = re.search(r"([\d.]+)px", value)
            key, value = "font-size", size[1] if size else "10"
        out.append(f'{key}="{value}"')
    return " ".join(out)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
