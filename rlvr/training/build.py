"""Putting the loop together: the prepared model, optimiser, reference, objective, and where the run goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast_object_list, set_seed
from trl.trainer.grpo_config import GRPOConfig

from rlvr import adapters, rollouts
from rlvr.adapters import VALUE_HEAD
from rlvr.config import Config, ConfigError, TrainConfig
from rlvr.evaluation import Evaluator, fitting
from rlvr.policy import Policy, load_policy
from rlvr.run import Run, read_metrics
from rlvr.sampling import takes_vllm
from rlvr.sampling.rounding import tokens
from rlvr.soft_prompt import tokens_ahead
from rlvr.training import Evaluate, arguments, attention, dropout, ppo, trackers, trial
from rlvr.training.alarms import Alarms
from rlvr.training.checkpoint_policy import CheckpointPolicy
from rlvr.training.checkpoints import Checkpoint, Checkpoints, given
from rlvr.training.collect import Collector
from rlvr.training.credit import Credit
from rlvr.training.current_policy import CurrentPolicy, Frozen
from rlvr.training.distill import Distillation
from rlvr.training.entropy import EntropyControl
from rlvr.training.finite import FiniteCheck
from rlvr.training.forward import Forward, Way, base_of
from rlvr.training.head import balancing
from rlvr.training.held_out import HeldOut
from rlvr.training.loop import Loop
from rlvr.training.metrics_log import Hook, MetricsLog
from rlvr.training.objective import Objective
from rlvr.training.optimizer import Movement, optimizer, schedule
from rlvr.training.pass_size import MemoryTrial, size_of_passes
from rlvr.training.rewards import RewardTerms
from rlvr.training.sharding import configure_deepspeed, deepspeed_steps, sharded, zero_3
from rlvr.training.source_mix import SourceMix
from rlvr.training.steering import Steering
from rlvr.verdict_health import PROBLEMS, UnjudgedMonitor, outcome
from verifiers import Problem


def build(
    config: Config,
    problems: Sequence[Problem],
    evaluator: Evaluator,
    run: Run,
    checkpoints: Checkpoints,
    due: Callable[[int], bool],
    evaluate: Evaluate,
    advance: Callable[..., None],
    hooks: Sequence[Hook] = (),
    done: int = 0,
) -> Loop:
    """The loop before its first step, or the next one after `done`. See `training.train`."""
    train, say = config.train, evaluator.terminal.say
    policy = load_policy(config, "policy", for_training=True)
    ahead = tokens_ahead(train.adapter, policy.adapter)
    fit, longest = fitting(policy, evaluator.evidences, problems, config.sampling.max_new_tokens, ahead)
    if len(fit) < len(problems):
        say(
            f"{len(problems) - len(fit)} of {len(problems)} training problems are left out: their prompts do not fit "
            f"the model's context of {policy.context} tokens together with sampling.max_new_tokens"
        )
    args = arguments.grpo_config(config, run.checkpoints, longest)
    accelerator = make_accelerator(args, run)
    if accelerator.log_with:
        trackers.begin(accelerator, config, args, run, done)
    set_seed(config.seed)  # adapters begin at random numbers, the same on every process
    vllm = takes_vllm(config.sampling, accelerator.device.type)
    adapter = adapter_of(train, policy)
    model, frozen = trainable(config, policy, args)
    router = router_coefficient(model, args)
    way, why = way_of_update(model, args, accelerator, policy)
    say(f"The update runs {way}: {why}")
    whole = copy.deepcopy(model).requires_grad_(False) if sharded(accelerator) and not vllm else None
    own_optimizer = optimizer(
        model, args, train.ppo.value_learning_rate if train.algorithm == "ppo" else None
    )
    prepared, wrapped_optimizer = accelerator.prepare(model, own_optimizer)
    read = [prepared] if frozen is None or frozen.adapted else [prepared, frozen.model]
    forward = Forward(read, accelerator, config.sampling.temperature, way, router != 0)
    current = CurrentPolicy(policy, prepared, accelerator, config.sampling, whole, vllm)
    reference = frozen if args.beta else None
    objective = Objective.of(args, other_engine=vllm and not train.imitates)
    distillation = Distillation.of(evaluator, policy, frozen)
    collector = make_collector(
        config, fit, evaluator, accelerator, current, frozen, distillation, run, lambda: loop.done
    )
    micro = (args.per_device_train_batch_size or 0) // train.group_size
    memory_trial = MemoryTrial(
        forward,
        accelerator.unwrap_model(prepared),
        own_optimizer,
        longest,
        config.sampling.max_new_tokens,
        train.group_size,
    )
    pass_size = size_of_passes(train, micro, memory_trial, accelerator, run.folder, say)
    credit = Credit(
        config=train,
        args=args,
        accelerator=accelerator,
        model=prepared,
        reference=reference,
        distillation=distillation,
        forward=forward,
        objective=objective,
        places=collector.places,
        groups_per_micro_step=micro,
        pass_size=pass_size,
    )

    def first_rows(step: int) -> Path:
        """The file of the samples that a step trains on; `num_iterations` steps share it."""
        return collector.rollouts_to / f"train-{step - (step - 1) % args.num_iterations:06d}.jsonl"

    lines = read_metrics(run.metrics)  # of the steps before, in a run that goes on
    loop = Loop(
        config=train,
        args=args,
        accelerator=accelerator,
        policy=policy,
        adapter=adapter,
        model=prepared,
        reference=reference,
        forward=forward,
        pass_size=pass_size,
        collector=collector,
        credit=credit,
        distillation=distillation,
        objective=objective,
        entropy=EntropyControl.of(args),
        router_coefficient=router,
        optimizer=wrapped_optimizer,
        schedule=schedule(own_optimizer, args, train.steps),
        movement=Movement(
            None if deepspeed_steps(accelerator) else prepared
        ),  # which keeps float32 weights too
        finite=FiniteCheck(train.max_skipped, train.max_drift, say, first_rows),
        log=MetricsLog(
            run.metrics,
            advance,
            say,
            lambda step: evaluated(step),
            trackers.tracker(accelerator, collector.rollouts_to),
            Alarms(train, lines),
            HeldOut(config, lines),
            hooks,
        ),
    )

    def evaluated(step: int) -> dict[str, float]:
        if not due(step):
            return {}
        with current.sampler(f"step-{step}") as sampler:
            return evaluate(sampler, step)

    set_seed(config.seed, device_specific=True)  # dropout differs from process to process
    loop.checkpoints = CheckpointPolicy(loop, checkpoints, loop.log, train.checkpoint_every, hooks)
    checkpoints.parts |= {"metrics": loop.log, "finite": loop.finite, "curriculum": loop.collector.curriculum}
    if loop.entropy:
        checkpoints.parts["entropy"] = loop.entropy
    return loop


def make_accelerator(args: GRPOConfig, run: Run) -> Accelerator:
    """accelerate, with what the launcher brings (processes, FSDP, DeepSpeed), precision and trackers."""
    unused = args.ddp_find_unused_parameters  # by default as transformers: a router leaves some experts out
    options = {
        "find_unused_parameters": not args.activation_checkpointing if unused is None else unused,
        "bucket_cap_mb": args.ddp_bucket_cap_mb,
        "broadcast_buffers": args.ddp_broadcast_buffers,
        "static_graph": args.ddp_static_graph,
    }
    ddp = DistributedDataParallelKwargs(
        **{name: value for name, value in options.items() if value is not None}
    )
    accelerator = Accelerator(
        mixed_precision=precision(args),
        log_with=cast(Any, arguments.trackers(args.report_to) or None),
        project_dir=str(run.folder / "trackers"),
        kwargs_handlers=[ddp],
    )
    configure_deepspeed(accelerator, args.max_grad_norm)
    return accelerator


def precision(args: GRPOConfig) -> str:
    """accelerate's name of the precision of forward passes."""
    return "bf16" if args.bf16 else "fp16" if args.fp16 else "no"


