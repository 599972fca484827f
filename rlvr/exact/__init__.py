"""Policies on a world whose traces can be listed, held against the report's estimates."""

from rlvr.exact.compare import exact_values

__all__ = ["exact_values"]
