"""A verifier as a reward function of TRL's own trainer, without anything of ours around it."""

import json
import re
import shlex

import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr.cli import main
from rlvr.rollouts.evaluations import read
from rlvr.worlds import carry
from tests.conftest import REPO
from verifiers import as_trl_reward


def test_trl_trains_with_a_verifier(tmp_path):
    problems = carry.problems("train", 4)
    rows = {"prompt": [p.prompt for p in problems], "reference": [p.reference for p in problems]}
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(carry.TINY),
        reward_funcs=as_trl_reward("math"),
        args=GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=1,
            num_generations=16,
            per_device_train_batch_size=64,
            max_completion_length=32,
            report_to="none",
            use_cpu=True,
            bf16=False,
            logging_steps=1,
            seed=0,
        ),
        train_dataset=Dataset.from_dict(rows),
        processing_class=AutoTokenizer.from_pretrained(carry.TINY),
    )
    trainer.train()
    reward = trainer.state.log_history[0]["reward"]
    assert 0 < reward < 1  # the base is right in about one of ten


def test_the_example_of_the_docs_ends_in_a_report(tmp_path, monkeypatch):
    python, shell = re.findall(
        r"```(?:python|sh)\n(.*?)```", (REPO / "docs" / "trl.md").read_text(), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(python, "docs/trl.md", "exec"), {})
    assert main(shlex.split(shell)[1:]) == 0
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    counts = {name: policy["n_samples"] for name, policy in document["policies"].items()}
    assert counts == {"base": 4 * 32, "tuned": 4 * 32}
    assert 0 < document["policies"]["base"]["pass_at_k"]["1"]["value"] < 1
    for name, step in (("base", 1), ("tuned", 4)):  # what TRL wrote, as it lies
        (file,) = read(tmp_path / "trl-run" / "completions" / f"completions_{step:05d}.parquet", name)
        assert set(file.samples.n.tolist()) == {32}
        rate = float((file.samples.c / file.samples.n).mean())
        assert rate == pytest.approx(document["policies"][name]["pass_at_k"]["1"]["value"], rel=0, abs=1e-9)
