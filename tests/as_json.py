"""Sections of report.json as a test computes with them: as any reader of the file has them, without types."""

import json
from typing import Any


def as_json(section: Any) -> Any:
    return json.loads(json.dumps(section, allow_nan=False))
