"""Table 8: one row per quantity, one column per run, and the spread between runs where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rlvr.report.figures import Panel, View
from rlvr.report.figures.tables import interval
from rlvr.text import is_step, number

POLICY_SERIES = {
    "pass_at_k": "pass@{}",
    "maj_at_k": "maj@{}",
    "pass_hat_k": "pass^{}",
    "cot_pass_at_k": "CoT-pass@{}",
}


class Quantity(NamedTuple):
    """Where a quantity of the comparison lies in the document, and how it is written."""

    label: str
    path: tuple[str, ...]
    scale: float = 100
    form: str = ".1f"


QUANTITIES = (
    Quantity("Δ pass@1, paired", ("gain",)),
    Quantity("p, sign flips", ("gain", "p_signflip"), 1, ".2g"),
    Quantity("… Holm-adjusted over the runs", ("gain", "p_holm"), 1, ".2g"),
    Quantity("k*, base samples worth one tuned sample", ("k_star",), 1, ".3g"),
    Quantity("log₂ k*, bits of search", ("k_star", "log2"), 1, ".2f"),
    Quantity("R_K, net compression ratio", ("ratio_net",), 1, ".2f"),
    Quantity("ρ_K, gross compression ratio", ("ratio_gross",), 1, ".2f"),
    Quantity("C, compression within K", ("compression", "within")),
    Quantity("X, compression beyond K", ("compression", "beyond")),
    Quantity("U, unresolved", ("compression", "unresolved")),
    Quantity("E, expansion", ("compression", "expansion")),
    Quantity("F, forgetting", ("compression", "forgetting")),
    Quantity("churn floor of gain and forgetting", ("compression", "churn_floor")),
    Quantity("problems with no base success", ("compression", "base_zero"), 1, ".0f"),
    Quantity("… with certified expansion", ("compression", "certified_simultaneous", "count"), 1, ".0f"),
    Quantity("base overtakes at k", ("crossover",), 1, ".4g"),
    Quantity("… beyond noise from k", ("crossover", "first_significant"), 1, ".4g"),
    Quantity("pass@K lost, problem by problem", ("coverage", "loss")),
    Quantity("pass@K gained, problem by problem", ("coverage", "gain")),
    Quantity("log-odds of success against the base, nats", ("evidence", "pooled"), 1, ".2f"),
    Quantity("KL(π‖p0), nats", ("alignment", "kl_pi_p0"), 1, ".2f"),
    Quantity("KL(π_V‖π*), nats", ("alignment", "kl_verified"), 1, ".2f"),
    Quantity("KL(π*‖π), nats", ("alignment", "kl_target_pi"), 1, ".2f"),
    Quantity("η, KL efficiency", ("alignment", "efficiency"), 1, ".2f"),
    Quantity("effective sample size among verified", ("alignment", "ess_verified"), 1, ".0f"),
)


def panel(view: View) -> Panel:
    runs = view.comparisons
    several = [run for run in runs if not is_step(run)]
    columns = ["quantity", "base", *runs, *(["lowest to highest run"] if len(several) > 1 else [])]
    rows = [*_of_policies(view, runs, several), *_of_comparisons(runs, several)]
    rows += _of_audits(view, runs, several) if runs else []
    for label, key in (("cut by the token limit, %", "truncated"), ("without an answer, %", "no_answer")):
        shares = {name: view.policies[name].get(key) or {} for name in ("base", *runs)}
        if any(share.get("value") is not None for share in shares.values()):
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


def _of_policies(view: View, runs: Mapping[str, Any], several: Sequence[str]) -> Iterator[list[str]]:
    base = view.policies["base"]
    budget = view.comparison["compression"]["search_budget"] if runs else 1
    ks = sorted({1, 4, 16, 64, 256, budget})
    for series, form in POLICY_SERIES.items():
        for k in ks if series != "pass_hat_k" else [4]:
            if (base.get(series) or {}).get(str(k)):
                held = {name: (view.policies[name].get(series) or {}).get(str(k)) for name in ("base", *runs)}
                yield _row(form.format(k), held, several, 100, ".1f")


def _of_comparisons(runs: Mapping[str, Any], several: Sequence[str]) -> Iterator[list[str]]:
    for quantity in QUANTITIES:
        held = {run: _at(comparison, quantity.path) for run, comparison in runs.items()}
        if any(e and (e.get("value") is not None or e.get("status") != "no_data") for e in held.values()):
            yield _row(quantity.label, {"base": None, **held}, several, quantity.scale, quantity.form)


def _of_audits(view: View, runs: Mapping[str, Any], several: Sequence[str]) -> Iterator[list[str]]:
    """Error rates of the verifier with the counts behind them, and pass@1 corrected for them (METRICS, noise)."""
    compared = {"base": view.comparison, **runs}
    held = {name: comparison["noise"]["corrected_pass_1"].get(name) for name, comparison in compared.items()}
    for label, rate, audited in (
        ("FPR of the verifier, % (of wrong samples audited)", "fpr", "audited_wrong"),
        ("FNR of the verifier, % (of right samples audited)", "fnr", "audited_right"),
    ):
        cells = [
            "not audited"
            if e is None
            else f"{number(100 * e[rate], '.1f')} ({e[rate] * e[audited]:.0f} of {e[audited]})"
            for e in held.values()
        ]
        yield [label, *cells, "–"]
    row = _row("pass@1 corrected for both", held, several, 100, ".1f")
    yield ["not audited" if not cell or cell == "–" else cell for cell in row[:-1]] + row[-1:]


def _at(comparison: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    """The estimate at a path; a bare number is one without interval; None where there is none."""
    value: Any = comparison
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, Mapping):
        return value
    return {"value": value}


def _row(label: str, held: Mapping[str, Any], several: Sequence[str], scale: float, form: str) -> list[str]:
    cells = ["" if name == "base" and e is None else interval(e, scale, form) for name, e in held.items()]
    values = [
        scale * float(e["value"]) for run in several if (e := held.get(run)) and e.get("value") is not None
    ]
    spread = f"{number(min(values), form)} to {number(max(values), form)}" if values else "–"
    return [label, *cells, spread]
