"""The JSON schema of report.json: current, and true of every kind of report."""

import copy
import json

import pytest

from rlvr.report import RunFiles, build, build_runs
from rlvr.report.schema import SCHEMA, written
from tests.report import simulate

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def faults(value, schema, whole, at=""):
    """What of `value` is not as `schema` says: the part of JSON Schema that ours uses."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[1]] | {
            k: v for k, v in schema.items() if k != "$ref"
        }
    assert schema.keys() <= {
        *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const"),
        *("description", "$defs", "discriminator", "oneOf"),
    }
    for options in (schema.get("anyOf"), schema.get("oneOf")):
        found = [list(faults(value, option, whole, at)) for option in options or ()]
        if options and all(found):
            yield from min(found, key=len)
    kind = schema.get("type")
    if kind and (
        not isinstance(value, TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool))
    ):
        yield f"{at}: {value!r} is not of type {kind}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: {value!r} is not among the values"
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{at}: lacks {key}" for key in schema.get("required", []) if key not in value)
        for key, inner in value.items():
            if key in known:
                yield from faults(inner, known[key], whole, f"{at}/{key}")
            elif others is False:
                yield f"{at}: {key} is not in the schema"
            elif isinstance(others, dict):
                yield from faults(inner, others, whole, f"{at}/{key}")
    if isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            yield from faults(inner, schema["items"], whole, f"{at}/{number}")


@pytest.fixture(scope="module")
def schema():
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """A report of every kind, as its file has it."""
    folder = tmp_path_factory.mktemp("reports")
    arguments = simulate.write_run(folder)
    counts = folder / "counts.csv"
    counts.write_text("problem_id,n,c_base,c_tuned\n" + "".join(f"p{i},64,{i},{2 * i}\n" for i in range(30)))
    pairs = []
    for seed in range(3):
        (folder / f"seed-{seed}").mkdir()
        pairs.append(simulate.write_pair(folder / f"seed-{seed}", problems=8, samples=16, seed=seed))
    (folder / "seed-0" / "tuned.audit.json").write_text(
        '{"wrong": 200, "false_positives": 1, "right": 200, "false_negatives": 3}'
    )
    runs = [
        RunFiles(f"run-{seed}", "grpo" if seed < 2 else "rloo", seed, base, tuned)
        for seed, (base, tuned) in enumerate(pairs)
    ]
    exact = {"base": {"pass_at_k": {"1": 0.2}, "mass_outside_support": 0.001}, "divergence": {"kl_base": 0.1}}
    made = {
        "run": build(**arguments, exact=exact, output=folder / "run", replicates=100),
        "counts": build(counts, output=folder / "counts", replicates=100),
        "alone": build(pairs[0][0], output=folder / "alone", replicates=100),
        "audited": build(*pairs[0], output=folder / "audited", replicates=100),
        "runs": build_runs(runs, output=folder / "runs", allow_mismatch=True, replicates=100),
    }
    return {name: json.loads(report.json.read_text(encoding="utf-8")) for name, report in made.items()}


def test_the_schema_in_the_package_is_current():
    assert SCHEMA.read_text(encoding="utf-8") == written(), "run python -m rlvr.report.schema"


@pytest.mark.parametrize("name", ["run", "counts", "alone", "audited", "runs"])
def test_every_kind_of_report_is_as_the_schema_says(documents, schema, name):
    assert list(faults(documents[name], schema, schema)) == []


def test_what_is_not_as_the_schema_says_is_found(documents, schema):
    def changed(change):
        document = copy.deepcopy(documents["run"])
        change(document)
        return list(faults(document, schema, schema))

    assert changed(lambda d: d["comparison"].pop("gain")) == ["/comparison: lacks gain"]
    assert changed(lambda d: d["policies"]["base"].update(new=1)) == [
        "/policies/base: new is not in the schema"
    ]
    assert changed(lambda d: d["comparison"]["gain"].update(lo="low"))
    assert changed(lambda d: d["comparison"]["alignment"].update(status="fine"))
    assert changed(lambda d: d["notes"].append(3)) == [
        f"/notes/{len(documents['run']['notes'])}: 3 is not of type string"
    ]
