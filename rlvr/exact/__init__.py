"""Policies on a world, enumerated, against the report's estimates.

A policy becomes one `table.Table` a problem: over the traces of the world's law (`enumerate`), or over all traces that
it reaches (`reachable`), both of which need torch. `compare` is base against tuned; `values`, a report's exact lines.
"""

from rlvr.exact.values import exact_values, posterior_ceiling

__all__ = ["exact_values", "posterior_ceiling"]
