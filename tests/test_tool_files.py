"""Files that the other tools write themselves, with the figures that they print: each test needs its tool installed.

What is not here: vf-eval and lighteval (tests/test_harnesses.py), TRL (tests/training/test_trl_reward.py).
"""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from rlvr.cli import main
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.importers import Options
from rlvr.worlds import carry

EXACT = {"rel": 0, "abs": 1e-9}
SUMS = r"""
task: sums
dataset_path: json
dataset_kwargs: {data_files: sums.jsonl}
test_split: train
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\n"], do_sample: true, temperature: 1.0, max_gen_toks: 32}
filter_list:
  - name: boxed
    filter: [{function: regex, regex_pattern: 'boxed\{(-?\d+)\}'}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
FOUR = r"""
include: sums.yaml
task: four
repeats: 4
filter_list:
  - name: all
    filter: [{function: regex, regex_pattern: 'boxed\{(-?\d+)\}'}, {function: take_first_k, k: 4}]
"""
"""Four samples a document, of which lm-evaluation-harness keeps the mean."""


def rate(path: Path, **options: Any) -> float:
    (found,) = read(path, "base", options=Options(**options))
    return float((found.samples.c / found.samples.n).mean())


def run(folder: Path, *words: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> dict[str, Path]:
    """The folder that `lm_eval --log_samples` writes, of the embedded model with two seeds."""
    pytest.importorskip("lm_eval", reason="needs lm_eval")
    folder = tmp_path_factory.mktemp("lm_eval")
    problems = [{"question": p.prompt, "answer": p.reference} for p in carry.problems("heldout", 40)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    (folder / "sums.yaml").write_text(SUMS)
    (folder / "four.yaml").write_text(FOUR)
    for seed in ("1", "2"):
        words = f"-m lm_eval --model hf --model_args pretrained={carry.TINY},dtype=float32 --tasks sums,four"
        how = f"--include_path . --output_path out-{seed} --log_samples --device cpu --batch_size 40 --seed {seed}"
        run(folder, *words.split(), *how.split(), HF_HUB_OFFLINE="1")
    return {seed: next((folder / f"out-{seed}").iterdir()) for seed in ("1", "2")}


def printed(folder: Path, task: str, name: str) -> float:
    (results,) = folder.glob("results_*.json")
    return json.loads(results.read_text())["results"][task][name]


def samples_of(folder: Path, task: str) -> Path:
    (found,) = folder.glob(f"samples_{task}_*.jsonl")
    return found


@pytest.mark.parametrize(("task", "figure"), [("sums", "exact_match,boxed"), ("four", "exact_match,all")])
def test_lm_evaluation_harness(harness, task, figure):
    for folder in harness.values():
        shown = printed(folder, task, figure)
        assert 0 < shown < 1
        assert rate(samples_of(folder, task)) == pytest.approx(shown, **EXACT)


def test_the_p_value_beside_that_of_the_harness_own_comparer(harness, tmp_path):
    """Its scripts/model_comparator.py takes both means for independent: z = (a − b) / √(s_a² + s_b²). What we read of
    the files gives the same p; our own is of the pairs."""
    values = [printed(folder, "sums", "exact_match,boxed") for folder in harness.values()]
    errors = [printed(folder, "sums", "exact_match_stderr,boxed") for folder in harness.values()]
    theirs = 2 * stats.norm.sf(abs(values[0] - values[1]) / math.hypot(*errors))
    files = [samples_of(folder, "sums") for folder in harness.values()]
    rates = [(found.samples.c / found.samples.n) for path in files for found in read(path, "base")]
    again = [float(each.std(ddof=1)) / math.sqrt(len(each)) for each in rates]
    difference = float(rates[0].mean() - rates[1].mean())
    assert 2 * stats.norm.sf(abs(difference) / math.hypot(*again)) == pytest.approx(theirs, **EXACT)
    out = tmp_path / "out"
    assert main(["report", *map(str, files), "--output", str(out), "-q"]) == 0
    comparison = json.loads((out / "report.json").read_text())["comparison"]
    scores = [
        {row["doc_hash"]: row["exact_match"] for row in map(json.loads, path.read_text().splitlines())}
        for path in files
    ]
    up = sum(scores[0][key] < scores[1][key] for key in scores[0])
    down = sum(scores[0][key] > scores[1][key] for key in scores[0])
    exact = stats.binomtest(up, up + down).pvalue if up + down else 1.0
    assert comparison["flips"]["p_exact"] == pytest.approx(exact, **EXACT)
    assert comparison["gain"]["value"] == pytest.approx(values[1] - values[0], **EXACT)


@pytest.mark.parametrize("form", ["eval", "json"])
def test_inspect(tmp_path, form):
    inspect_ai = pytest.importorskip("inspect_ai", reason="needs inspect-ai")
    from inspect_ai.dataset import Sample  # pyright: ignore[reportMissingImports]
    from inspect_ai.model import ModelOutput  # pyright: ignore[reportMissingImports]
    from inspect_ai.scorer import match  # pyright: ignore[reportMissingImports]
    from inspect_ai.solver import solver  # pyright: ignore[reportMissingImports]

    @solver
    def written():
        async def solve(state, generate):
            right = state.epoch <= int(state.sample_id) % 5  # 0 to 4 of the 4 epochs
            state.output = ModelOutput.from_content("written", "42" if right else "41")
            return state

        return solve

    data = [Sample("12 + 30?", target="42", id=i) for i in range(13)]
    epochs = inspect_ai.Epochs(4, ["mean", "pass_at_2"])
    task = inspect_ai.Task(data, solver=written(), scorer=match(), epochs=epochs)
    (log,) = inspect_ai.eval(
        task, model="mockllm/model", log_dir=str(tmp_path), log_format=form, display="none"
    )
    assert log.status == "success", log.error
    shown = {score.reducer: score.metrics["accuracy"].value for score in log.results.scores}
    (path,) = tmp_path.glob(f"*.{form}")
    assert rate(path) == pytest.approx(shown["mean"], **EXACT)
    out = tmp_path / "out"
    assert main(["report", str(path), "--output", str(out), "-q"]) == 0
    curve = json.loads((out / "report.json").read_text())["policies"]["base"]["pass_at_k"]
    assert curve["2"]["value"] == pytest.approx(shown["pass_at_2"], **EXACT)


def test_evalplus(tmp_path):
    """Its data set cannot be had without a network: 164 tasks under its names, in its form, with two programs each."""
    pytest.importorskip("evalplus", reason="needs evalplus")
    name, prompt = "add", "def add(a, b):\n"
    task = {
        "prompt": prompt,
        "entry_point": name,
        "canonical_solution": "    return a + b\n",
        "contract": "",
        "atol": 0,
    }
    tests = {"base_input": [[1, 2], [2, 2]], "plus_input": [[-1, 5], [0, 0]]}
    tasks = [{"task_id": f"HumanEval/{i}", **task, **tests} for i in range(164)]
    bodies = ("a + b", "a + b if a >= 0 else 0", "a - b")  # right; right but for the further tests; wrong
    programs = [
        {"task_id": f"HumanEval/{i}", "solution": f"{prompt}    return {bodies[(i + j * (i % 4)) % 3]}\n"}
        for i in range(164)
        for j in range(2)
    ]
    for file, rows in (("tasks.jsonl", tasks), ("samples.jsonl", programs)):
        (tmp_path / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = "-m evalplus.evaluate --dataset humaneval --samples samples.jsonl --parallel 2"
    override = {
        "HUMANEVAL_OVERRIDE_PATH": str(tmp_path / "tasks.jsonl"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    said = run(tmp_path, *words.split(), **override)
    shown = [float(value) for value in re.findall(r"pass@1:\s*([\d.]+)", said)]
    right = {part: sum(f"return {body}\n" in p["solution"] for p in programs for body in held) / len(programs)
             for part, held in (("base", bodies[:2]), ("plus", bodies[:1]))}  # fmt: skip
    results = tmp_path / "samples_eval_results.json"
    for part, value in zip(("base", "plus"), shown, strict=True):  # printed with three digits
        assert rate(results, score=part) == pytest.approx(right[part], **EXACT)
        assert round(rate(results, score=part), 3) == value
