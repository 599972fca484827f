"""Processes that srun started, in torchrun's words, which accelerate and everything here read."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from itertools import chain, repeat

from rlvr.errors import UserError

NEEDED = "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"
FIRST_PORT, PORTS = 12_000, 18_000
"""Below those that systems give out by themselves."""


def adopt(environment: MutableMapping[str, str] = os.environ) -> None:
    """Where srun alone started this process beside others, say in `environment` what torchrun would: RANK, WORLD_SIZE,
    LOCAL_RANK, LOCAL_WORLD_SIZE, and where they meet, unless MASTER_ADDR and MASTER_PORT are there.

    Read is what SLURM says of the step: a batch script has the numbers of its whole allocation, and is one process.

    Raises:
        UserError: SLURM says that there are others, and not which one this is.
    """
    count = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if count == "1" or "RANK" in environment:
        return
    if missing := [name for name in NEEDED if name not in environment]:
        raise UserError(f"srun started {count} processes, and {', '.join(missing)} is not in the environment")
    rank, local, node, hosts, tasks = (environment[name] for name in NEEDED)
    job, step = (int(environment.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    environment.update(
        RANK=rank, WORLD_SIZE=count, LOCAL_RANK=local, LOCAL_WORLD_SIZE=str(per_node(tasks)[int(node)])
    )
    environment.setdefault("MASTER_ADDR", first_host(hosts))
    environment.setdefault("MASTER_PORT", str(FIRST_PORT + (job * 31 + step) % PORTS))


def per_node(tasks: str) -> list[int]:
    """Processes of each node.

    >>> per_node("4(x2),3")
    [4, 4, 3]
    """
    parts = (re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part) for part in tasks.split(","))
    return [*chain.from_iterable(repeat(int(part[1]), int(part[2] or 1)) for part in parts if part)]


def first_host(hosts: str) -> str:
    """Of a list in SLURM's short form.

    >>> first_host("rack[2-3]-n[07,09-12],login")
    'rack2-n07'
    """
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", hosts)
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first[0] if first else hosts)
