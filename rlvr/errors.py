"""Errors that the user can fix: shown on one screen, without a traceback, with exit code 2."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message names it, what was found and what was expected."""


class ConfigError(UserError):
    """The configuration cannot be used; the message names the file and the key."""


class PolicyError(UserError):
    """The model cannot be loaded or used; the message names it and what was found."""


class RewrittenError(UserError):
    """A file was replaced between two looks at it: whoever reads it again finds it whole."""


class RunError(Exception):
    """The run stopped itself before doing damage (a verifier that judges nothing, non-finite updates).

    What is on disk is complete: once the cause is fixed, the same command continues. Exit code 3.
    """


class PhaseError(RunError):
    """A phase of a run that had processes of its own ended with `code`; they have said why."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code
