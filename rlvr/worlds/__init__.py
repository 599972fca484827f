"""Worlds whose traces can be listed with their exact probabilities, and the embedded model. Nothing of a run."""
