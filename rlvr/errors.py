"""Errors that are the user's to mend: shown on one screen, without a traceback, with exit code 2."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message names it, what was found and what was expected."""
