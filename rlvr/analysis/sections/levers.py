"""Every way to move a policy on the same problems, in one unit: evidence, turns, sampling, picking, training.

The unit is the pooled log-odds of success against the base (METRICS 7); every interval is from the same bootstrap
replicates over the problems that all of them share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, cast

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.estimate import Estimate, EstimateJson, Number
from rlvr.analysis.evidence import LogOdds, mantel_haenszel_terms
from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.picking import How, picked, picked_beside_one
from rlvr.analysis.samples import Answers, Bools, Floats, Samples
from rlvr.analysis.sections.pooled import PooledOdds, shared

Kind = Literal["base", "asked", "picked", "trained", "crossed"]


@dataclass(frozen=True, slots=True)
class Pick:
    """One answer from k samples of another row, without training."""

    of: str
    how: How
    k: int


@dataclass(frozen=True, eq=False)
class Lever:
    """One row: samples of its own, or what is picked from those of another one."""

    name: str
    kind: Kind
    samples: Samples
    """Of the row itself; of a picked one, those of the row that it picks from."""
    prompt_tokens: float | None = None
    """Mean of a prompt; None where the file does not say it."""
    said_tokens: Floats | None = None
    """(M,) mean tokens after the prompt of each problem, the environment's among them; None: `samples.tokens`."""
    sampled_tokens: int = 0
    """That training drew."""
    trained_tokens: int = 0
    """That its updates read, each as often as it was read."""
    pick: Pick | None = None
    amounts: Mapping[str, float] | None = None
    """How much evidence it is, by kind: a point of the base's curve of that kind."""


class AmountJson(EstimateJson):
    """An amount of evidence at which the base's curve reaches a row."""

    bound: NotRequired[float | None]
    """The most that was tried."""
    share_censored: NotRequired[float]
    """Share of replicates in which the curve does not reach it."""


class EqualTokensJson(EstimateJson):
    """Success rate of a row less that of the base's best of as many samples as take the same tokens."""

    samples: Number
    """So many, the prompt read once. Between two whole numbers pass@k is continued (`passk.log_failure`)."""


class LeverJson(TypedDict):
    """A row of evidence.json."""

    name: str
    kind: str
    """base, asked, picked, trained, crossed; exact: computed, not sampled."""
    pass_at_1: EstimateJson
    pass_at_k: EstimateJson | None
    """Null of a row that picks one answer from k samples."""
    nats: LogOdds
    """Pooled log-odds of success against the base."""
    tokens: EstimateJson
    """A problem, for one answer: the prompt, and what was written and read after it."""
    prompt_tokens: Number
    equal_tokens: EqualTokensJson | None
    """Null of the base, of what picks the best of the base's own samples, and where tokens are not known."""
    training_tokens: int
    """Sampled and trained on."""
    sampled_tokens: int
    trained_tokens: int
    equivalent: dict[str, AmountJson]
    """By kind of evidence: how much of it the row is worth to the base."""


class TransferCell(TypedDict):
    """A policy trained under one evidence, asked under another."""

    trained: str
    asked: str
    pass_at_1: EstimateJson
    nats: LogOdds
    """Against the base, asked as it is."""
    gain: LogOdds
    """Against the base asked in the same way: what training adds there."""


class Levers(TypedDict):
    k: int
    """Of `pass_at_k`."""
    n_problems: int
    levers: list[LeverJson]
    curves: dict[str, dict[str, float]]
    """Kind of evidence → the rows on the base's curve → amount."""


