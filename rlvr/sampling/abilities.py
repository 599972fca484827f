"""What of the engine a model can use, found out by decoding a few tokens each way, once per model, and holding every
distribution against plain forward passes over the whole text of a row alone.

Every causal language model that transformers loads can be sampled from. One that cannot share prompts gets a copy of
the prompt in each row; one that cannot ignore padding is given prompts of one length at a time; one whose cache is
wrong, or that keeps none, reads its text again for every token. The log says which, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, get_args
from weakref import WeakKeyDictionary

import torch
from transformers import Cache, PreTrainedModel

from rlvr.policy import Policy, PolicyError
from rlvr.sampling.prefix import Prefix, Selector, advance, base_model, prefill
from rlvr.sampling.rounding import Tolerance, apart, epsilon, tokens
from rlvr.sampling.shared import Decoder, UnsupportedError

PROMPTS = (6, 3, 3)
"""Tokens of the prompts of the trial."""
NEXT = 2
"""Tokens that are read after each."""
DRAWN = -12.0
"""Log-probability from which on a token is drawn now and then: the others' are not compared."""

log = logging.getLogger("rlvr.sampling")
_known: WeakKeyDictionary[PreTrainedModel, Abilities] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do, and what a row of its cache takes."""

    why_uncached: str | None
    """Why its text is read again for every token; None where it has a cache that can be used."""
    selector: Selector
    """The method that selects rows of its cache."""
    why_unpadded: str | None
    """Why prompts of different lengths cannot be read together; None where they can."""
    why_unshared: str | None
    """Why it cannot be decoded on shared prefixes; None where it can."""
    bytes_per_row: int
    bytes_per_token: int


def abilities(policy: Policy) -> Abilities:
    """Those of the policy's model.

    Raises:
        PolicyError: no way of reading it gives the distributions of its plain forward pass.
    """
    model = base_model(policy.model)
    if model not in _known:
        _known[model] = found = _find(policy)
        for what, why in (
            ("reads the whole text again for every token, which is slow", found.why_uncached),
            ("gives each row a copy of its prompt", found.why_unshared),
            ("reads prompts of one length at a time", found.why_unpadded),
        ):
            if why is not None:
                log.warning("%s: sampling %s: %s", policy.source, what, why)
    return _known[model]


def begin(policy: Policy, prompts: Sequence[Sequence[int]]) -> Prefix:
    """Read each prompt once, with a cache where the model has one that can be used."""
    able = abilities(policy)
    return prefill(policy, prompts, able.why_uncached is None, able.selector)


@torch.no_grad()
def _find(policy: Policy) -> Abilities:
    plain = _Plain(policy)
    selector, why_uncached = _cache(plain)
    cached = why_uncached is None
    if wrong := None if cached else _tried(lambda: plain.decoded([1], cached=False)):
        raise PolicyError(
            f"model {policy.source}: cannot be sampled from: read again for every token, {wrong}"
        )
    why_unpadded = _tried(lambda: plain.decoded([0, 1], cached))
    why_unshared = (
        "its cache cannot be used" if why_uncached else _why_not_shared_by_config(base_model(policy.model))
    )
    return Abilities(
        why_uncached=why_uncached,
        selector=selector,
        why_unpadded=f"with padding {why_unpadded}" if why_unpadded else None,
        why_unshared=why_unshared or _tried(lambda: _shared(plain)),
        **_footprint(plain, cached),
    )


def _cache(plain: _Plain) -> tuple[Selector, str | None]:
    """How rows of its cache are selected, and why the cache cannot be used, where that is so."""
    selectors = get_args(Selector)
    if wrong := _tried(lambda: plain.decoded([1], cached=True)):
        return selectors[0], f"with its cache {wrong}"
    reasons = []
    for selector in selectors:
        reason = _tried(lambda selector=selector: plain.decoded([1, 2], cached=True, selector=selector))
        if reason is None:
            return selector, None
        reasons.append(f"{selector}: {reason}")
    return selectors[0], f"rows of its cache cannot be selected ({'; '.join(reasons)})"


def _tried(attempt: Callable[[], str | None]) -> str | None:
    """Why a way of reading cannot be taken: what differs, or what the model's own code raises on it."""
    try:
        return attempt()
    except UnsupportedError as reason:
        return str(reason)
    except Exception as error:  # of the model's code, which no class of exceptions is common to
        return f"it raises {type(error).__name__}: {' '.join(str(error).split())[:160]}"


