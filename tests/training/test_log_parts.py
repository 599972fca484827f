"""A step's line from its end to the file, what a pass does when memory ends, and the distance of a teacher: by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate.utils import DistributedType

from rlvr.config import TrainConfig
from rlvr.errors import ConfigError, RunError
from rlvr.training.alarms import Alarms
from rlvr.training.distill import Distillation
from rlvr.training.held_out import HeldOut
from rlvr.training.importance import Tokens
from rlvr.training.metrics_log import MetricsLog
from rlvr.training.pass_size import PassSize, kept
from rlvr.training.sharding import configure_deepspeed, sharded, zero_3
from tests.conftest import quickstart_config

FIGURES = {
    "reward": 0.25, "seconds/sampling": 2.0, "seconds/verifying": 0.5, "loss": math.nan, "samples": 8.0,
    "correct_share": 0.25, "frac_zero_variance": 0.0,
}  # fmt: skip


def log(
    folder: Path, evaluate: Any = lambda step: {}, **train: Any
) -> tuple[MetricsLog, dict[str, list[Any]]]:
    told: dict[str, list[Any]] = {"advance": [], "say": [], "track": [], "hook": []}
    config = quickstart_config(train=TrainConfig.model_validate(train))
    hook: Any = SimpleNamespace(
        on_step=lambda line: told["hook"].append(("step", line["step"])),
        on_evaluation=lambda step, found: told["hook"].append(("evaluation", step, found)),
    )
    made = MetricsLog(
        folder / "metrics.jsonl",
        lambda n, note, now: told["advance"].append((n, note, now)),
        told["say"].append,
        evaluate,
        told["track"].append,
        Alarms(config.train),
        HeldOut(config),
        [hook],
    )
    return made, told


def lines(made: MetricsLog) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.file.read_text().splitlines()] if made.file.exists() else []


def test_a_line_is_written_once_its_evaluation_is_there(tmp_path):
    made, told = log(tmp_path, lambda step: {"eval/pass@1": 0.5} if step == 2 else {})
    made.write(1, FIGURES, 4.0)
    assert lines(made) == [] and made.state_dict()["pending"]["step"] == 1
    made.finish()
    made.finish()  # nothing is pending any more
    made.write(2, FIGURES | {"reward": math.nan}, 3.0)
    made.finish()
    first, second = lines(made)
    assert first["seconds/step"] == 4.0 and first["seconds/update"] == 1.5 and first["loss"] is None
    assert second["reward"] is None and second["eval/pass@1"] == 0.5 and "eval/pass@1" not in first
    assert told["advance"] == [(1, "reward 25.0", False), (1, "reward –, held-out 50.0", True)]
    assert told["track"] == [first, second] and made.last == second and made.pending is None
    assert told["hook"] == [("step", 1), ("step", 2), ("evaluation", 2, {"eval/pass@1": 0.5})]


def test_a_resumed_run_finishes_the_line_that_was_pending(tmp_path):
    made, _ = log(tmp_path)
    made.write(7, FIGURES, 4.0)
    again, _ = log(tmp_path, lambda step: {"eval/pass@1": step / 10})
    again.load_state_dict(json.loads(json.dumps(made.state_dict())))
    again.finish()
    assert [(line["step"], line["eval/pass@1"]) for line in lines(again)] == [(7, 0.7)]


def _odd(line: Mapping[str, Any]) -> str | None:
    return "it is odd" if line["step"] % 2 else None


def test_what_a_line_calls_for_is_in_it_and_is_said(tmp_path):
    made, told = log(tmp_path, lambda step: {"eval/pass@1": 0.9}, eval_every=1, stop={"at": 0.9})
    made.alarms.kinds = {"odd": _odd}
    made.write(1, FIGURES, 4.0)
    made.finish()
    (line,) = lines(made)
    assert line["alarms"] == {"odd": "it is odd"} and line["stopped"].startswith("held-out pass@1 is 90.0")
    assert told["say"][0] == "Alarm at step 1: it is odd"
    assert told["say"][1].startswith("Training stops early, after step 1: held-out pass@1 is 90.0")


# ------------------------------------------------------------------ passes


def test_where_memory_ends_half_as_many_samples_are_read_and_that_is_kept(tmp_path):
    file, said, tries = tmp_path / "pass_size.json", list[str](), list[int]()
    size = PassSize(7, file, said.append)

    def work() -> str:
        tries.append(size.rows)
        if size.rows > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return "done"

    assert size.fitting(work) == "done" and tries == [7, 4, 2, 1] and kept(file) == 1
    assert (
        said[0]
        == "The update ran out of memory (CUDA out of memory): it is made again, with 4 samples at once"
    )
    with pytest.raises(RunError, match="an update on one sample does not fit into memory"):
        size.halve("why")
    with pytest.raises(ValueError, match="another"):
        size.fitting(lambda: (_ for _ in ()).throw(ValueError("another")))


@pytest.mark.parametrize(
    ("file", "said"), [(True, "start the same command again: 4"), (False, "rows_per_micro_step=4: 4")]
)
def test_several_processes_cannot_go_back_alone(tmp_path, monkeypatch, file, said):
    state = SimpleNamespace(num_processes=2, is_main_process=True)
    monkeypatch.setattr("rlvr.training.pass_size.processes", lambda: state)
    size = PassSize(8, tmp_path / "pass_size.json" if file else None, print)
    with pytest.raises(RunError, match=f"{said} samples at once"):
        size.halve("why")


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": 0}', '{"rows": "4"}', '{"row": 4}'])
def test_a_size_that_was_not_written_so_is_refused(tmp_path, text):
    file = tmp_path / "pass_size.json"
    assert kept(file) is None
    file.write_text(text)
    with pytest.raises(RunError, match=r"expected \{\"rows\": N\}"):
        kept(file)


# ------------------------------------------------------------------ engines


def accelerator(kind: DistributedType, stage: int = 0, **said: Any) -> Any:
    plugin = SimpleNamespace(zero_stage=stage, deepspeed_config=said)
    return SimpleNamespace(distributed_type=kind, state=SimpleNamespace(deepspeed_plugin=plugin))


def test_which_engines_hold_parts_of_the_weights():
    deepspeed = DistributedType.DEEPSPEED
    cases = [(accelerator(deepspeed, 2), False), (accelerator(deepspeed, 3), True),
             (accelerator(DistributedType.FSDP), True),
             (accelerator(DistributedType.MULTI_GPU, 3), False), (accelerator(DistributedType.NO), False)]  # fmt: skip
    for one, parts in cases:
        assert sharded(one) == parts and zero_3(one) == (parts and one.distributed_type is deepspeed)


def test_deepspeed_is_told_what_its_file_leaves_open_and_contradictions_are_named():
    told = accelerator(DistributedType.DEEPSPEED, 2, gradient_clipping="auto", other=1)
    configure_deepspeed(told, 0.7)
    assert told.state.deepspeed_plugin.deepspeed_config == {
        "gradient_clipping": 0.7, "gradient_accumulation_steps": 1, "train_micro_batch_size_per_gpu": 1, "other": 1,
    }  # fmt: skip
    for key, value in (("gradient_clipping", 1.0), ("gradient_accumulation_steps", 4)):
        with pytest.raises(ConfigError, match=f"{key} is {value}, and this run's is"):
            configure_deepspeed(accelerator(DistributedType.DEEPSPEED, 2, **{key: value}), 0.7)
    untouched = accelerator(DistributedType.MULTI_GPU, 0, gradient_clipping=3.0)
    configure_deepspeed(untouched, 0.7)
    assert untouched.state.deepspeed_plugin.deepspeed_config == {"gradient_clipping": 3.0}


# ------------------------------------------------------------------ the teacher


@pytest.mark.parametrize(
    ("direction", "sampler", "nats"),
    [
        ("forward", [-1.0, -2.0, -0.5], (-3.5 + 6.0) / 3),
        ("forward", None, None),
        ("reverse", [-1.0, -2.0, -0.5], -0.2),
    ],
)
def test_the_distance_of_the_teacher_in_nats_a_token(direction, sampler, nats):
    """Forward: log p of the teacher, which drew, minus the policy's; reverse: minus the mean advantage."""
    of: Any = SimpleNamespace(config=SimpleNamespace(direction=direction), forward=direction == "forward")
    tokens = Tokens(
        torch.tensor([0, 0, 1]),
        2,
        torch.tensor([0.1, 0.2, 0.3]),
        sampler=None if sampler is None else torch.tensor(sampler),
    )
    found = Distillation.kl(of, tokens, torch.tensor([-3.0, -2.0, -1.0], requires_grad=True))
    if nats is None:
        assert found == {}
        return
    total, count = found["teacher/kl"]
    assert float(total / count) == pytest.approx(nats) and not total.requires_grad
