"""The tables beside a report's figures, and how numbers are written in them."""

import csv
import re

FIELDS = ("value", "se", "lo", "hi")
KINDS = ("within", "beyond", "unresolved", "expansion", "forgetting")


def spoken(parts):
    """The parts that a page speaks of: expansion only where a problem is certified; else it is unresolved too."""
    held = {kind: parts[kind] for kind in KINDS}
    if parts["certified_simultaneous"]["count"] == 0:
        held["unresolved"] = parts["expansion_high"]
        held.pop("expansion")
    return held


def table(report, name):
    with (report.html.parent / "figures" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_page(path):
    """The page, whose words do not lead to its glossary."""
    return re.sub(r'<a class="term"[^>]*>(.*?)</a>', r"\1", path.read_text())


def text(value):
    """A cell as CSV has it."""
    return "" if value is None else str(value)


def cells(e, *fields):
    return [text(e[field]) for field in (*FIELDS, *fields)]


def shown(e, scale=100, form=".1f"):
    """61.4 (57.9 to 64.8), as docs/metrics.md and the page have it."""
    if not isinstance(e, dict):
        return "–" if e is None else written(scale * float(e), form)
    if e["value"] is None:
        if e["status"] == "censored_right":
            return f"> {e['bound']}"
        return "–" if e["status"] in ("ok", "no_data") else f"– ({e['status'].replace('_', ' ')})"
    if e["lo"] is None or e["hi"] is None:
        return written(scale * float(e["value"]), form)
    value, lo, hi = (written(scale * float(e[key]), form) for key in ("value", "lo", "hi"))
    return f"{value} ({lo} to {hi})"


def written(value, form=".1f"):
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    said = format(value, form)
    return (said.lstrip("-+") if float(said) == 0 else said).replace("-", "−")
