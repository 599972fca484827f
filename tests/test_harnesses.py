"""docs/harnesses.md: each example with the real tool, where it is installed (it is no dependency of ours)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "harnesses.md").read_text()
ROWS = (
    ("1/4 + 1/4?", "1/2", r"So \boxed{\frac{1}{2}}."),
    ("3 * 4?", "12", r"\boxed{9}"),
    ("2 + 2?", "4", r"\boxed{4.0}"),
)
"""Question, gold, response; the first and the last are right."""


def block(name: str) -> str:
    (code,) = re.findall(rf"(?ms)^```{name}\n(.*?)^```$", TEXT)
    return code


def test_an_inspect_scorer(tmp_path):
    inspect_ai = pytest.importorskip("inspect_ai", reason="needs inspect-ai")
    from inspect_ai.dataset import Sample  # pyright: ignore[reportMissingImports]
    from inspect_ai.model import ModelOutput  # pyright: ignore[reportMissingImports]
    from inspect_ai.solver import solver  # pyright: ignore[reportMissingImports]

    space: dict[str, Any] = {}
    exec(compile(block("python inspect"), "docs/harnesses.md", "exec"), space)

    @solver
    def written():
        async def solve(state, generate):
            state.output = ModelOutput.from_content("written", state.metadata["response"])
            return state

        return solve

    data = [Sample(q, target=gold, id=q, metadata={"response": said}) for q, gold, said in ROWS]
    task = inspect_ai.Task(data, solver=written(), scorer=space["verified"]())
    (log,) = inspect_ai.eval(task, model="mockllm/model", log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    found = {sample.id: sample.scores["verified"].value for sample in log.samples}
    assert [found[question] for question, _, _ in ROWS] == ["C", "I", "C"]


def test_a_metric_of_lm_evaluation_harness(tmp_path, monkeypatch):
    lm_eval = pytest.importorskip("lm_eval", reason="needs lm_eval")
    from lm_eval.api.model import LM  # pyright: ignore[reportMissingImports]
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums.jsonl").write_text(
        "".join(json.dumps({"question": q, "answer": gold}) + "\n" for q, gold, _ in ROWS)
    )
    (tmp_path / "verified.py").write_text(block("python lm_eval"))
    (tmp_path / "sums.yaml").write_text(block("yaml"))
    said = {question: response for question, _, response in ROWS}

    class Written(LM):
        def generate_until(self, requests):
            return [said[request.args[0]] for request in requests]

        def loglikelihood(self, requests):
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    found = lm_eval.simple_evaluate(
        model=Written(),
        tasks=["sums"],
        task_manager=TaskManager(include_path=str(tmp_path)),
        bootstrap_iters=0,
    )
    assert [row["solved"] for row in found["samples"]["sums"]] == [1.0, 0.0, 1.0]
    assert found["results"]["sums"]["solved,none"] == pytest.approx(2 / 3)
