"""Several training runs in one report: seeds beside each other, methods against each other, controls named."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from cells import read_page, shown, written
from scipy.stats import t as student

from rlvr.analysis.estimate import Estimate
from rlvr.analysis.runs import between_runs, contrast, holm
from rlvr.cli import main
from tests.report.simulate import write_pair


def run_folder(folder, algorithm, seed, sharpen, reward="verdict"):
    """What `rlvr run` leaves, as far as a report reads it."""
    (folder / "rollouts").mkdir(parents=True)
    write_pair(folder / "rollouts", problems=16, samples=32, sharpen=sharpen, seed=seed)
    (folder / "config.yaml").write_text(
        f"seed: {seed}\ntrain: {{algorithm: {algorithm}, reward: {reward}}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [run_folder(folder / f"grpo-{seed}", "grpo", seed, 4.0) for seed in range(3)]
    runs += [run_folder(folder / f"rloo-{seed}", "rloo", seed, 2.0) for seed in range(3)]
    runs += [run_folder(folder / "random-0", "grpo", 0, 1.0, reward="random")]
    assert main(["report", *map(str, runs), "--output", str(folder / "report")]) == 0
    return folder / "report"


def test_seeds_are_groups_and_controls_say_so(report):
    document = json.loads((report / "report.json").read_text())
    assert {name: len(g["runs"]) for name, g in document["groups"].items()} == {
        "grpo": 3, "rloo": 3, "grpo, random reward (control)": 1,
    }  # fmt: skip
    gains = [document["comparison"]["gain"]["value"]]
    gains += [document["comparisons"][f"grpo-{seed}"]["gain"]["value"] for seed in (1, 2)]
    gain = document["groups"]["grpo"]["quantities"]["gain"]
    half = student.ppf(0.975, 2) * np.std(gains, ddof=1) / np.sqrt(3)
    assert gain["value"] == pytest.approx(np.mean(gains))
    assert (gain["lo"], gain["hi"]) == pytest.approx((gain["value"] - half, gain["value"] + half))
    assert gain["status"] == "ok"
    headline = read_page(report / "report.html").split('class="headline">')[1]
    assert headline.lstrip().startswith(
        f"<p>grpo, 3 runs: pass@1 +{100 * gain['value']:.1f} on average (95 %: "
    )
    assert document["groups"]["grpo, random reward (control)"]["quantities"]["gain"]["status"] == "few_runs"


def test_every_run_is_compared_with_its_own_base(report):
    """Counted in the rows of each run's own folder; bases of other seeds are other ones."""
    document = json.loads((report / "report.json").read_text())
    changes = {document["main"]: document["comparison"], **document["comparisons"]}
    assert len(changes) == 7
    bases = set()
    for name, change in changes.items():
        rates = {
            policy: np.mean([json.loads(line)["score"] for line in file.read_text().splitlines()])
            for policy in ("base", "tuned")
            for file in [report.parent / name / "rollouts" / f"{policy}.jsonl"]
        }
        first = change["difference"]["1"]
        assert (first["base"], first["tuned"]) == pytest.approx((rates["base"], rates["tuned"])), name
        assert change["gain"]["value"] == pytest.approx(rates["tuned"] - rates["base"]), name
        bases.add(rates["base"])
    assert len(bases) == 3


def test_the_page_shows_the_spread_beside_the_intervals(report):
    page = read_page(report / "report.html")
    assert "grpo: mean of 3 seeds" in page and "sd between runs" in page and "best of K = 4 (control)" in page


SHOWN = {
    "Δ pass@1": ("gain", 100, ".1f"),
    "C, compression within K": ("within", 100, ".1f"),
    "E, expansion": ("expansion", 100, ".1f"),
    "F, forgetting": ("forgetting", 100, ".1f"),
    "k*": ("k_star", 1, ".3g"),
    "KL(π‖p0), nats": ("kl_pi_p0", 1, ".2f"),
    "η, KL efficiency": ("efficiency", 1, ".2f"),
}