def adapter_of(train: TrainConfig, policy: Policy) -> adapters.Kind:
    """What is trained; PPO's value head beside it."""
    whole = [VALUE_HEAD] if train.algorithm == "ppo" else []
    return adapters.kind(train.adapter, whole, policy.words)


def trainable(config: Config, policy: Policy, args: GRPOConfig) -> tuple[Any, Frozen | None]:
    """The model to train, with its adapter and value head; and the policy that it begins as, where something needs
    it."""
    model: Any = policy.model
    if args.disable_dropout:
        dropout.disable(model)
    if args.activation_checkpointing:
        model.activation_checkpointing_enable(
            args.activation_checkpointing_kwargs or {"use_reentrant": False}
        )
        model.enable_input_require_grads()
    if config.train.algorithm == "ppo":
        ppo.add_value_head(model)
    model = adapter_of(config.train, policy).attach(model, policy.adapter)
    needed = args.beta or config.train.imitates or config.train.distill
    return model, Frozen(model, begun=policy.adapter is not None) if needed else None


def way_of_update(model: Any, args: GRPOConfig, accelerator: Accelerator, policy: Policy) -> tuple[Way, str]:
    """How the update reads its rows, and why: what `trial.prove` finds on the whole model, before it is sharded.

    Where no process holds whole weights (ZeRO-3) nothing can be tried: the config decides.

    Raises:
        PolicyError: this model cannot be updated rightly.
    """
    if zero_3(accelerator):
        kind, why = attention.choose(base_of(model))
        return Way(kind), f"{why}; not tried against rows read alone, as the weights are partitioned"
    random = not args.disable_dropout or dropout.remains(model)
    balances = router_coefficient(model, args) != 0
    text = tokens(policy)
    found = [trial.prove(model, text, accelerator, args.temperature, policy.source, balances, random)]
    return broadcast_object_list(found)[0]  # the first process's, should they differ


