"""The simulated run, the awkward rows and the browser driver lie beside the tests; reports of the first two for all."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cells_run(tmp_path_factory):
    """A run with checkpoints, a set apart and a world whose exact values are known."""
    import simulate

    from rlvr.report import build

    folder = tmp_path_factory.mktemp("run")
    arguments = simulate.write_run(folder)
    exact = {"base": {"pass_at_k": {"1": 0.2, "4": 0.5}, "mass_outside_support": 0.001}}
    exact |= {"tuned": {"pass_at_k": {"1": 0.9}}, "kl_efficiency": 0.8}
    exact |= {"divergence": {"kl_base": 0.1, "kl_success": 0.2, "kl_forward": 0.3, "kl_reverse": 0.4}}
    return build(**arguments, exact=exact, output=folder / "report", replicates=200)


@pytest.fixture(scope="session")
def cells_awkward(tmp_path_factory):
    """A report over `awkward_rows`, and the rows."""
    import awkward_rows

    from rlvr.report import build

    folder = tmp_path_factory.mktemp("awkward")
    rows = awkward_rows.write(folder)
    files = folder / "base.jsonl", folder / "tuned.jsonl"
    report = build(*files, output=folder / "report", allow_mismatch=True, replicates=200)
    return report, rows
