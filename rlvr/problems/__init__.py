"""Problems of a run, without torch: rows of a source (`sources`, `files`), rows → problems (`mapping`, `load`), large
sets (`on_disk`)."""

from rlvr.problems.load import Problems, identity, load, load_all, normalise, refuse_overlap
from rlvr.problems.rows import ProblemError

__all__ = ["ProblemError", "Problems", "identity", "load", "load_all", "normalise", "refuse_overlap"]
