"""Problems of a run: the rows of a source (`sources`), rows → problems (`load`), large sets (`on_disk`). No torch."""

from rlvr.problems.load import Problems, identity, load, load_all, normalise, refuse_overlap
from rlvr.problems.sources import ProblemError

__all__ = ["ProblemError", "Problems", "identity", "load", "load_all", "normalise", "refuse_overlap"]
