"""Programs that go for the machinery, at every level, as this user and as one without rights (see `red_team`)."""

from __future__ import annotations

import pytest
import red_team
import strangers

from verifiers.code import sandbox

LEVELS = sandbox.LEVELS[1 : sandbox.LEVELS.index(sandbox.level()) + 1]

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(not LEVELS, reason="this machine has no sandbox for hostile programs"),
]


@pytest.mark.parametrize("name", red_team.CASES)
def test_a_program_gains_nothing(name: str):
    assert red_team.failures(LEVELS[-1], [name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS[:-1])
def test_nor_at_the_other_levels(level: sandbox.Level):
    assert red_team.failures(level) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_nor_as_a_user_without_rights(level: sandbox.Level):
    python = strangers.python()
    if python is None:
        pytest.skip("runs as such a user already, or has no interpreter for one")
    with strangers.checkout() as folder:
        done = strangers.run([python, "-B", str(folder / "tests/verifiers/red_team.py"), level])
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)
