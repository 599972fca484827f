"""A report's numbers as tables for Python: `Report.to_pandas()`, and its view in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from rlvr.errors import UserError
from rlvr.report import prose
from rlvr.report.schema import Document
from rlvr.report.words import span

if TYPE_CHECKING:
    from pandas import DataFrame

Table = Literal["pass_at_k", "gains", "problems"]


def table(document: Document, name: Table) -> DataFrame:
    """One of the report's tables; rates are between 0 and 1, intervals are 95 %.

    Raises UserError: there is no such table, or pandas is not installed.
    """
    if name == "pass_at_k":
        return frame(list(_curves(document)))
    if name == "gains":
        return frame(list(_gains(document)))
    if name == "problems":
        return frame(list(_problems(document)))
    raise UserError(f"to_pandas({name!r}): expected 'pass_at_k', 'gains' or 'problems'")


def frame(rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Raises UserError: pandas is not installed, or there are no rows."""
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise UserError("to_pandas needs pandas: pip install pandas") from error
    if not rows:
        raise UserError("to_pandas: there is nothing in this table")
    return DataFrame.from_records(rows)


def _curves(document: Document) -> Iterator[dict[str, Any]]:
    for policy, summary in document["policies"].items():
        for k, estimate in summary["pass_at_k"].items():
            yield {"policy": policy, "k": int(k), **_interval("pass_at_k", estimate)}


def _gains(document: Document) -> Iterator[dict[str, Any]]:
    """pass@1 minus the base's, paired."""
    for policy, comparison in _comparisons(document).items():
        yield {
            "policy": policy,
            "base": comparison["base"],
            "problems": comparison["n_problems"],
            **_interval("gain", comparison["gain"]),
        }


def _problems(document: Document) -> Iterator[dict[str, Any]]:
    """Of base and main policy."""
    found = document["problems"]
    if found is None:
        return
    columns = {name: values for name, values in found.items() if isinstance(values, list)}
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _comparisons(document: Document) -> dict[str, Any]:
    main = document["comparison"]
    return ({document["main"]: main} if main else {}) | dict(document["comparisons"])


def _interval(name: str, estimate: Any) -> dict[str, Any]:
    return {name: estimate["value"], "lo": estimate["lo"], "hi": estimate["hi"]}


def html(document: Document) -> str:
    """For a notebook: the headline, and pass@1 of every policy. Text that came from files is escaped."""
    gains = {policy: span(c["gain"]) for policy, c in _comparisons(document).items()}
    rows = "".join(
        f"<tr><td>{escape(policy)}</td><td>{summary['n_problems']}</td>"
        f"<td>{escape(span(summary['pass_at_k']['1']))}</td><td>{escape(gains.get(policy, ''))}</td></tr>"
        for policy, summary in document["policies"].items()
    )
    head = "<tr><th>policy</th><th>problems</th><th>pass@1, points</th><th>gain, paired</th></tr>"
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in prose.headline(document) if sentence)
    return f"<h4>{escape(document['title'])}</h4><table>{head}{rows}</table>{said}"
