"""Errors that are the user's to mend: shown on one screen, without a traceback, with exit code 2."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message names it, what was found and what was expected."""


class RunError(Exception):
    """The run stopped itself before it did harm (a verifier that judges nothing, numbers that are none).

    What is on disk is whole: with the cause mended, the same command goes on. Exit code 3.
    """
