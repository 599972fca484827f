"""What a report counts, counted from the rows of a file; and whether all that it says agrees with that."""

import statistics
from collections import Counter

import pytest

from tests import by_definition as defined

INTERVALS = {"lo", "hi", "status", "interval", "beta_eff_lo", "beta_eff_hi", "share_censored"}
"""Keys of an estimate that tests/analysis/test_intervals.py holds against their definitions."""


def flat(node, path=""):
    if isinstance(node, dict):
        return {k: v for name, inner in node.items() for k, v in flat(inner, f"{path}.{name}").items()}
    return {path[1:]: node}


def agree(found, expected, besides=()):
    """Every expected number is found, and every number found was expected, but for `besides` and `INTERVALS`."""
    held = {k: v for k, v in flat(found).items() if k.split(".")[-1] not in INTERVALS}
    wanted = flat(expected)
    assert wanted.keys() <= held.keys(), wanted.keys() - held.keys()
    wrong = {k: (held[k], v) for k, v in wanted.items() if not same(held[k], v)}
    assert not wrong
    rest = {k for k in held.keys() - wanted.keys() if not k.startswith(tuple(besides))}
    assert not rest


def same(found, expected):
    if isinstance(expected, float) and isinstance(found, float):
        return found == pytest.approx(expected, rel=1e-8, abs=1e-10)
    return found == expected


def by_problem(rows):
    problems = {}
    for row in rows:
        problems.setdefault(row["problem_id"], []).append(row)
    return problems


def scored(rows):
    return [row for row in rows if row["score"] is not None]


def counts(rows):
    held = scored(rows)
    return len(held), sum(row["score"] == 1 for row in held)


def votes(rows):
    """What is voted for: all that the verifier accepts is one answer, and who gives none abstains."""
    said = ("right" if row["answer_score"] == 1 else row["answer"] for row in scored(rows))
    return Counter(answer for answer in said if answer is not None)


def sound_counts(rows):
    """(right answers, right answers with sound reasoning); None where nobody looked."""
    right = [row for row in scored(rows) if row["answer_score"] == 1]
    if right and all(row["sound"] is None for row in right):
        return len(right), None
    return len(right), sum(row["sound"] == 1 for row in right)


def curves(problems, ks, quantity):
    return {str(k): defined.mean([quantity(rows, k) for rows in problems.values()]) for k in ks}


def cot(rows, k):
    sound = sound_counts(rows)[1]
    return None if sound is None else defined.pass_at_k(len(scored(rows)), sound, k)


def variety(rows, correct):
    """Measures of answers, or of the traces that are right."""
    if correct:
        return defined.diversity(Counter(r["trace"] for r in scored(rows) if r["score"] == 1).values(), 8)
    return defined.diversity(votes(rows).values(), 8)


def ks_up_to(top):
    return sorted({k for k in (1, 2, 4, 8, 16, 32, 64) if k <= top} | {top})


def len_of(pairs):
    """The usual number of samples: the smallest above half the median."""

    def usual(side):
        some = sorted(size for pair in pairs.values() if (size := len(scored(pair[side]))))
        return min(size for size in some if size >= statistics.median(some) / 2)

    return usual


def paired(pairs, quantity):
    """Tuned minus base, where both are defined."""
    values = [(quantity(b), quantity(t)) for b, t in pairs.values()]
    return defined.mean([None if None in (b, t) else float(t) - float(b) for b, t in values])


def both_mean(pairs, quantity, side):
    values = [(quantity(b), quantity(t)) for b, t in pairs.values()]
    return defined.mean([None if None in pair else pair[side] for pair in values])


def cells_of(pairs):
    """Counts of the problems that both were scored on."""
    found = [(counts(b), counts(t)) for b, t in pairs]
    return [(b, t) for b, t in found if b[0] and t[0]]
