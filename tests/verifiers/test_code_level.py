"""A run whose programs would be judged below level `standard` starts only where the config says that it may."""

import pytest

from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.machine import warnings
from rlvr.preflight import Preflight, parts


def check(config):
    return list(parts.sandbox(Preflight(config, folder=None, base=None, trains=True, say=print)))


def config(**sandbox):
    options = {"level": "weak"}
    return Config.model_validate(
        {
            "problems": {"heldout": {"world": "heldout"}},
            "verifier": "code",
            "verifier_options": options,
            "sandbox": sandbox,
        }
    )


def test_a_weak_level_that_was_asked_for_needs_leave():
    with pytest.raises(UserError, match="allow_weak"):
        check(config())


def test_with_leave_it_is_said():
    check(config(allow_weak=True))
    assert any("WEAK" in warning for warning in warnings(config(allow_weak=True)))