def test_every_cell_of_the_table_of_methods_is_its_groups(report):
    document = json.loads((report / "report.json").read_text())
    groups = document["groups"]
    with (report / "figures" / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["method"], row["quantity"]) for row in rows}
    assert found >= {(m, q) for m in ("grpo", "rloo") for q in SHOWN if q != "E, expansion"}
    changes = {document["main"]: document["comparison"], **document["comparisons"]}
    for method in ("grpo", "rloo"):  # where no run has any certified, E may be noise
        certified = [
            changes[run]["compression"]["certified_simultaneous"]["count"] for run in groups[method]["runs"]
        ]
        assert ((method, "E, expansion") in found) == any(certified)
    for row in rows:
        group = groups[row["method"]]
        if row["quantity"] == "pass@1":
            e, scale, form = group["pass_at_k"]["1"], 100, ".1f"
        else:
            key, scale, form = SHOWN[row["quantity"]]
            e = group["quantities"][key]

        def one(key, e=e, scale=scale, form=form):
            return "–" if e.get(key) is None else written(scale * e[key], form)

        assert row["runs"] == str(len(group["runs"]))
        assert row["mean over runs"] == shown(e, scale, form)
        assert (row["sd between runs"], row["se within a run"]) == (one("sd"), one("se_within"))
        assert row["lowest to highest"] == f"{one('lowest')} to {one('highest')}"


@pytest.mark.parametrize("figure", ["frontier", "readings"])
def test_seeds_share_one_entry_of_a_legend(report, figure):
    """They have one colour: three entries of it could not be told apart."""
    drawn = (report / "figures" / f"{figure}.svg").read_text()
    words = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)]
    assert [words.count(entry) for entry in ("base", "grpo: 3 seeds", "rloo: 3 seeds")] == [1, 1, 1]
    bars = {"frontier": 1, "readings": 0}[figure]  # each run has a bar of its own beside the frontier
    assert [words.count(f"{method}-{seed}") for method in ("grpo", "rloo") for seed in range(3)] == [bars] * 6


def test_the_spread_between_runs_is_from_the_lowest_to_the_highest(report):
    document = json.loads((report / "report.json").read_text())
    changes = {document["main"]: document["comparison"], **document["comparisons"]}
    gains = [100 * c["gain"]["value"] for c in changes.values()]
    with (report / "figures" / "summary.csv").open(newline="") as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    row = rows["Δ pass@1, paired"]
    assert row["lowest to highest run"] == f"{written(min(gains))} to {written(max(gains))}"
    assert [row[name] for name in changes] == [shown(c["gain"]) for c in changes.values()]


def test_the_first_sentence_says_of_which_run_it_is(report):
    assert "grpo-0, the first of 7 runs: Training raised pass@1" in read_page(report / "report.html")


def test_controls_among_the_runs_are_found(report):
    with (report / "figures" / "controls.csv").open() as file:
        rows = {row["control"]: row for row in csv.DictReader(file)}
    assert rows["random reward: grpo, random reward (control)"]["runs"] == "1"
    assert rows["format-only reward"]["runs"] == "not in this report"


def test_the_same_name_twice_is_refused(tmp_path, capsys):
    one = run_folder(tmp_path / "a" / "run", "grpo", 0, 2.0)
    two = tmp_path / "b" / "run"
    shutil.copytree(one, two)
    assert main(["report", str(one), str(two), "--output", str(tmp_path / "out")]) == 2
    assert "'run'" in capsys.readouterr().err


def test_a_folder_that_is_no_finished_run_is_named(tmp_path, capsys):
    (tmp_path / "half").mkdir()
    one = run_folder(tmp_path / "run", "grpo", 0, 2.0)
    assert main(["report", str(one), str(tmp_path / "half"), "--output", str(tmp_path / "out")]) == 2
    assert "half" in capsys.readouterr().err


def test_holm_by_hand():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_between_runs_leaves_out_what_is_not_defined():
    held = [Estimate(1.0, 0.3).to_json(), Estimate(None).to_json(), None, Estimate(3.0, 0.4).to_json()]
    found = between_runs(held)
    assert (found.value, found.used, found.excluded, found.status) == (2.0, 2, 2, "few_runs")
    assert found.extra["se_within"] == pytest.approx(np.sqrt((0.09 + 0.16) / 2))
    assert between_runs([Estimate(None).to_json()]).status == "no_data"


def test_a_contrast_of_methods_is_welchs():
    a, b = ([Estimate(v).to_json() for v in values] for values in ((1.0, 2.0, 3.0), (4.0, 6.0, 8.0)))
    found = contrast(a, b)
    se = np.sqrt(1 / 3 + 4 / 3)
    freedom = (1 / 3 + 4 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    assert found.value == 4.0 and found.se == pytest.approx(se)
    assert found.hi is not None and found.value is not None
    assert found.hi - found.value == pytest.approx(student.ppf(0.975, freedom) * se)