@dataclass(slots=True)
class _Plain:
    """The rows of the trial, each read alone by the model's plain forward pass."""

    policy: Policy
    prompts: list[list[int]] = field(init=False)
    following: list[list[int]] = field(init=False)
    """Per row, what is read after its prompt."""
    rows: list[torch.Tensor] = field(init=False)
    """Per row (tokens, vocabulary): log-probabilities after each of its tokens."""
    tolerance: Tolerance = field(init=False)

    def __post_init__(self) -> None:
        text = iter(tokens(self.policy))
        texts = [[*islice(text, length + NEXT)] for length in PROMPTS]
        self.prompts = [row[:-NEXT] for row in texts]
        self.following = [row[-NEXT:] for row in texts]
        self.rows = self._read()
        self.tolerance = Tolerance(
            self.policy.model,
            lambda: max(apart(one, two, DRAWN) for one, two in zip(self._read(), self.rows, strict=True)),
            epsilon(self.policy.model),
        )

    def _read(self) -> list[torch.Tensor]:
        texts = ([*one, *two] for one, two in zip(self.prompts, self.following, strict=True))
        every = (torch.tensor([text], device=self.policy.device) for text in texts)
        return [
            self.policy.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            for ids in every
        ]

    def differ(self, logits: torch.Tensor, rows: Sequence[int], read: int) -> str | None:
        """Whether (rows, vocabulary) logits are not those of `rows` after so many tokens behind their prompts, in
        words."""
        expected = torch.stack([self.rows[row][PROMPTS[row] - 1 + read] for row in rows])
        found = self.tolerance.exceeded(apart(logits.float().log_softmax(-1), expected, DRAWN))
        return found and f"its log-probabilities differ by {found}"

    def decoded(self, rows: Sequence[int], cached: bool, selector: Selector | None = None) -> str | None:
        """What differs where `rows` are decoded together; and, with a selector, in another order and repeated."""
        prompts = [self.prompts[row] for row in rows]
        if selector is None:
            prefix = prefill(self.policy, prompts, cached)
            found = self.differ(prefix.logits, rows, 0)
            return found or self._go_on(prefix, rows, 1) or self._go_on(prefix, rows, 2)
        for order in ([1, 0], [0, 0, 1]):  # the same number of rows, and another
            prefix = prefill(self.policy, prompts, cached, selector)
            found = self._go_on(prefix, rows, 1)
            prefix.select(torch.tensor(order, device=self.policy.device))
            if found := found or self._go_on(prefix, [rows[place] for place in order], 2):
                return found
        return None

    def _go_on(self, prefix: Prefix, rows: Sequence[int], read: int) -> str | None:
        ids = torch.tensor([self.following[row][read - 1] for row in rows], device=self.policy.device)
        advance(self.policy, prefix, ids)
        return self.differ(prefix.logits, rows, read)


def _why_not_shared_by_config(model: PreTrainedModel) -> str | None:
    config = model.config.get_text_config()
    if not model._can_set_attn_implementation():
        return f"{type(model).__name__} does not follow transformers' attention interface"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"it has layers of kind {', '.join(sorted(kinds - {'full_attention'}))}"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "its attention has a sliding window"
    return None


def _shared(plain: _Plain) -> str | None:
    """Why it cannot be decoded on shared prefixes, by trial; of prompts of different lengths."""
    policy, rows, prompts = plain.policy, [0, 1], plain.prompts[:2]
    cache = prefill(policy, prompts).cache
    if cache is None:
        return "it keeps no cache of transformers' kind and reads its text again for every token"
    if other := {type(layer).__name__ for layer in cache.layers} - {"DynamicLayer"}:
        return f"its cache has layers of kind {', '.join(sorted(other))}"
    if differ := _in_common(plain):
        return f"of prompts with one beginning {differ}"
    decoder = Decoder(policy, slots=2, capacity=NEXT)
    block = decoder.load(prompts, rows)
    decoder.place([(block, 0), (block, 1)])
    for step in range(NEXT):
        ids = [plain.following[row][step] for row in rows]
        logits = decoder.step(ids, [step, step], [len(p) for p in prompts])
        if differ := plain.differ(logits, rows, step + 1):
            return f"there {differ}"
    return None


def _in_common(plain: _Plain) -> str | None:
    """What differs where the beginning that two prompts have in common is read once for both."""
    text = plain.prompts[0]
    short = len(text) - 1  # so that there is padding behind the beginning
    logits = prefill(plain.policy, [text, text[:short]], common=short - 1).logits
    expected = plain.rows[0][[len(text) - 1, short - 1]]
    found = plain.tolerance.exceeded(apart(logits.float().log_softmax(-1), expected, DRAWN))
    return found and f"its log-probabilities differ by {found}"


def _footprint(plain: _Plain, cached: bool) -> dict[str, int]:
    """Bytes that a row takes whatever its length, and per token."""
    policy, prefix = plain.policy, prefill(plain.policy, plain.prompts[:1], cached)
    rows, length = prefix.ids.shape
    if prefix.cache is None:  # the logits of all that it reads again
        return {"bytes_per_row": 0, "bytes_per_token": 4 * policy.model.config.get_text_config().vocab_size}
    held = list(_tensors(prefix.cache))
    growing = sum(t.nbytes for t in held if t.dim() == 4 and t.shape[-2] == length)
    per_row = (sum(t.nbytes for t in held) - growing) // rows
    return {"bytes_per_row": per_row, "bytes_per_token": growing // (rows * length)}


def _tensors(cache: Cache) -> Iterator[torch.Tensor]:
    for layer in cache.layers:
        for value in vars(layer).values():
            values: Any = value.values() if isinstance(value, dict) else [value]
            yield from (v for v in values if isinstance(v, torch.Tensor))
