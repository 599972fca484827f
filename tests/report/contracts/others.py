"""The figures that rest on more than two files, on single problems, or on other figures of report.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, lgamma
from statistics import fmean, median, stdev
from typing import Any

from tests.report.contracts import policy as one
from tests.report.contracts.certainty import log_odds
from tests.report.contracts.pair import Pair, certified
from tests.report.contracts.rows import Estimate, Holds, Mean, Near, Policy, Ratio

Document = dict[str, Any]
Z = 1.959963984540054
STUDENT = {1: 12.706204736, 2: 4.302652730, 3: 3.182446305}
"""97.5 % quantiles, by degrees of freedom: from any table."""


# --- Every problem ---


def jeffreys(n: int, c: int, tail: float) -> float:
    """Quantile of Beta(c + ½, n - c + ½), by summing its density; substituting sin² takes the ends' poles away."""
    if tail < 0.5 and c == 0:
        return 0.0
    if tail > 0.5 and c == n:
        return 1.0
    a, b = c + 0.5, n - c + 0.5
    constant = 2 * math.exp(lgamma(a + b) - lgamma(a) - lgamma(b))
    steps = 4000
    width = math.pi / 2 / steps
    total = 0.0
    for i in range(steps):
        angle = (i + 0.5) * width
        slice_ = constant * math.sin(angle) ** (2 * a - 1) * math.cos(angle) ** (2 * b - 1) * width
        if total + slice_ >= tail:
            return math.sin(i * width + width * (tail - total) / slice_) ** 2
        total += slice_
    return 1.0


def drawn(pair: Pair) -> list[tuple[str, tuple[int, int, int, int]]]:
    return [(i, c) for i, c in zip(pair.ids, pair.counts, strict=True) if c[0] and c[2]]


def problem(of: Callable[[tuple[int, int, int, int]], Any]) -> Callable[[Pair, str], Any]:
    return lambda pair, at: of(drawn(pair)[int(at)][1])


def became(pair: Pair, at: str) -> str:
    """What the training made of one problem."""
    name, (n0, c0, n1, c1) = drawn(pair)[int(at)]
    if c0 == 0:
        return "certified" if name in certified(pair) else "unresolved" if c1 else "unsolved"
    b, t = c0 / n0, c1 / n1
    if t == b:
        return "same"
    reach = one.pass_at(n0, c0, pair.budget)
    clear = c1 > 0 and one.bound_below(n1, c1, 0.025) > (1.0 if reach is None else reach)
    return "worse" if t < b else "beyond" if clear else "search"


def rate(which: int, tail: float) -> Callable[[Pair, str], Near]:
    return problem(lambda c: Near(jeffreys(c[2 * which], c[2 * which + 1], tail), 2e-5))


PROBLEMS: dict[str, Callable[..., Any]] = {
    "problem_id/*": lambda p, at: drawn(p)[int(at)][0],
    "n_base/*": problem(lambda c: c[0]),
    "c_base/*": problem(lambda c: c[1]),
    "n_tuned/*": problem(lambda c: c[2]),
    "c_tuned/*": problem(lambda c: c[3]),
    "base/*": problem(lambda c: c[1] / c[0]),
    "tuned/*": problem(lambda c: c[3] / c[2]),
    "base_lo/*": rate(0, 0.025),
    "base_hi/*": rate(0, 0.975),
    "tuned_lo/*": rate(1, 0.025),
    "tuned_hi/*": rate(1, 0.975),
    "change/*": became,
    "median_n_base": lambda p: median(c[0] for _, c in drawn(p)),
    "unseen_bound": lambda p: 1 - 0.05 ** (1 / int(median(c[0] for _, c in drawn(p)))),
}
"""Pattern under `problems`; the function sees the pair."""


# --- The ladder ---


@dataclass(frozen=True)
class Asked:
    """One file of the ladder."""

    policy: str
    shots: int | None
    label: str
    file: str
    rows: Policy


