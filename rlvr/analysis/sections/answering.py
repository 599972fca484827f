"""How much of a change in pass@1 is answer format: more samples with an answer, or more of those right?

With A the share of samples that have an answer and R the share of those that are right, pass@1 = A·R. The split gives
each factor its change times the other's mean over both policies (the Shapley value), so that the parts add up exactly.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import mean_and_se, mean_estimates
from rlvr.analysis.compression import safe_ratio
from rlvr.analysis.estimate import EstimateJson, plain
from rlvr.analysis.pair import Change, Pair, changes
from rlvr.analysis.samples import Floats, Samples


class Answering(TypedDict):
    """Of the shared problems, each with the same weight."""

    answered: Change
    """A: the share of samples with an answer, right or wrong."""
    right_given_answered: Change
    """R: of the samples with an answer, those that the verifier accepts; not defined for a policy that never answers,
    and then the parts are not either."""
    from_answering: EstimateJson
    """(A₁ − A₀)·(R₀ + R₁)/2."""
    from_being_right: EstimateJson
    """(R₁ − R₀)·(A₀ + A₁)/2: the rest of the gain."""


def answering(pair: Pair) -> Answering | None:
    """None where a file does not say which samples have no answer, and where every sample has one."""
    base, tuned = _rates(pair.base), _rates(pair.tuned)
    if base is None or tuned is None:
        return None
    rates = np.concatenate([base, tuned], axis=1)
    rates[np.isnan(rates).any(axis=1)] = np.nan
    if not np.any(rates[:, [0, 2]] < 1):
        return None
    mean = mean_and_se(rates)[0]
    linear, replicates = _linear(rates, mean), _split(pair.boot.means(rates))
    right, from_answering, from_being_right = mean_estimates(linear, pair.boot, True, replicates)
    ends = safe_ratio(mean[[1, 3]], mean[[0, 2]])
    return {
        "answered": changes(["A"], rates[:, [0]], rates[:, [2]], pair.boot)["A"],
        "right_given_answered": {**right.to_json(), "base": plain(ends[0]), "tuned": plain(ends[1])},
        "from_answering": from_answering.to_json(),
        "from_being_right": from_being_right.to_json(),
    }


def _rates(samples: Samples) -> Floats | None:
    """Of each problem the share of samples with an answer, and of right ones, (M, 2); NaN without any sample."""
    if samples.no_answer is None:
        return None
    counts = np.stack([samples.n - samples.no_answer, samples.c], axis=1)
    return safe_ratio(counts, samples.n[:, None])


def _split(means: Floats) -> Floats:
    """(…, 4) means of answered and right, base then tuned → (…, 3): R₁ − R₀, part from answering, from being right."""
    a0, p0, a1, p1 = np.moveaxis(means, -1, 0)
    r0, r1 = safe_ratio(p0, a0), safe_ratio(p1, a1)
    return np.stack([r1 - r0, (a1 - a0) * (r0 + r1) / 2, (r1 - r0) * (a0 + a1) / 2], axis=-1)


def _linear(rates: Floats, mean: Floats) -> Floats:
    """(M, 3): each problem's first-order share in the three of `_split`, whose mean they have exactly."""
    a0, p0, a1, p1 = rates.T
    r0, r1 = safe_ratio(mean[[1, 3]], mean[[0, 2]])
    moved = [
        safe_ratio(p0 - r0 * a0, mean[0]),
        safe_ratio(p1 - r1 * a1, mean[2]),
    ]  # of R₀ and R₁; their mean is 0
    from_answering = (a1 - a0) * (r0 + r1) / 2 + (mean[2] - mean[0]) * (moved[0] + moved[1]) / 2
    return np.stack([r1 - r0 + moved[1] - moved[0], from_answering, p1 - p0 - from_answering], axis=1)
