"""scripts/study/torture.py, shortened: it is run in full by hand, with 50 kills."""

import json
import subprocess
import sys

import pytest

from tests.conftest import REPO


@pytest.mark.slow
def test_a_run_killed_in_every_kind_of_phase_ends_as_if_untouched(tmp_path):
    words = ["--kills", "6", "--seed", "4", "--json", str(tmp_path / "result.json")]
    done = subprocess.run(
        [sys.executable, str(REPO / "scripts" / "study" / "torture.py"), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert sum(result["kills"].values()) == 6 and len(result["kills"]) >= 4
    assert (result["differs"], result["lost"], result["twice"]) == ([], 0, 0)
    assert result["rows"] > 600
