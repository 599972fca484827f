"""How this run was launched: its processes, and the signals that stop it. Nothing of models or data."""
