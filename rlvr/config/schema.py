"""Every key of the configuration, with its type, default and explanation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rlvr.config.data import EvidenceConfig
from rlvr.config.section import Section
from rlvr.config.sets import FileName, ProblemsConfig, each
from rlvr.config.training import TrainConfig


class VllmSection(Section):
    """Of `sampling.engine: vllm`. The keys are those of `vllm.LLM`."""

    gpu_memory_utilization: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of each GPU's memory for vLLM's weights and cache; unset: 0.9, beside a trainer 0.3",
    )
    tensor_parallel_size: int = Field(
        default=1, ge=1, description="GPUs that share one engine; divides the number of processes"
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="longest prompt and completion, in tokens; unset: as the memory allows",
    )
    max_num_seqs: int | None = Field(
        default=None, ge=1, description="rows decoded at once; unset: vLLM's choice"
    )
    max_num_batched_tokens: int | None = Field(
        default=None, ge=1, description="tokens of one forward pass; unset: vLLM's choice"
    )
    enforce_eager: bool = Field(
        default=False, description="neither compile nor capture CUDA graphs: starts faster, decodes slower"
    )
    sleep: bool = Field(
        default=False, description="give the GPU's memory back to the trainer during updates; GPUs only"
    )


class HttpSection(Section):
    """Of `sampling.engine: http`."""

    in_flight: int = Field(
        default=64, ge=1, le=4096, description="completions that each server is asked for at once"
    )
    timeout: float = Field(
        default=3600.0, gt=0, description="seconds for one completion, waiting at the server included"
    )
    patience: float = Field(
        default=600.0,
        ge=0,
        description="seconds that a server may be away (a restart) before the evaluation goes on without it, or stops",
    )


class SamplingConfig(Section):
    engine: Literal["auto", "transformers", "vllm", "http"] = Field(
        default="auto",
        description="what samples, in training and evaluation; auto: vllm if it is installed, there is a GPU and it "
        "takes these settings, else transformers; http, in evaluation alone: sampling.servers",
    )
    servers: list[Annotated[str, Field(pattern=r"^https?://[^/\s]+")]] = Field(
        default_factory=list,
        exclude=True,  # of one attempt, as is how they are asked: where a model is served is no part of the run
        description="OpenAI-compatible servers, such as [http://node1:8000, http://node2:8000]: each model is sampled "
        "by all that serve it; see docs/engines.md",
    )
    http: HttpSection = Field(default=HttpSection(), exclude=True, description="how the servers are asked")
    samples: int = Field(
        default=64,
        ge=1,
        le=1_000_000,
        description="samples per held-out problem; at least 2 analysis.search_budget, 16 of it to show expansion",
    )
    temperature: float = Field(
        default=1.0, ge=0, description="softmax temperature of training and evaluation; 0 is greedy"
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="nucleus sampling; the figures on the posterior need 1.0"
    )
    top_k: int = Field(default=0, ge=0, description="keep the k most likely tokens; 0 keeps all")
    min_p: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="drop tokens below this share of the most likely one; 0 keeps all",
    )
    max_new_tokens: int = Field(
        default=512, ge=1, description="token limit of a completion; one that reaches it is truncated"
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="strings that end a completion, special tokens among them, besides end-of-text and what ends a "
        "turn in the chat template",
    )
    stop_token_ids: list[Annotated[int, Field(ge=0)]] = Field(
        default_factory=list, description="ids of tokens that end a completion too"
    )
    batch_size: int = Field(
        default=0,
        ge=0,
        description="completions that transformers decodes at once; 0 derives it from the model's size",
    )
    vllm: VllmSection = Field(default=VllmSection(), description="how vLLM is started")


class VerificationConfig(Section):
    workers: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="verifier processes of each machine, divided among the launch's processes there; 0: one per core, "
        "at most 8 for each of them",
    )
    deadline: float = Field(
        default=10.0, gt=0, description="seconds for one verdict before its worker is killed"
    )
    memory_mb: int = Field(default=2048, ge=64, description="memory limit of one worker, in MB")
    max_unjudged: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="largest tolerated share of responses that could not be judged, through no fault of the policy; "
        "above it the run stops; 1 turns the check off",
    )
    max_unverifiable: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="largest tolerated share of problems that never get a verdict: no answer can equal the reference "
        "(a proof, a sentence), or the tests cannot be used; above it the data are refused",
    )
    min_accepted: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="least share of the data's own answers (references, solutions of code problems) that the verifier "
        "must accept; below it the config is refused (a verifier of your own: by `rlvr check` alone)",
    )


class AnalysisConfig(Section):
    search_budget: int | None = Field(
        default=None,
        ge=1,
        description="K: a gain that K samples of the base also reach counts as search compression; unset: a sixteenth "
        "of the base's samples, at least 4, and never more than there are",
    )
    replicates: int = Field(
        default=2000, ge=100, description="cluster-bootstrap replicates for the intervals"
    )


class SandboxConfig(Section):
    allow_weak: bool = Field(
        default=False, description="run the code verifier below isolation level `standard`"
    )


class Config(Section):
    name: FileName | None = Field(
        default=None,
        exclude=True,  # it names the folder and is no part of the run in it
        description="the run's folder is runs/NAME; unset: that of the config's file; --output goes before it",
    )
    model: str = Field(
        default="tiny",
        description="`tiny` (embedded), a folder (a model, an adapter, a checkpoint, a run), or a Hub name such as "
        "Qwen/Qwen2.5-0.5B-Instruct",
    )
    base_model: str | None = Field(
        default=None,
        description="base of the adapter that `model` names, where it is not what its adapter_config.json says",
    )
    revision: str | None = Field(default=None, description="Hub revision of the model")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="weights in memory; auto is float32 on CPU, bfloat16 on a GPU that has it"
    )
    trust_remote_code: bool = Field(default=False, description="run code that comes with the model")
    problems: ProblemsConfig = Field(description="where problems come from")
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="how a problem becomes a prompt")
    environment: str | None = Field(
        default=None,
        description="who answers the policy within an episode: feedback, python, schedule, restate, my_module:Class or "
        "./my_file.py:Class; see docs/turns.md; unset: nobody, an episode is one completion",
    )
    environment_options: dict[str, Any] = Field(
        default_factory=dict, description="keyword options of the environment"
    )
    verifier: str = Field(
        default="math",
        description="a built-in name, an installed plug-in, my_module:Name or ./my_file.py:Name; see docs/verifiers.md",
    )
    verifier_options: dict[str, Any] = Field(
        default_factory=dict, description="keyword options of the verifier; docs/code.md has those of `code`"
    )
    thinking_marks: tuple[tuple[str, str], ...] = Field(
        default=(),
        description="further marks that open and close a thought, [[opening, closing], …], besides <think>, [THINK], "
        "<|channel|>analysis and the others of verifiers.extract.MARKS: what stands in a thought is never the answer",
    )
    verification: VerificationConfig = Field(
        default=VerificationConfig(), description="the pool of verifier processes"
    )
    sampling: SamplingConfig = Field(
        default=SamplingConfig(), description="how completions are sampled, in training and evaluation"
    )
    train: TrainConfig = Field(default=TrainConfig(), description="the training run")
    analysis: AnalysisConfig = Field(
        default=AnalysisConfig(), description="thresholds of the report, fixed before the results are known"
    )
    sandbox: SandboxConfig = Field(default=SandboxConfig(), description="isolation of untrusted programs")
    resume: str = Field(
        default="auto",
        exclude=True,  # of one attempt, not of the run: it is not written to config.yaml
        description="auto: continue where the folder's run stopped; never: refuse a folder that holds a run; or the "
        "path of a checkpoint to continue from",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="seed of data order and samples; training and each evaluation derive their own from it",
    )

    @property
    def marks_option(self) -> dict[str, Any]:
        """The option that every verifier takes, where there are further marks of thoughts."""
        marks = [list(pair) for pair in self.thinking_marks]
        return {"thinking_marks": marks} if marks else {}

    @model_validator(mode="after")
    def _coherent(self) -> Config:
        if (self.analysis.search_budget or 0) > self.sampling.samples:
            raise ValueError(
                f"analysis.search_budget ({self.analysis.search_budget}) is above sampling.samples "
                f"({self.sampling.samples}); pass@K needs at least K samples, 2 K for its variance"
            )
        terms = {"verdict", *(term.name for term in self.train.rewards)} if self.train.rewards else set()
        if clash := next((s.name for s in each(self.problems.train) if s.name in terms), None):
            raise ValueError(
                f"problems.train: the source {clash!r} is called like a term of the reward, and both are logged as "
                f"reward/{clash}; give it another `name`"
            )
        if self.train.evidence is not None:
            self.train.evidence.on(self.evidence)
        if self.train.distill is not None:
            self.train.distill.on(self.evidence)
            if self.environment is not None:
                raise ValueError(
                    f"environment: algorithm: distill compares answers of one turn, and {self.environment} answers them"
                )
        if self.environment_options and self.environment is None:
            raise ValueError("environment_options are given, and no `environment`")
        if self.train.steps and self.sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature is 0: the greedy samples of a group are all equal, so there is nothing to learn"
            )
        return self
