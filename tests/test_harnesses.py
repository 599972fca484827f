"""docs/harnesses.md: each example with the real tool, where it is installed (it is no dependency of ours)."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlvr.rollouts.evaluations import read
from rlvr.rollouts.importers import Options
from tests.conftest import REPO

TEXT = (Path(__file__).parents[1] / "docs" / "harnesses.md").read_text()
ROWS = (
    ("1/4 + 1/4?", "1/2", r"So \boxed{\frac{1}{2}}."),
    ("3 * 4?", "12", r"\boxed{9}"),
    ("2 + 2?", "4", r"\boxed{4.0}"),
)
"""Question, gold, response; the first and the last are right."""

VF_EVAL = """
import http.server, json, sys, threading
from pathlib import Path

from datasets import Dataset
from openai import AsyncOpenAI
from rubric import Verified, vf

rows, python = json.loads(sys.argv[1]), sys.argv[2]
said = {question: response for question, _, response in rows}


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = said[asked["messages"][-1]["content"]]
        message = {"role": "assistant", "content": content}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "written",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
data = Dataset.from_list([{"question": question, "answer": gold} for question, gold, _ in rows])
env = vf.SingleTurnEnv(dataset=data, eval_dataset=data, rubric=Verified(python))
client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
env.evaluate_sync(client, "written", results_path=Path("out"), save_results=True)
"""
"""What `vf-eval -s` does, with a model that says what is written."""


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


def test_a_metric_of_lighteval(tmp_path, monkeypatch):
    pytest.importorskip("lighteval", reason="needs lighteval")
    from lighteval.logging.evaluation_tracker import EvaluationTracker  # pyright: ignore[reportMissingImports]
    from lighteval.models.dummy.dummy_model import DummyModel, DummyModelConfig  # pyright: ignore[reportMissingImports]
    from lighteval.models.model_output import ModelResponse  # pyright: ignore[reportMissingImports]
    from lighteval.pipeline import (  # pyright: ignore[reportMissingImports]
        ParallelismManager,
        Pipeline,
        PipelineParameters,
    )
    from lighteval.tasks.registry import Registry  # pyright: ignore[reportMissingImports]

    for loading in (
        "_load_from_files",
        "_load_from_subdirs",
    ):  # its own tasks, one of which downloads on import
        monkeypatch.setattr(Registry, loading, staticmethod(lambda *_: {}))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(
        "".join(json.dumps({"question": q, "answer": gold}) + "\n" for q, gold, _ in ROWS)
    )
    (tmp_path / "sums.py").write_text(block("python lighteval"))
    said = {question: response for question, _, response in ROWS}

    class Written(DummyModel):
        def greedy_until(self, docs):
            return [ModelResponse(input=doc.query, text=[said[doc.query]]) for doc in docs]

    tracker = EvaluationTracker(output_dir=str(tmp_path / "out"), save_details=True)
    pipeline = Pipeline(
        tasks="sums",
        pipeline_parameters=PipelineParameters(
            ParallelismManager.NONE, custom_tasks_directory=str(tmp_path / "sums.py"), bootstrap_iters=0
        ),
        evaluation_tracker=tracker,
        model=Written(DummyModelConfig(model_name="written", cache_dir=str(tmp_path / "cache"))),
    )
    pipeline.evaluate()
    pipeline.save_and_push_results()
    (shown,) = {row["solved"] for row in pipeline.get_results()["results"].values()}
    assert shown == pytest.approx(2 / 3)
    (details,) = tmp_path.glob("out/details/**/*.parquet")
    (found,) = read(details, "base")
    assert sorted(found.samples.c.tolist()) == [0, 1, 1]
    assert float((found.samples.c / found.samples.n).mean()) == pytest.approx(shown, abs=1e-9)


def test_a_rubric_of_the_package_verifiers(tmp_path):
    """It runs in a process that has their package, and asks one that has ours; what nobody can judge is an error."""
    try:
        importlib.metadata.version("verifiers")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs the package verifiers of PyPI, up to 0.1")
    (tmp_path / "rubric.py").write_text(block("python verifiers"))
    (tmp_path / "judge.py").write_text(block("python judge"))
    (tmp_path / "evaluate.py").write_text(VF_EVAL)
    python = tmp_path / "python"  # of an environment that has rlvr
    python.write_text(f'#!/bin/sh\nPYTHONPATH={REPO} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    rows = [*ROWS, ("no gold", "", r"\boxed{1}")]
    done = subprocess.run(
        [sys.executable, "evaluate.py", json.dumps(rows), str(python)],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = read(tmp_path / "out" / "results.jsonl", "base", options=Options(score="solved"))
    held = dict(
        zip(found.samples.problem_ids, zip(found.samples.n, found.samples.c, strict=True), strict=True)
    )
    assert held == {"0": (1, 1), "1": (1, 0), "2": (1, 1), "3": (0, 0)}
    written = json.loads((tmp_path / "out" / "metadata.json").read_text())
    mean = found.samples.c.sum() / 4  # theirs counts it as wrong
    assert written["avg_metrics"]["solved"] == pytest.approx(mean, rel=0, abs=1e-9)
