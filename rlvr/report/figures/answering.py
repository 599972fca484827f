"""How much of the gain is answer format: samples with an answer, and right ones among them, before and after."""

from __future__ import annotations

from rlvr.report.figures import Panel, View
from rlvr.report.figures.tables import interval
from rlvr.report.prose import format_lines
from rlvr.text import points


def panel(view: View) -> Panel:
    name, short, title = "answering", "Format", "How much of the gain is answer format"
    c = view.comparison
    if not c or not (split := c["answering"]):
        why = "Needs two policies, and samples without an answer: rows whose `status` or `answer` says so."
        return Panel(name, short, title, missing=why)
    rows = (
        ("samples with an answer, %", split["answered"], split["from_answering"]),
        ("right ones among them, %", split["right_given_answered"], split["from_being_right"]),
        ("both: pass@1", c["gain"], c["gain"]),
    )
    return Panel(
        name,
        short,
        title,
        see=next(
            format_lines(c), "The share of samples with an answer is not measurably another than before."
        ),
        caption="pass@1 is the first share times the second. Each part of the gain is the change of one share times "
        "the mean of the other, so that the parts add up. That is arithmetic, not cause: samples without an answer may "
        "have been the harder ones.",
        columns=("share", view.base, view.main, "Δ, paired", "points of the gain"),
        rows=[
            [label, points(change["base"]), points(change["tuned"]), interval(change), interval(part)]
            for label, change, part in rows
        ],
    )
