"""Weights of which each process holds a part, FSDP2 and ZeRO-3 over gloo: the same rows, figures and weights as two
whole copies."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rlvr import rollouts
from rlvr.run import read_metrics
from tests.test_processes import launch, moved, same_metrics

pytestmark = pytest.mark.slow

FSDP_ON_A_CPU = """
from accelerate import state

begin = state.AcceleratorState.__init__

def with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
    fresh = "fsdp_plugin" not in state.AcceleratorState._shared_state
    begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fresh and fsdp_plugin is not None and self.distributed_type == state.DistributedType.MULTI_CPU:
        self.distributed_type, self.fsdp_plugin = state.DistributedType.FSDP, fsdp_plugin
        state.PartialState._shared_state["distributed_type"] = state.DistributedType.FSDP

state.AcceleratorState.__init__ = with_fsdp
"""
"""accelerate takes FSDP for GPUs only, though torch's `fully_shard` runs over gloo: as `sitecustomize` it is let."""

FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}
ZERO_3 = {
    "zero_optimization": {
        "stage": 3,
        "stage3_param_persistence_threshold": 0,  # else a tiny model's weights stay whole
        "stage3_gather_16bit_weights_on_model_save": True,
    },
    "zero_allow_untested_optimizer": True,
    "train_micro_batch_size_per_gpu": 1,
    "gradient_accumulation_steps": 1,
}
# where the gradient is far below epsilon, AdamW's step is nearly linear in it, and does not blow up what rounding does
WORDS = [
    "train.steps=8", "train.groups_per_step=4", "train.group_size=4", "train.eval_every=4", "train.eval_samples=4",
    "train.trl.adam_epsilon=0.1", "train.learning_rate=0.1", "train.trl.max_grad_norm=0", "train.checkpoint_every=3",
    "sampling.samples=4", "analysis.search_budget=2", "analysis.replicates=200", "problems.heldout.limit=9",
    "problems.probes={}", "verification.workers=1", "-q",
]  # fmt: skip
KINDS = {
    "all weights": [],
    "kl": ["train.trl.beta=0.1"],
    "lora": ["train.adapter.kind=lora", "train.adapter.r=4"],
    "ppo": ["train.algorithm=ppo"],
}


def environment(engine: str, folder: Path) -> dict[str, str]:
    """What a launcher of this engine would set."""
    if engine == "fsdp2":
        (folder / "sitecustomize.py").write_text(FSDP_ON_A_CPU)
        return FSDP2 | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    if engine == "zero3":
        if importlib.util.find_spec("deepspeed") is None:
            pytest.skip("deepspeed is not installed")
        (folder / "deepspeed.json").write_text(json.dumps(ZERO_3))
        return {
            "ACCELERATE_USE_DEEPSPEED": "true",
            "ACCELERATE_DEEPSPEED_CONFIG_FILE": str(folder / "deepspeed.json"),
            "DS_ACCELERATOR": "cpu",
        }
    return {}


def run(folder: Path, engine: str, *more: str, verb: str = "run") -> Path:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [*launch(2), verb, "quickstart", "--output", str(folder / "run"), *WORDS, *more],
        env=os.environ | environment(engine, folder),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder / "run"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """By kind: a run in which both processes hold all weights, made when it is first asked for."""
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = run(tmp_path_factory.mktemp("whole"), "ddp", *KINDS[kind])
        return made[kind]

    return of


@pytest.mark.parametrize("engine", ["fsdp2", "zero3"])
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_weights_do_what_whole_ones_do(whole, tmp_path, engine, kind):
    sharded = run(tmp_path / "sharded", engine, *KINDS[kind])
    expected = whole(kind)
    names = sorted(path.name for path in expected.glob("rollouts/*.jsonl"))
    assert {"base.jsonl", "train-000008.jsonl", "step-4.jsonl", "tuned.jsonl"} <= set(names)
    for name in names:
        one, two = (list(rollouts.read(folder / "rollouts" / name)) for folder in (expected, sharded))
        assert [(r.problem_id, r.sample, r.token_ids) for r in one] == [
            (r.problem_id, r.sample, r.token_ids) for r in two
        ], name
    same_metrics(expected, sharded)
    norms = [row["gradient_norm"] for row in read_metrics(sharded / "metrics.jsonl")]
    assert max(norms) > 0
    assert kind != "all weights" or min(norms) == 0  # a step in which no process has anything to learn from
    change = moved(expected)
    assert (change - moved(sharded)).norm() / change.norm() < 1e-4
    goes_on(sharded, engine, *KINDS[kind])


def goes_on(finished: Path, engine: str, *more: str) -> None:
    """From the checkpoint of step 6 to the same weights, bit for bit."""
    weights = (finished / "model" / "model.safetensors").read_bytes()
    assert (finished / "checkpoints" / "checkpoint-6" / "sharded").is_dir()  # the engine was in force
    for later in ("model", "checkpoints/checkpoint-8"):
        shutil.rmtree(finished / later)
    drawn = {n: (finished / "rollouts" / f"train-{n:06d}.jsonl").stat().st_mtime_ns for n in (6, 7)}
    run(finished.parent, engine, *more, verb="train")
    again = {n: (finished / "rollouts" / f"train-{n:06d}.jsonl").stat().st_mtime_ns for n in (6, 7)}
    assert again[6] == drawn[6] and again[7] > drawn[7]
    assert (finished / "model" / "model.safetensors").read_bytes() == weights


RUINED = ["train.learning_rate=0.3", "train.trl.adam_epsilon=1e-8", "train.trl.lr_scheduler_type=constant"]


@pytest.mark.parametrize("engine", ["fsdp2", "zero3"])
def test_sharded_weights_of_the_best_checkpoint_are_the_model(tmp_path, engine):
    """A step of this learning rate ruins the model, so the first of its evaluations is the best."""
    ends = ["train.steps=2", "train.eval_every=1", "train.keep=best", "train.eval_samples=2"]
    best = run(tmp_path / "best", engine, *RUINED, *ends, verb="train")
    first = run(tmp_path / "first", engine, *RUINED, "train.steps=1", verb="train")
    assert json.loads((best / "run.json").read_text())["model"]["step"] == 1
    one, other = ((folder / "model" / "model.safetensors").read_bytes() for folder in (best, first))
    assert one == other
