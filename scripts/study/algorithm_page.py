"""The page of `algorithm_study.py`: tables, figures and the JSON behind them, from whatever runs are finished."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

from rlvr.rollouts import count, read
from rlvr.run import read_metrics

TARGET = 0.75
MARKERS = "<!-- written by scripts/study/algorithm_study.py -->", "<!-- end -->"
SAMPLED_MARKERS = (
    "<!-- written by scripts/study/algorithm_study.py --study smollm2 -->",
    "<!-- end of smollm2 -->",
)
COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#d55e00")


@dataclass(frozen=True)
class Curve:
    """One run: exact figures of the policy against the completion tokens sampled so far; the base comes first."""

    tokens: np.ndarray
    pass_1: np.ndarray
    pass_64: np.ndarray
    kl: np.ndarray
    rates: np.ndarray
    """The base's pass rate on each held-out problem."""

    @classmethod
    def of(cls, folder: Path) -> Curve:
        rates = np.array(json.loads((folder / "base.json").read_text())["pass_rates"])
        rows = read_metrics(folder / "metrics.jsonl")
        spent = np.cumsum([row["tokens"] for row in rows])
        seen = [(spent[i], row) for i, row in enumerate(rows) if "exact/pass@1" in row]
        base = {"exact/pass@1": rates.mean(), "exact/pass@64": pass_at(rates, 64), "exact/kl": 0.0}
        points = [(0, base), *seen]
        pass_1, pass_64, kl = (
            np.array([row[f"exact/{name}"] for _, row in points]) for name in ("pass@1", "pass@64", "kl")
        )
        return cls(np.array([tokens for tokens, _ in points]), pass_1, pass_64, kl, rates)

    def reaches(self, target: float) -> float | None:
        """Where pass@1 first reaches `target`, in (fractional) evaluations; straight lines between two of them."""
        above = np.flatnonzero(self.pass_1 >= target)
        if not len(above):
            return None
        i = int(above[0])
        return (
            0.0 if i == 0 else i - 1 + (target - self.pass_1[i - 1]) / (self.pass_1[i] - self.pass_1[i - 1])
        )

    def at(self, place: float | None, values: np.ndarray) -> float | None:
        return None if place is None else float(np.interp(place, np.arange(len(values)), values))


def pass_at(rates: np.ndarray, k: int) -> float:
    return float(np.mean(-np.expm1(k * np.log1p(-np.minimum(rates, 1 - 1e-12)))))


def tilt(rates: np.ndarray, target: float) -> dict[str, float]:
    """The exact tilt p0·exp(λ V) whose mean pass@1 is `target`: no policy reaches it with less KL(π‖p0)."""

    def tilted(strength: float) -> np.ndarray:
        return 1 / (1 + (1 - rates) / rates * np.exp(-strength))

    q = tilted(float(brentq(lambda s: tilted(s).mean() - target, -5, 60)))  # pyright: ignore[reportArgumentType]
    kl = q * np.log(q / rates) + (1 - q) * np.log((1 - q) / (1 - rates))
    return {"kl": float(kl.mean()), "pass_64": pass_at(q, 64)}


def write(folder: Path, docs: Path, studies: Mapping[str, Any]) -> dict[str, Any]:
    """Read finished runs; write `algorithms.json`, two figures for the algorithms and one for the curricula, tables.

    Returns:
        What `algorithms.json` holds.
    """
    found = {
        study: {arm: dict(finished(folder / study, arm, plan.seeds)) for arm in plan.arms}
        for study, plan in studies.items()
    }
    algorithms, controls, curricula = (found[name] for name in ("algorithms", "controls", "curricula"))
    rates = next(iter(algorithms["grpo"].values())).rates
    result = {
        "machine": f"{platform.machine()}, one thread a run",
        "target": TARGET,
        "base": {"pass_1": float(rates.mean()), "pass_64": pass_at(rates, 64)},
        "tilt": tilt(rates, TARGET),
        "best_of_k": next(k for k in range(1, 10**4) if pass_at(rates, k) >= TARGET),
        "algorithms": {arm: [at_target(c) for c in runs.values()] for arm, runs in algorithms.items()},
        "controls": {
            arm: [float(c.pass_1[-1] - c.pass_1[0]) for c in runs.values()] for arm, runs in controls.items()
        },
        "curricula": {arm: against_uniform(runs, curricula["uniform"]) for arm, runs in curricula.items()},
    }
    means = {arm: mean_curve(list(runs.values())) for arm, runs in curricula.items()}
    result["curricula_mean"] = {
        arm: against_uniform({0: mean}, {0: means["uniform"]})[0]["share"] for arm, mean in means.items()
    }
    (docs / "algorithms.json").write_text(json.dumps(result, indent=1) + "\n")
    draw_curves(algorithms, docs / "algorithms-tokens.png", "pass@1 against sampled tokens", TARGET)
    draw_curves(curricula, docs / "curricula-tokens.png", "a task of mixed difficulty")
    draw_at_target(result, docs / "algorithms-equal.png")
    fill(docs / "algorithms.md", MARKERS, tables(result))
    return result


