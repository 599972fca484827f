"""`rlvr export prime-rl`: its own keys, the same prompts, the same verdicts, and its rollouts beside ours."""

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rlvr import config as configuration
from rlvr.cli import main
from rlvr.elsewhere.prime_rl import _toml
from rlvr.evidence import Evidence
from rlvr.worlds import carry
from tests.conftest import REPO

SMALL = ["problems.heldout.limit=2", "problems.train.limit=3", "problems.probes={}"]
THEIRS = """
    output_dir max_steps seq_len run.name model.name tokenizer.trust_remote_code tokenizer.chat_template ckpt.interval
    inference.vllm.{max_model_len,seed,trust_remote_code} trainer.model.trust_remote_code
    trainer.model.lora.{rank,alpha,dropout,target_modules} trainer.optim.{type,lr,weight_decay,betas1,betas2,max_norm}
    trainer.scheduler.{type,warmup_steps,decay_steps,min_lr} trainer.loss.{type,kl_tau,adv_tau}
    orchestrator.{algo.type,batch_size,group_size,max_off_policy_steps,renderer.name}
    orchestrator.train.{filter_zero_advantages,source} orchestrator.eval.{interval,group_size,source}
    orchestrator.train.sampling.{temperature,max_completion_tokens,extra_body}
    orchestrator.eval.sampling.{temperature,top_p,top_k,min_p,max_completion_tokens}
"""
"""Of `prime_rl.configs.rl.RLConfig` at commit 559b44772e471d1538537b8805cc77f3824a5e64: those that we may write."""
STAND_IN = """
from typing import Generic, TypeVar

from pydantic import BaseModel

A, B, C = TypeVar("A"), TypeVar("B"), TypeVar("C")
TaskData = TaskConfig = TasksetConfig = State = Trace = BaseModel
reward = stop = lambda method: method


class Task(Generic[A, B, C]):
    def __init__(self, data, config):
        self.data, self.config = data, config


class Taskset(Generic[A, B]):
    def __init__(self, config):
        self.config = config
"""
"""Of the package `verifiers` (a60a606), where it is not installed: what the taskset uses of it."""
ASKING = """
import asyncio, json, sys
from types import SimpleNamespace as Some
from pathlib import Path

from rlvr_problems import Config, Problems, TaskConfig

folder, python, responses = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
problems = [*Problems(Config(file=folder / "heldout.jsonl", task=TaskConfig(python=python))).load()]
problems[1].data.problem["reference"] = ""  # nobody can judge


async def ask(problem, content, thought):
    said = Some(content=content, reasoning_content=thought)
    try:
        return await problem.verdict(Some(assistant_messages=[said], task=problem))
    except RuntimeError as error:
        return str(error)


async def all_of_them():
    return await asyncio.gather(*(ask(problems[number], *said) for number, *said in responses))


print(json.dumps({"keys": [each.key for each in problems], "verdicts": asyncio.run(all_of_them())}))
"""


def has_theirs() -> bool:
    try:
        return importlib.metadata.version("verifiers") >= "0.4"
    except importlib.metadata.PackageNotFoundError:
        return False


def exported(folder: Path, *words: str) -> Path:
    assert main(["export", "prime-rl", "quickstart", "--into", str(folder), "-q", *SMALL, *words]) == 0
    return folder


def settings(folder: Path) -> dict[str, Any]:
    def flat(at: str, value: Any) -> Any:
        for key, of in value.items():
            name = f"{at}{key}"
            yield from flat(f"{name}.", of) if isinstance(of, dict) and key != "extra_body" else [(name, of)]

    return dict(flat("", tomllib.loads((folder / "rl.toml").read_text())))


def known() -> set[str]:
    keys = set()
    for word in THEIRS.split():
        before, _, names = word.partition("{")
        keys |= {f"{before}{name}" for name in names.rstrip("}").split(",")}
    return keys


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("prime") / "out")


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_hyper_parameters_have_their_names(tmp_path):
    words = [
        "train.algorithm=rloo", "train.steps=70", "train.groups_per_step=12", "train.group_size=6", "seed=5",
        "train.learning_rate=2e-6", "sampling.temperature=0.7", "sampling.max_new_tokens=20", "sampling.top_k=9",
        "train.adapter={kind: lora, r: 8, target_modules: q_proj}", "train.trl.lr_scheduler_type=cosine",
        "train.trl.warmup_steps=3", "train.eval_every=35", "train.trl.max_grad_norm=0",
    ]  # fmt: skip
    found = settings(exported(tmp_path / "out", *words))
    assert found.keys() <= known(), found.keys() - known()
    expected = {
        "max_steps": 70, "orchestrator.batch_size": 72, "orchestrator.group_size": 6, "inference.vllm.seed": 5,
        "trainer.optim.lr": 2e-6, "trainer.optim.max_norm": "None", "trainer.loss.adv_tau": 6 / 5,
        "trainer.scheduler.type": "cosine", "trainer.scheduler.warmup_steps": 3, "trainer.model.lora.rank": 8,
        "trainer.model.lora.target_modules": ["q_proj"], "orchestrator.train.sampling.temperature": 0.7,
        "orchestrator.train.sampling.extra_body": {"top_k": 9, "min_p": 0.0}, "orchestrator.eval.interval": 35,
        "orchestrator.eval.sampling.top_k": 9, "orchestrator.eval.sampling.max_completion_tokens": 20,
    }  # fmt: skip
    assert {key: found.get(key) for key in expected} == expected


