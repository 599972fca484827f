"""A mixture of experts in the loop: the load-balancing loss of its router beside the policy's."""

import shutil

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.config import ConfigError, SamplingConfig
from rlvr.training.packing import pack
from rlvr.worlds import carry
from tests.training.handles import distance, gradient_of, loop_of, row_by_row
from tests.training.reference_step import DEAD, GROUPS, TOLERANCE, G


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> str:
    """A small Mixtral with the embedded model's tokenizer, whose config asks for a router's loss."""
    folder = tmp_path_factory.mktemp("model") / "moe"
    torch.manual_seed(0)
    settings = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    experts = {"num_key_value_heads": 4, "num_local_experts": 4, "sliding_window": None, "vocab_size": 22}
    ends = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1, "max_position_embeddings": 64}
    config = AutoConfig.for_model("mixtral", **settings | experts | ends, router_aux_loss_coef=0.9)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(carry.TINY / file, folder)
    return str(folder)


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_the_routers_loss_is_off_unless_it_is_asked_for(mixture, tmp_path, pool, algorithm):
    settings = {"groups_per_step": 2, "group_size": 4, "algorithm": algorithm}
    loop = loop_of(tmp_path / "run", pool, SamplingConfig(max_new_tokens=8), mixture, **settings)
    assert (loop.forward.kind, loop.router_coefficient) == ("split", 0)
    assert "router_loss" not in loop.backward(loop.sample(1), fresh=True)


def test_a_model_without_a_router_is_refused(tmp_path, pool):
    with pytest.raises(
        ConfigError, match="router_aux_loss_coef: transformers has no load-balancing loss for llama"
    ):
        loop_of(tmp_path / "run", pool, trl={"router_aux_loss_coef": 0.1})


def test_the_routers_loss_is_added(mixture, tmp_path, pool):
    """Per micro-step, over its rows; and a group without variance is read, since its router learns too."""
    loop = loop_of(
        tmp_path / "run",
        pool,
        SamplingConfig(max_new_tokens=8),
        mixture,
        groups_per_step=GROUPS,
        group_size=G,
        rows_per_micro_step=2 * G,
        trl={"router_aux_loss_coef": 0.1},
    )
    batch = loop.credit.weigh(loop.collector.sample(1, 0))
    for number, group in enumerate(batch.groups):
        group.advantages = group.per_token(torch.linspace(-1, 1, G) if number != DEAD else torch.zeros(G))
    figures = loop.backward(batch, fresh=True)
    found, parts = gradient_of(loop.plain), batch.micro_steps(GROUPS * G)
    assert (loop.forward.kind, len(parts)) == ("split", 2)
    loop.plain.zero_grad()
    routers = []
    for micro in parts:
        (part,) = micro.passes
        groups = part.prompted
        logprobs, _ = row_by_row(loop.plain, groups)
        rows = pack(groups, torch.device("cpu"), None).inputs
        routers.append(loop.plain(**rows, output_router_logits=True).aux_loss)
        policy = -(part.flat("advantages") * logprobs).sum() / batch.totals.tokens
        (policy + 0.1 * routers[-1] / 2).backward()
    assert distance(found, gradient_of(loop.plain)) < TOLERANCE
    assert 0 < figures["router_loss"] == pytest.approx(torch.stack(routers).mean().item())
