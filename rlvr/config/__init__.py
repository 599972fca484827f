"""One typed configuration: a YAML file, `key=value` overrides, validated before anything heavy is imported.

All sections, with those of problems and evidence. Of rlvr, only the errors are imported.
"""

from rlvr.config.data import AttemptsConfig, EvidenceConfig, Example, HintConfig, SourceConfig
from rlvr.config.explain import describe
from rlvr.config.grid import Cell, cells, cut, folder_name, load_cells, single
from rlvr.config.reading import find, is_problem_set, load, packaged_folder, problem_sets, read, validate
from rlvr.config.schema import (
    AnalysisConfig,
    Config,
    SamplingConfig,
    SandboxConfig,
    VerificationConfig,
)
from rlvr.config.sets import ProblemsConfig, Sources, each
from rlvr.config.steering import DistillConfig, SteeringConfig
from rlvr.config.template import json_schema, template
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
    "ConfigError", "CurriculumConfig", "DistillConfig", "EvidenceConfig", "Example", "HintConfig", "PpoSection",
    "ProblemsConfig", "SamplingConfig", "SandboxConfig", "ShapingConfig", "SourceConfig", "Sources", "SteeringConfig",
    "TrainConfig", "VerificationConfig", "cells", "cut", "describe", "each", "find", "folder_name", "is_problem_set",
    "json_schema", "load", "load_cells", "packaged_folder", "problem_sets", "read", "single", "template", "validate",
]  # fmt: skip
