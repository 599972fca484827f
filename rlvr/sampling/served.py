"""Whether a server has the policy, reads and writes it by token ids, and says log-probabilities of what it draws: found
out by a few requests of a token or two, before anything is sampled.

What a server leaves out or does otherwise would be wrong rows without a word: most ignore names that they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.config import ConfigError, SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling.rounding import TEXT, tokens
from rlvr.sampling.servers import Away, Body, Refused, Server
from rlvr.sampling.vllm_engine import nats_of, truncates
from rlvr.tokens import added_tokens

OTHER_WORDS = " Größe 数学 x²≠y\n"
"""Where tokenizers differ, behind the text of the trial."""
PLAIN = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""The model's own distribution: what is not said, vLLM takes from the model's generation_config.json."""
ALIKE = (2.0**-7) ** 0.5
"""Nats that two readings of the same token may differ by: √ε of bfloat16, which a server is likely to compute in."""
HOT, LONG = 2.0, 16
"""The highest temperature that vLLM's server takes, and tokens by which any model then draws something else."""
READ, DRAWN = 8, 4
"""Tokens of the trial's prompt, and those drawn behind it."""


@dataclass(frozen=True, slots=True)
class Served:
    """What was found out of a server."""

    model: str
    """What it calls the policy."""
    room: int | None
    """Tokens of a prompt and its completion, where it says so."""
    nats: tuple[float, ...]
    """Log-probability of the likeliest token after each of a few prompts: other weights give other ones."""
    why_unscored: str | None
    """Why it cannot say log-probabilities of given tokens; None where it can."""


def find(server: Server, policy: Policy, settings: SamplingConfig) -> Served | None:
    """Try the server; None where it has other models alone.

    Raises:
        ConfigError: it is not there, or cannot do what rollout rows need; the sentence says the cure.
    """
    try:
        listed = models(server)
        if (named := name_of(policy, listed)) is None:
            return None
        server.model = named
        _reads(server, policy)
        ids, nats = _writes(server, policy)
        _stops(server, policy)
        _draws_by_seed(server, policy)
        _says_nats(server, policy, settings)
        return Served(
            named,
            listed[named].get("max_model_len"),
            likeliest(server, policy),
            _why_unscored(server, policy, ids, nats),
        )
    except Away as error:
        raise ConfigError(
            f"sampling.servers: {error}; start one there, such as vllm serve {policy.source}"
        ) from error
    except Refused as error:
        raise ConfigError(f"sampling.servers: {error}") from error


def hold(server: Server, policy: Policy, found: Served) -> None:
    """Raises Refused where the server, which was away, has another model than it had; Away where it is not back."""
    if name_of(policy, models(server)) != found.model:
        raise Refused(f"{server.url} came back without {policy.source}")
    if not alike(found.nats, likeliest(server, policy)):
        raise Refused(f"{server.url} came back with other weights than it had of {policy.source}")


def alike(one: Sequence[float], two: Sequence[float]) -> bool:
    return all(abs(a - b) <= ALIKE for a, b in zip(one, two, strict=True))


def models(server: Server) -> dict[str, dict[str, Any]]:
    """What the server has, by name. Raises Refused where it lists nothing."""
    listed = server.ask("/v1/models")
    try:
        return {str(model["id"]): model for model in listed["data"]}
    except (KeyError, TypeError) as error:
        raise Refused(f"{server.url}/v1/models lists no models: it is no OpenAI-compatible server") from error


def name_of(policy: Policy, listed: dict[str, dict[str, Any]]) -> str | None:
    """What the server calls the policy, by its name there or by what vLLM says that it read; None where it has not got
    it."""
    for name, model in listed.items():
        if any(_same(str(said), policy.source) for said in (name, model.get("root", name))):
            return name
    return None


def _same(said: str, source: str) -> bool:
    """Names of one model: as they are written, or as folders."""
    return said == source or (Path(source).is_dir() and Path(said).resolve() == Path(source).resolve())


def _trial(policy: Policy) -> list[int]:
    return tokens(policy)[:READ]


def _ask(server: Server, prompt: list[int] | str, **more: Any) -> Body:
    """A completion by the plain distribution."""
    common = {"prompt": prompt, "max_tokens": 1, "logprobs": 0, "return_token_ids": True}
    return server.complete(PLAIN | common | more)


def _reads(server: Server, policy: Policy) -> None:
    """By the policy's tokenizer, and prompts of ids as they are."""
    special = [text for text in added_tokens(policy.tokenizer) if text.strip() == text][:8]
    text = TEXT + OTHER_WORDS + "".join(special)
    wanted = policy.words(text)
    found = _ask(server, text, add_special_tokens=False).get("prompt_token_ids")
    if found is None:
        raise Refused(
            f"{server.url} gives no token ids (it knows no `return_token_ids`), and rollout rows record what was "
            "drawn; vLLM's server gives them"
        )
    if found != wanted:
        at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), len(wanted))
        raise Refused(
            f"{server.url} reads text by another tokenizer than that of {policy.source}: token {at} of a trial is "
            f"{found[at : at + 1]}, expected {wanted[at : at + 1]}"
        )
    ids = [*_trial(policy), len(policy.tokenizer) - 1]  # the last of the vocabulary is among them
    if (found := _ask(server, ids).get("prompt_token_ids")) != ids:
        raise Refused(f"{server.url} was asked to read the tokens {ids}, and read {found}")


