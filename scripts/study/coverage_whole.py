"""Does every interval of the report cover the truth? Whole evaluations, with traces, answers and log-probabilities.

python scripts/study/coverage_whole.py [--experiments 200] [--problems 120] [--json FILE]

`coverage_study.py` looks at the counts. Here each problem of its populations has six traces with known
probabilities under both policies, some problems are shallow or were never sampled, some samples have no verdict, and
the verifier was audited by hand. Each experiment draws two evaluations and asks `summarise`, `compare` and `problems`
for their whole sections; whatever has an interval is held against the exact sum of `coverage_truths`. Two kinds:

- "population": the problems are drawn anew each time, as `se` and the intervals mean it;
- "these problems": the same problems each time, only the samples are new, as `se_fixed` means it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import numpy as np
from coverage_distances import of_distance
from coverage_study import Population
from coverage_truths import (
    ANSWERS,
    AUDIT,
    CREDIT,
    LENGTHS,
    MOST_UNJUDGED,
    RIGHT,
    SOUND,
    UNJUDGED,
    World,
    truths,
)

from rlvr.analysis.noise import Audit
from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import Answers, Bools, Ints, LogProbs, Samples
from rlvr.analysis.sections.compare import compare, summarise
from rlvr.analysis.sections.distance import distance
from rlvr.analysis.sections.problems import problems as every_problem
from rlvr.machine import measured_on

POPULATIONS = (
    Population("gain, some of it expansion", 0.5, 1.2, 0.08, 1.6, 0.20, 0.60),
    Population("gain at 1, loss at large k", 1.0, 1.0, 0.00, 1.5, 0.20, 0.00, kept=0.05),
)
POINTS = 24
"""Of the populations' grids: so few that sums over all counts of six traces stay cheap."""
DEPTHS = {24: 0.80, 2: 0.12, 0: 0.08}
"""Samples per problem → share of the problems: most are deep, some lost nearly all of them, some were never drawn."""
ALL_DEEP = {24: 1.0}
REPLICATES = 500
MEANT = ("ok", "censored_right")
"""Statuses of estimates whose interval is to be trusted."""


def world(population: Population, depths: Mapping[int, float] = DEPTHS) -> World:
    """The population as a sum over problems with traces; no rate is 0 or 1, so that every KL is finite."""
    base, tuned, weight = population.grid(POINTS)
    return World(np.clip(base, 1e-4, 1 - 1e-3), np.clip(tuned, 1e-4, 1 - 1e-3), weight, dict(depths))


def of_rows(whole: World, rows: Ints) -> World:
    """These problems alone, all of them deep."""
    held = np.bincount(rows, minlength=len(whole.weight)) / len(rows)
    return World(whole.base, whole.tuned, held, ALL_DEEP)


def evaluation(whole: World, rows: Ints, policy: str, rng: np.random.Generator) -> Samples:
    """Samples of one policy on the problems `rows` of the world, with all that a rollout file may hold."""
    chances = whole.traces(policy)[rows]
    n = rng.choice(list(whole.depths), size=len(rows), p=list(whole.depths.values()))
    m = rng.multinomial(n, chances)
    problem, trace = (np.repeat(index.ravel(), m.ravel()) for index in np.indices(m.shape))
    logs = {name: np.log(whole.traces(name)) for name in ("base", "tuned")}
    answers = np.stack([m[:, np.array(ANSWERS) == a].sum(axis=1) for a in range(3)], axis=1)
    with np.errstate(invalid="ignore"):
        tokens = m @ np.array(LENGTHS) / np.where(n > 0, n, np.nan)
    return Samples(
        policy=policy,
        problem_ids=[str(i) for i in range(len(rows))],
        n=n,
        c=m[:, RIGHT].sum(axis=1),
        score=np.asarray(m @ np.array(CREDIT), dtype=np.float64),
        c_answer=m[:, RIGHT].sum(axis=1).astype(float),
        c_sound=m[:, SOUND].sum(axis=1).astype(float),
        excluded=rng.binomial(MOST_UNJUDGED, UNJUDGED[policy], len(rows)),
        no_answer=m[:, np.array(ANSWERS) == -1].sum(axis=1),
        tokens=tokens,
        sources=["easy" if easy else "hard" for easy in whole.easy[rows]],
        answers=_tally(answers, np.array([True, False, False])),
        traces=_tally(m, np.isin(np.arange(m.shape[1]), RIGHT)),
        logprobs=LogProbs(
            problem, np.isin(trace, RIGHT), {name: log[rows[problem], trace] for name, log in logs.items()}
        ),
    )


