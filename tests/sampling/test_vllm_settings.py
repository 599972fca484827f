"""What vLLM's one log-probability per token can stand for. (The engine itself needs a GPU.)"""

import pytest

from rlvr.config import ConfigError, SamplingConfig
from rlvr.sampling.vllm import VllmSampler, nats_of


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, "raw"),
        ({"temperature": 1.0, "top_p": 0.9}, "raw"),  # before truncation
        ({"temperature": 0.0}, "raw"),
        ({"temperature": 0.7}, "processed"),
    ],
)
def test_it_is_after_the_temperature_and_before_truncation(settings, expected):
    assert nats_of(SamplingConfig(**settings)) == expected


def test_where_it_can_be_neither_the_engine_is_refused(tiny):
    with pytest.raises(ConfigError, match="engine: transformers"):
        VllmSampler(tiny, SamplingConfig(temperature=0.7, top_k=5))
