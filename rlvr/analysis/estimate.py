"""One measured quantity: its value, how sure we are, and what it was measured on.

Inside the analysis "not defined" is NaN, numpy's own word for it; at this border it becomes None.
It is never replaced by 0, and infinity is written as the string "inf", so that the result is valid JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

OK = "ok"
FEW_PROBLEMS = "few_problems"
"""Defined, but the interval rests on fewer than 20 problems: do not trust it (docs/metrics.md, "How sure are we")."""
NO_DATA = "no_data"


Number = float | Literal["inf", "-inf"] | None
"""A number of report.json: null where it is not defined, the infinities as text."""


class EstimateJson(TypedDict):
    """An `Estimate` in report.json."""

    value: Number
    status: str
    se: Number
    lo: Number
    hi: Number
    used: int
    excluded: int
    interval: NotRequired[str]
    """How lo and hi came about: bca, percentile, gamma."""
    se_fixed: NotRequired[Number]
    """Standard error for these problems only."""


class RootJson(EstimateJson):
    """A k, or a number of shots, at which two curves meet; a replicate in which they never do is infinite."""

    bound: NotRequired[int | None]
    """How far was looked."""
    share_censored: NotRequired[float]
    """Share of replicates without a meeting point."""


def plain(number: float | None) -> Number:
    """A number as JSON can carry it: None for NaN, the strings "inf" and "-inf" for infinities."""
    if number is None or math.isnan(number):
        return None
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return float(number)


def real(number: Number) -> float:
    """The float behind a number of report.json; NaN for null."""
    return math.nan if number is None else float(number)


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` with standard error and 95 % interval `lo..hi`, over `used` problems, `excluded` left out.

    `status` is "ok", or says why the value is missing or not to be trusted. `extra` holds what belongs to
    this quantity alone (a bound, a p-value, a second standard error) and is written beside the others.
    """

    value: float | None
    se: float | None = None
    lo: float | None = None
    hi: float | None = None
    status: str = OK
    used: int = 0
    excluded: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> EstimateJson:
        """A dictionary of plain Python objects; undefined numbers are None, infinities "inf" and "-inf".

        Where `extra` holds more than an interval's kind, callers say so by a cast to the subclass that names it.
        """
        written: EstimateJson = {
            "value": plain(self.value),
            "status": self.status,
            "se": plain(self.se),
            "lo": plain(self.lo),
            "hi": plain(self.hi),
            "used": int(self.used),
            "excluded": int(self.excluded),
        }
        more = {key: plain(item) if isinstance(item, float) else item for key, item in self.extra.items()}
        return cast("EstimateJson", {**written, **more})