def written(choice: Body) -> tuple[list[int], list[float]]:
    """Token ids and log-probabilities of a completion. Raises Away where it has not both."""
    ids, said = choice.get("token_ids"), choice.get("logprobs") or {}
    nats = said.get("token_logprobs")
    if not isinstance(ids, list) or not isinstance(nats, list) or len(ids) != len(nats):
        raise Away("an answer came without a log-probability for each of its token ids")
    if not all(isinstance(value, float | int) for value in nats):
        raise Away("an answer came with log-probabilities that are no numbers")
    return ids, [float(value) for value in nats]


def _writes(server: Server, policy: Policy) -> tuple[list[int], list[float]]:
    try:
        return written(_ask(server, _trial(policy), max_tokens=DRAWN, seed=1, ignore_eos=True))
    except Away as error:
        raise Refused(
            f"{server.url}: {error}, which rollout rows record; vLLM's server gives them"
        ) from error


def _stops(server: Server, policy: Policy) -> None:
    """At token ids that it is given."""
    ids, _ = written(_ask(server, _trial(policy), max_tokens=DRAWN, seed=1))
    stopped = _ask(server, _trial(policy), max_tokens=DRAWN, seed=1, stop_token_ids=ids[:1])
    if written(stopped)[0] != ids[:1] or stopped.get("finish_reason") != "stop":
        raise Refused(
            f"{server.url} does not end a completion at a token of `stop_token_ids`; vLLM's server does"
        )


def _draws_by_seed(server: Server, policy: Policy) -> None:
    drawn = [
        written(_ask(server, _trial(policy), temperature=HOT, max_tokens=LONG, seed=seed, ignore_eos=True))[0]
        for seed in (1, 1, 2, 3, 4)
    ]
    # a few tokens: on a busy server the last digits of a probability depend on what else is drawn
    if drawn[0][:DRAWN] != drawn[1][:DRAWN]:
        raise Refused(
            f"{server.url} draws another completion for the same `seed`, and each row has one of its own"
        )
    if len({tuple(ids) for ids in drawn}) == 1:
        raise Refused(
            f"{server.url} draws the same completion for every `seed`, and each row has one of its own"
        )


def _says_nats(server: Server, policy: Policy, settings: SamplingConfig) -> None:
    """Of the temperature and before truncation, as rollout rows have them."""
    if settings.temperature == 1 and not truncates(settings):
        return
    one, half = (_top(server, _trial(policy), temperature, 5) for temperature in (1.0, 0.5))
    both = one.keys() & half.keys()
    apart, apart_then = (max(said[t] for t in both) - min(said[t] for t in both) for said in (one, half))
    mode = "processed" if apart_then > 1.5 * apart else "raw"
    if mode != (wanted := nats_of(settings)):
        raise Refused(
            f"{server.url} says {mode} log-probabilities, and with these sampling settings rows need {wanted} ones: "
            f"start it with --logprobs-mode {wanted}_logprobs"
        )


def _top(server: Server, prompt: list[int], temperature: float, count: int) -> dict[str, float]:
    """The likeliest tokens, as the server names them."""
    said = _ask(server, prompt, temperature=temperature, seed=1, logprobs=count)["logprobs"]
    if not (top := (said.get("top_logprobs") or [{}])[0]):
        raise Refused(f"{server.url} does not say the likeliest tokens (`logprobs`: {count})")
    return top


def likeliest(server: Server, policy: Policy) -> tuple[float, ...]:
    """`Served.nats`: after nonsense, the trial from back to front, of which no model is sure."""
    prompts = [_trial(policy)[::-1][:length] for length in (READ // 4, READ // 2, READ)]
    return tuple(max(_top(server, prompt, 1.0, 1).values()) for prompt in prompts)


def given(choice: Body, ids: Sequence[int]) -> list[float]:
    """Log-probabilities of the tokens at the end of a prompt. Raises Away where they are not there."""
    said = choice.get("prompt_logprobs") or []
    try:
        last = said[len(said) - len(ids) :]
        return [float(token[str(id_)]["logprob"]) for token, id_ in zip(last, ids, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise Away("an answer came without the `prompt_logprobs` of its tokens") from error


def _why_unscored(server: Server, policy: Policy, ids: list[int], nats: list[float]) -> str | None:
    """What was drawn is read again."""
    try:
        again = given(_ask(server, [*_trial(policy), *ids], prompt_logprobs=0), ids)
    except (Away, Refused):
        return f"{server.url} says no log-probabilities of given tokens (`prompt_logprobs`)"
    if not alike(nats, again):
        apart = max(abs(a - b) for a, b in zip(nats, again, strict=True))
        return f"{server.url} says log-probabilities of what it drew that differ by {apart:.2g} nats when it reads them"
    return None
