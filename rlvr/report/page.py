"""The page: one file that opens offline and trusts nothing that it shows.

Text from models, data sets and settings is escaped by the template, or travels as JSON that the page's script
puts into text nodes. The security policy allows the page's own script and style by their hashes only, and no picture
but those that the script makes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from rlvr.report.browser import Browser
from rlvr.report.figures import Panel, theme
from rlvr.report.glossary import TERMS, FirstUses
from rlvr.report.problem_table import ProblemTable
from rlvr.report.schema import Document
from rlvr.run import flat
from rlvr.text import cell, shareable, visible

ROWS_SHOWN = 200


def render(
    document: Document,
    panels: Sequence[Panel],
    browser: Browser,
    headline: Sequence[str],
    tiles: Sequence[Mapping[str, str]],
    document_name: str = "report.json",
    folded: Sequence[str] = (),
    table: ProblemTable | None = None,
    quoted: Mapping[str, str] | None = None,
    reload: float | None = None,
) -> str:
    """The whole page as text.

    Args:
        document_name: the file beside it that has its numbers.
        folded: further sentences of the headline, for those who want them.
        table: every problem, to be sorted and filtered.
        quoted: name of a file → its text: the headline as a table, for a README or a paper.
        reload: seconds after which a browser loads it anew: the page of a run that is going on, which opens what was
            sampled last.
    """
    style = stylesheet()
    script = _script(bool(browser["rows"]))
    files = {f"{p.name}.csv": as_csv(p) for p in panels if p.rows} | dict(quoted or {})
    data = {
        "files": files,
        "table": table,
        "points": [point for p in panels for point in p.points],
        "browser": browser,
        "open": _newest(browser) if reload else None,
    }
    environment = Environment(autoescape=True, trim_blocks=False, finalize=_finalize)
    environment.filters["cell"] = cell
    environment.filters["code"] = _code
    environment.filters["terms"] = FirstUses()
    return environment.from_string(_template("report.html.j2")).render(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src blob:; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded(data)),
        version=document["version"],
        title=document["title"],
        reload=reload and max(1, round(reload)),
        written=time.strftime("%H:%M:%S"),
        headline=[shareable(sentence) for sentence in headline if sentence],
        folded=folded,
        quoted=list(quoted or {}),
        table=bool(table),
        terms=TERMS,
        tiles=tiles,
        notes=[shareable(note) for note in document["notes"]],
        panels=[_for_template(p) for p in panels if not p.missing],
        missing=[p for p in panels if p.missing],
        browser={"rows": bool(browser["rows"]), "see": _see(browser, any(p.points for p in panels))},
        settings=settings_table(document),
        document_name=document_name,
        shown=ROWS_SHOWN,
    )


def stylesheet() -> str:
    """The style of our pages, light and dark."""
    return re.sub(r"%(light|dark)%", lambda m: theme.variables(m[1]), _template("report.css"))


def _code(text: str) -> Markup:
    """Escaped, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))


def _finalize(value: Any) -> Any:
    """Whatever the template prints that is not our own markup cannot act on the reader's screen."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)


def _for_template(panel: Panel) -> dict[str, Any]:
    svg = Markup(theme.for_page(panel.drawing, panel.title)) if panel.drawing else None
    return {
        **{
            key: getattr(panel, key)
            for key in ("name", "short", "title", "see", "caption", "columns", "rows")
        },
        "svg": svg,
    }


def _script(texts: bool) -> str:
    """The page's one script: fragments in one closure; before them, where there are texts to show, the libraries."""
    parts = [_template(f"{name}.js") for name in ("common", "render", "problems", "diff", "report")]
    libraries = [_template(f"vendor/{name}.min.js") for name in ("markdown-it", "katex")] if texts else []
    whole = "\n".join([*libraries, "(() => {", '  "use strict";', *parts, "})();"])
    whole = re.sub(r"(?m)^//# sourceMappingURL=.*$", "", whole)  # nothing else is to be loaded
    return whole.replace("<!--", "\\x3C!--")  # in a library's text: it would open a comment of HTML


@cache
def _template(name: str) -> str:
    return (files("rlvr.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(data: Any) -> str:
    """JSON that is safe inside a script element whatever it holds: `</script>`, U+2028, half a pair."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", lambda c: f"\\u{ord(c[0]):04x}", text)


def as_csv(panel: Panel) -> str:
    """The panel's numbers, in full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_plain, panel.columns))
    writer.writerows(map(_plain, row) for row in panel.rows)
    return out.getvalue()


def _plain(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula begins with an apostrophe: ids and names come from files."""
    formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if formula and not _SIGNED.fullmatch(cell) else cell


_SIGNED = re.compile(r"[-+][\d., ±%]*")
"""A number of our own with its sign: +13.1 ± 3.0."""


def _newest(browser: Browser) -> int | None:
    """The policy of the newest training step."""
    return next((i for i, name in enumerate(browser["policies"]) if name.startswith("training, ")), None)


def _see(browser: Browser, points: bool = True) -> str:
    shown, total = browser["shown"], browser["total"]
    if not total:
        return "The files hold counts only; rollout files (JSONL) can be read here, trace by trace."
    text = f"All {total:,} rollouts. Filter them{', or click a point in the figure of problems' if points else ''}."
    if shown < total:
        text = (
            f"A sample of {shown:,} of {total:,} rollouts that keeps the variety of problems and verdicts; the "
            "statistics above rest on all of them."
        )
    steps = [name.rpartition(" ")[2] for name in browser["policies"] if name.startswith("training, ")]
    return f"{text} And samples that training steps {', '.join(steps[::-1])} trained on." if steps else text


def settings_table(document: Document) -> dict[str, Any]:
    """Settings, versions, counts and exclusions: one row per key, one column per policy."""
    names = list(document["policies"])
    columns = [flat(_about(document, name)) for name in names]
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = []
    for key in keys:
        values = [_shown(column.get(key)) for column in columns]
        rows.append({"key": key, "values": values, "differs": len(set(values)) > 1})
    return {"names": names, "rows": rows}


def _about(document: Document, name: str) -> dict[str, Any]:
    policy, source = document["policies"][name], document["sources"][name]
    held = document["settings"].get(name) or {"settings": "none beside the file"}
    n = policy["samples_per_problem"]
    about: dict[str, Any] = {
        "file": source["file"],
        "problems": policy["n_problems"],
        "samples scored": policy["n_samples"],
        "samples per problem": n["min"] if n["min"] == n["max"] else f"{n['min']}–{n['max']}",
        "not judged (score null), left out": policy["excluded"],
        "cut by the token limit": policy["truncated"]["count"],
        "without an answer": policy["no_answer"]["count"],
        "mean score": policy["mean_score"]["value"],
    }
    lacks = [f"{key} ({use})" for key, use in source["missing"].items()]
    if source["rows"] is None:
        about["rows"] = "counts only"
    elif lacks:
        about["keys that the file lacks"] = "; ".join(lacks)
    if comparison := document["comparison"]:
        about["bootstrap"] = f"{comparison['replicates']} replicates, seed {comparison['seed']}"
    return about | {key: value for key, value in held.items() if key not in about}


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return shareable(value)
    return cell(value) if isinstance(value, int | float) else shareable(json.dumps(value, ensure_ascii=False))
