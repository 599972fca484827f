"""A configuration for somebody else's trainer: its data, its reward function, its settings, and what is lost.

`rlvr export verl CONFIG --into DIR`, `rlvr export prime-rl …`. What comes back is read by `rlvr report`.
"""

from rlvr.elsewhere.hand_over import TARGETS, hand_over

__all__ = ["TARGETS", "hand_over"]