def rung(rungs: Sequence[Asked], at: str, key: str) -> Any:
    return getattr(rungs[int(at)], key)


def against(rungs: Sequence[Asked], at: int, own: bool, given: Any) -> Ratio:
    """Log-odds against the base's first rung, or the policy's own first; all on the problems that every file has."""
    this = rungs[at]
    first = next(r for r in rungs if r.policy == (this.policy if own else "base"))
    return log_odds([(*a, *b) for a, b in zip(first.rows.counts, this.rows.counts, strict=True)], given)


def equivalent(rungs: Sequence[Asked]) -> Estimate:
    """Shots at which the base's line, straight between its rungs, reaches the tuned policy's first."""
    ends = {"lo": 1.0, "hi": 1.0}
    first = next(i for i, r in enumerate(rungs) if r.policy == "tuned")
    line = [i for i, r in enumerate(rungs) if r.policy == "base" and r.shots is not None]
    found = {i: against(rungs, i, False, ends) for i in [*line, first]}
    at = {i: odds.value or 0.0 for i, odds in found.items()}
    used = min(odds.used for odds in found.values())
    for i, j in pairwise(line):
        left, right = rungs[i].shots or 0, rungs[j].shots or 0
        if at[i] < at[first] <= at[j]:
            value = left + (at[first] - at[i]) / (at[j] - at[i]) * (right - left)
            return Estimate(
                {
                    "value": value,
                    "bound": rungs[line[-1]].shots,
                    "status": "ok",
                    "used": used,
                    "excluded": len(rungs[0].rows.n) - used,
                    "share_censored": Holds(lambda x: 0 <= x < 0.5),
                }
            )
    raise AssertionError("the simulated ladder is made to reach the tuned policy")


LADDER: dict[str, Callable[..., Any]] = {
    "n_problems": lambda r: len(r[0].rows.problems),
    "reference": lambda r: next(x.label for x in r if x.policy == "base"),
    "target": lambda r: next(x.label for x in r if x.policy == "tuned"),
    **{
        f"rungs/*/{key}": (lambda r, at, key=key: rung(r, at, key))
        for key in ("policy", "shots", "label", "file")
    },
    "rungs/*/pass_1": lambda r, at: Mean(one.curve(r[int(at)].rows, 1)),
    "equivalent": equivalent,
}
"""Pattern under `ladder`; the function sees the rungs in their order."""
LADDER_SEEN: dict[str, Callable[..., Any]] = {
    "rungs/*/nats": lambda r, at, given, around: against(r, int(at), False, given),
    "rungs/*/against_own": lambda r, at, given, around: against(r, int(at), True, given),
}


# --- Several runs: figures of figures ---


def held(document: Document, name: str) -> dict[str, Any]:
    return document["comparison"] if name == document["main"] else document["comparisons"][name]


QUANTITIES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("gain", "k_star", "ratio_net", "ratio_gross")},
    **{name: ("compression", name) for name in ("within", "beyond", "unresolved", "expansion", "forgetting")},
    **{name: ("alignment", name) for name in ("kl_pi_p0", "kl_verified", "efficiency")},
    "evidence": ("evidence", "pooled"),
}


def estimates(document: Document, group: str, *path: str) -> list[dict[str, Any]]:
    """The estimate of each run of a group, as the report has it for that run alone."""
    found = []
    for name in document["groups"][group]["runs"]:
        node: Any = document["policies"][name] if path[0] == "pass_at_k" else held(document, name)
        for key in path:
            node = node[key]
        found.append(node)
    return found


def finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in rows if isinstance(e["value"], float)]


