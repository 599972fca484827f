"""RLVR: reinforcement learning with verifiable rewards, from problems to a report that can be believed."""

__version__ = "0.1.0"
