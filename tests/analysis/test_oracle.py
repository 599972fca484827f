"""Every case of the oracle at its stated tolerance (exact rationals or 60-digit arithmetic, rounded once)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

_spec = importlib.util.spec_from_file_location(
    "oracle_adapter", Path(__file__).parents[1] / "oracle_adapter.py"
)
assert _spec and _spec.loader
_adapter = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_adapter)
ADAPTER = _adapter.ADAPTER


def agrees(found: Any, expected: Any, relative: float, absolute: float) -> bool:
    """ORACLE.md's rule: numbers within max(abs, rel·|expected|), lists element-wise, all else exactly."""
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(agrees(f, e, relative, absolute) for f, e in zip(found, expected, strict=True))
        )
    if expected is None or isinstance(expected, str | bool) or isinstance(found, str | bool) or found is None:
        return found is expected if expected is None or isinstance(expected, bool) else found == expected
    return abs(found - expected) <= max(absolute, relative * abs(expected))


def test_every_case_of_the_oracle(exams: Path) -> None:
    cases = json.loads((exams / "analysis" / "oracle_dev.json").read_text())["cases"]
    assert {case["fn"] for case in cases} == set(ADAPTER)
    misses = []
    for case in cases:
        found = ADAPTER[case["fn"]](**case["args"])
        for field, expected in case["expect"].items():
            if not agrees(found.get(field), expected, case["rel"], case["abs"]):
                misses.append(
                    f"{case['id']} {field}: {found.get(field)!r}, expected {expected!r} ({case['note']})"
                )
    assert not misses, f"{len(misses)} fields of {len(cases)} cases:\n" + "\n".join(misses)


def test_the_rule_of_agreement_can_fail() -> None:
    assert not agrees(0.0, None, 1e-9, 1e-12)
    assert not agrees(None, 0.0, 1e-9, 1e-12)
    assert not agrees(1.0 + 1e-8, 1.0, 1e-9, 1e-12)
    assert not agrees([1.0], [1.0, 2.0], 1e-9, 1e-12)
    assert agrees(1.0 + 1e-10, 1.0, 1e-9, 1e-12)