def fill(page: Path, markers: tuple[str, str], text: str) -> None:
    """Put `text` between the markers of a page."""
    before, rest = page.read_text(encoding="utf-8").split(markers[0])
    page.write_text(
        f"{before}{markers[0]}\n{text}\n{markers[1]}{rest.split(markers[1])[1]}", encoding="utf-8"
    )


def write_sampled(folder: Path, docs: Path, arms: Sequence[str], seeds: int) -> dict[str, Any]:
    """Read the finished runs on a model that cannot be enumerated; write `controls-smollm2.json` and their table.

    Returns:
        What `controls-smollm2.json` holds.
    """
    found = {
        f"{arm}-{seed}": sampled_change(folder / f"{arm}-{seed}" / "rollouts")
        for arm in arms
        for seed in range(seeds)
        if is_sampled(folder / f"{arm}-{seed}" / "rollouts")
    }
    (docs / "controls-smollm2.json").write_text(json.dumps(found, indent=1) + "\n")
    lines = [
        "| reward | seed | samples, base and tuned | pass@1 of the base, % | change of pass@1, points "
        "| answer can be read, base, % | change of that, points |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, run in found.items():
        arm, _, seed = name.rpartition("-")
        cells = [
            f"{100 * run['pass_1']:.1f}",
            within(run["gain"]),
            f"{100 * run['readable']:.1f}",
            within(run["more"]),
        ]
        lines.append(f"| {arm} | {seed} | {run['samples']:,} each | {' | '.join(cells)} |")
    fill(docs / "algorithms.md", SAMPLED_MARKERS, "\n".join(lines))
    return found


def is_sampled(rollouts: Path) -> bool:
    """Base and tuned policy are sampled to the end, one as often as the other."""
    base, tuned = (count(rollouts / f"{name}.jsonl") for name in ("base", "tuned"))
    return 0 < base == tuned


def sampled_change(rollouts: Path) -> dict[str, Any]:
    """Verified answers and readable ones before and after, problem by problem; intervals over problems (95 %)."""
    shares = {}
    for policy in ("base", "tuned"):
        of: dict[str, list[tuple[bool, bool]]] = {}
        for row in read(rollouts / f"{policy}.jsonl"):
            of.setdefault(row.problem_id, []).append((row.score == 1.0, row.answer is not None))
        shares[policy] = np.array([np.mean(of[problem], axis=0) for problem in sorted(of)])
    change = shares["tuned"] - shares["base"]
    half = 1.96 * change.std(axis=0, ddof=1) / np.sqrt(len(change))
    verified, readable = (
        {"value": float(m), "lo": float(m - h), "hi": float(m + h)}
        for m, h in zip(change.mean(axis=0), half, strict=True)
    )
    before = shares["base"].mean(axis=0)
    return {
        "problems": len(change), "samples": count(rollouts / "base.jsonl"), "pass_1": float(before[0]),
        "gain": verified, "readable": float(before[1]), "more": readable,
    }  # fmt: skip


def within(change: Mapping[str, float]) -> str:
    value, low, high = (100 * change[key] for key in ("value", "lo", "hi"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def finished(folder: Path, arm: str, seeds: int) -> Any:
    for seed in range(seeds):
        run = folder / f"{arm}-{seed}"
        if (run / "model").is_dir():
            yield seed, Curve.of(run)


def at_target(curve: Curve) -> dict[str, float | None]:
    place = curve.reaches(TARGET)
    return {
        "tokens": curve.at(place, curve.tokens),
        "pass_64": curve.at(place, curve.pass_64),
        "kl": curve.at(place, curve.kl),
        "final": float(curve.pass_1[-1]),
        "all_tokens": float(curve.tokens[-1]),
    }


def against_uniform(runs: Mapping[int, Curve], uniform: Mapping[int, Curve]) -> list[dict[str, float | None]]:
    """Per seed: tokens to the uniform sampler's final pass@1 as a share of all that it used."""
    rows = []
    for seed, curve in runs.items():
        goal, spent = uniform[seed].pass_1[-1], uniform[seed].tokens[-1]
        tokens = curve.at(curve.reaches(float(goal)), curve.tokens)
        rows.append({
            "share": None if tokens is None else tokens / float(spent),
            "final": float(curve.pass_1[-1]),
            "all_tokens": float(curve.tokens[-1]),
        })  # fmt: skip
    return rows


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean over seeds of tokens and of every figure, evaluation by evaluation (all have as many)."""
    columns = ([getattr(curve, field.name) for curve in curves] for field in fields(Curve))
    return Curve(*(np.mean(column, axis=0) for column in columns))


def tables(result: Mapping[str, Any]) -> str:
    base, ceiling = result["base"], result["tilt"]
    lines = [
        f"| algorithm | runs at {TARGET} | thousand tokens to {TARGET} | pass@64 there | KL(π‖p0) there, nats "
        "| last pass@1 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for arm, rows in result["algorithms"].items():
        there = [row for row in rows if row["tokens"] is not None]
        cells = [spread([row[name] for row in there], scale, digits) for name, scale, digits in (
            ("tokens", 1e-3, 0), ("pass_64", 1, 3), ("kl", 1, 2))]  # fmt: skip
        last = spread([row["final"] for row in rows], 1, 3)
        lines.append(f"| {arm} | {len(there)} of {len(rows)} | {' | '.join(cells)} | {last} |")
    lines += [
        f"| exact tilt (the least KL) | | | {ceiling['pass_64']:.3f} | {ceiling['kl']:.2f} | {TARGET} |",
        f"| base | | | {base['pass_64']:.3f} | 0 | {base['pass_1']:.3f} |",
        "",
        f"The best of {result['best_of_k']} samples of the base, chosen by the verifier, reaches {TARGET} untrained.",
        "",
        "| control | change of pass@1, points, by seed |",
        "|---|---|",
        *(
            f"| {arm} reward | {', '.join(f'{100 * change:+.1f}' for change in changes)} |"
            for arm, changes in result["controls"].items()
        ),
        "",
        "| curriculum | tokens to the last pass@1 of uniform, as a share of all that uniform used, by seed "
        "| the same of the mean curves | last pass@1 | thousand tokens in all |",
        "|---|---|---:|---:|---:|",
    ]
    for arm, rows in result["curricula"].items():
        shown = ", ".join(share(row["share"]) for row in rows)
        mean = share(result["curricula_mean"][arm])
        last, spent = (
            spread([row[k] for row in rows], f, d) for k, f, d in (("final", 1, 3), ("all_tokens", 1e-3, 0))
        )
        lines.append(f"| {arm} | {shown} | {mean} | {last} | {spent} |")
    return "\n".join(lines)


def share(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.2f}"


def spread(values: Sequence[float], scale: float, digits: int) -> str:
    """Mean over seeds, and the least and the greatest."""
    if not values:
        return "–"
    mean, low, high = (scale * v for v in (np.mean(values), min(values), max(values)))
    return f"{mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def draw_curves(
    arms: Mapping[str, Mapping[int, Curve]], file: Path, title: str, target: float | None = None
) -> None:
    """Each seed thin, the mean of the seeds thick, on the tokens that all seeds of the arm reached."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    for (arm, runs), colour in zip(arms.items(), COLOURS, strict=False):
        for curve in runs.values():
            ax.plot(curve.tokens / 1e3, 100 * curve.pass_1, color=colour, alpha=0.35, linewidth=0.8)
        shared = np.linspace(0, min(curve.tokens[-1] for curve in runs.values()), 200)
        mean = np.mean([np.interp(shared, curve.tokens, curve.pass_1) for curve in runs.values()], axis=0)
        ax.plot(shared / 1e3, 100 * mean, color=colour, linewidth=2, label=f"{arm} ({len(runs)} seeds)")
    if target:
        ax.axhline(100 * target, color="#6a7077", linestyle=":", linewidth=1)
    ax.set(xlabel="completion tokens sampled, thousands", ylabel="held-out pass@1, % (exact)", ylim=(0, 100))
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=130)


def draw_at_target(result: Mapping[str, Any], file: Path) -> None:
    """pass@64 against KL(π‖p0) where pass@1 crosses the target: one mark per run, and the exact tilt."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    for (arm, rows), colour in zip(result["algorithms"].items(), COLOURS, strict=True):
        there = [row for row in rows if row["kl"] is not None]
        ax.scatter(
            [r["kl"] for r in there], [100 * r["pass_64"] for r in there], color=colour, s=45, label=arm
        )
    ceiling = result["tilt"]
    ax.scatter(
        [ceiling["kl"]], [100 * ceiling["pass_64"]], marker="*", s=160, color="#1d2126", label="exact tilt"
    )
    ax.axhline(
        100 * result["base"]["pass_64"], color="#7d838a", linestyle="--", linewidth=1, label="base, pass@64"
    )
    ax.set(xlabel="KL(π‖p0), nats a problem (exact, from below)", ylabel="held-out pass@64, % (exact)")
    ax.set_title(f"where pass@1 reaches {100 * TARGET:.0f} %", loc="left", fontsize=10, fontweight="bold")
    ax.legend(frameon=False, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=130)