def spread(rows: list[dict[str, Any]]) -> Estimate:
    """Mean over runs with Student's t."""
    known = finite(rows)
    values = [e["value"] for e in known]
    if not values:
        return Estimate({"value": None, "used": 0, "excluded": len(rows), "status": "no_data"})
    m = len(values)
    sd = stdev(values) if m > 1 else None
    half = STUDENT[m - 1] * sd / math.sqrt(m) if sd is not None else None
    errors = [e["se"] for e in known if e["se"] is not None]
    return Estimate({
        "value": fmean(values), "sd": sd, "se": None if sd is None else sd / math.sqrt(m),
        "lo": None if half is None else fmean(values) - half,
        "hi": None if half is None else fmean(values) + half,
        "lowest": min(values), "highest": max(values), "used": m, "excluded": len(rows) - m,
        "se_within": math.sqrt(fmean(e * e for e in errors)) if errors else None,
        "status": "ok" if m >= 3 else "few_runs",
    })  # fmt: skip


def contrast(document: Document, at: str) -> Estimate:
    """Welch's interval of the difference of two groups' means."""
    first, *others = document["groups"]
    quantity = list(QUANTITIES)[int(at) % len(QUANTITIES)]
    other = others[int(at) // len(QUANTITIES)]
    sides = [estimates(document, group, *QUANTITIES[quantity]) for group in (first, other)]
    a, b = ([e["value"] for e in finite(side)] for side in sides)
    named = {"quantity": quantity, "from": first, "to": other, "used": len(a) + len(b),
             "excluded": sum(map(len, sides)) - len(a) - len(b)}  # fmt: skip
    if not a or not b:
        return Estimate({**named, "value": None, "status": "no_data"})
    parts = [stdev(x) ** 2 / len(x) if len(x) > 1 else None for x in (a, b)]
    known = [x for x in parts if x is not None]
    se = math.sqrt(sum(known)) if len(known) == 2 else None
    value = fmean(b) - fmean(a)
    wide = Holds(lambda hi: hi is None if se is None else hi >= value + 1.96 * se)
    return Estimate({**named, "value": value, "se": se, "hi": wide,
                     "status": "ok" if min(len(a), len(b)) >= 3 else "few_runs"})  # fmt: skip


GROUPS: dict[str, Callable[..., Any]] = {
    "pass_at_k/*": lambda d, group, k: spread(estimates(d, group, "pass_at_k", k)),
    "difference/*": lambda d, group, k: spread(estimates(d, group, "difference", k)),
    "quantities/*": lambda d, group, name: spread(estimates(d, group, *QUANTITIES[name])),
}
"""Pattern under `groups/NAME`; the function sees the document and the group's name."""


# --- Training, exact values ---


def mixed(row: dict[str, Any]) -> float:
    """P(a group of the step holds right and wrong samples), by summing over how many are right."""
    p, size = row["correct_share"], round(row["samples"] / row["groups/drawn"])
    return sum(comb(size, j) * p**j * (1 - p) ** (size - j) for j in range(1, size))


def beside(document: Document, row: dict[str, Any]) -> dict[str, Any]:
    """The estimate that stands beside an exact value: the one of these problems, ± 1.96 `se_fixed` where it has one
    that is not 0, which it is where all samples of each problem agree."""
    policy, _, name = row["quantity"].partition(" ")
    paths: dict[str, tuple[str, ...]] = {
        "KL(π‖p0), nats": ("kl_pi_p0",), "kl(q‖p), nats": ("kl_bernoulli",), "KL(π_V‖π*), nats": ("kl_verified",),
        "KL(π*‖π), nats": ("kl_target_pi",), "KL efficiency η": ("efficiency",),
    }  # fmt: skip
    if row["quantity"] in paths:
        e = document["comparison"]["alignment"][paths[row["quantity"]][0]]
    elif name.startswith("pass@"):
        e = document["policies"][policy]["pass_at_k"][name.removeprefix("pass@")]
    else:
        return {"estimate": None, "lo": None, "hi": None, "inside": None, "problems": None}
    lo, hi = e["lo"], e["hi"]
    if e.get("se_fixed"):
        lo, hi = e["value"] - 1.96 * e["se_fixed"], e["value"] + 1.96 * e["se_fixed"]
    return {
        "estimate": e["value"],
        "lo": lo,
        "hi": hi,
        "inside": lo <= row["exact"] <= hi,
        "problems": e["used"],
    }
