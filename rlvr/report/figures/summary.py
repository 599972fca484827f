"""Table 8: one row per quantity, one column per run, and the spread between runs where there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from rlvr.analysis.estimate import NO_DATA, EstimateJson, Number, real
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.distance import Distance
from rlvr.report.figures import Panel, View, answers_differ
from rlvr.report.figures.tables import BELOW_ONE, interval
from rlvr.report.kinds import told
from rlvr.report.schema import distance_of
from rlvr.text import is_step, number

Cell = EstimateJson | Number
"""An estimate, or a number without interval."""
Series = Literal["pass_at_k", "answer_pass_at_k", "maj_at_k", "pass_hat_k", "cot_pass_at_k"]
POLICY_SERIES: dict[Series, str] = {
    "pass_at_k": "pass@{}",
    "answer_pass_at_k": "pass@{} of right answers alone",
    "maj_at_k": "maj@{}",
    "pass_hat_k": "pass^{}",
    "cot_pass_at_k": "CoT-pass@{}",
}


class Quantity(NamedTuple):
    """A quantity of the comparison, and how it is written."""

    label: str
    read: Callable[[Comparison], Cell]
    scale: float = 100
    form: str = ".1f"


def _nats(label: str, read: Callable[[Distance], EstimateJson], form: str = ".2f") -> Quantity:
    def of(comparison: Comparison) -> Cell:
        distance = distance_of(comparison)
        return read(distance) if distance else None

    return Quantity(label, of, 1, form)


def _k_star(comparison: Comparison) -> Cell:
    """Below 1 there is no search that it replaces: the tuned policy is the worse one."""
    star = comparison["k_star"]
    below = star["value"] is not None and real(star["value"]) < 1
    return cast("Cell", {**star, "value": None, "status": BELOW_ONE}) if below else star


def _bits(comparison: Comparison) -> Cell:
    return bits if (bits := comparison["k_star"].get("log2")) is not None and bits >= 0 else None


HOW_MUCH = (
    Quantity("Δ pass@1, paired", lambda c: c["gain"]),
    Quantity("… from answering more often", lambda c: c["answering"] and c["answering"]["from_answering"]),
    Quantity(
        "… from being right when answered", lambda c: c["answering"] and c["answering"]["from_being_right"]
    ),
    Quantity("p, sign flips", lambda c: c["gain"].get("p_signflip"), 1, ".2g"),
    Quantity("… Holm-adjusted over the runs", lambda c: c["gain"].get("p_holm"), 1, ".2g"),
    Quantity("McNemar's exact p", lambda c: c["flips"] and c["flips"]["p_exact"], 1, ".2g"),
)
OF_WHICH_KIND = (
    Quantity("k*, base samples worth one tuned sample", _k_star, 1, ".3g"),
    Quantity("log₂ k*, bits of search", _bits, 1, ".2f"),
    Quantity("R_K, net compression ratio", lambda c: c["ratio_net"], 1, ".2f"),
    Quantity("ρ_K, gross compression ratio", lambda c: c["ratio_gross"], 1, ".2f"),
    Quantity("C, compression within K", lambda c: c["compression"]["within"]),
    Quantity("X, compression beyond K", lambda c: c["compression"]["beyond"]),
    Quantity("U, unresolved", lambda c: told(c["compression"]).get("unresolved")),
    Quantity("E, expansion", lambda c: told(c["compression"]).get("expansion")),
    Quantity("F, forgetting", lambda c: c["compression"]["forgetting"]),
    Quantity("churn floor of gain and forgetting", lambda c: c["compression"]["churn_floor"]),
    Quantity("problems with no base success", lambda c: c["compression"]["base_zero"], 1, ".0f"),
    Quantity(
        "… with certified expansion", lambda c: c["compression"]["certified_simultaneous"]["count"], 1, ".0f"
    ),
    Quantity("base overtakes at k", lambda c: c["crossover"], 1, ".4g"),
    Quantity("… beyond noise from k", lambda c: c["crossover"].get("first_significant"), 1, ".4g"),
    Quantity("pass@K lost, problem by problem", lambda c: c["coverage"]["loss"]),
    Quantity("pass@K gained, problem by problem", lambda c: c["coverage"]["gain"]),
)
"""What takes several samples of a problem."""
AT_WHAT_DISTANCE = (
    Quantity("log-odds of success against the base, nats", lambda c: c["evidence"]["pooled"], 1, ".2f"),
    _nats("KL(π‖p0), nats", lambda d: d["kl_pi_p0"]),
    _nats("KL(π_V‖π*), nats", lambda d: d["kl_verified"]),
    _nats("KL(π*‖π), nats", lambda d: d["kl_target_pi"]),
    _nats("η, KL efficiency", lambda d: d["efficiency"]),
    _nats("effective sample size among verified", lambda d: d["ess_verified"], ".0f"),
)


def panel(view: View) -> Panel:
    runs = view.comparisons
    several = [run for run in runs if not is_step(run)]
    columns = ["quantity", view.base, *runs, *(["lowest to highest run"] if len(several) > 1 else [])]
    rows = [*_of_policies(view, runs, several), *_of_comparisons(view.base, runs, several)]
    rows += _of_audits(view, view.comparison, runs, several) if view.comparison else []
    policies = {name: view.policies[name] for name in (view.base, *runs)}
    for label, shares in (
        ("cut by the token limit, %", {name: p["truncated"] for name, p in policies.items()}),
        ("without an answer, %", {name: p["no_answer"] for name, p in policies.items()}),
    ):
        if any(share["value"] is not None for share in shares.values()):
            rows.append(_row(label, shares, several, 100, ".1f"))
    return Panel(
        "summary",
        "Summary",
        "All of it in one table",
        see="Rates in points, each with its 95 % interval. " + (_about(several) if runs else ""),
        caption="A hand audit of the verifier (NAME.audit.json beside NAME.jsonl) corrects pass@1 for its false "
        "positives and negatives; where none was made, no rate is corrected. One training run supports statements "
        "about that run, not about the method.",
        columns=columns,
        rows=[row[: len(columns)] for row in rows],
    )


def _about(several: Sequence[str]) -> str:
    text = "Intervals of the comparison are paired: both policies answered the same problems."
    if len(several) > 1:
        text += " They hold within a run; how much runs differ among themselves is the last column."
    return text


def _of_policies(view: View, runs: Mapping[str, Comparison], several: Sequence[str]) -> Iterator[list[str]]:
    base, main = view.policies[view.base], view.comparison
    budget = main["compression"]["search_budget"] if main else 1
    ks = sorted({1, 4, 16, 64, 256, budget, *map(int, list(base["pass_at_k"])[-1:])})
    for series, form in POLICY_SERIES.items():
        if series == "answer_pass_at_k" and not answers_differ(view):
            continue
        for k in ks if series != "pass_hat_k" else [4]:
            if str(k) in base[series]:
                held = {name: view.policies[name][series].get(str(k)) for name in (view.base, *runs)}
                yield _row(form.format(k), held, several, 100, ".1f")


def _of_comparisons(base: str, runs: Mapping[str, Comparison], several: Sequence[str]) -> Iterator[list[str]]:
    kinds = () if all(comparison["flips"] for comparison in runs.values()) else OF_WHICH_KIND
    for quantity in (*HOW_MUCH, *kinds, *AT_WHAT_DISTANCE):
        held: dict[str, Cell] = {run: quantity.read(comparison) for run, comparison in runs.items()}
        if any(map(_worth_a_row, held.values())):
            yield _row(quantity.label, {base: None} | held, several, quantity.scale, quantity.form)


def _worth_a_row(cell: Cell) -> bool:
    """It has a value, or a reason why it has none."""
    if isinstance(cell, dict):
        return cell["value"] is not None or cell["status"] != NO_DATA
    return cell is not None


def _of_audits(
    view: View, main: Comparison, runs: Mapping[str, Comparison], several: Sequence[str]
) -> Iterator[list[str]]:
    """Error rates of the verifier with the counts behind them, and pass@1 corrected for them (docs/metrics.md,
    "Verifier noise").
    """
    held = {name: c["noise"]["corrected_pass_1"].get(name) for name, c in {view.base: main, **runs}.items()}
    for label, audited in (
        (
            "FPR of the verifier, % (of wrong samples audited)",
            [(e["fpr"], e["audited_wrong"]) if e else None for e in held.values()],
        ),
        (
            "FNR of the verifier, % (of right samples audited)",
            [(e["fnr"], e["audited_right"]) if e else None for e in held.values()],
        ),
    ):
        cells = [
            f"{number(100 * rate[0], '.1f')} ({rate[0] * rate[1]:.0f} of {rate[1]})"
            if rate
            else "not audited"
            for rate in audited
        ]
        yield [label, *cells, "–"]
    row = _row("pass@1 corrected for both", held, several, 100, ".1f")
    yield ["not audited" if not cell or cell == "–" else cell for cell in row[:-1]] + row[-1:]


def _row(label: str, held: Mapping[str, Cell], several: Sequence[str], scale: float, form: str) -> list[str]:
    of_base, *others = held.values()
    cells = ["" if of_base is None else interval(of_base, scale, form)]
    cells += [interval(e, scale, form) for e in others]
    values = [scale * real(value) for run in several if (value := _value(held.get(run))) is not None]
    spread = f"{number(min(values), form)} to {number(max(values), form)}" if values else "–"
    return [label, *cells, spread]


def _value(cell: Cell) -> Number:
    return cell["value"] if isinstance(cell, dict) else cell
