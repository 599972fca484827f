"""Which engine a launch has: who holds which weights, how many processes there are, and by what they talk."""

from __future__ import annotations

import os
from typing import Literal

from rlvr.errors import UserError
from rlvr.launch.processes import processes

Shard = Literal["ddp", "fsdp2", "zero2", "zero3"]
NAMES: dict[Shard, str] = {
    "ddp": "DDP",
    "fsdp2": "FSDP2",
    "zero2": "DeepSpeed ZeRO-2",
    "zero3": "DeepSpeed ZeRO-3",
}
COUNTS = "WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"
"""Where launchers (torchrun, srun, mpirun) say how many processes they started."""


def launched() -> int:
    """How many processes the launcher says that it started, this one among them; 0 where there is none."""
    return max((int(found) for name in COUNTS if (found := os.environ.get(name, "")).isdecimal()), default=0)


def asked() -> str:
    """The engine that the launcher's configuration asks for: DDP, FSDP2, DeepSpeed ZeRO-3."""
    if _on("ACCELERATE_USE_DEEPSPEED"):
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "")
        return f"DeepSpeed ZeRO-{stage}" if stage else "DeepSpeed"
    if _on("ACCELERATE_USE_FSDP"):
        return f"FSDP{os.environ.get('FSDP_VERSION', '1')}"
    if _on("ACCELERATE_USE_MEGATRON_LM"):
        return "Megatron-LM"
    return "DDP"


def joining(count: int, shard: Shard | None) -> str | None:
    """What is to be said where `--processes` and `--shard` are given to processes that a launcher has started.

    Raises:
        UserError: the launcher was given another engine.
    """
    if shard and NAMES[shard] != asked():
        raise UserError(
            f"--shard {shard}: the launcher that started these processes asks for {asked()}; give it "
            f"configs/accelerate/{shard}.yaml (accelerate launch --config_file), or leave the launcher out"
        )
    if count != launched():
        return f"--processes {count}, and the launcher started {launched()}: these go on"
    return None


def in_force() -> str:
    """Such as "DDP, 2 processes, gloo".

    Raises:
        UserError: it is another one than the launcher's configuration asks for, or one that the loop does not know.
    """
    if (found := asked()) in ("FSDP1", "Megatron-LM"):
        raise UserError(
            f"the launcher's configuration asks for {found}, whose weights the loop cannot gather; expected one of "
            f"{', '.join(NAMES.values())} (for FSDP2: fsdp_version: 2; configs/accelerate/ has a file of each)"
        )
    state = processes()
    if state.num_processes == 1:
        return "one process"
    if asked().startswith("FSDP") and state.distributed_type.value == "MULTI_CPU":
        raise UserError(
            f"the launcher's configuration asks for {asked()}, which accelerate takes for GPUs alone: on this machine "
            "each process would hold the whole model; launch plain processes (--processes N, torchrun)"
        )
    return f"{asked()}, {state.num_processes} processes, {state.backend}"


def check_loading() -> None:
    """Raises UserError where all processes but the first would hold no weights until FSDP shares them out: the update
    is tried on whole weights before, and transformers samples from a whole copy."""
    alone = processes().num_processes == 1
    if not alone and _on("ACCELERATE_USE_FSDP") and _on("FSDP_CPU_RAM_EFFICIENT_LOADING"):
        raise UserError(
            "the launcher's configuration has fsdp_cpu_ram_efficient_loading: true, which leaves the weights out of "
            "all processes but the first, and each needs them before training; set it to false, as "
            "configs/accelerate/fsdp2.yaml has it"
        )


def warnings() -> list[str]:
    """Where not as many processes joined as were started: each of the others works for itself."""
    joined = processes().num_processes
    if launched() > joined:
        return [
            f"The launcher started {launched()} processes, and {joined} joined; torchrun, accelerate launch and "
            "--processes N set what they need to find each other (RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT)"
        ]
    if joined == 1 and "MASTER_PORT" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ:
        return [
            "accelerate was configured for several processes and started one: on CPUs its MULTI_CPU wants mpirun; "
            "--processes N and torchrun start them without"
        ]
    return []


def _on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
