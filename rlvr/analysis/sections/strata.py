"""Where the gain comes from: problems grouped by how often the base solves them (the limits of the claim), and by their
source."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.compression import safe_ratio
from rlvr.analysis.estimate import EstimateJson, Number, plain
from rlvr.analysis.pair import Pair, means
from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.samples import Bools, Ints
from rlvr.analysis.sections.decomposition import decomposed


class Stratum(TypedDict):
    """One row of the table of limits."""

    stratum: str
    problems: int
    base_pass_1: EstimateJson
    base_pass_k: EstimateJson
    tuned_pass_1: EstimateJson
    tuned_pass_k: EstimateJson
    gain: EstimateJson
    share_of_gain: Number
    certified: int
    unsound_share: Number
    samples_to_first_hit: Number


def limits(pair: Pair, budget: int, alpha: float) -> list[Stratum]:
    """One row per stratum of base success rate: 0, (0, 1/K], (1/K, ½], (½, 1].

    Strata are defined on a random half of the base samples and scored on the other half: with the same
    samples, regression to the mean would be read as forgetting of easy and discovery of hard problems.
    """
    half = pair.base.n // 2
    first = np.random.default_rng(pair.boot.seed).hypergeometric(pair.base.c, pair.base.n - pair.base.c, half)
    rate = safe_ratio(first, half)
    n0, c0 = pair.base.n - half, pair.base.c - first
    edges = (
        ("0", -1.0, 0.0),
        ("(0, 1/K]", 0.0, 1 / budget),
        ("(1/K, 1/2]", 1 / budget, 0.5),
        ("(1/2, 1]", 0.5, 1.0),
    )
    base, tuned = pass_at_k(n0, c0, 1), pass_at_k(pair.tuned.n, pair.tuned.c, 1)
    total = float(np.nansum(np.where(np.isnan(rate), np.nan, tuned - base)))
    certified = _certified(pair, budget, alpha)
    return [
        _row(name, pair, (rate > low) & (rate <= high), n0, c0, budget, total, certified)
        for name, low, high in edges
    ]


def _certified(pair: Pair, budget: int, alpha: float) -> Bools:
    """At the level of `Comparison.compression`: α shared among all problems that the base never solved."""
    return decomposed(pair, budget, alpha).certified


def whole(pair: Pair, budget: int, alpha: float) -> Stratum:
    """The same columns for all problems together, from all base samples: nothing is selected, so nothing is halved."""
    (row,) = _of_sets(pair, budget, alpha, {"all": np.ones(pair.base.n_problems, dtype=bool)})
    return row


def sources(pair: Pair, budget: int, alpha: float) -> list[Stratum]:
    """The same columns for the problems of each source, which no sample chose; none where the files know no source."""
    names = np.array(pair.base.sources or [], dtype=object)
    inside = {str(name): names == name for name in dict.fromkeys(names)}
    return _of_sets(pair, budget, alpha, inside)


def by_columns(
    pair: Pair, columns: Mapping[str, Mapping[str, str]], budget: int, alpha: float = 0.05
) -> dict[str, list[Stratum]]:
    """The same for every value of each column (column → problem → value), values in their natural order; "" is that of
    problems without one."""
    found = {}
    for column, of in columns.items():
        values = np.array([of.get(str(name), "") for name in pair.base.problem_ids], dtype=object)
        inside = {value: values == value for value in sorted(set(values), key=_natural)}
        found[column] = _of_sets(pair, budget, alpha, inside)
    return found


def _natural(text: str) -> list[tuple[int, int, str]]:
    """`level 2` before `level 10`."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _of_sets(pair: Pair, budget: int, alpha: float, inside: Mapping[str, Bools]) -> list[Stratum]:
    n0, c0 = pair.base.n, pair.base.c
    total = float(np.nansum(pass_at_k(pair.tuned.n, pair.tuned.c, 1) - pass_at_k(n0, c0, 1)))
    certified = _certified(pair, budget, alpha)
    return [_row(name, pair, rows, n0, c0, budget, total, certified) for name, rows in inside.items()]


def _row(
    name: str, pair: Pair, inside: Bools, n0: Ints, c0: Ints, budget: int, total: float, certified: Bools
) -> Stratum:
    n1, c1 = pair.tuned.n[inside], pair.tuned.c[inside]
    n0, c0 = n0[inside], c0[inside]
    base, tuned = pass_at_k(n0, c0, 1), pass_at_k(n1, c1, 1)
    columns = {
        "base_pass_1": base,
        "base_pass_k": pass_at_k(n0, c0, budget),
        "tuned_pass_1": tuned,
        "tuned_pass_k": pass_at_k(n1, c1, budget),
        "gain": tuned - base,
    }
    boot = ClusterBootstrap(len(n0), pair.boot.replicates, pair.boot.seed)
    mean_base = float(c0.sum() / n0.sum()) if n0.sum() else np.nan
    table = means(columns, boot, signed=["gain"])
    return {
        "stratum": name,
        "problems": int(inside.sum()),
        "base_pass_1": table["base_pass_1"],
        "base_pass_k": table["base_pass_k"],
        "tuned_pass_1": table["tuned_pass_1"],
        "tuned_pass_k": table["tuned_pass_k"],
        "gain": table["gain"],
        "share_of_gain": plain(float(safe_ratio(np.nansum(tuned - base), total))),
        "certified": int(certified[inside].sum()),
        "unsound_share": _unsound(pair, inside),
        "samples_to_first_hit": plain(1 / mean_base if mean_base > 0 else np.nan),
    }


def _unsound(pair: Pair, inside: Bools) -> Number:
    sound, answer = pair.tuned.c_sound, pair.tuned.c_answer
    if sound is None or answer is None:
        return None
    looked = inside & ~np.isnan(sound) & ~np.isnan(answer)
    return plain(float(safe_ratio((answer - sound)[looked].sum(), answer[looked].sum())))