def test_the_default_keys_are_theirs_and_what_is_lost_is_named(made):
    found = settings(made)
    assert found.keys() <= known(), found.keys() - known()
    assert found["trainer.scheduler.type"] == "linear" and found["trainer.scheduler.decay_steps"] == 60
    text = (made / "NOT-CARRIED-OVER.md").read_text()
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("- ")]
    assert named == ["sampling.samples", "train.trl.epsilon", "train.trl.scale_rewards"]


def test_a_value_is_read_back_as_it_was():
    value = {"a b": ['q"\\\n', 1e-06, True, "é\t"], "c": {"d-e": -1}}
    assert tomllib.loads(f"x = {_toml(value)}")["x"] == value


def test_the_policy_reads_the_same_prompt_and_the_template_adds_nothing(made):
    config = configuration.load(configuration.find("quickstart"), SMALL)
    evidence = Evidence(config.evidence)
    problems = {problem.id: problem for problem in carry.problems("train")}
    for row in lines(made / "train.jsonl"):
        (message,) = row["prompt"]
        assert message["content"] == evidence.text(problems[row["problem"]["id"]])
    assert "message['content']" in settings(made)["tokenizer.chat_template"]


def test_verdicts_come_from_a_process_of_ours_beside_their_package(made, tmp_path):
    """The asking process has the package `verifiers` of theirs, where it is installed; ours is in the process that it
    asks."""
    if not has_theirs():
        package = tmp_path / "verifiers"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "v1.py").write_text(STAND_IN)
    rows = lines(made / "heldout.jsonl")
    problem = {problem.id: problem for problem in carry.problems("heldout")}[rows[0]["problem"]["id"]]
    sound = next(trace.text for trace in carry.support(problem) if trace.sound)
    asked = [(0, sound, None), (0, "12}", None), (1, sound, None), (0, "", sound)]
    program = tmp_path / "ask.py"
    program.write_text(ASKING)
    python = tmp_path / "python"  # of an environment that has rlvr
    python.write_text(f'#!/bin/sh\nPYTHONPATH={REPO} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(program), str(made), str(python), json.dumps(asked)],
        env=os.environ | {"PYTHONPATH": f"{made}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["keys"] == [row["problem"]["id"] for row in rows]
    assert said["verdicts"][:2] == [1.0, 0.0] and said["verdicts"][3] == 0.0
    assert f"no verdict on {said['keys'][1]}" in said["verdicts"][2]


def test_their_rollouts_are_compared_with_ours(made, tmp_path):
    """An episode as prime-rl's file monitor writes it (`Episode.to_record()`), of the problems that were exported."""
    rows = lines(made / "heldout.jsonl")
    ours, theirs = tmp_path / "base.jsonl", tmp_path / "traces.jsonl"
    base, tuned = [], []
    for row in rows:
        known = {"problem_id": row["problem"]["id"], "prompt": row["problem"]["prompt"]}
        task = {"type": "Problem", "data": {"idx": 0} | row, "key": known["problem_id"], "hash": "h"}
        for sample in range(4):
            base.append(known | {"sample": sample, "score": float(sample == 0)})
            nodes = [
                {"message": row["prompt"][0], "sampled": False},
                {"parent": 0, "message": {"role": "assistant", "content": "1"}, "sampled": True},
            ]
            call = {
                "node": 1,
                "model": "m",
                "sampling": {"temperature": 1.0, "top_k": -1},
                "finish_reason": "stop",
            }
            reward = {"verdict": {"score": float(sample < 2), "weight": 1.0}}
            trace = {"task": task, "nodes": nodes, "calls": [call], "rewards": reward, "ok": True}
            tuned.append(
                {"id": "e", "env": {"id": ""}, "task": task, "ok": True, "errors": [], "traces": [trace]}
            )
    for file, written in ((ours, base), (theirs, tuned)):
        file.write_text("".join(json.dumps(row) + "\n" for row in written))
    name = configuration.load(configuration.find("quickstart")).verifier
    said = {"temperature": 1.0, "top_k": 0, "verifier": name}
    ours.with_suffix(".settings.json").write_text(json.dumps(said))
    assert main(["report", str(ours), str(theirs), "--output", str(tmp_path / "report"), "-q"]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["policies"]["base"]["n_problems"] == report["policies"]["tuned"]["n_problems"] == len(rows)
    assert report["comparison"]["gain"]["value"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.trl.loss_type=grpo"], "train.trl.loss_type is 'grpo'; expected dapo or bnpo"),
        (["train.trl.beta=0.1"], "train.trl.beta is 0.1"),
        (["train.trl.importance_sampling_level=sequence"], "expected token"),
    ],
)
def test_another_training_is_refused(tmp_path, capsys, words, said):
    assert main(["export", "prime-rl", "quickstart", "--into", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
