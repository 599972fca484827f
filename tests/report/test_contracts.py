"""Every figure of report.json, the CSV files and the page, computed a second time from the rows of the files.

The second computation lies in tests/report/contracts, in plain Python, one function a figure. A figure of the schema
that has none fails here: who adds a figure says there what it means.
"""

import json
import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import awkward_rows
import pytest
from cells import read_page

from rlvr.report import build
from rlvr.report.schema import SCHEMA
from tests import by_definition
from tests.report.contracts import answering, certainty, distance, others, pair, policy, strata
from tests.report.contracts.rows import Estimate, Holds, Mean, Near, Policy, Ratio
from tests.report.contracts.simulated import AUDITS, REPLICATES, document_of, of_runs, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, document) of one run with every kind of input."""
    folder = tmp_path_factory.mktemp("run")
    return folder, write_run(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The document of five runs of two methods."""
    return of_runs(tmp_path_factory.mktemp("runs"))


# --- Walking ---


def figures(node: Any, path: str = "", around: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Path, figure and what is around it: an estimate as a whole, everything else by its leaves."""
    if isinstance(node, dict) and not ("value" in node and "lo" in node):
        for key, inner in node.items():
            yield from figures(inner, f"{path}/{key}".removeprefix("/"), node)
    elif isinstance(node, list):
        for i, inner in enumerate(node):
            yield from figures(inner, f"{path}/{i}".removeprefix("/"), node)
    else:
        yield path, node, around


def patterns(schema: dict[str, Any]) -> set[str]:
    """The same of the schema, with * for any key and any place."""
    names = schema["$defs"]

    def walk(part: dict[str, Any], path: str) -> Iterator[str]:
        while "$ref" in part:
            part = names[part["$ref"].rsplit("/", 1)[1]]
        options = part.get("anyOf") or part.get("oneOf")
        known, others = part.get("properties", {}), part.get("additionalProperties")
        if options:
            for option in options:
                if option != {"type": "null"}:
                    yield from walk(option, path)
        elif "lo" in known and "value" in known:
            yield path
        elif part.get("type") == "array":
            yield from walk(part["items"], f"{path}/*")
        elif part.get("type") == "object":
            for key, inner in known.items():
                yield from walk(inner, f"{path}/{key}")
            if others is not False:
                yield from walk(others if isinstance(others, dict) else {}, f"{path}/*")
        else:
            yield path

    return {path.removeprefix("/") for path in walk(schema, "")}


def under(prefix: str, table: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}/{name}": of for name, of in table.items()}


TABLE = (
    under("policies/*", {name: lambda p, _, *keys, of=of: of(p, *keys) for name, of in policy.POLICY.items()})
    | under("comparison", pair.PAIR | certainty.CERTAINTY | answering.ANSWERING | strata.STRATA)
    | under("comparison/alignment", distance.DISTANCE)
)
"""Pattern → second computation, for everything that one policy or one pair has."""
SEEN = under("comparison", certainty.SEEN) | under("comparison/alignment", distance.SEEN)
OF_THE_RUN = under("problems", others.PROBLEMS) | under("ladder", others.LADDER)
OF_THE_RUN |= under("breakdown", strata.BREAKDOWN)
OF_RUNS = under("groups/*", others.GROUPS) | {"contrasts/*": others.contrast}
BY_HAND = {
    "exact/rows/*/*", "training/expected_mixed_share/*", "training/step/*", "probes/*/correct/*",
    "probes/*/upper_bound/*", "analysis/*", "sources/*/rows", "turns/*/*/attempts", "turns/*/*/reached",
    "turns/*/*/pass_at_k/*",
}  # fmt: skip
"""Figures with a test of their own below."""
NO_FIGURES = {
    "schema", "title", "version", "base", "main", "settings/*/*", "sources/*/file", "sources/*/missing/*",
    "sources/*/notes/*", "notes/*", "runs/*/name", "runs/*/algorithm", "runs/*/seed", "groups/*/runs/*",
    "exact/values/*", "training/said/*", "probes/*/words", "probes/*/settings/*/*",
}  # fmt: skip
"""Words, names and copies of the input."""


def shared(path: str) -> str:
    """The path of the section that this one is a copy of."""
    words = path.split("/")
    if words[0] in ("probes", "by_source") and len(words) > 2 and words[2] in ("policies", "comparison"):
        return "/".join(words[2:])
    return "/".join(["comparison", *words[2:]]) if words[0] == "comparisons" else path


@cache
def matches(pattern: str, path: str) -> bool:
    a, b = pattern.split("/"), path.split("/")
    return len(a) == len(b) and all(x in ("*", y) for x, y in zip(a, b, strict=True))


@cache
def line_for(path: str) -> str | None:
    """The most particular pattern that fits."""
    known = [
        *TABLE,
        *SEEN,
        *OF_THE_RUN,
        *under("ladder", others.LADDER_SEEN),
        *OF_RUNS,
        *BY_HAND,
        *NO_FIGURES,
    ]
    fits = [pattern for pattern in known if matches(pattern, path)]
    return min(fits, key=lambda pattern: pattern.count("*"), default=None)


def stars(pattern: str, path: str) -> list[str]:
    return [b for a, b in zip(pattern.split("/"), path.split("/"), strict=True) if a == "*"]


# --- Comparing ---


def equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, Near):
        return isinstance(found, int | float) and math.isclose(
            found, expected.value, rel_tol=expected.within, abs_tol=expected.within
        )
    if isinstance(expected, Holds):
        return expected.true(found)
    if isinstance(expected, float | int) and not isinstance(expected, bool):
        return isinstance(found, int | float) and math.isclose(found, expected, rel_tol=1e-8, abs_tol=1e-10)
    return found == expected


def faults(path: str, found: Any, expected: Any) -> Iterator[str]:
    """What of a figure is not as its contract says."""
    if not isinstance(expected, Mean | Ratio | Estimate):
        if not equal(found, expected):
            yield f"{path}: {found!r}, expected {expected!r}"
        return
    keys = expected.keys if isinstance(expected, Estimate) else {
        "value": expected.value, "used": expected.used, "excluded": expected.excluded,
        "status": pair.trusted(expected.used), **expected.more,
    }  # fmt: skip
    if isinstance(expected, Mean):
        keys["se"] = expected.se
    if isinstance(expected, Ratio) and (se := expected.se) is not None and se < abs(expected.value or 0) / 3:
        keys["se"] = Near(se, 0.3)
    if isinstance(expected, Ratio) and expected.value is None:
        keys["status"] = Holds(lambda status: status.startswith("no_"))
    yield from (
        f"{path}: {key} is {found.get(key)!r}, expected {value!r}"
        for key, value in keys.items() if not equal(found.get(key), value)
    )  # fmt: skip
    told = {*keys, "value", "se", "lo", "hi", "status", "interval"}
    yield from (f"{path}: nothing says what {key} is" for key in found.keys() - told)
    if found["value"] is not None and found["lo"] is not None and found["hi"] is not None:
        yield from _around(path, found)


def _around(path: str, found: dict[str, Any]) -> Iterator[str]:
    """The interval holds the value, and is about as wide as the standard error says."""
    value, lo, hi = (float(found[key]) for key in ("value", "lo", "hi"))
    if not lo - 1e-12 <= value <= hi + 1e-12:
        yield f"{path}: {value} lies outside its interval, {lo} to {hi}"
    if found.get("interval") in ("bca", "percentile") and found["used"] >= 20 and found["se"] > 1e-12:
        width = (hi - lo) / (3.92 * found["se"])
        if not 0.7 <= width <= 1.5:
            yield f"{path}: the interval is {width:.2f} times as wide as its standard error says"


# --- The tests ---


def test_every_figure_of_the_schema_has_a_second_computation():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert len(found := {shared(path) for path in patterns(schema)}) > 150
    assert {path for path in found if line_for(path) is None} == set()


class Inputs:
    """The files of a report, as the contracts read them."""

    def __init__(self, folder: Path, audits: dict[str, dict[str, int]], *others: str) -> None:
        names = ("base", "tuned", *others)
        self.files = {name: Policy.read(folder / f"{name}.jsonl", name) for name in names}
        apart = folder / "apart"
        self.apart = {
            name: Policy.read(apart / f"{name}.jsonl", name) for name in ("base", "tuned") if apart.is_dir()
        }
        self.audits = audits
        self.pairs: dict[str, pair.Pair] = {}

    def source(self, file: str, source: str) -> Policy:
        policy = self.files[file]
        return policy.of([i for i, rows in policy.problems.items() if rows[0].get("source") == source])

    def policies(self, path: str) -> dict[str, Policy]:
        where, name = [*path.split("/"), ""][:2]
        if where == "probes":
            return self.apart
        return {f: self.source(f, name) for f in ("base", "tuned")} if where == "by_source" else self.files

    def compared(self, where: str) -> pair.Pair:
        """`where`: the beginning of a path, down to the comparison."""
        if where not in self.pairs:
            self.pairs[where] = self._pair(where)
        return self.pairs[where]

    def _pair(self, where: str) -> pair.Pair:
        policies = self.policies(where)
        other = where.split("/")[1] if where.startswith("comparisons") else "tuned"
        audits = {} if where.startswith(("probes", "by_source")) else self.audits
        audits = {name: audit for name, audit in audits.items() if name in ("base", other)}
        return pair.Pair(
            policies["base"], policies[other], REPLICATES, 0, audits, adjusted=where == "comparison"
        )


def expected(inputs: Inputs, path: str, found: Any, around: Any, pattern: str) -> Any:
    if pattern.startswith("policies/"):
        where = path.split("policies/")[0]
        name, keys = stars(pattern, shared(path))[0], stars(pattern, shared(path))[1:]
        return TABLE[pattern](inputs.policies(where)[name], None, *keys)
    if pattern.startswith("comparison"):
        words = path.split("/")
        where = "/".join(words[: 2 if words[0] != "comparison" else 1])
        args = (inputs.compared(where), *stars(pattern, shared(path)))
        return SEEN[pattern](*args, found, around) if pattern in SEEN else TABLE[pattern](*args)
    return OF_THE_RUN[pattern](inputs.compared("comparison"), *stars(pattern, path))


def walk(document: dict[str, Any], inputs: Inputs) -> tuple[list[str], set[str]]:
    """(faults, patterns that were met), of all but the ladder."""
    wrong, used = [], set()
    for path, found, around in figures(document):
        pattern = line_for(shared(path))
        if pattern is not None and pattern not in BY_HAND | NO_FIGURES and not path.startswith("ladder"):
            used.add(pattern)
            wrong += faults(path, found, expected(inputs, path, found, around, pattern))
    return wrong, used


def test_every_figure_of_a_run_is_what_its_contract_says(run):
    folder, document = run
    wrong, used = walk(document, Inputs(folder, AUDITS, "step-20"))
    assert not wrong, f"{len(wrong)} faults:\n" + "\n".join(wrong[:40])
    met_elsewhere = {pattern for pattern in TABLE if "/flips/" in pattern}
    assert {*TABLE, *SEEN, *under("problems", others.PROBLEMS)} - used == met_elsewhere
    assert list(document["breakdown"]) == ["level"]  # not "draw", which samples of a problem differ in


def test_flips_of_one_sample_a_problem_are_what_their_contract_says(tmp_path):
    rng = random.Random(3)
    for name, rate in (("base", 0.4), ("tuned", 0.6)):
        rows = [
            {"problem_id": f"p{i}", "policy": name, "score": float(rng.random() < rate)} for i in range(30)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = document_of(tmp_path / "base.jsonl", tmp_path / "tuned.jsonl")
    wrong, used = walk({"comparison": {"flips": document["comparison"]["flips"]}}, Inputs(tmp_path, {}))
    assert not wrong
    assert used == {pattern for pattern in TABLE if "/flips/" in pattern}
    assert (
        document["comparison"]["k_star"]["status"]
        == document["comparison"]["crossover"]["status"]
        == "one_sample"
    )
    assert {document["comparison"]["compression"][part]["value"] for part in pair.PARTS} == {None}


def test_every_figure_of_awkward_rows_is_what_its_contract_says(tmp_path):
    """Rows that lack keys, odd numbers of samples, a problem that nobody could judge."""
    awkward_rows.write(tmp_path)
    document = document_of(tmp_path / "base.jsonl", tmp_path / "tuned.jsonl")
    wrong, used = walk(document, Inputs(tmp_path, {}))
    assert not wrong, f"{len(wrong)} faults:\n" + "\n".join(wrong[:40])
    assert len(used) > 150


def test_every_figure_of_the_ladder_is_what_its_contract_says(run):
    folder, document = run
    asked = [("base", 0, "base"), ("base", 2, "few"), ("base", 8, "many"), ("tuned", 0, "tuned"),
             ("tuned", 2, "tuned-few")]  # fmt: skip
    files = [Policy.read(folder / f"{name}.jsonl", name) for _, _, name in asked]
    ids = [i for i in files[0].problems if all(i in file.problems for file in files)]
    rungs = [
        others.Asked(policy, shots, f"{shots} shots", f"{name}.jsonl", file.of(ids))
        for (policy, shots, name), file in zip(asked, files, strict=True)
    ]
    wrong, used = [], set()
    for path, found, around in figures(document["ladder"], "ladder"):
        pattern = line_for(path) or ""
        name, keys = pattern.removeprefix("ladder/"), stars(pattern, path)
        seen = name in others.LADDER_SEEN
        used.add(name)
        of = others.LADDER_SEEN[name] if seen else others.LADDER[name]
        wrong += faults(path, found, of(rungs, *keys, *((found, around) if seen else ())))
    assert not wrong
    assert used == {*others.LADDER, *others.LADDER_SEEN}


def test_every_figure_over_runs_is_what_its_contract_says(runs):
    wrong, used = [], set()
    for path, found, _ in figures({key: runs[key] for key in ("groups", "contrasts")}):
        pattern = line_for(path) or ""
        if pattern not in NO_FIGURES:
            used.add(pattern)
            wrong += faults(path, found, OF_RUNS[pattern](runs, *stars(pattern, path)))
    assert not wrong
    assert used == set(OF_RUNS)


def test_p_values_are_adjusted_as_holm_says(runs):
    """The smallest p times the number of tests, the next times one less, and none below one before it."""
    gains = [runs["comparison"]["gain"], *(c["gain"] for c in runs["comparisons"].values())]
    found = sorted((gain["p_signflip"], gain["p_holm"]) for gain in gains)
    least = 0.0
    for left, (p, holm) in zip(range(len(found), 0, -1), found, strict=True):
        least = max(least, min(1.0, left * p))
        assert holm == pytest.approx(least)


def test_exact_values_probes_and_the_rest_are_what_they_say(run):
    folder, document = run
    rows = document["exact"]["rows"]
    assert [row["quantity"] for row in rows] == [
        "base pass@1", "base pass@4", "tuned pass@1", "KL(π‖p0), nats", "kl(q‖p), nats", "KL(π_V‖π*), nats",
        "KL(π*‖π), nats", "KL efficiency η", "base: mass of traces outside the enumeration",
        "tuned: mass of traces outside the enumeration",
    ]  # fmt: skip
    assert [row["exact"] for row in rows] == [0.2, 0.6, 0.4, 0.7, 0.4, 0.1, 1.1, 0.6, 0.001, 0.0]
    for row in rows:
        assert all(equal(row[key], value) for key, value in others.beside(document, row).items()), row
    inputs = Inputs(folder, AUDITS, "step-20")
    for name, held in inputs.apart.items():
        probe = document["probes"]["apart"]
        assert probe["correct"][name] == sum(held.c)
        unseen = [1 - 0.05 ** (1 / n) for n, c in held.counts if n and c == 0]
        assert equal(probe["upper_bound"][name], max(unseen) if unseen else None)
    assert document["analysis"] == {"replicates": REPLICATES, "seed": 0, "search_budget": None}
    for name in ("base", "tuned", "step-20"):
        assert document["sources"][name]["rows"] == len(inputs.files[name].rows)


def test_the_expected_share_of_mixed_groups_is_that_of_the_steps_rate(run):
    folder, document = run
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert document["training"]["step"] == [step["step"] for step in steps]
    assert document["training"]["expected_mixed_share"] == pytest.approx(
        [others.mixed(step) for step in steps]
    )


def test_attempts_are_counted_as_if_each_episode_had_ended_there(tmp_path):
    """pass@(k, T) by hand: the T-th attempt, or the last one before it, of each episode that has a verdict."""
    talks = {  # by problem: the scores of each episode's attempts
        "a": [[0.0, 0.0, 1.0], [1.0], [0.0, 1.0], [0.0, 0.0, 0.0]],
        "b": [[0.0, 0.0], [0.0, 0.0, 0.0], [0.0], [0.0, 1.0]],
        "c": [[1.0], [1.0], [0.0, 0.0], [0.0, 1.0, 0.0]],
    }
    for which in ("base", "tuned"):
        rows = []
        for problem, episodes in talks.items():
            for n, scores in enumerate(episodes):
                said = [
                    {"by": "policy", "text": "x", "token_ids": [1], "score": s, "status": "?"} for s in scores
                ]
                between = {"by": "evidence", "text": "no", "token_ids": [2]}
                several = [turn for one in said for turn in (between, one)][1:]
                row = {
                    "problem_id": problem,
                    "sample": n,
                    "policy": which,
                    "prompt": problem,
                    "trace": "x" * n,
                }
                row |= {"answer": None, "complete": True, "tokens": 1, "score": scores[-1], "status": "?"}
                rows.append(row | ({"turns": several} if len(scores) > 1 else {}))
        rows.append(rows[-1] | {"sample": 9, "score": None})  # no verdict: in no figure
        (tmp_path / f"{which}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        settings = {"environment": {"name": "feedback", "options": {}}} if which == "base" else {}
        (tmp_path / f"{which}.settings.json").write_text(json.dumps(settings))
    files = tmp_path / "base.jsonl", tmp_path / "tuned.jsonl"
    build(*files, output=tmp_path / "r", replicates=REPLICATES, allow_mismatch=True)
    document = json.loads((tmp_path / "r" / "report.json").read_text())
    assert document["turns"].keys() == {"base"}  # the other file says nothing of an environment
    found = document["turns"]["base"]
    assert [of["attempts"] for of in found] == [1, 2, 3]
    assert [of["reached"] for of in found] == [1.0, 8 / 12, 4 / 12]
    solved = {1: (1, 0, 2), 2: (2, 1, 3), 3: (3, 1, 2)}  # episodes of a, b, c that are right after T attempts
    for of in found:
        for k, estimate in of["pass_at_k"].items():
            counts = [(4, c) for c in solved[of["attempts"]]]
            rates = [policy.pass_at(n, c, int(k)) for n, c in counts]
            expected = Mean(rates, {"se_fixed": by_definition.fixed_se(counts, int(k))})
            assert not [*faults(f"turns/{of['attempts']}/pass@{k}", estimate, expected)]
        assert list(of["pass_at_k"]) == ["1", "2", "4"]
    page = read_page(tmp_path / "r" / "report.html")
    assert "base: pass@1 25.0 at the first attempt, 50.0 within 2, 50.0 within 3." in page
