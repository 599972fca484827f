"""Figure 6: the evidence ladder, what shots and hints do to the log-odds of success, before and after training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rlvr.analysis.estimate import real
from rlvr.analysis.sections.ladder import Ladder, RungJson
from rlvr.report.figures import Panel, View, theme
from rlvr.report.prose import evidence_worth
from rlvr.text import line, number

COLUMNS = (
    *("policy", "evidence", "shots", "file", "problems", "nats", "se", "lo", "hi", "status"),
    *("nats against own first rung", "own lo", "own hi", "pass@1", "pass@1 lo", "pass@1 hi"),
)
HOW = (
    "Needs the base, or the tuned policy, evaluated with other evidence too: `rlvr eval MODEL --config CONFIG "
    "evidence.shots=4 --output base-4.jsonl` with the run's own MODEL and CONFIG, for 1, 2, 4, … shots or with a "
    "hint (evidence.instruction=…); then `rlvr report BASE TUNED base-4.jsonl …`."
)


def panel(view: View) -> Panel:
    name, short, title = "evidence", "Evidence", "What shots and hints are worth"
    ladder = view.document["ladder"]
    if not ladder:
        return Panel(name, short, title, missing=HOW)
    with theme.drawing(name):
        figure, (ax,) = theme.canvas(7.4, 3.9)
        _draw(ax, ladder, {policy: view.styles[name]["color"] for policy, name in _names(view).items()})
        figure.legend(loc="outside upper left", ncols=4, handlelength=1.4, columnspacing=1.2)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        short,
        title,
        see=" ".join([evidence_worth(ladder), *_setbacks(ladder["rungs"])]),
        caption=f"Pooled log-odds (Mantel-Haenszel) over {ladder['n_problems']} problems against the base with "
        f"{ladder['reference']}; bars: ± 1.96 standard errors, cluster bootstrap over problems. Right: where so "
        "many nats take a problem on which the base has its mean rate.",
        columns=COLUMNS,
        rows=[_row(rung) for rung in ladder["rungs"]],
        drawing=drawing,
    )


def _names(view: View) -> dict[str, str]:
    return {"base": view.base, "tuned": view.main}


def _draw(ax: Axes, ladder: Ladder, colours: Mapping[str, str]) -> None:
    rungs = [rung for rung in ladder["rungs"] if math.isfinite(real(rung["nats"]["value"]))]
    places = _places(ladder["rungs"])
    for policy, colour in colours.items():
        own = [rung for rung in rungs if rung["policy"] == policy]
        if not own:
            continue
        shift = 0.0 if policy == "base" else 0.006 * max(places.values())
        xs, ys = [places[rung["label"]] + shift for rung in own], [real(r["nats"]["value"]) for r in own]
        bars = [1.96 * se if math.isfinite(se := real(r["nats"]["se"])) else 0.0 for r in own]
        ax.errorbar(xs, ys, bars, fmt="o", ms=5, lw=1.2, capsize=2.5, color=colour, label=policy)
        on_line = [i for i, rung in enumerate(own) if rung["shots"] is not None]
        ax.plot([xs[i] for i in on_line], [ys[i] for i in on_line], color=colour)
    _equivalent(ax, ladder, places, colours["tuned"])
    ax.axhline(0, color=theme.colour("muted"), linewidth=0.8)
    ax.set_xticks(list(places.values()), [_tick(label) for label in places])
    ax.set_xlabel("worked examples in the prompt; then other evidence")
    ax.set_ylabel(f"log-odds against base, {ladder['reference']}, nats")
    _points_axis(ax, ladder)


def _places(rungs: Sequence[RungJson]) -> dict[str, float]:
    """Label → x: the number of shots, on a linear axis as the line between them is; hints to their right."""
    shots = {r["label"]: float(r["shots"]) for r in rungs if r["shots"] is not None}
    places = dict(sorted(shots.items(), key=lambda item: item[1]))
    top = max(places.values())
    step = max(top / 5, 1.0)
    for label in dict.fromkeys(r["label"] for r in rungs if r["shots"] is None):
        places[label] = top + step * (1 + len(places) - len(shots))
    return places


def _tick(label: str) -> str:
    return label.split(" shot")[0] if label.endswith(("shot", "shots")) else line(label, 14)


def _equivalent(ax: Axes, ladder: Ladder, places: Mapping[str, float], colour: str) -> None:
    """The tuned policy's level, and where the base's line meets it; an arrow to the right where it never does."""
    tuned = next(r for r in ladder["rungs"] if r["policy"] == "tuned" and r["label"] == ladder["target"])
    level, worth = real(tuned["nats"]["value"]), ladder["equivalent"]
    if not math.isfinite(level):
        return
    ax.axhline(level, color=colour, linewidth=1.0, linestyle="--", label=f"tuned, {ladder['target']}")
    if worth["status"] == "censored_right":
        at = float(worth.get("bound") or 0)
        arrow = {"arrowstyle": "-|>", "color": colour, "mutation_scale": 16}
        ax.annotate("", (at, level), (0.9 * at, level), arrowprops=arrow)
        text, side = f"> {worth.get('bound')} shots", -8
    elif worth["value"] is not None:
        at = float(worth["value"])
        ax.plot([at, at], [0, level], color=colour, linewidth=1.0, linestyle=":")
        ax.plot(at, level, "D", ms=6, color=theme.colour("ground"), mec=colour)
        text, side = f"{number(at)} shots", 8
    else:
        return
    ax.annotate(
        text,
        (at, level),
        (side, -14),
        textcoords="offset points",
        fontsize=9,
        ha="left" if side > 0 else "right",
        bbox={"facecolor": theme.colour("ground"), "edgecolor": "none", "pad": 1},
    )


def _points_axis(ax: Axes, ladder: Ladder) -> None:
    rate = real(ladder["rungs"][0]["pass_1"]["value"])
    if not 0 < rate < 1:
        return
    start = math.log(rate / (1 - rate))
    low, high = ax.get_ylim()
    right = ax.twinx()
    right.set_ylim(low, high)
    ticks = [
        p for p in (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99) if low < _nats(p) - start < high
    ]
    right.set_yticks([_nats(p) - start for p in ticks], [str(p) for p in ticks])
    right.set_ylabel("points, at the base's mean rate")
    right.grid(visible=False)
    ax.yaxis.set_major_locator(MaxNLocator(7))


def _nats(points: float) -> float:
    return math.log(points / (100 - points))


def _setbacks(rungs: Sequence[RungJson]) -> Iterator[str]:
    """Evidence that makes the tuned policy worse than it is without."""
    for rung in rungs:
        own = rung["against_own"]
        if rung["policy"] == "tuned" and real(own["value"]) < 0:
            sure = "beyond noise" if real(own["hi"]) < 0 else "though not beyond noise"
            yield (
                f"With {line(rung['label'], 40)} the tuned policy does worse than without "
                f"({number(own['value'], '+.2f')} nats, 95 %: {number(own['lo'], '.2f')} to "
                f"{number(own['hi'], '.2f')}), {sure}."
            )


def _row(rung: RungJson) -> list[Any]:
    nats, own, rate = rung["nats"], rung["against_own"], rung["pass_1"]
    return [
        *(rung["policy"], rung["label"], rung["shots"], rung.get("file"), nats["used"]),
        *(nats["value"], nats["se"], nats["lo"], nats["hi"], nats["status"]),
        *(own["value"], own["lo"], own["hi"]),
        *(rate["value"], rate["lo"], rate["hi"]),
    ]