def levers(rows: Sequence[Lever], k: int, replicates: int = 2000, seed: int = 0) -> Levers:
    """The first row is the base. A picked row's samples are those that it picks from; held against the base's own, it
    never picks from the sample that it is held against.

    Raises ValueError: the rows share no problem.
    """
    held = shared([row.samples for row in rows])
    boot = ClusterBootstrap(held[0].n_problems, replicates, seed)
    own = [row.pick is not None and row.pick.of == rows[0].name for row in rows]
    parts = [_terms(held[0], s, r.pick, o) for r, s, o in zip(rows, held, own, strict=True)]
    up, down, seen = (np.stack(column) for column in zip(*parts, strict=True))
    odds = PooledOdds.of_terms(up, down, seen, boot)
    rates = np.stack([_rate(s, r.pick) for r, s in zip(rows, held, strict=True)], axis=1)
    first = mean_estimates(rates, boot)
    several = mean_estimates(np.stack([pass_at_k(s.n, s.c, k) for s in held], axis=1), boot)
    tokens = np.stack([_tokens(r, s) for r, s in zip(rows, held, strict=True)], axis=1)
    lengths = mean_estimates(tokens, boot)
    beside = _equal_tokens(rows, held[0], rates, tokens, boot)
    curves = _curves(rows)
    return {
        "k": k,
        "n_problems": held[0].n_problems,
        "levers": [
            {
                "name": row.name,
                "kind": row.kind,
                "pass_at_1": first[i].to_json(),
                "pass_at_k": None if row.pick else several[i].to_json(),
                "nats": odds.estimate(i),
                "tokens": lengths[i].to_json(),
                "prompt_tokens": row.prompt_tokens,
                "equal_tokens": beside[i],
                "training_tokens": row.sampled_tokens + row.trained_tokens,
                "sampled_tokens": row.sampled_tokens,
                "trained_tokens": row.trained_tokens,
                "equivalent": {
                    kind: cast("AmountJson", odds.equivalent([*line.values()], [*line], i).to_json())
                    for kind, line in curves.items()
                    if i and i not in line
                },
            }
            for i, row in enumerate(rows)
        ],
        "curves": {kind: {rows[i].name: at for i, at in line.items()} for kind, line in curves.items()},
    }


def transfer(
    cells: Mapping[tuple[str, str], Samples], base: str, replicates: int = 2000, seed: int = 0
) -> list[TransferCell]:
    """Policies, one of them the untrained `base`, by (trained, asked); the base is also a way to ask.

    Raises ValueError: the cells share no problem.
    """
    names = [*cells]
    held = shared([*cells.values()])
    n, c = (np.stack(x).astype(np.float64) for x in ([s.n for s in held], [s.c for s in held]))
    boot = ClusterBootstrap(n.shape[1], replicates, seed)
    against = PooledOdds.of(n, c, [names.index((base, base))] * len(names), boot)
    gain = PooledOdds.of(n, c, [names.index((base, asked)) for _, asked in names], boot)
    rates = mean_estimates(np.divide(c, n, out=np.full(n.shape, np.nan), where=n > 0).T, boot)
    return [
        {
            "trained": trained,
            "asked": asked,
            "pass_at_1": rates[i].to_json(),
            "nats": against.estimate(i),
            "gain": gain.estimate(i),
        }
        for i, (trained, asked) in enumerate(names)
    ]


def exact_row(name: str, rate: float, at_k: float, tokens: float, prompt: float | None) -> LeverJson:
    """A row that was computed: its success rate is known, and its log-odds are infinite where it is 1."""
    sure = Estimate(rate, status="exact").to_json()
    infinite = Estimate(np.inf if rate == 1 else None, status="exact")
    return {
        "name": name,
        "kind": "exact",
        "pass_at_1": sure,
        "pass_at_k": Estimate(at_k, status="exact").to_json(),
        "nats": cast(
            "LogOdds", infinite.to_json() | {"beta_eff": None, "beta_eff_lo": None, "beta_eff_hi": None}
        ),
        "tokens": Estimate(tokens + (prompt or 0.0), status="exact").to_json(),
        "prompt_tokens": prompt,
        "equal_tokens": None,
        "training_tokens": 0,
        "sampled_tokens": 0,
        "trained_tokens": 0,
        "equivalent": {},
    }


