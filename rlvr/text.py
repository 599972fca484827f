"""Text that others wrote, made safe to show; and numbers, as a person reads them."""

from __future__ import annotations

import math
import re
from typing import Any

from verifiers.visible import visible

__all__ = [
    "cell",
    "is_step",
    "line",
    "number",
    "points",
    "resolved",
    "shareable",
    "size",
    "step_of",
    "visible",
]

_LINE_ENDS = re.compile(r"[\r\n\t]+")


def line(text: Any, width: int = 120) -> str:
    """As `visible`, on one line, shortened to `width` characters."""
    flat = visible(_LINE_ENDS.sub(" ", str(text)))
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def points(value: Any, sign: bool = False) -> str:
    """A rate as points: 0.614 → 61.4."""
    return number(None if value is None else _float(value) * 100, "+.1f" if sign else ".1f")


def number(value: Any, form: str = ".3g") -> str:
    """A number for people; "–" where it is not defined, "∞" where it is infinite."""
    value = _float(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = format(value, form)
    if re.fullmatch(r"[+-]0(\.0*)?", text):
        text = text[1:]
    return text.replace("-", "−")


RESOLUTION = 1e-12
"""Of sums of many logarithms and shares: what is smaller is the rounding's."""


def resolved(value: Any, form: str = ".3g") -> str:
    """As `number`, of a measured value that may be nothing but rounding.

    >>> resolved(3e-17), resolved(-3e-17), resolved(3e-7)
    ('< 1e-12', '0', '3e−07')
    """
    if 0 < abs(_float(value)) < RESOLUTION:
        return f"< {RESOLUTION:g}" if value > 0 else "0"
    return number(value, form)


def cell(value: Any) -> str:
    """A table cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u2009").replace("-", "−") if abs(value) >= 10_000 else str(value)
    if value is None or isinstance(value, float):
        return resolved(value, ".4g")
    return line(value, 400)


def _float(value: Any) -> float:
    if value is None:
        return math.nan
    return float(value)


_FOLDERS = re.compile(r"(?<![\w.:/~-])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:'\"<>|]+[/\\])+(?=[^\s/\\:'\"<>|]+)")


def shareable(text: str) -> str:
    """Without the folders of this machine: of an absolute path, the last two names are left.

    >>> shareable("model /home/anna/runs/quickstart/model, from openai/gsm8k, https://x.org/a/b")
    'model …/quickstart/model, from openai/gsm8k, https://x.org/a/b'
    """

    def short(found: re.Match[str]) -> str:
        parts = re.split(r"[/\\]", found[0].strip("/\\"))
        return f"…/{parts[-1]}/"

    return _FOLDERS.sub(short, text)


def is_step(name: str) -> bool:
    """The evaluation is one during training (`step-20`), not a run of its own."""
    return re.search(r"step-\d+$", name) is not None


def step_of(name: str) -> int:
    """The number of a step's evaluation."""
    return int(name.rpartition("-")[2])


def size(count: float) -> str:
    """Bytes for people.

    >>> size(4_100_000), size(23_500_000_000)
    ('4.1 MB', '23.5 GB')
    """
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