def router_coefficient(model: Any, args: GRPOConfig) -> float:
    """Weight of the load-balancing loss of a mixture of experts: 0 unless it is asked for.

    TRL takes what the model's config names (0.9 for gpt-oss), which is pre-training's: it would move the policy on
    steps from which nothing is to be learnt.

    Raises:
        ConfigError: asked for, and transformers has no such loss for the model.
    """
    coefficient = args.router_aux_loss_coef or 0.0
    if coefficient and balancing(base_of(model)) is None:
        family = model.config.get_text_config().model_type
        raise ConfigError(
            f"train.trl.router_aux_loss_coef: transformers has no load-balancing loss for {family}"
        )
    return coefficient


def make_collector(
    config: Config,
    problems: Sequence[Problem],
    evaluator: Evaluator,
    accelerator: Accelerator,
    current: CurrentPolicy,
    frozen: Frozen | None,
    distillation: Distillation | None,
    run: Run,
    clock: Callable[[], int],
) -> Collector:
    """Who samples a step's groups, with the curriculum and the monitor of missing verdicts, which remembers what it saw
    before the run was stopped."""
    train, rows = config.train, run.rollouts("train").parent
    training = SourceMix.of(config, problems, clock)
    monitor = UnjudgedMonitor(
        config.verification.max_unjudged, least=PROBLEMS * train.group_size, rolling=True
    )
    files = sorted(rows.glob("train-*.jsonl"), reverse=True)
    monitor.remember((map(outcome, rollouts.read(file)) for file in files), training.curricula)
    return Collector(
        config=config,
        problems=problems,
        evaluator=evaluator,
        accelerator=accelerator,
        current=current,
        base=frozen if train.imitates else None,
        curriculum=training,
        terms=RewardTerms.of(config),
        monitor=monitor,
        steering=Steering.of(config, evaluator.training_evidence),
        distillation=distillation,
        rollouts_to=rows,
    )


def start(checkpoints: Checkpoints, resume: str) -> Checkpoint | None:
    """Where training begins: the newest whole checkpoint of the run, or what `resume=PATH` names.

    A run that began with PATH goes on from its own checkpoints that came after it.
    """
    if resume in ("auto", "never"):
        found = checkpoints.newest()
        checkpoints.origin = found.manifest["origin"] if found else None
        return found
    first = given(Path(resume))
    checkpoints.origin = first.identity
    if own := checkpoints.newest(first.identity):
        return own
    checkpoints.leave(first.step)
    return first
