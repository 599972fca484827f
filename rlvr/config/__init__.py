"""One typed configuration: a YAML file, `key=value` overrides, validated before anything heavy is imported."""

from rlvr.config.explain import describe
from rlvr.config.grid import Cell, cells, load_cells, single
from rlvr.config.reading import find, load, packaged_folder, validate
from rlvr.config.schema import (
    ALGORITHMS,
    GSPO,
    LOSS_TYPES,
    Config,
    ConfigError,
    CurriculumConfig,
    LoraSection,
    PpoSection,
    SamplingConfig,
    ShapingConfig,
    TrainConfig,
)

__all__ = [
    "ALGORITHMS", "GSPO", "LOSS_TYPES", "Cell", "Config", "ConfigError", "CurriculumConfig", "LoraSection",
    "PpoSection", "SamplingConfig", "ShapingConfig", "TrainConfig", "cells", "describe", "find", "load",
    "load_cells", "packaged_folder", "single", "validate",
]  # fmt: skip
