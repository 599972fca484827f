"""Hand audits of the verifier, beside the rollouts that were audited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rlvr import files
from rlvr.analysis.noise import Audit
from rlvr.errors import UserError

KEYS = ("wrong", "false_positives", "right", "false_negatives")


def write_audit(rollouts: Path, counts: Mapping[str, int]) -> Path:
    """Puts an audit of the samples of `NAME.jsonl` beside it, for `read_audit`."""
    path = rollouts.with_suffix(".audit.json")
    files.replace(path, [json.dumps({key: counts[key] for key in KEYS}).encode(), b"\n"])
    return path


def read_audit(rollouts: Path) -> Audit | None:
    """The content of `NAME.audit.json` beside `NAME.jsonl`; None without that file.

    It counts samples that a person looked at: `wrong` ones and how many of them the verifier accepted
    (`false_positives`), `right` ones and how many it refused (`false_negatives`).

    Raises:
        UserError: the file does not hold these four numbers, or they contradict each other.
    """
    path = rollouts.with_suffix(".audit.json")
    if not path.exists():
        return None
    expected = f"{path}: expected whole numbers under {', '.join(KEYS)}"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        counts = [found[key] for key in KEYS]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{expected} ({error})") from None
    if any(type(count) is not int for count in counts):
        raise UserError(f"{expected}, found {counts}")
    try:
        return Audit(*counts)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
