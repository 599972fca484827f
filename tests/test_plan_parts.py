"""What a run would take, phase by phase and in a person's words; what another trainer has no place for: by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.config import Config
from rlvr.elsewhere.hand_over import Left, almost, chat_template, messages, not_taken, page
from rlvr.preflight import plan
from rlvr.preflight.cost import Length, Phase, count, duration, longest, phases, rows_of
from rlvr.preflight.devices import parse
from rlvr.preflight.trial import Trial
from rlvr.problems import Problems

TRIAL = Trial(
    seconds=1.0, rows=100, ended=100, cut=32, tokens=1000, batch=64, prompt=8.0, read=1e-3, step=1e-2, row=1e-4,
    verdict=0.0, update=3e-3, update_tokens=500, activations=1e3, exchange=0.5,
)  # fmt: skip
SETS: Any = Problems([None] * 7, [None] * 10, {"probe": [None] * 5})  # type: ignore[list-item]


def config(sampling: dict[str, Any] | None = None, **train: Any) -> Config:
    asked = {
        "steps": 10, "groups_per_step": 2, "group_size": 4, "eval_every": 3, "eval_samples": 2,
        "trl": {"num_iterations": 2, "beta": 0.1},
    }  # fmt: skip
    return Config.model_validate(
        {
            "problems": {"heldout": {"world": "heldout"}},
            "sampling": {"max_new_tokens": 32, "samples": 8} | (sampling or {}),
            "train": asked | train,
        }
    )


def calls(problems: int, rows: int, times: int, tokens: float, most: float = 32) -> float:
    """Seconds of so many calls of the sampler, that share these rows, at 64 rows at once."""
    own = rows / times
    steps = max(own / min(64, own) * tokens, longest(tokens, most, own))
    return problems * 8 * 1e-3 + times * steps * 1e-2 + rows * tokens * 1e-4


def test_every_phase_of_a_run_from_its_counts():
    """Evaluated: 15 prompts × 8. Drawn: a batch in two steps, so 5 of 2 groups of 4; after steps 3, 6 and 9 (not after
    the last one: that is the tuned policy's) 10 problems twice."""
    base, sampling, update, tuned, rescore = phases(config(), SETS, TRIAL)
    assert [p.name for p in (base, sampling, update, tuned, rescore)] == [
        "base", "sampling", "update", "tuned", "rescore",
    ]  # fmt: skip
    assert [p.rows for p in (base, sampling, update, tuned, rescore)] == [120, 40 + 60, 0, 120, 0]
    assert sampling.tokens == (1000, 3200) and update.tokens == (0, 0)
    assert base.seconds == pytest.approx(
        [
            calls(15, 120, 1, 8) / 1.5, calls(15, 120, 1, 10), calls(15, 120, 1, 12.5) * 1.5,
            calls(15, 120, 1, 32) * 1.5,
        ]
    )  # fmt: skip
    assert base == tuned or base.seconds == tuned.seconds
    assert sampling.seconds[1] == pytest.approx(calls(10, 40, 5, 10) + calls(30, 60, 3, 10))
    # 20 groups of 8 + 4 · 10 tokens, forward and backward, and a third more for the reference; ten exchanges
    assert update.seconds[1] == pytest.approx(20 * 48 * 3e-3 * 4 / 3 + 5)
    assert rescore.seconds[1] == pytest.approx((2 * 80 + 60) * (10 + 1) * 1e-3)


def test_what_another_configuration_adds_to_the_phases_or_takes_from_them():
    def of(sampling: dict[str, Any] | None = None, devices: int = 1, **train: Any) -> dict[str, Phase]:
        return {p.name: p for p in phases(config(sampling, **train), SETS, TRIAL, devices)}

    assert list(of(steps=0)) == ["base"]
    for cut in ({"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.1}):
        assert list(of(cut)) == ["base", "sampling", "update", "tuned"]
    plain, two = of(trl={}), of(devices=2)
    assert plain["update"].seconds[1] == pytest.approx(20 * 48 * 3e-3 + 5)
    assert plain["sampling"].rows == 80 + 60  # of every step its own
    assert of(eval_every=0)["sampling"].rows == 40 and of(eval_every=10)["sampling"].rows == 40
    assert of(eval_every=1)["sampling"].rows == 40 + 9 * 20
    assert two["update"].seconds[1] == pytest.approx(20 * 48 * 3e-3 * 4 / 3 / 2 + 5)
    assert two["base"].seconds[1] == pytest.approx(
        15 / 2 * 8e-3 + longest(10, 32, 60) * 1e-2 + 60 * 10 * 1e-4
    )
    assert two["rescore"].seconds[1] == pytest.approx((2 * 80 + 60) * (10 + 1) * 1e-3 / 2)


def test_the_length_of_completions_from_a_trial():
    def of(most: int, **changed: Any) -> list[float]:
        found = Trial(**{name: getattr(TRIAL, name) for name in Trial.__slots__} | changed)
        length = Length.of(found, most)
        return [length.low, length.expected, length.high, length.most]

    assert of(32) == [8, 10, 12.5, 32] and of(11) == [8, 10, 11, 11]  # as they are, a quarter off
    # 16 ends are half off: means of 100 / 1.5, 100 and 150 tokens, before 200 cuts them
    expected = [mean * (1 - math.exp(-200 / mean)) for mean in (100 / 1.5, 100, 150)]
    assert of(200, cut=20, ended=16, tokens=1600) == pytest.approx([*expected, 200])
    assert of(200, cut=20, ended=0) == [20, 200, 200, 200]


def test_the_table_of_phases_is_read_as_it_stands():
    listed = [
        Phase("base", 120, (1200, 3840), (1, 2, 3, 4)),
        Phase("update", 0, (0, 0), (60, 90, 117, 5400)),
        Phase("a-long-name", 1, (250_000, 1_500_000), (0, 0.2, 0.4, 7300)),
    ]
    assert list(rows_of(listed, 32)) == [
        "  phase           samples    tokens   at most   time (at most, if every sample has 32 tokens)",
        "  base                120     1,200     3,840   about 2 s, 1 s to 3 s (4 s)",
        "  update                0         0         0   about 1.5 min, 60 s to 1.9 min (1.5 h)",
        "  a-long-name           1    0.25 M    1.50 M   about 1 s, 1 s to 1 s (2.0 h)",
        "  together            121    0.25 M    1.50 M   about 1.5 min, 61 s to 2.0 min (3.5 h)",
    ]
    assert len(list(rows_of(listed[:1], 32))) == 2  # of one phase there is no sum
    assert [count(99_999), count(1e5), duration(5399), duration(5400)] == [
        "99,999",
        "0.10 M",
        "90.0 min",
        "1.5 h",
    ]


def job(number: int, price: float, sizes: Any = True) -> Any:
    cluster = SimpleNamespace(device=SimpleNamespace(price=price), count=number)
    return SimpleNamespace(cluster=cluster, sizes=sizes, config=config())


def test_what_a_cluster_costs_and_what_takes_longest():
    listed = [
        Phase("base", 100, (36_000, 72_000), (0, 900, 0, 0)),
        Phase("update", 0, (0, 0), (0, 2700, 0, 0)),
    ]
    said = list(plan.times(job(4, 2.0), listed, SimpleNamespace(shard="fsdp2")))  # type: ignore[arg-type]
    assert said[0] == "time under fsdp2:"
    assert said[-4:-1] == [
        "sampling: 40 tokens a second, 10 of each device",  # the update draws none
        "bottleneck: update, 75% of the time",
        "cost: about $8.00 (base $2.00, update $6.00)",  # an hour of four devices
    ]
    assert said[-1].startswith("  4.0 hours of a device at $2.00 an hour: an assumption")
    alone = list(plan.times(job(1, 0.0), listed, SimpleNamespace(shard="ddp")))  # type: ignore[arg-type]
    assert alone[0] == "time:" and alone[-1].startswith("bottleneck")
    assert next(iter(plan.times(job(4, 0.0, None), listed, SimpleNamespace(shard="ddp")))) == "time:"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "shard", "said"),
    [
        (1, "ddp", "fits"), (2, "ddp", "fits with --processes 2"),
        (8, "zero2", "fits with --processes 8 --shard zero2"),
    ],
)  # fmt: skip
def test_how_what_fits_is_started(number, shard, said):
    ways: Any = [SimpleNamespace(shard=shard), SimpleNamespace(shard="fsdp2")]
    assert list(plan.advice(job(number, 0.0), ways, ways)) == [said]


@pytest.mark.parametrize(
    ("keys", "on", "dtype"),
    [
        ({"train": {"steps": 5, "adapter": {"kind": "lora"}}}, "L4-24GB", "bfloat16"),
        ({"train": {"steps": 0}}, "L4-24GB", "bfloat16"),
        ({"train": {"steps": 5}}, "L4-24GB", "auto"),  # master weights, in float32
        ({"train": {"steps": 0}, "dtype": "float32"}, "L4-24GB", "float32"),
    ],
)
def test_the_precision_is_that_of_the_devices_there(keys, on, dtype):
    asked = Config.model_validate({"problems": {"heldout": {"world": "heldout"}}} | keys)
    assert plan.as_there(asked, parse(on)).dtype == dtype


# ------------------------------------------------------------------ for another trainer


def test_keys_that_nobody_took_are_named():
    asked = config({"min_p": 0.1, "samples": 99}, trl={"num_iterations": 2}, learning_rate=1e-3)
    assert list(not_taken(asked, ())) == [
        Left("sampling.min_p", "is 0.1: no counterpart"),
        Left("train.trl.num_iterations", "is 2: no counterpart"),
    ]
    taken = ("sampling.min_p", "train.trl.num")  # a whole key, or one above it
    assert [left.key for left in not_taken(asked, taken)] == ["train.trl.num_iterations"]
    assert not list(not_taken(asked, ("sampling", "train.trl")))


def test_the_page_of_what_was_lost():
    assert page("verl", []) == ("# Not carried over to verl\n\nNothing: every key has a counterpart.\n")
    assert page("verl", [Left("a.b", "is 1"), Left("c", "is 2")]).splitlines()[2:] == [
        "- `a.b` is 1", "- `c` is 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "loss", "drawn", "keys"),
    [
        ("cosine", "grpo", 8, []),
        ("polynomial", "grpo", 8, ["train.trl.lr_scheduler_type"]),
        ("cosine", "bnpo", 8, ["train.trl.loss_type"]),
        ("cosine", "grpo", 7, ["sampling.samples"]),
    ],
)
def test_what_is_not_quite_the_same_anywhere(schedule, loss, drawn, keys):
    args = SimpleNamespace(lr_scheduler_type=SimpleNamespace(value=schedule), loss_type=loss)
    prepared: Any = SimpleNamespace(config=config(eval_samples=drawn), arguments=args)
    assert [left.key for left in almost("verl", prepared, ["constant", "cosine"])] == keys


def test_the_template_and_the_messages_that_make_our_prompt():
    def prepared(**evidence: Any) -> Any:
        held = SimpleNamespace(template="chat", chat_template=None)
        held.__dict__.update(evidence)
        said = SimpleNamespace(messages=lambda p: [f"messages of {p}"], text=lambda p: f"text of {p}")
        return SimpleNamespace(
            config=SimpleNamespace(evidence=held), evidence=said, tokenizer=SimpleNamespace(chat_template="T")
        )

    problem: Any = "p"
    assert messages(prepared(), problem) == ["messages of p"]
    assert messages(prepared(template="plain"), problem) == [{"role": "user", "content": "text of p"}]
    assert chat_template(prepared()) is None  # the model's own
    assert chat_template(prepared(chat_template="mine.jinja")) == "T"
