"""The real thing: the command line, the embedded model, real verifiers, real files."""

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from rlvr import rollouts
from rlvr.cli import main
from rlvr.errors import RunError
from rlvr.run import read_metrics
from rlvr.worlds.carry import TINY

SHORT = [
    "train.steps=4", "train.groups_per_step=4", "train.group_size=4", "train.eval_every=2", "train.eval_samples=4",
    "train.checkpoint_every=2", "sampling.samples=16", "analysis.search_budget=8", "analysis.replicates=200",
    "problems.heldout.limit=24", "problems.probes.rare.limit=2", "problems.probes.unreachable.limit=2",
    "verification.workers=1",
]  # fmt: skip


def rlvr(*words: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rlvr", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **kwargs,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """What a run's result is: every rollout, the metrics that are no timings, the weights."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob("rollouts/*.jsonl"))}
    timeless = [
        {k: v for k, v in row.items() if not k.startswith("seconds") and k != "tokens_per_second"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]
    found["metrics"] = json.dumps(timeless).encode()
    found["weights"] = (folder / "model" / "model.safetensors").read_bytes()
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A short run of the quickstart, untouched from begin to end, in a process of its own."""
    folder = tmp_path_factory.mktemp("untouched") / "run"
    done = rlvr("run", "quickstart", "--output", str(folder), *SHORT)
    assert done.returncode == 0, done.stderr
    (folder.parent / "stdout").write_text(done.stdout)
    return folder


def test_a_run_folder_holds_what_the_contract_says(finished):
    for name in (
        "config.yaml",
        "metrics.jsonl",
        "report.html",
        "report.json",
        "log.txt",
        "checkpoints",
        "model",
    ):
        assert (finished / name).exists(), name
    expected = ["base", "tuned", "step-2", "base.rare", "tuned.rare", "base.unreachable", "tuned.unreachable"]
    for name in [*expected, *(f"train-{step:06d}" for step in range(1, 5))]:
        assert (finished / "rollouts" / f"{name}.jsonl").stat().st_size > 0, name


def test_every_problem_has_its_samples_once_with_both_logprobs(finished):
    for name in ("base", "tuned"):
        rows = list(rollouts.read(finished / "rollouts" / f"{name}.jsonl"))
        assert len({(r.problem_id, r.sample) for r in rows}) == len(rows) == 24 * 16
        assert all(r.logprobs.keys() == {"base", "tuned"} and max(r.logprobs.values()) < 0 for r in rows)
        assert all(r.status and r.verifier for r in rows)


def test_metrics_have_a_line_per_step(finished):
    rows = read_metrics(finished / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        shares = [v for k, v in row.items() if k.startswith("status/")]
        assert sum(shares) == pytest.approx(1)
        assert (
            row["samples"] == 16
            and row["seconds/sampling"] > 0
            and "entropy" in row
            and "clipped_share" in row
        )
    assert "eval/pass@1" in rows[1] and "eval/pass@1" not in rows[0]


def test_the_report_says_what_the_rollouts_say(finished):
    report = json.loads((finished / "report.json").read_text())
    rows = list(rollouts.read(finished / "rollouts" / "base.jsonl"))
    mean = sum(r.score or 0 for r in rows) / len(rows)
    assert report["policies"]["base"]["pass_at_k"]["1"]["value"] == pytest.approx(mean)
    assert report["comparison"]["compression"]["search_budget"] == 8
    assert report["comparison"]["replicates"] == report["analysis"]["replicates"] == 200
    page = (finished / "report.html").read_text()
    assert "<script src=" not in page and 'http-equiv="Content-Security-Policy"' in page
    assert str(finished / "report.html") in (finished.parent / "stdout").read_text()


def test_the_model_loads_with_transformers(finished):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(finished / "model")
    assert sum(p.numel() for p in model.parameters()) <= 900_000
    assert AutoTokenizer.from_pretrained(finished / "model").eos_token_id is not None


def test_the_same_command_again_does_nothing_over(finished):
    before = contents(finished)
    stamps = {p: p.stat().st_mtime_ns for p in finished.glob("rollouts/*.jsonl")}
    assert main(["run", "quickstart", "--output", str(finished), *SHORT, "-q"]) == 0
    assert contents(finished) == before
    assert {p: p.stat().st_mtime_ns for p in finished.glob("rollouts/*.jsonl")} == stamps


def test_another_configuration_in_the_same_folder_is_refused(finished, capsys):
    assert main(["run", "quickstart", "--output", str(finished), *SHORT, "train.learning_rate=0.001"]) == 2
    assert "train.learning_rate: 0.0003 / 0.001" in capsys.readouterr().err


@pytest.mark.parametrize(
    "sign",
    [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)],
    ids=["killed", "interrupted"],
)
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("rollouts/base.jsonl", marks=pytest.mark.slow),
        pytest.param("rollouts/train-000003.jsonl", marks=pytest.mark.slow),
        pytest.param("rollouts/tuned.jsonl", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_goes_on_and_ends_the_same(finished, tmp_path, sign, moment):
    command = ["run", "quickstart", "--output", str(tmp_path / "run"), *SHORT]
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *command], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / moment).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, "the run ended before it could be stopped"
    process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    if sign == signal.SIGINT:
        assert process.returncode == 130
        assert "To continue where it stopped: rlvr run quickstart" in said and "Traceback" not in said
    assert rlvr(*command).returncode == 0
    assert contents(tmp_path / "run") == contents(finished)


BAD = {
    "unknown key": (["run", "quickstart", "train.stepz=1"], "did you mean 'steps'"),
    "wrong type": (["run", "quickstart", "train.steps=x"], "train.steps"),
    "no such config": (["run", "nowhere.yaml"], "no such config file"),
    "no such verifier": (["run", "quickstart", "verifier=maths"], "math"),
    "no such option": (["run", "quickstart", "verifier_options={strictness: 3}"], "strictness"),
    "no such model folder": (["run", "quickstart", "model=./nowhere"], "./nowhere"),
    "not a model folder": (["run", "quickstart", "model=HERE"], "config.json"),
    "missing column": (
        ["run", "quickstart", "problems.heldout={file: HERE/rows.jsonl, prompt: question}"],
        "question",
    ),
    "empty split": (["run", "quickstart", "problems.heldout={file: HERE/empty.jsonl}"], "empty.jsonl"),
    "duplicate ids": (
        ["run", "quickstart", "problems.heldout={file: HERE/twice.jsonl, id: id}"],
        "twice.jsonl",
    ),
    "no such file": (["run", "quickstart", "problems.heldout={file: HERE/none.jsonl}"], "none.jsonl"),
    "overlap": (["run", "quickstart", "problems.heldout={world: train, limit: 3}"], "3"),
    "foreign folder": (["run", "quickstart", "--output", "HERE"], "this output folder holds something else"),
    "trl field": (["run", "quickstart", "--output", "HERE/new", "train.trl.bta=1"], "did you mean 'beta'"),
    "no such rollouts": (["report", "HERE/a.jsonl", "HERE/b.jsonl"], "a.jsonl"),
    "torn scores": (["score", "HERE/torn.jsonl", "--verifier", "math"], "torn.jsonl"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_on_one_screen_before_a_model_is_loaded(case, tmp_path, monkeypatch, capsys):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1+1=", "reference": "2"}\n')
    (tmp_path / "twice.jsonl").write_text('{"id": "a", "prompt": "1+1=", "reference": "2"}\n' * 2)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "torn.jsonl").write_text('{"response": "2", "reference": "2"}\n{"response": 3, \n{}\n')
    monkeypatch.chdir(tmp_path)  # where no quickstart has been run
    import rlvr.policy

    def no_model(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(rlvr.policy, "load_policy", no_model)
    words, message = BAD[case]
    code = main([word.replace("HERE", str(tmp_path)) for word in words])
    said = capsys.readouterr().err
    assert code == 2
    assert message in said
    assert "Traceback" not in said and len(said.splitlines()) <= 24


def test_debug_shows_the_traceback():
    from rlvr.errors import UserError

    with pytest.raises(UserError):
        main(["--debug", "run", "nowhere.yaml"])


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from rlvr.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'numpy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_eval_alone(tmp_path, capsys):
    out = tmp_path / "e.jsonl"
    words = ["eval", "tiny", "--config", "quickstart", "--output", str(out), "sampling.samples=4",
             "analysis.search_budget=2", "problems.heldout.limit=5", "sampling.temperature=0", "-q"]  # fmt: skip
    assert main(words) == 0
    rows = list(rollouts.read(out))
    assert len(rows) == 20 and len({r.trace for r in rows}) == 5
    assert main([*words, "sampling.max_new_tokens=3"]) == 2
    assert "max_new_tokens: 32 there, 3 asked for" in capsys.readouterr().err


def test_check_config_says_what_the_run_would_use(tmp_path, capsys):
    assert main(["check", "quickstart", "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "128 held out" in said and "verifier math" in said


def test_check_names_the_machine(capsys):
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    for word in ("torch", "device", "sandbox", "verifier", "disk", "shadowed"):
        assert word in said


def test_score_reads_standard_input_and_writes_standard_output():
    row = json.dumps({"id": "1", "response": "so \\boxed{0.5}", "reference": "1/2"})
    done = rlvr("score", "-", "--verifier", "math", input=row + "\n", env=os.environ)
    assert done.returncode == 0, done.stderr
    scored = json.loads(done.stdout)
    assert scored["score"] == 1.0 and scored["status"] == "correct" and scored["id"] == "1"


def test_a_run_without_any_signal_ends_with_the_base(tmp_path):
    words = ["train", "quickstart", "--output", str(tmp_path / "run"), "-q", "train.steps=2", "train.groups_per_step=4",
             "train.group_size=4", "train.rows_per_micro_step=4", "train.reward=random", "train.random_rate=1e-9",
             "problems.probes={}", "problems.heldout.limit=8"]  # fmt: skip
    assert main(words) == 0
    assert [row["groups/dead"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [4, 4]
    tuned = (tmp_path / "run" / "model" / "model.safetensors").read_bytes()
    assert tuned == (TINY / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_nothing_of_the_trainer_is_left_when_the_tuned_policy_is_loaded(tmp_path, monkeypatch):
    """Model and optimiser, and the engine that sampled the base: a device may have room for one of them."""
    from rlvr import sampling
    from rlvr.sampling.engine import TransformersSampler
    from rlvr.training import build

    held: list[weakref.ref] = []
    closed: list[str] = []
    make, load, close = build.build, sampling.load_sampler, TransformersSampler.close

    def building(*given, **more):
        loop = make(*given, **more)
        held.extend(map(weakref.ref, (loop, loop.model, loop.optimizer, *loop.model.parameters())))
        return loop

    def closing(sampler):
        closed.append(sampler.policy.name)
        close(sampler)

    def loading(config, name, source=None):
        if name == "tuned":
            raise RunError(
                f"{sum(one() is not None for one in held)} of {len(held)} are left; closed: {closed}"
            )
        return load(config, name, source)

    monkeypatch.setattr(build, "build", building)
    monkeypatch.setattr(sampling, "load_sampler", loading)
    monkeypatch.setattr(TransformersSampler, "close", closing)
    few = ["train.steps=1", "train.eval_every=0", "sampling.samples=2", "analysis.search_budget=1"]
    few += ["problems.heldout.limit=2", "problems.probes={}", "verification.workers=1"]
    few += ["train.groups_per_step=2", "train.group_size=4"]
    assert main(["run", "quickstart", "--output", str(tmp_path / "run"), *few]) == 3
    found = json.loads((tmp_path / "run" / "run.json").read_text())["failed"]
    assert len(held) > 10 and found == f"0 of {len(held)} are left; closed: ['base']"
