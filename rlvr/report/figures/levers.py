"""The table of `rlvr evidence`: every lever in nats against the base, and who carries what over to another evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.sections.levers import AmountJson, EqualTokensJson, LeverJson, Levers, TransferCell
from rlvr.report.figures import Panel, theme
from rlvr.report.figures.tables import interval
from rlvr.text import line, number

COLOURS = {"base": "base", "asked": "run4", "picked": "run2", "trained": "tuned", "crossed": "run3"}
WORDS = {
    "base": "the base",
    "asked": "asked otherwise",
    "picked": "picked from k samples",
    "trained": "trained",
    "crossed": "trained, and asked otherwise",
    "exact": "computed",
}


def panel(found: Levers, ceiling: Mapping[str, Any] | None) -> Panel:
    """One row a lever, the exact posterior last."""
    rows = [*found["levers"], *([ceiling["row"]] if ceiling else [])]
    return Panel(
        "levers",
        "Levers",
        "What each lever is worth",
        see=worth(found),
        caption=f"Over {found['n_problems']} problems. Nats: pooled log-odds of success (Mantel-Haenszel) against the "
        "base, 95 % intervals from a paired bootstrap over problems. Tokens: the prompt, and what was written and read "
        "after it, for one answer; of an answer picked from k samples, the prompt once and all k. Worth: how much of "
        "that evidence moves the base as far, on the line through the rows that are on the curve. As many tokens: "
        "pass@1 less pass@k of the base, with so many samples that both take the same tokens; a verifier has to choose "
        "among those. " + (_posterior(ceiling) if ceiling else ""),
        columns=(
            *("lever", "kind", "pass@1, points", f"pass@{found['k']}, points", "nats against the base"),
            *("tokens a problem", "against as many tokens of samples, points"),
            *("training: tokens sampled", "and trained on"),
            *(f"worth, in {kind}" for kind in found["curves"]),
        ),
        rows=[_row(row, found["curves"]) for row in rows],
    )


def _posterior(ceiling: Mapping[str, Any]) -> str:
    return (
        "The exact posterior p(z | x, verified) of the base is right wherever the base can be: its log-odds are "
        f"infinite, at {number(ceiling['nats'], '.2f')} nats from the base (KL, the mean of ln 1/p)."
    )


COLUMNS = (
    *(
        "lever",
        "kind",
        "pass@1",
        "lo",
        "hi",
        "pass@k",
        "pass@k lo",
        "pass@k hi",
        "nats",
        "nats se",
        "nats lo",
    ),
    *(
        "nats hi",
        "problems",
        "tokens",
        "tokens lo",
        "tokens hi",
        "prompt tokens",
        "as many tokens: samples",
        "less their pass@k",
        "less lo",
        "less hi",
        "sampled tokens",
        "trained tokens",
    ),
)


def drawn(found: Levers, ceiling: Mapping[str, Any] | None) -> Panel:
    """The same as a figure, with every number in full."""
    kinds = [*found["curves"]]
    rows = [*found["levers"], *([ceiling["row"]] if ceiling else [])]
    return Panel(
        "nats",
        "Nats",
        "Every lever in nats against the base",
        see="To the right: more often right than the base. Bars are 95 % intervals; an arrow: as far as one can see.",
        caption=f"Pooled log-odds over {found['n_problems']} problems; paired bootstrap over problems. How each lever "
        "was asked is in the table of settings.",
        columns=(
            *COLUMNS,
            *(f"worth, in {kind}{end}" for kind in kinds for end in ("", ", lo", ", hi", ", status")),
        ),
        rows=[_numbers(row, kinds) for row in rows],
        drawing=_drawing(found["levers"]),
    )


def _numbers(row: LeverJson, kinds: Sequence[str]) -> list[Any]:
    several, nats, length, more = row["pass_at_k"], row["nats"], row["tokens"], row["equal_tokens"]
    return [
        *(row["name"], row["kind"], *_ends(row["pass_at_1"]), *(_ends(several) if several else [None] * 3)),
        *(nats["value"], nats["se"], nats["lo"], nats["hi"], nats["used"]),
        *(*_ends(length), row["prompt_tokens"]),
        *((more["samples"], *_ends(more)) if more else [None] * 4),
        *(row["sampled_tokens"], row["trained_tokens"]),
        *(cell for kind in kinds for cell in _worth_ends(row["equivalent"].get(kind))),
    ]


def _ends(e: EstimateJson) -> list[Any]:
    return [e["value"], e["lo"], e["hi"]]


def _worth_ends(e: AmountJson | None) -> list[Any]:
    return [*_ends(e), e["status"]] if e else [None] * 4


def _row(row: LeverJson, curves: Mapping[str, Mapping[str, float]]) -> list[Any]:
    several = row["pass_at_k"]
    return [
        *(row["name"], WORDS[row["kind"]], interval(row["pass_at_1"])),
        interval(several) if several else "–",
        "0" if row["kind"] == "base" else interval(row["nats"], 1, ".2f"),
        interval(row["tokens"], 1),
        _beside(row["equal_tokens"]),
        *((row["sampled_tokens"], row["trained_tokens"]) if row["training_tokens"] else (0, 0)),
        *(_amount(row["name"], row["equivalent"].get(kind), line) for kind, line in curves.items()),
    ]


def _beside(more: EqualTokensJson | None) -> str:
    """
    >>> _beside(None)
    '–'
    """
    return f"{interval(more)} with {number(more['samples'], '.1f')}" if more else "–"


def _amount(name: str, worth: AmountJson | None, curve: Mapping[str, float]) -> str:
    if name in curve:
        return f"{number(curve[name])} (on the curve)"
    if worth is None:
        return "–"
    if worth["status"] == "censored_right":
        return f"> {number(worth.get('bound'))}"
    if worth["status"] == "at_or_below_first":
        return "0"
    return interval(worth, 1, ".3g")


def worth(found: Levers) -> str:
    """Which lever moves the base most, by kind, and which ones move it down beyond noise."""
    said = []
    for kind, words in (
        ("asked", "asked otherwise"),
        ("picked", "picked from its own samples"),
        ("trained", "trained"),
    ):
        own = [
            row
            for row in found["levers"]
            if row["kind"] == kind and not math.isnan(real(row["nats"]["value"]))
        ]
        if own:
            best = max(own, key=lambda row: real(row["nats"]["value"]))
            said.append(f"{words}, {line(best['name'], 40)} ({interval(best['nats'], 1, '.2f')} nats)")
    down = [line(row["name"], 40) for row in found["levers"] if real(row["nats"]["hi"]) < 0]
    text = f"What moves the base most: {'; '.join(said)}." if said else ""
    return f"{text} Worse than the base beyond noise: {', '.join(down)}." if down else text


def _drawing(rows: Sequence[LeverJson]) -> str:
    shown = [row for row in rows if not math.isnan(real(row["nats"]["value"]))]
    ends = [real(row["nats"][end]) for row in shown for end in ("value", "lo", "hi")]
    finite = [0.0, *(end for end in ends if math.isfinite(end))]
    margin = 0.05 * (max(finite) - min(finite)) or 0.1
    limits = min(finite) - margin, max(finite) + margin
    with theme.drawing("nats"):
        figure, (ax,) = theme.canvas(7.4, 0.9 + 0.27 * len(shown))
        ax.axvline(0, color=theme.colour("muted"), linewidth=0.8)
        for kind, colour in COLOURS.items():
            _points(ax, kind, theme.colour(colour), shown, limits)
        ax.set_xlim(limits)
        ax.set_yticks(range(len(shown)), [line(row["name"], 28) for row in shown])
        ax.invert_yaxis()
        ax.set_xlabel("log-odds of success against the base, nats")
        ax.grid(visible=False, axis="y")
        if shown:
            figure.legend(loc="outside upper left", ncols=3, handlelength=1.2, columnspacing=1.2)
        return theme.svg(figure, "nats")


def _points(
    ax: Axes, kind: str, colour: str, shown: Sequence[LeverJson], limits: tuple[float, float]
) -> None:
    """A dot and its interval; an arrow where that has no end, or the value itself none."""
    own = [(i, row["nats"]) for i, row in enumerate(shown) if row["kind"] == kind]
    if not own:
        return
    values = [real(e["value"]) for _, e in own]
    dots = [value if math.isfinite(value) else math.nan for value in values]  # else an arrow at the edge
    ax.plot(dots, [i for i, _ in own], "o", ms=5, color=colour, label=WORDS[kind])
    for i, e in own:
        value, lo, hi = (real(e[key]) for key in ("value", "lo", "hi"))
        if kind == "base":
            continue
        if not (math.isnan(lo) or math.isnan(hi)):
            inside = [min(max(end, limits[0]), limits[1]) for end in (lo, hi)]
            ax.plot(inside, [i, i], color=colour, linewidth=1.6)
        for end, at, marker in ((-math.inf, limits[0], "<"), (math.inf, limits[1], ">")):
            if end in (value, lo, hi):
                ax.plot(at, i, marker, ms=6, color=colour, clip_on=False)


CellKey = Literal["pass_at_1", "nats", "gain"]
IN_A_CELL: tuple[tuple[str, CellKey, float, str], ...] = (
    ("pass@1", "pass_at_1", 100, ".1f"),
    ("nats", "nats", 1, ".2f"),
    ("training adds, nats", "gain", 1, ".2f"),
)


def transfer(cells: Sequence[TransferCell] | None) -> Panel:
    """Trained under i (rows), asked under j (columns)."""
    name, short, title = "transfer", "Transfer", "Trained under one evidence, asked under another"
    if not cells:
        return Panel(name, short, title, missing="`rlvr evidence FILE --transfer`, with a lever that trains.")
    trained, asked = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("trained", "asked"))
    by = {(cell["trained"], cell["asked"]): cell for cell in cells}
    return Panel(
        name,
        short,
        title,
        see=_carried(by, trained, asked[0]),
        caption="Each cell: pass@1 in points; log-odds against the base asked plain, in nats; and against the base "
        "asked in the same way, which is what training adds there. 95 % intervals, paired bootstrap over problems.",
        columns=("trained under", "figure", *(f"asked: {line(j, 40)}" for j in asked)),
        rows=[
            [line(i, 40), words, *(_cell(by[i, j], key, scale, form) for j in asked)]
            for i in trained
            for words, key, scale, form in IN_A_CELL
            if not (i == trained[0] and key == "gain")
        ],
    )


def _cell(cell: TransferCell, key: CellKey, scale: float, form: str) -> str:
    itself = key == "nats" and cell["trained"] == cell["asked"] == "base"
    return "0" if itself else interval(cell[key], scale, form)


def _carried(by: Mapping[tuple[str, str], TransferCell], trained: Sequence[str], plain: str) -> str:
    said = (
        f"{line(i, 40)} adds {interval(by[i, plain]['gain'], 1, '.2f')} nats asked as the base is"
        for i in trained[1:]
    )
    return f"{'; '.join(said)}."
