"""Rollout rows: the file format in which both halves of the project meet (`rows`), and its readers: whole evaluations
(`evaluations`) as columns (`columns`), hand audits beside them (`audits`), files of other systems (`importers`). No
torch, nothing of a report."""

from rlvr.rollouts.rows import (
    Rollout,
    TornLine,
    append,
    count,
    is_torn,
    parse,
    pass_marks,
    read,
    read_objects,
    read_settings,
    rewrite,
    settings_path,
    write_settings,
)

__all__ = [
    "Rollout", "TornLine", "append", "count", "is_torn", "parse", "pass_marks", "read", "read_objects", "read_settings",
    "rewrite", "settings_path", "write_settings",
]  # fmt: skip
