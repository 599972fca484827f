"""What trackers get (W&B, TensorBoard, trackio and whatever else accelerate knows): every figure of metrics.jsonl under
its own name, alarms in words, samples to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from trl.trainer.grpo_config import GRPOConfig

from rlvr import rollouts
from rlvr.config import Config
from rlvr.run import Run, flat
from rlvr.text import number

RUN_NAME = {
    "wandb": "name",
    "trackio": "name",
    "mlflow": "run_name",
    "swanlab": "experiment_name",
    "clearml": "task_name",
}
"""Under which word a tracker takes the run's name; TensorBoard has the folder's."""
READS_TEXT = ("tensorboard", "wandb", "trackio")
"""The others get numbers alone."""
SAMPLES, EVERY = 8, 10
"""Samples that a tracker is shown, each of another problem; steps between those of training."""
COLUMNS = ("problem", "reference", "response", "answer", "verdict", "score")


def begin(accelerator: Accelerator, config: Config, args: GRPOConfig, run: Run, done: int) -> None:
    """Start the trackers of `train.trl.report_to` under the run folder's name (`train.trl.run_name` goes before it), in
    the project `train.trl.project`.

    Args:
        done: steps that are in a tracker already; what it has of later ones is hidden, where it can do that.
    """
    name = args.run_name or run.folder.name
    settings: dict[str, dict[str, Any]] = {tracker: {word: name} for tracker, word in RUN_NAME.items()}
    settings["tensorboard"] = {"purge_step": done + 1}
    accelerator.init_trackers(args.project, init_kwargs=settings)
    keys = flat(config.model_dump(mode="json"), lists=True)
    for tracker in accelerator.trackers:
        if tracker.name != "tensorboard":  # which makes a folder of it, one more with each launch
            tracker.store_init_configuration(
                {
                    key: value if isinstance(value, int | float | str) else str(value)
                    for key, value in keys.items()
                }
            )


def tracker(accelerator: Accelerator, folder: Path) -> Callable[[dict[str, Any]], None]:
    """Hands on each line of metrics.jsonl, and samples of its step.

    Args:
        folder: of the rollouts.
    """

    def track(line: dict[str, Any]) -> None:
        step = line["step"]
        for one in accelerator.trackers:
            values = {k: v for k, v in line.items() if isinstance(v, int | float) and k != "step"}
            if one.name in READS_TEXT:
                values |= texts(line)
            one.log(values, step=step)
        if accelerator.trackers and accelerator.is_main_process:
            for title, file in shown(line, folder):
                show(accelerator, title, file, step)

    return track


def texts(line: dict[str, Any]) -> dict[str, str]:
    """What a line says in words."""
    said = {f"alarms/{name}": words for name, words in line.get("alarms", {}).items()}
    return said | ({"stopped": line["stopped"]} if "stopped" in line else {})


def shown(line: dict[str, Any], folder: Path) -> Iterator[tuple[str, Path]]:
    """The files whose samples are shown after a step: those of an evaluation, now and then those it trained on."""
    step = line["step"]
    if "eval/samples" in line:
        yield "samples/held-out", folder / f"step-{step}.jsonl"
    if step % EVERY == 1 and (file := folder / f"train-{step:06d}.jsonl").exists():
        yield "samples/training", file


def show(accelerator: Accelerator, title: str, file: Path, step: int) -> None:
    """Samples as a table, or as text where there are no tables."""
    rows = list(samples(file))
    for one in accelerator.trackers:
        if hasattr(one, "log_table"):
            one.log_table(title, columns=list(COLUMNS), data=rows, step=step)
        elif one.name == "tensorboard":
            one.log({title: "\n\n".join(map(markdown, rows))}, step=step)


def samples(file: Path) -> Iterator[list[str]]:
    """A row of `COLUMNS` for the first sample of each of the first problems in a rollout file."""
    seen = set[str]()
    fresh = (row for row in rollouts.read(file) if not (row.problem_id in seen or seen.add(row.problem_id)))
    for row in islice(fresh, SAMPLES):
        answer = "" if row.answer is None else row.answer
        yield [row.problem_id, str(row.reference), row.trace, answer, row.status, number(row.score)]


def markdown(row: list[str]) -> str:
    """One sample as TensorBoard's text view shows it: what the policy wrote is indented, so that it stays text."""
    problem, reference, response, answer, verdict, score = row
    text = "\n".join(f"    {line}" for line in response.splitlines() or [""])
    return f"**{problem}**: {verdict}, score {score}, answer `{answer}`, reference `{reference}`\n\n{text}"
