"""The gain by what the rows say of their problems: level, domain, subject, …"""

from __future__ import annotations

from rlvr.report.figures import Panel, View
from rlvr.report.figures.tables import interval
from rlvr.report.words import NAMELESS
from rlvr.text import line, number


def panel(view: View) -> Panel:
    name, short, title = "breakdown", "Breakdown", "By what the files say of the problems"
    found = view.document["breakdown"]
    if not found:
        why = (
            "Needs a key of the rows that sorts the problems into a few groups, such as a level or a domain."
        )
        return Panel(name, short, title, missing=why)
    return Panel(
        name,
        short,
        title,
        see="Keys of the rows with a few values: " + ", ".join(line(column, 40) for column in found) + ".",
        caption="Rates in points with 95 % intervals, cluster bootstrap over the problems of the row; of few problems "
        "they are wide, and of many rows some differ by chance. The share is of the whole gain of pass@1.",
        columns=(
            *("column", "value", "problems"),
            *(f"pass@1, {view.base}", f"pass@1, {view.main}", "Δ pass@1, paired", "share of Δ, %"),
        ),
        rows=[
            [
                line(column, 40),
                line(row["stratum"] or NAMELESS, 60),
                row["problems"],
                *(interval(row[key]) for key in ("base_pass_1", "tuned_pass_1", "gain")),
                number(None if row["share_of_gain"] is None else 100 * float(row["share_of_gain"]), ".0f"),
            ]
            for column, rows in found.items()
            for row in rows
        ],
    )
