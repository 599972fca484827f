"""Processes of srun, torchrun and accelerate are one launch alike."""

import os
import socket
import subprocess
import sys

import pytest

from rlvr.errors import UserError
from rlvr.launch import processes, srun
from tests.conftest import REPO

STEP = {
    "SLURM_STEP_NUM_TASKS": "7", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "gpu-[03-04]", "SLURM_STEP_TASKS_PER_NODE": "4,3", "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
}  # fmt: skip
"""Process 5 of 7: the second one of the second node."""


def adopted(**changes: str | None) -> dict[str, str]:
    environment = {name: value for name, value in (STEP | changes).items() if value is not None}
    before = dict(environment)
    srun.adopt(environment)
    return {name: value for name, value in environment.items() if before.get(name) != value}


def test_what_srun_says_in_the_words_of_torchrun():
    found = adopted()
    port = int(found.pop("MASTER_PORT"))
    expected = {
        "RANK": "5",
        "WORLD_SIZE": "7",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "3",
        "MASTER_ADDR": "gpu-03",
    }
    assert found == expected
    assert 1024 < port < 32_768  # below the ports that Linux gives out
    assert adopted(SLURM_JOB_ID="4712")["MASTER_PORT"] != str(port)
    assert "MASTER_ADDR" not in adopted(MASTER_ADDR="10.0.0.1", MASTER_PORT="29500")


@pytest.mark.parametrize(
    "changes",
    [
        {"RANK": "0"},  # torchrun or accelerate in each task
        {"SLURM_STEP_NUM_TASKS": None, "SLURM_NTASKS": "7"},  # a batch script, before srun
        {"SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_another_launcher_or_one_process_is_left_alone(changes):
    assert adopted(**changes) == {}


def test_what_slurm_does_not_say_is_named():
    with pytest.raises(
        UserError, match="srun started 7 processes, and SLURM_PROCID is not in the environment"
    ):
        adopted(SLURM_PROCID=None)


@pytest.mark.parametrize(
    ("text", "tasks"), [("8(x3)", [8, 8, 8]), ("2", [2]), ("4(x2),3,1(x2)", [4, 4, 3, 1, 1])]
)
def test_processes_of_each_node(text, tasks):
    assert srun.per_node(text) == tasks


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("a1", "a1"),
        ("a1,b2", "a1"),
        ("n[07,09-12],x", "n07"),
        ("r[2-3]n[1-4].c", "r2n1.c"),
        ("n[001-128]", "n001"),
    ],
)
def test_the_first_of_a_list_of_hosts(hosts, first):
    assert srun.first_host(hosts) == first


WHO = """
from rlvr.launch import srun
srun.adopt()
from rlvr.launch.processes import of_node, processes, require_shared
from pathlib import Path
state = processes()
require_shared(Path("."))
print(state.process_index, state.num_processes, state.local_process_index, of_node(5), of_node(0), of_node(1))
"""


def test_both_launchers_give_the_same_processes_and_no_more_verifiers_than_a_node_has(tmp_path):
    """Two processes each, really started; 5 verifier processes of a node are 3 and 2, and 1 is one each."""
    said = {}
    for launcher in ("srun", "torchrun"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        begun = []
        for rank in "01":
            of_slurm = STEP | {
                "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": "0",
                "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_STEP_TASKS_PER_NODE": "2",
            }  # fmt: skip
            words = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            words = (of_slurm if launcher == "srun" else words) | {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            environment = os.environ | words | {"PYTHONPATH": str(REPO)}
            command = [sys.executable, "-c", WHO]
            begun.append(
                subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
            )
        said[launcher] = [process.communicate(timeout=120)[0].strip() for process in begun]
    assert said["srun"] == said["torchrun"] == ["0 2 0 3 0 1", "1 2 1 2 0 1"]
    assert not list(tmp_path.iterdir())


def test_one_process_has_all_workers_of_its_node():
    assert [processes.of_node(count) for count in (0, 1, 5)] == [0, 1, 5]
