"""What a summary and an audit print, computed a second time from the verdicts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers import Problem, Verdict
from verifiers.audit import MISSES_SHOWN, Audit
from verifiers.scoring import Summary

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


def verdict(score: float | None, mark: float) -> Verdict:
    status = "error" if score is None else "correct" if score >= mark else "incorrect"
    return Verdict(score, status, "y", pass_mark=mark)


@PROPERTY
@given(
    st.lists(st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12),
    st.sampled_from([1.0, 0.5, 0.25]),
    st.sampled_from([0.0, 2.0]),
)
def test_a_summary_counts_every_row_once(scores: list[float | None], mark: float, seconds: float) -> None:
    summary = Summary("mine", seconds=seconds)
    for score in scores:
        summary.add(verdict(score, mark))
    n, judged = len(scores), [score for score in scores if score is not None]
    solved, unjudged = sum(score >= mark for score in judged), scores.count(None)
    assert (summary.rows, summary.judged, summary.solved) == (n, len(judged), solved)
    assert summary.accuracy == (solved / len(judged) if judged else None)
    assert summary.mean_score == (pytest.approx(sum(judged) / len(judged)) if judged else None)
    text = str(summary)
    first, *lines = text.splitlines()
    assert first == f"mine: {n} rows in {seconds:.1f} s" + (
        f", {n / seconds:,.0f} a second" if seconds else ""
    )
    counts = {"correct": solved, "incorrect": len(judged) - solved, "error": unjudged}
    shown = {
        line.split()[0]: (int(line.split()[1]), line.split()[2])
        for line in lines[: sum(map(bool, counts.values()))]
    }
    assert shown == {status: (k, f"{k / n:.2%}") for status, k in counts.items() if k}
    partial = any(0 < score < 1 for score in judged)
    plain = f"accuracy {solved / max(1, len(judged)):.2%} of the {len(judged):,} judged"
    assert (plain in text) is (bool(judged) and not partial)
    parts = (
        f"solved {solved / max(1, len(judged)):.2%} of the {len(judged)} judged (a score of {mark:g} or more)"
    )
    assert (parts in text) is partial
    assert (f"{unjudged} could not be judged" in text) is (unjudged > 0)
    between = f"between {solved / n:.2%} and {(solved + unjudged) / n:.2%} of all are right"
    assert (between in text) is (unjudged > 0 and bool(judged))
    assert ("against the labels" in text) is False


rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([None, 0.0, 1.0]), st.sampled_from(["a", "longer", None])),
    max_size=14,
)


@PROPERTY
@given(rows)
def test_an_audit_shows_each_kind_and_each_miss(made: list[tuple[bool, float | None, str | None]]) -> None:
    audit = Audit()
    for line, (label, score, kind) in enumerate(made, 1):
        audit.add(label, verdict(score, 1.0), line, Problem(f"p{line}", "", "gold"), kind)
    text = str(audit)

    def count(*cells: tuple[bool, float | None], kind: str | None = "any") -> int:
        return sum((label, score) in cells for label, score, own in made if kind in ("any", own))

    for name, k, n in (
        (
            "accuracy",
            count((True, 1.0), (False, 0.0)),
            count((True, 1.0), (True, 0.0), (False, 1.0), (False, 0.0)),
        ),
        ("false positives", count((False, 1.0)), count((False, 1.0), (False, 0.0))),
        ("false negatives", count((True, 0.0)), count((True, 0.0), (True, 1.0))),
    ):
        shown = next(line for line in text.splitlines() if line.strip().startswith(name))
        assert (f"{k / n:.2%}  ({k} of {n};" if n else "no rows") in shown
    unjudged = count((True, None), (False, None))
    assert (f"not part of these rates: {unjudged}" in text) is (unjudged > 0)
    assert ("is unknown" in text) is (count((False, 1.0), (False, 0.0)) == 0)
    kinds = {own for *_, own in made if own is not None}
    assert ("  kind " in text) is bool(kinds)
    for kind in kinds:
        total = count(
            (True, 1.0), (True, 0.0), (False, 1.0), (False, 0.0), (True, None), (False, None), kind=kind
        )
        judged = total - count((True, None), (False, None), kind=kind)
        right = count((True, 1.0), (False, 0.0), kind=kind)
        wrong = (count((False, 1.0), kind=kind), count((False, 1.0), (False, 0.0), kind=kind))
        missed = (count((True, 0.0), kind=kind), count((True, 0.0), (True, 1.0), kind=kind))
        accuracy = f"{right / judged:.2%}" if judged else "–"
        row = next(line.split() for line in text.splitlines() if re.match(rf"  {kind} +\d", line))
        assert row == [kind, str(total), accuracy, f"{wrong[0]}/{wrong[1]}", f"{missed[0]}/{missed[1]}"]
    misses = [
        n for n, (label, score, _) in enumerate(made, 1) if score is not None and (score == 1.0) != label
    ]
    assert [int(n) for n in re.findall(r"^    line (\d+), p", text, re.MULTILINE)] == sorted(
        misses, key=lambda n: (made[n - 1][0], n)
    )


def test_more_misses_than_are_shown_are_counted() -> None:
    audit = Audit()
    for line in range(1, MISSES_SHOWN + 6):
        audit.add(False, verdict(1.0, 1.0), line, Problem(f"p{line}", "", "gold"), "k")
    text = str(audit)
    assert f"accepted, labelled wrong ({MISSES_SHOWN} of {MISSES_SHOWN + 5} shown)" in text
    assert (
        text.count("    line ") == MISSES_SHOWN
        and f"line {MISSES_SHOWN}, p{MISSES_SHOWN} [k]: correct; 'y' against 'gold'" in text
    )
    assert "refused, labelled right (" not in text
