"""What every figure of report.json means, computed a second time from the rows in plain Python.

`rows` reads files of rollouts; `policy`, `pair`, `distance` and `others` each hold a table: pattern of a path in
report.json → function that computes the figure. Nothing here imports `rlvr.analysis` or `rlvr.report`.
tests/report/test_contracts.py walks the schema and fails where a figure has no line in a table.
"""