def _terms(base: Samples, samples: Samples, pick: Pick | None, own: bool) -> tuple[Floats, Floats, Bools]:
    """A row's parts of the Mantel-Haenszel ratio against the base, and where both sides have samples; (M,) each.

    n samples hold n/k answers that were picked from k each, which is how much such a row weighs.

    Args:
        own: these are the base's own samples, which must not stand on both sides.
    """
    n0, c0, n, c = (x.astype(np.float64) for x in (base.n, base.c, samples.n, samples.c))
    if pick is None:
        return (*mantel_haenszel_terms(n0, c0, n, c), (n0 > 0) & (n > 0))
    groups = n / pick.k
    if own:
        up, down = picked_beside_one(_answers(base), n, c, pick.k, pick.how)
        weight = n * groups / np.maximum(n + groups, 1)
        up, down = weight * up, weight * down
    else:
        up, down = mantel_haenszel_terms(n0, c0, groups, groups * _rate(samples, pick))
    seen = ~np.isnan(up) & (n0 > 0)
    return np.where(seen, up, 0.0), np.where(seen, down, 0.0), seen


def _rate(samples: Samples, pick: Pick | None) -> Floats:
    """(M,) success rate of one answer."""
    n, c = samples.n.astype(np.float64), samples.c.astype(np.float64)
    return picked(_answers(samples), n, c, pick.k, pick.how) if pick else pass_at_k(n, c, 1)


def _answers(samples: Samples) -> Answers:
    """None of them has one: a file without answers."""
    return samples.answers or Answers.from_dicts([{}] * samples.n_problems, [None] * samples.n_problems)


def _tokens(row: Lever, samples: Samples) -> Floats:
    """(M,) tokens of one answer; a prompt is read once for all samples that an answer is picked from."""
    place = {name: i for i, name in enumerate(row.samples.problem_ids)}
    written = row.said_tokens if row.said_tokens is not None else row.samples.tokens
    if written is None:
        return np.full(samples.n_problems, np.nan)
    own = written[[place[name] for name in samples.problem_ids]]
    return (row.prompt_tokens or 0.0) + own * (row.pick.k if row.pick else 1)


def _equal_tokens(
    rows: Sequence[Lever], base: Samples, rates: Floats, tokens: Floats, boot: ClusterBootstrap
) -> list[EqualTokensJson | None]:
    """What a row's tokens bring where the base spends them on more samples, of which a verifier takes a right one.

    Args:
        rates: (M, rows) success of one answer.
        tokens: (M, rows) of one answer; the number of samples comes from their means, and is not drawn anew.
    """
    prompt = rows[0].prompt_tokens or 0.0
    means = np.nanmean(np.where(np.isnan(tokens).all(axis=0), 0.0, tokens), axis=0)
    samples = np.maximum(1.0, (means - prompt) / (means[0] - prompt)) if means[0] > prompt else None
    found: list[EqualTokensJson | None] = []
    for i, row in enumerate(rows):
        itself = row.pick is not None and row.pick.of == rows[0].name and row.pick.how == "best"
        if i == 0 or itself or samples is None or not means[i]:
            found.append(None)
            continue
        more = rates[:, i] - pass_at_k(base.n, base.c, samples[i])
        [estimate] = mean_estimates(more[:, None], boot, signed=True)
        found.append(cast("EqualTokensJson", {**estimate.to_json(), "samples": float(samples[i])}))
    return found


def _curves(rows: Sequence[Lever]) -> dict[str, dict[int, float]]:
    """Kind of evidence → rows on the base's curve, in order → amount; the base has none of any kind. Of two rows with
    one amount, the first is on it."""
    kinds = dict.fromkeys(kind for row in rows for kind in row.amounts or ())
    found: dict[str, dict[int, float]] = {}
    for kind in kinds:
        amounts = [
            (row.amounts[kind], i) for i, row in enumerate(rows) if row.amounts and kind in row.amounts
        ]
        line = {0.0: 0}
        for amount, i in sorted(amounts):
            line.setdefault(amount, i)
        found[kind] = {i: amount for amount, i in line.items()}
    return found
