"""A whole run in which vLLM samples, by the real vLLM (on a CPU a build for CPUs will do; skipped where there is none).

Whose weights drew a row is read off its recorded log-probability, which no other weights give.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from rlvr import rollouts
from rlvr.config import load
from rlvr.policy import Policy, load_policy
from rlvr.run import read_metrics
from tests.sampling.small_llama import CPU, small_llama

pytest.importorskip("vllm")
pytestmark = pytest.mark.slow

PROBLEMS, SAMPLES, STEPS, STOP = 8, 4, 3, "}"


def write_config(folder: Path) -> Path:
    for name, first, count in (("train", 0, 20), ("heldout", 50, PROBLEMS)):
        rows = [{"prompt": f"{i}+7=", "reference": str(i + 7)} for i in range(first, first + count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "model": str(small_llama(folder / "base")),
        "problems": {name: {"file": str(folder / f"{name}.jsonl")} for name in ("train", "heldout")},
        "evidence": {"template": "plain", "question": "{prompt}"},
        "sampling": {
            "engine": "vllm",
            "samples": SAMPLES,
            "max_new_tokens": 24,
            "stop": [STOP],
            "vllm": {"enforce_eager": True, "max_model_len": 64},
        },
        "verification": {"workers": 1},
        "analysis": {"search_budget": 2, "replicates": 200},
        "train": {
            "steps": STEPS, "groups_per_step": 4, "group_size": 4, "eval_every": 1, "eval_samples": SAMPLES,
            "checkpoint_every": 1, "learning_rate": 1e-2, "reward": "random", "trl": {"save_total_limit": 10},
        },
    }  # fmt: skip
    file = folder / "vllm.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def launch(command: list[str], config: Path, output: Path, *words: str) -> None:
    done = subprocess.run(
        [*command, "-m", "rlvr", "run", str(config), "--output", str(output), *words],
        env=os.environ | CPU,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


ALONE = [sys.executable]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
RUNS = {
    "one process": (ALONE, []),
    "adapters": (ALONE, ["train.adapter={kind: lora, r: 4, alpha: 8}"]),
    "two processes": (TWO, []),
    "two processes, one engine": (
        TWO,  # pairs of random verdicts are equal half of the time, in one process and not in the other
        ["sampling.vllm.tensor_parallel_size=2", "train.group_size=2", "train.curriculum.refill=2"],
    ),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp("vllm"))


@pytest.fixture(scope="module", params=RUNS)
def finished(request, config, tmp_path_factory) -> Path:
    command, words = RUNS[request.param]
    folder = tmp_path_factory.mktemp("runs") / "run"
    launch(command, config, folder, *words)
    return folder


def rows_of(run: Path, name: str) -> list[rollouts.Rollout]:
    return list(rollouts.read(run / "rollouts" / f"{name}.jsonl"))


@torch.no_grad()
def nats(policy: Policy, row: rollouts.Rollout) -> float:
    """Log-probability of what a row holds, by a forward pass of the model alone."""
    assert row.token_ids
    prompt = policy.encode([f"{50 + int(row.problem_id.removeprefix('heldout-'))}+7="])[0]
    logits = policy.model(torch.tensor([prompt + row.token_ids])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(row.token_ids)), row.token_ids].sum().item()


def policy_at(run: Path, config: Path, where: Path) -> Policy:
    from peft import PeftModel

    policy = load_policy(load(config), "at", where if (where / "config.json").exists() else None)
    if (where / "adapter_config.json").exists():
        PeftModel.from_pretrained(policy.model, str(where))
    return policy


def test_an_evaluation_on_the_way_is_of_the_weights_of_its_step(finished, config):
    for step in range(1, STEPS):
        policy = policy_at(finished, config, finished / "checkpoints" / f"checkpoint-{step}")
        drawn = rows_of(finished, f"step-{step}")
        assert len(drawn) == PROBLEMS * SAMPLES
        for row in drawn:
            assert row.logprobs[f"step-{step}"] == pytest.approx(nats(policy, row), abs=1e-3)
        assert (
            sum(abs(row.logprobs[f"step-{step}"] - row.logprobs["base"]) for row in drawn) / len(drawn) > 0.1
        )


def test_base_and_tuned_are_of_their_files(finished, config):
    for name, where in (("base", config.parent / "base"), ("tuned", finished / "model")):
        policy = policy_at(finished, config, where)
        for row in rows_of(finished, name):
            assert row.logprobs[name] == pytest.approx(nats(policy, row), abs=1e-3)


def test_training_rows_carry_the_log_probabilities_that_the_trainer_finds(finished):
    for number, row in enumerate(read_metrics(finished / "metrics.jsonl"), start=1):
        drawn = rows_of(finished, f"train-{number:06d}")
        assert all(r.logprobs[f"step-{number - 1}"] < -0.1 for r in drawn)
        assert 0 < row["drift/token_mean"] < 1e-4
        assert row["sampler/ratio"] == pytest.approx(1, abs=1e-3) and row["sampler/masked_share"] == 0


def test_stop_strings_and_the_end_token_end_completions(finished, config):
    end = load_policy(load(config), "base").stop_ids
    for name in ("base", "step-1", "train-000001"):
        drawn = rows_of(finished, name)
        assert any(STOP in row.trace for row in drawn)
        for row in drawn:
            assert STOP not in row.trace[:-1]
            assert row.token_ids and not set(end) & set(row.token_ids[:-1])


def test_a_seed_gives_the_same_row_again(config, tmp_path):
    """Whatever is drawn beside it."""
    from contextlib import closing

    from rlvr.sampling import SampleRequest, load_sampler

    os.environ.update(CPU)
    with closing(load_sampler(load(config), "base")) as sampler:
        prompts = sampler.policy.encode(["1+7=", "2+7="])
        requests = [SampleRequest(i % 2, 2**62 + i) for i in range(12)]
        ended: list[int] = []
        first = sampler.generate(prompts, requests, lambda i, _: ended.append(i))
        again = sampler.generate(prompts, requests[::-1])[::-1]
        assert sorted(ended) == list(range(12))
        assert [c.token_ids for c in first] == [c.token_ids for c in again]
        assert len({tuple(c.token_ids) for c in first}) > 6
