"""Several processes over gloo: whole copies (DDP), parts of the optimiser (ZeRO-2), parts of every weight (FSDP2,
ZeRO-3). The same rows, figures and weights as without shards."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from rlvr import rollouts
from rlvr.policy import load_policy
from rlvr.run import read_metrics
from rlvr.training.export import logits
from rlvr.worlds.carry import TINY
from tests.conftest import REPO, quickstart_config
from tests.test_processes import launch, moved, same_metrics

pytestmark = pytest.mark.slow

FSDP_ON_A_CPU = """
from accelerate import state

begin, begin_training = state.PartialState.__init__, state.AcceleratorState.__init__

def with_type(self, *args, **kwargs):
    begin(self, *args, **kwargs)
    if self.distributed_type == state.DistributedType.MULTI_CPU:
        self.distributed_type = state.DistributedType.FSDP

def with_plugin(self, *args, fsdp_plugin=None, **kwargs):
    begin_training(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        self.fsdp_plugin = fsdp_plugin

state.PartialState.__init__, state.AcceleratorState.__init__ = with_type, with_plugin
"""
"""accelerate takes FSDP for GPUs only, though torch's `fully_shard` runs over gloo: as `sitecustomize` it is let."""

STAGES: dict[str, dict[str, object]] = {
    "zero2": {"stage": 2},
    "zero3": {
        "stage": 3,
        "stage3_param_persistence_threshold": 0,  # else a tiny model's weights stay whole
        "stage3_gather_16bit_weights_on_model_save": True,
    },
}
DEEPSPEED = {
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
FEW = ["train.steps=5"]
KINDS = {
    "all weights": [],
    "kl": [*FEW, "train.trl.beta=0.1"],
    "lora": [*FEW, "train.adapter.kind=lora", "train.adapter.r=4"],
    "ppo": [*FEW, "train.algorithm=ppo"],
}


IN_FORCE = {"ddp": "DDP", "fsdp2": "FSDP2", "zero2": "DeepSpeed", "zero3": "DeepSpeed"}
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def verb(kind: str) -> str:
    """Evaluations before and after are the same for all kinds; those on the way are in each."""
    return "run" if kind == "all weights" else "train"


def command(engine: str, *words: str) -> list[str]:
    """One process; two that `rlvr` starts; or two that a launcher starts, which do every phase together."""
    if engine in STAGES:
        return [*TWO, "-m", "rlvr", *words]
    if engine != "fsdp2":  # which `rlvr` itself refuses on a CPU
        return launch(1 if engine == "one" else 2, *words)
    settings = [
        "--config_file",
        str(REPO / "configs" / "accelerate" / "fsdp2.yaml"),
        "--main_process_port",
        "0",
    ]
    return [sys.executable, "-m", "accelerate.commands.launch", *settings, "-m", "rlvr", *words]


def environment(engine: str, folder: Path) -> dict[str, str]:
    """What the machine has, and what the file of this engine leaves to others."""
    if engine == "fsdp2":
        (folder / "sitecustomize.py").write_text(FSDP_ON_A_CPU)
        return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    if engine in STAGES:
        if importlib.util.find_spec("deepspeed") is None:
            pytest.skip("deepspeed is not installed")
        (folder / "deepspeed.json").write_text(json.dumps(DEEPSPEED | {"zero_optimization": STAGES[engine]}))
        return {
            "ACCELERATE_USE_DEEPSPEED": "true",
            "ACCELERATE_DEEPSPEED_CONFIG_FILE": str(folder / "deepspeed.json"),
            "DS_ACCELERATOR": "cpu",
        }
    return {}


def run(folder: Path, engine: str, *more: str, verb: str) -> Path:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command(engine, verb, "quickstart", "--output", str(folder / "run"), *WORDS, *more),
        env=os.environ | environment(engine, folder),
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder / "run"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run by its engine and words, made when it is first asked for."""
    found: dict[tuple[str, ...], Path] = {}

    def of(engine: str, *more: str, verb: str) -> Path:
        if (key := (engine, verb, *more)) not in found:
            found[key] = run(tmp_path_factory.mktemp(engine), engine, *more, verb=verb)
        return found[key]

    return of


THREE = ["train.steps=3", "train.eval_every=0", "train.checkpoint_every=2"]
TRAINED = {"all weights": THREE, "lora": [*THREE, "train.adapter.kind=lora", "train.adapter.r=4"]}


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("engine", ["ddp", "fsdp2", "zero2", "zero3"])
def test_three_steps_move_the_weights_as_one_process_does(made, tmp_path, capsys, engine, kind):
    expected = moved(made("one", *TRAINED[kind], verb="train"))
    finished = run(tmp_path / engine, engine, *TRAINED[kind], verb="train")
    apart = float((moved(finished) - expected).norm() / expected.norm())
    with capsys.disabled():
        print(f"\n{engine}, {kind}: the change after three steps differs by {apart:.1e} of it")
    assert expected.norm() > 0 and apart < 1e-4
    loads(finished / "checkpoints" / "checkpoint-3", finished / "model")
    assert f"Processes: {IN_FORCE[engine]}, 2 processes, gloo" in (finished / "log.txt").read_text()
    if engine == "zero2":  # the others go on below, and in tests/test_processes.py
        goes_on(finished, engine, 3, *TRAINED[kind])


@pytest.mark.parametrize("engine", ["fsdp2", "zero3"])
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_weights_do_what_whole_ones_do(made, tmp_path, engine, kind):
    sharded = run(tmp_path / "sharded", engine, *KINDS[kind], verb=verb(kind))
    expected = made("ddp", *KINDS[kind], verb=verb(kind))
    names = sorted(path.name for path in expected.glob("rollouts/*.jsonl"))
    steps = 8 if kind == "all weights" else 5
    evaluated = {"base.jsonl", "tuned.jsonl"} if verb(kind) == "run" else set()
    assert {f"train-{steps:06d}.jsonl", "step-4.jsonl", *evaluated} <= set(names)
    for name in names:
        one, two = (list(rollouts.read(folder / "rollouts" / name)) for folder in (expected, sharded))
        assert [(r.problem_id, r.sample, r.token_ids) for r in one] == [
            (r.problem_id, r.sample, r.token_ids) for r in two
        ], name
    same_metrics(expected, sharded)
    norms = [row["gradient_norm"] for row in read_metrics(sharded / "metrics.jsonl")]
    assert max(norms) > 0
    assert kind != "all weights" or min(norms) == 0  # a step in which no process has anything to learn from
    far = moved(expected)
    assert (far - moved(sharded)).norm() / far.norm() < 1e-4
    loads(sharded / "checkpoints" / f"checkpoint-{steps}", sharded / "model")
    goes_on(sharded, engine, steps, *KINDS[kind])


def test_fsdp_that_accelerate_would_leave_out_is_refused(tmp_path):
    """On a CPU it runs whole copies in place of shards, and says nothing."""
    words = command("fsdp2", "check", "quickstart", "--output", str(tmp_path / "run"))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("rlvr: the launcher's configuration asks for FSDP2, which accelerate takes") == 2


def loads(checkpoint: Path, model: Path) -> None:
    """As an evaluation or an export loads it, what lies in parts is there whole too, and is the model; in this process,
    which had no part in the run."""
    base, model_weights = (load_file(folder / "model.safetensors") for folder in (TINY, model))
    assert {n: w.shape for n, w in base.items()} == {n: w.shape for n, w in model_weights.items()}
    assert all(weight.isfinite().all() for weight in model_weights.values())
    whole, exported = (load_policy(quickstart_config(), "again", path) for path in (checkpoint, model))
    assert (logits(whole) - logits(exported)).abs().max() < 1e-4


def goes_on(finished: Path, engine: str, steps: int, *more: str) -> None:
    """From the checkpoint before the last one to the same weights, bit for bit."""
    weights = (finished / "model" / "model.safetensors").read_bytes()
    saved = [int(path.name.rpartition("-")[2]) for path in (finished / "checkpoints").glob("checkpoint-*")]
    before = max(step for step in saved if step < steps)
    assert (finished / "checkpoints" / f"checkpoint-{before}" / "sharded").is_dir()  # the engine was in force
    for later in ("model", f"checkpoints/checkpoint-{steps}"):
        shutil.rmtree(finished / later)
    files = [finished / "rollouts" / f"train-{n:06d}.jsonl" for n in (before, before + 1)]
    kept, dropped = (file.stat().st_mtime_ns for file in files)
    run(finished.parent, engine, *more, verb="train")
    assert files[0].stat().st_mtime_ns == kept and files[1].stat().st_mtime_ns > dropped
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
