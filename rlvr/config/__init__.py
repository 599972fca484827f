"""One typed configuration: a YAML file, `key=value` overrides, validated before anything heavy is imported.

All sections, with those of problems and evidence. Of rlvr, only the errors are imported.
"""

from rlvr.config.data import AttemptsConfig, EvidenceConfig, Example, HintConfig, SourceConfig
from rlvr.config.explain import describe
from rlvr.config.grid import Cell, cells, load_cells, single
from rlvr.config.reading import find, load, packaged_folder, validate
from rlvr.config.schema import (
    AnalysisConfig,
    Config,
    SamplingConfig,
    SandboxConfig,
    VerificationConfig,
)
from rlvr.config.sets import ProblemsConfig, Sources, each
from rlvr.config.steering import SteeringConfig
from rlvr.config.training import (
    ALGORITHMS,
    GSPO,
    LOSS_TYPES,
    AdapterSection,
    CurriculumConfig,
    PpoSection,
    ShapingConfig,
    TrainConfig,
)
from rlvr.errors import ConfigError

__all__ = [
    "ALGORITHMS", "GSPO", "LOSS_TYPES", "AdapterSection", "AnalysisConfig", "AttemptsConfig", "Cell", "Config",
    "ConfigError", "CurriculumConfig", "EvidenceConfig", "Example", "HintConfig", "PpoSection", "ProblemsConfig",
    "SamplingConfig", "SandboxConfig", "ShapingConfig", "SourceConfig", "Sources", "SteeringConfig", "TrainConfig",
    "VerificationConfig", "cells", "describe", "each", "find", "load", "load_cells", "packaged_folder", "single",
    "validate",
]  # fmt: skip