def _tally(counts: Ints, right: Bools) -> Answers:
    problem, kind = np.nonzero(counts)
    return Answers(problem, counts[problem, kind], right[kind])


@dataclass(frozen=True)
class Found:
    """What one experiment gave."""

    estimates: dict[str, dict[str, Any]]
    """Path in report.json → estimate."""
    inside: dict[str, Bools]
    """"base" and "tuned" → of each problem, whether the interval of its rate holds the rate."""


def experiment(whole: World, rows: Ints, seed: int, replicates: int = REPLICATES) -> Found:
    """One comparison of the report, and both policies' own sections."""
    rng = np.random.default_rng(seed)
    base, tuned = (evaluation(whole, rows, policy, rng) for policy in ("base", "tuned"))
    audit = Audit(
        AUDIT.wrong,
        int(rng.binomial(AUDIT.wrong, AUDIT.fpr)),
        AUDIT.right,
        int(rng.binomial(AUDIT.right, AUDIT.fnr)),
    )
    comparison = compare(base, tuned, replicates=replicates, seed=seed, audits={"base": audit})
    document = {
        "base": summarise(base, None, replicates, seed),
        "tuned": summarise(tuned, None, replicates, seed),
        "comparison": comparison,
    }
    found = every_problem(base, tuned, comparison["compression"])
    at = rows[[int(i) for i in found["problem_id"]]]
    inside = {
        policy: (np.array(found[f"{policy}_lo"]) <= rate) & (rate <= np.array(found[f"{policy}_hi"]))
        for policy, rate in (("base", whole.base[at]), ("tuned", whole.tuned[at]))
    }
    return Found(dict(intervals(document)), inside)


