"""What the checks know: the config, and what earlier checks found out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.config import Config
from rlvr.environments.worker import EnvironmentPool
from rlvr.evidence import Evidence
from rlvr.launch.processes import processes
from rlvr.policy import Policy
from rlvr.problems import Problems
from rlvr.source_verifiers import SourceVerifier

if TYPE_CHECKING:
    from verifiers import Problem
    from verifiers.pool import VerifierPools


def some_of(problems: Sequence[Problem], most: int) -> list[Problem]:
    """As many as are measured in place of all: each once, from the whole length of the list."""
    number = min(most, len(problems))
    return [problems[i * len(problems) // number] for i in range(number)]


@dataclass
class Preflight:
    """Filled from top to bottom; a check may read what stands above its own fields."""

    config: Config
    folder: Path | None
    """Of the run; None for an evaluation, which writes a file of its own."""
    base: Path | None
    """Folder that the config's relative paths start from."""
    trains: bool
    """Training is part of the command; whether there is a step to take, `config.train.steps` says."""
    say: Callable[[str], None]
    """Tells a person what is left out, also in a run."""
    thorough: bool = False
    """`rlvr check`: also what a run can do without."""
    to_train: int | None = None
    """How many processes will train, where they are not those of this launch."""

    begun: bool = field(init=False, default=False)
    """The folder holds this run, which goes on."""
    verifiers: dict[str, SourceVerifier] = field(init=False, default_factory=dict)
    """Of each source, with its pass mark."""
    environment: EnvironmentPool | None = field(init=False, default=None)
    """Its workers start when it is first asked."""
    loaded: Problems = field(init=False)
    """As the sources hold them."""
    problems: Problems = field(init=False)
    """Without those that are shown as examples."""
    evidence: Evidence = field(init=False)
    training_evidence: Evidence | None = field(init=False, default=None)
    """That of `train.evidence`, or of the teacher of `train.distill`."""
    policy: Policy = field(init=False)
    """Tokenizer and structure; its weights are on torch's meta device, which holds none."""
    longest: int = field(init=False, default=0)
    """Tokens of the longest training prompt that fits."""
    arguments: Any = field(init=False, default=None)
    """TRL's, with the sizes of this run."""
    bytes_per_weight: float = field(init=False, default=0.0)
    """What the optimiser keeps for each trained weight."""
    sizes: Any = field(init=False, default=None)
    pools: VerifierPools | None = field(init=False, default=None)

    def asking(self, config: Config) -> Preflight:
        """The same for a config that differs only in its model and evidence: what was found of the rest holds."""
        other = copy.copy(self)
        other.config = config
        return other

    @property
    def trainers(self) -> int:
        """How many processes train together."""
        return self.to_train or processes().num_processes

    @property
    def steps(self) -> int:
        """Training steps that the command would take."""
        return self.config.train.steps if self.trains else 0
