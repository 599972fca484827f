"""One sample of each problem, before and after: which problems changed, in place of pass@k and what rests on it."""

from __future__ import annotations

from rlvr.report.figures import Panel, View
from rlvr.report.prose import flip_lines

COLUMNS = ("problem_id", "base", "tuned")


def panel(view: View) -> Panel:
    name, short, title = "flips", "Flips", "Which problems flipped"
    c = view.comparison
    if not c or not c["flips"]:
        return Panel(name, short, title, missing="For one sample of each problem; these files hold several.")
    solved, flips = c["coverage"]["solved"], c["flips"]
    return Panel(
        name,
        short,
        title,
        see=next(flip_lines(c)),
        caption=f"2 × 2: base right, tuned right {solved['both']}, tuned wrong {solved['base_only']}; base wrong, "
        f"tuned right {solved['tuned_only']}, tuned wrong {solved['neither']}. McNemar's exact test is a sign test on "
        "the problems that flipped. A single flip may be chance: what is tested is their balance.",
        columns=COLUMNS,
        rows=[
            *([problem, "wrong", "right"] for problem in flips["to_right"]),
            *([problem, "right", "wrong"] for problem in flips["to_wrong"]),
        ],
    )