def intervals(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every estimate of a section that has an interval, or could have one: path → estimate. A share of all samples is
    a count, and has none."""
    if isinstance(node, dict) and "lo" in node and "value" in node:
        if "count" not in node:
            yield path, node
    elif isinstance(node, dict):
        for key, inner in node.items():
            yield from intervals(inner, f"{path}/{key}".removeprefix("/"))
    elif isinstance(node, list):
        for i, inner in enumerate(node):
            name = inner.get("stratum", i) if isinstance(inner, dict) else i
            yield from intervals(inner, f"{path}/{name}")


@dataclass
class Record:
    """One quantity over the experiments whose interval is meant: not those that rest on fewer than 20 problems."""

    truth: float
    values: list[float] = field(default_factory=list)
    ses: list[float] = field(default_factory=list)
    fixed: list[float] = field(default_factory=list)
    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    gamma: int = 0

    def add(self, e: Mapping[str, Any]) -> None:
        def number(key: str) -> float:
            return np.nan if e.get(key) is None else float(e[key])

        for key, held in (
            ("value", self.values),
            ("se", self.ses),
            ("se_fixed", self.fixed),
            ("lo", self.lows),
            ("hi", self.highs),
        ):
            held.append(number(key))
        self.gamma += e.get("interval") == "gamma"

    @property
    def number(self) -> int:
        return len(self.values)

    @property
    def covered(self) -> int:
        return self.number - self.below - self.above

    @property
    def below(self) -> int:
        """Intervals that lie wholly below the truth."""
        return int(np.sum(np.array(self.highs) < self.truth - 1e-12))

    @property
    def above(self) -> int:
        return int(np.sum(np.array(self.lows) > self.truth + 1e-12))

    @property
    def spread(self) -> float:
        """Standard deviation of the values: what a standard error claims to know."""
        return float(np.nanstd(self.values, ddof=1))

    @property
    def bias(self) -> float:
        """Of the value, in units of its spread."""
        return float(np.nanmean(self.values) - self.truth) / self.spread if self.spread > 0 else 0.0

    def ratio(self, errors: list[float]) -> float:
        """Root mean square of the claimed standard errors over the spread; 1 is right."""
        return float(np.sqrt(np.nanmean(np.square(errors)))) / self.spread

    @property
    def width(self) -> float:
        """Mean width of the interval over that of a normal one with the true standard error."""
        return float(np.nanmean(np.array(self.highs) - np.array(self.lows))) / (2 * 1.96 * self.spread)


def study(
    population: Population, kind: str, experiments: int, problems: int, replicates: int = REPLICATES
) -> tuple[dict[str, Record], dict[str, float]]:
    """Path → what happened, and the share of problems whose own interval holds their rate."""
    whole = world(population, DEPTHS if kind == "population" else ALL_DEEP)
    rng = np.random.default_rng(problems)
    fixed = rng.choice(len(whole.weight), size=problems, p=whole.weight)
    true = truths(whole if kind == "population" else of_rows(whole, fixed), problems)
    records: dict[str, Record] = {}
    inside: dict[str, list[Bools]] = {"base": [], "tuned": []}
    for seed in range(experiments):
        rows = fixed
        if kind == "population":
            rows = np.random.default_rng(10_000 + seed).choice(
                len(whole.weight), size=problems, p=whole.weight
            )
        found = experiment(whole, rows, seed, replicates)
        for path, e in found.estimates.items():
            record = records.setdefault(path, Record(true.get(path, np.nan)))
            if e["status"] in MEANT:
                record.add(e)
        for policy, held in found.inside.items():
            inside[policy].append(held)
    return records, {policy: float(np.concatenate(held).mean()) for policy, held in inside.items()}


def fixed_distances(experiments: int, problems: int) -> tuple[dict[str, Record], float]:
    """Distances on the same problems each time, where the base is right so often that its own samples say most about
    its rate, and the share of problems where they do: their errors are part of `se_fixed`.
    """
    whole = world(Population("the same tilt everywhere", 1.0, 1.0, 0.0, 1.5, 0.0, 0.0), ALL_DEEP)
    rows = np.random.default_rng(problems).choice(len(whole.weight), size=problems, p=whole.weight)
    true = dict(of_distance(of_rows(whole, rows)))
    records = {name: Record(true[name]) for name in ("kl_verified", "kl_pi_p0")}
    counted = 0
    for seed in range(experiments):
        rng = np.random.default_rng(seed)
        base, tuned = (evaluation(whole, rows, policy, rng) for policy in ("base", "tuned"))
        found = distance(Pair.of(base, tuned, 10, seed))
        assert found["status"] == "ok"
        counted += found["base_rate_from"]["both"]
        records["kl_verified"].add(found["kl_verified"])
        records["kl_pi_p0"].add(found["kl_pi_p0"])
    return records, counted / (experiments * problems)


def table(records: Mapping[str, Record]) -> str:
    lines = [
        "| quantity | truth | n | covered | below, above | bias/sd | se/sd | se_fixed/sd | width |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for path, r in records.items():
        if r.number > 1:
            cells = f"{100 * r.covered / r.number:.1f} % | {r.below}, {r.above} | {r.bias:+.2f}"
            more = f"{r.ratio(r.ses):.2f} | {r.ratio(r.fixed):.2f} | {r.width:.2f}"
            lines.append(f"| {path} | {r.truth:.4f} | {r.number} | {cells} | {more} |")
        else:
            lines.append(f"| {path} | {r.truth:.4f} | {r.number} | | | | | | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of every interval of the report.")
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--problems", type=int, default=120)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for population in POPULATIONS:
        for kind in ("population", "these problems"):
            records, inside = study(population, kind, options.experiments, options.problems)
            print(f"**{population.name}, {kind}**: a problem's own interval holds its rate: {inside}\n")
            print(table(records), "\n")
            rows += [
                {"population": population.name, "kind": kind, "path": path} | asdict(record)
                for path, record in records.items()
            ]
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": measured_on()}) + "\n")


if __name__ == "__main__":
    main()
