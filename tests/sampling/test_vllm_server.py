"""A real server, vLLM's own: its rows have transformers' log-probabilities, and an evaluation outlives its death.

`RLVR_HTTP_SERVER` names one that was started by hand (`--logprobs-mode processed_logprobs`); else one is started here,
of random weights, where vLLM is installed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import httpx2
import pytest

from rlvr import rollouts
from rlvr.cli import main
from rlvr.config import SamplingConfig
from rlvr.policy import Policy, load_policy
from rlvr.sampling import SampleRequest
from rlvr.sampling.http import from_servers
from rlvr.sampling.score import Written, logprobs
from tests.conftest import quickstart_config
from tests.sampling.served_policy import free_port
from tests.sampling.small_llama import CPU, small_llama

pytestmark = pytest.mark.slow

GIVEN = os.environ.get("RLVR_HTTP_SERVER", "")
PROBLEMS, SAMPLES = 8, 16


class Started:
    """vLLM's server of a folder, at one port."""

    def __init__(self, model: Path) -> None:
        self.model, self.port = model, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = [
            "--model",
            str(self.model),
            "--port",
            str(self.port),
            "--dtype",
            "float32",
            "--enforce-eager",
        ]
        words += ["--logprobs-mode", "processed_logprobs", "--max-model-len", "96"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words],
            env=os.environ | CPU,
            start_new_session=True,
        )
        while True:
            assert self.process.poll() is None, "the server ended while it started"
            try:
                if httpx2.get(f"{self.url}/health").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.5)

    def kill(self) -> None:
        """With its engine's processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[Started]:
    if not find_spec("vllm"):
        pytest.skip("vLLM is not installed")
    server = Started(small_llama(tmp_path_factory.mktemp("served")))
    yield server
    server.kill()


@pytest.fixture
def url(request) -> str:
    return GIVEN or request.getfixturevalue("started").url


def policy_of(model: str) -> Policy:
    return load_policy(quickstart_config(model=model, dtype="float32"), "base")


def test_it_says_what_transformers_says(url):
    (model,) = httpx2.get(f"{url}/v1/models").json()["data"]
    policy = policy_of(model["root"])
    prompts = policy.encode(["37+48=", "5+6=", "The capital of France is"])
    asked = [SampleRequest(i // 8, 2**62 + i) for i in range(24)]
    settings = SamplingConfig(engine="http", servers=[url], max_new_tokens=24, stop=["7"])
    with closing(from_servers(policy, settings)) as sampler:
        found = sampler.generate(prompts, asked)
        again = sampler.generate(prompts, asked[::-1])[::-1]
        rows = [
            Written(row.prompt, c.token_ids, [True] * len(c.token_ids))
            for row, c in zip(asked, found, strict=True)
        ]
        here = logprobs(policy, prompts, rows, 1.0)
        assert [sum(c.logprobs) for c in found] == pytest.approx(here, abs=1e-3)
        assert sampler.why_unscored is None
        assert sampler.logprobs(prompts, rows, 1.0) == pytest.approx(here, abs=1e-3)
    assert [c.token_ids for c in found] == [c.token_ids for c in again] and len({c.text for c in found}) > 12
    assert all("7" not in c.text[:-1] for c in found) and any(c.text.endswith("7") for c in found)


def evaluation(server: Started, file: Path) -> int:
    words = [
        "eval",
        str(server.model),
        "-q",
        "--output",
        str(file),
        "verification.workers=1",
        "dtype=float32",
    ]
    words += [f"problems.heldout.limit={PROBLEMS}", f"sampling.samples={SAMPLES}", "analysis.search_budget=1"]
    words += [
        "sampling.engine=http",
        "sampling.http={in_flight: 2, patience: 1}",
        f"sampling.servers=[{server.url}]",
    ]
    return main(words)


def test_it_is_killed_in_the_middle_and_the_same_command_goes_on(started, tmp_path, capsys):
    file = tmp_path / "rows.jsonl"

    def kill() -> None:
        while rollouts.count(file) == 0:
            time.sleep(0.02)
        started.kill()

    watcher = Thread(target=kill, daemon=True)
    watcher.start()
    assert evaluation(started, file) == 3
    watcher.join()
    assert "the same command goes on" in " ".join(capsys.readouterr().err.split())
    before = file.read_bytes()
    assert 0 < rollouts.count(file) < PROBLEMS * SAMPLES
    started.start()
    assert evaluation(started, file) == 0
    assert file.read_bytes().startswith(before)
    rows = list(rollouts.read(file))
    assert len({(row.problem_id, row.sample) for row in rows}) == len(rows) == PROBLEMS * SAMPLES
    policy = policy_of(str(started.model))
    prompts = policy.encode([row.prompt for row in rows])
    here = logprobs(policy, prompts, [Written.of(row, i) for i, row in enumerate(rows)], 1.0)
    assert [row.logprobs[row.policy] for row in rows] == pytest.approx(here, abs=1e-3)
