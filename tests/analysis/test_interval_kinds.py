"""Every interval is of the kind that docs/metrics.md names for its quantity, and every one rests on the seed."""

from typing import Any

import numpy as np
import pytest

from rlvr.analysis.samples import Answers, LogProbs, Samples
from rlvr.analysis.sections.compare import compare
from rlvr.analysis.sections.ladder import Rung, ladder
from rlvr.analysis.sections.levers import Lever, levers, transfer
from rlvr.analysis.sections.summary import summarise
from rlvr.analysis.sections.turns import turns

N, M = 16, 60
IDS = [f"p{i}" for i in range(M)]


def evaluation(name: str, seed: int, lift: float) -> Samples:
    """Middling rates on every problem, so that no figure rests on a few of them; with all that rows can say."""
    rng = np.random.default_rng(seed)
    rates = np.random.default_rng(0).uniform(0.15, 0.6, M) + lift
    c = rng.binomial(N, rates)
    silent = rng.binomial(N - c, 0.4)
    excluded = rng.binomial(4, 0.5, M)
    tables = [
        {"right": int(r), "x": int((N - r - s) // 2), "y": int(N - r - s - (N - r - s) // 2)}
        for r, s in zip(c, silent, strict=True)
    ]
    row = np.repeat(np.arange(M), N)
    right = np.concatenate([np.arange(N) < k for k in c])
    own = -5.0 - rng.exponential(1.0, len(row))
    other = own - np.where(right, 0.3, -0.1) + rng.normal(0, 0.2, len(row))
    logp = {"base": own, "tuned": other} if name == "base" else {"base": other, "tuned": own}
    answers = Answers.from_dicts(tables, ["right"] * M)
    return Samples(
        name, IDS, np.full(M, N), c, score=c + rng.uniform(0, 1, M), c_answer=c.astype(np.float64),
        c_sound=rng.binomial(c, 0.7).astype(np.float64), excluded=excluded, truncated=silent, no_answer=silent,
        tokens=rng.uniform(10, 20, M), sources=["a" if i % 2 else "b" for i in range(M)],
        answers=answers, traces=answers,
        logprobs=LogProbs(row, right, logp),
    )  # fmt: skip


def estimates(node: Any, path: str = "") -> dict[str, dict[str, Any]]:
    if isinstance(node, dict):
        if "value" in node and "lo" in node:
            return {path.removeprefix("/"): node}
        return {k: v for key, inner in node.items() for k, v in estimates(inner, f"{path}/{key}").items()}
    if isinstance(node, list):
        return {k: v for i, inner in enumerate(node) for k, v in estimates(inner, f"{path}/{i}").items()}
    return {}


@pytest.fixture(scope="module")
def pair() -> tuple[Samples, Samples]:
    return evaluation("base", 1, 0.0), evaluation("tuned", 2, 0.2)


def of_all(pair: tuple[Samples, Samples], seed: int) -> dict[str, dict[str, Any]]:
    base, tuned = pair
    attempts = [[[k < c, k < c + 2] for k in range(N)] for c in base.c]
    rungs = [
        Rung("base", 0, "0", base), Rung("base", 4, "4", evaluation("base", 3, 0.3)), Rung("tuned", 0, "0", tuned),
    ]  # fmt: skip
    rows = [
        Lever("base", "base", base, prompt_tokens=6.0),
        Lever("4", "asked", rungs[1].samples, prompt_tokens=9.0, amounts={"shots": 4.0}),
        Lever("run", "trained", tuned, prompt_tokens=6.0),
    ]
    held = {("base", "base"): base, ("run", "base"): tuned}
    found = {
        "summary": summarise(base, replicates=300, seed=seed),
        "comparison": compare(base, tuned, 4, replicates=300, seed=seed),
        "turns": turns(attempts, 300, seed),
        "ladder": ladder(rungs, 300, seed),
        "levers": levers(rows, 4, 300, seed),
        "transfer": transfer(held, "base", 300, seed),
    }
    return estimates(found)


@pytest.fixture(scope="module")
def found(pair):
    return of_all(pair, 0)


SIGNED = (
    *("comparison/gain", "comparison/difference/", "comparison/mean_score", "comparison/compression/delta"),
    *(
        "comparison/coverage/net",
        "comparison/efficiency_gap",
        "comparison/diversity/",
        "comparison/alignment/",
    ),
    *("comparison/unjudged/difference", "comparison/unjudged/gain", "comparison/answering/", "equal_tokens"),
    *(
        "comparison/answer_pass_at_k",
        "comparison/cot_pass_at_k",
        "comparison/pass_hat_k",
        "comparison/maj_at_k",
    ),
)
"""What may have either sign, in strata the gain alone."""
NOT_NEGATIVE = "comparison/alignment/certain_success"


def test_rates_have_bca_intervals_and_differences_percentile_ones(found):
    kinds: dict[str, set[str]] = {"bca": set(), "percentile": set()}
    for path, e in found.items():
        kind = e.get("interval")
        if kind not in ("bca", "percentile"):
            continue
        signed = any(part in path for part in SIGNED) and path != NOT_NEGATIVE
        if path.startswith(("comparison/limits", "comparison/whole", "comparison/by_source")):
            signed = path.endswith("/gain")
        assert kind == ("percentile" if signed else "bca"), path
        kinds[kind].add(path)
    assert len(kinds["bca"]) > 60 and len(kinds["percentile"]) > 40
    assert {"summary/pass_at_k/4", "comparison/compression/within", "comparison/whole/base_pass_k"} <= kinds[
        "bca"
    ]
    assert {"comparison/gain", "comparison/compression/delta", "comparison/alignment/kl_pi_p0"} <= kinds[
        "percentile"
    ]


def test_another_seed_moves_every_bootstrapped_interval_and_no_value(pair, found):
    other = of_all(pair, 1)
    assert found.keys() == other.keys()
    moved, fixed = set(), set()
    for path, e in found.items():
        assert e["value"] == other[path]["value"] or "limits" in path, path  # strata are cut by a seeded half
        if e["lo"] is None or e.get("interval") == "gamma" or e["lo"] == e["hi"]:
            continue
        ends = [(x["lo"], x["hi"]) for x in (e, other[path])]
        (moved if ends[0] != ends[1] else fixed).add(path)
    brackets = {path for path in fixed if "population" in path}
    assert fixed == brackets and len(moved) > 150
