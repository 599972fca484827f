"""Errors that are the user's to mend: shown on one screen, without a traceback, with exit code 2."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message names it, what was found and what was expected."""


class ConfigError(UserError):
    """The configuration cannot be used; the message names the file and the key."""


class RunError(Exception):
    """The run stopped itself before it did harm (a verifier that judges nothing, an update with NaN or inf).

    What is on disk is whole: with the cause mended, the same command goes on. Exit code 3.
    """
