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


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """The view of a run with checkpoints, and the axes of its figures."""
    import simulate
    from drawing import draw

    from rlvr.report.figures import checkpoints, decomposition, frontier, passk, scatter, training, variants
    from rlvr.report.inputs import Inputs

    arguments = simulate.write_run(tmp_path_factory.mktemp("drawn"))
    files = {key: arguments[key] for key in ("base", "tuned", "more", "metrics")}
    inputs = Inputs.read(**files, probes={}, allow=False)
    return draw(inputs, (passk, decomposition, scatter, frontier, variants, training, checkpoints))


@pytest.fixture(scope="session")
def several_sources(tmp_path_factory):
    """The same of rows from several sources."""
    import awkward_rows
    from drawing import draw

    from rlvr.report.figures import sources, verdicts
    from rlvr.report.inputs import Inputs

    folder = tmp_path_factory.mktemp("sources-drawn")
    awkward_rows.write(folder)
    inputs = Inputs.read(folder / "base.jsonl", folder / "tuned.jsonl", [], {}, None, allow=True)
    return draw(inputs, (sources, verdicts))


@pytest.fixture(scope="session")
def ladder(tmp_path_factory):
    """The same of base and tuned policy under other evidence."""
    from drawing import draw
    from test_ladder import rungs, write

    from rlvr.report.figures import evidence
    from rlvr.report.inputs import Inputs

    folder = tmp_path_factory.mktemp("ladder-drawn")
    files = [write(folder, name, name, nats) for name, nats in (("base", 0.0), ("tuned", 1.0))]
    inputs = Inputs.read(files[0], files[1], rungs(folder), {}, None, allow=False)
    return draw(inputs, (evidence,))
