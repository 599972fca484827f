"""What a device can do: a table of known ones, this machine, and `8xH100-80GB` as a person writes it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from rlvr.errors import UserError
from rlvr.preflight import starts
from rlvr.preflight.starts import UNKNOWN, Starts

NODE = 8
"""Devices of a node, whose links are `Device.link`; beyond it they talk at `NETWORK`."""
NETWORK = 50e9
"""Bytes a second between nodes, for each device: an adapter of 400 Gbit/s beside each."""


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or this machine's processor. FLOP/s are dense, in the type that it computes in."""

    name: str
    memory: float
    """Bytes."""
    flops: float
    bandwidth: float
    """Bytes a second, of its own memory."""
    link: float
    """Bytes a second that it sends to others of its node."""
    price: float
    """Dollars an hour: an assumption, which `--price` replaces."""
    kind: str = "cuda"
    """As torch names it: what the run would compute in follows from it."""
    starts: Starts = UNKNOWN
    """Of a device that was measured."""


DEVICES = {
    device.name: device
    for device in (
        # makers' data sheets: memory, bfloat16 without sparsity, memory bandwidth, half of the NVLink or fabric sum
        Device("A10-24GB", 24e9, 125e12, 600e9, 16e9, 0.8),
        Device("A40-48GB", 48e9, 150e12, 696e9, 56e9, 0.5),
        Device("A100-40GB", 40e9, 312e12, 1555e9, 300e9, 1.5),
        Device("A100-80GB", 80e9, 312e12, 2039e9, 300e9, 1.8),
        Device("B200-180GB", 180e9, 2250e12, 8000e9, 900e9, 5.0),
        Device("H100-80GB", 80e9, 989e12, 3350e9, 450e9, 2.5),
        Device("H200-141GB", 141e9, 989e12, 4800e9, 450e9, 3.5),
        Device("L4-24GB", 24e9, 121e12, 300e9, 16e9, 0.7),
        Device("L40S-48GB", 48e9, 362e12, 864e9, 32e9, 1.0),
        Device("MI300X-192GB", 192e9, 1307e12, 5300e9, 448e9, 2.5),
        Device("RTX4090-24GB", 24e9, 165e12, 1008e9, 16e9, 0.5),
    )
}
"""By the name that `--on` takes. Prices are round figures for rented devices in 2025 and 2026; yours will differ."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """So many devices of a kind."""

    count: int
    device: Device

    @property
    def link(self) -> float:
        """Bytes a second that each device sends, where all send."""
        return self.device.link if self.count <= NODE else min(self.device.link, NETWORK)

    def __str__(self) -> str:
        return f"{self.count} x {self.device.name}"


def parse(text: str, price: float | None = None) -> Cluster:
    """`8xH100-80GB`, `H100-80GB`, or `here`.

    Raises:
        UserError: not of that form, or a device that the table does not have.
    """
    found = re.fullmatch(r"(?:([1-9]\d{0,5})x)?([A-Za-z][\w.-]*)", text)
    known = {name.lower(): device for name, device in DEVICES.items()}
    if found and found[2].lower() == "here" and not found[1]:
        cluster = here()
    elif found and found[2].lower() in known:
        cluster = Cluster(int(found[1] or 1), known[found[2].lower()])
    else:
        raise UserError(
            f"--on {text}: expected here, or a number and a device such as 8xH100-80GB; known devices: "
            f"{', '.join(DEVICES)}"
        )
    return cluster if price is None else replace(cluster, device=replace(cluster.device, price=price))


def here() -> Cluster:
    """This machine: the GPUs that it has, by their place in the table, or its processor, measured for some seconds.

    Raises:
        UserError: GPUs that the table does not have.
    """
    import torch

    from rlvr.policy import device, memory_of

    place = device()
    if place.type != "cuda":
        return Cluster(1, measured(memory_of(place)[0]))
    properties = torch.cuda.get_device_properties(place)
    words = re.split(r"[\s-]+", properties.name.upper().replace("RTX ", "RTX"))
    near = [
        known
        for known in DEVICES.values()
        if known.name.split("-")[0] in words and abs(known.memory / properties.total_memory - 1) < 0.1
    ]
    if not near:
        raise UserError(
            f"--on here: {properties.name} is not in the table of devices; name one that is like it: "
            f"{', '.join(DEVICES)}"
        )
    return Cluster(torch.cuda.device_count(), replace(near[0], memory=float(properties.total_memory)))


def measured(memory: int) -> Device:
    """The processor of this machine, in float32: the best of several matrix products, and of reading a large array; and
    what operations take to start. By the time of its own threads, so that other processes do not count."""
    import torch

    from rlvr.machine import processor

    a, b = torch.ones(512, 1024), torch.ones(1024, 1024)
    large = torch.ones(2**25)

    def best(work: object, times: int = 5) -> float:
        took = []
        for _ in range(times):
            began = time.process_time()
            work()  # type: ignore[operator]
            took.append((time.process_time() - began) / torch.get_num_threads())
        return max(1e-9, min(took))

    flops = 2 * 512 * 1024 * 1024 / best(lambda: a @ b, 20)
    bandwidth = 4 * large.numel() / best(large.sum)
    return Device(
        f"this machine ({processor()})",
        float(memory),
        flops,
        bandwidth,
        bandwidth,
        0.0,
        "cpu",
        starts.measured(),
    )
