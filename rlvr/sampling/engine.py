"""Sampling with transformers: each distinct prompt is read once, rows that end make room for those that wait.

A row is one sample of one prompt with a seed of its own. Its random numbers depend on that seed alone, and the order in
which rows join on the rows before them alone, so the same call gives the same bits. A trace does not depend on which
rows share its batch, up to the last bits of floating point: a matrix product over another number of rows may round
differently, and a draw that falls within that rounding of a boundary between two tokens (about 1 in 10^6 tokens in
float32) then comes out differently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from rlvr.config import SamplingConfig
from rlvr.launch import signals
from rlvr.policy import Policy
from rlvr.sampling import shared
from rlvr.sampling.abilities import abilities, begin
from rlvr.sampling.draw import Distribution, Drawn
from rlvr.sampling.prefix import advance
from rlvr.sampling.types import Completion, OnDone, SampleRequest

BATCHES_PER_BLOCK = 8
"""Batches' worth of rows that an evaluation asks for at once: the batch is full until the last of them."""
REFILL = 1 / 8
"""Share of the batch that is free before waiting rows join, so that several prompts are read at once."""
PREFILL_TOKENS = 4096
PREFILL_PROMPTS = 256
GPU_SHARE, CPU_BUDGET = 0.4, 2 * 1024**3
"""Of a GPU's free memory, and bytes of a CPU's, for the rows that are decoded at once."""
LEAST_ROWS = 16


@dataclass(frozen=True, slots=True)
class TransformersSampler:
    """Samples with the policy's own weights, in batches that fit the memory at hand."""

    policy: Policy
    settings: SamplingConfig

    @property
    def why_unshared(self) -> str | None:
        """Why rows have a copy of their prompt each and do not join a running batch; None where they share it."""
        return abilities(self.policy).why_unshared

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        batch = batch_size(self.policy, prompts, self.settings)
        return batch if self.why_unshared else BATCHES_PER_BLOCK * batch

    @torch.no_grad()
    def generate(
        self, prompts: Sequence[Sequence[int]], rows: Sequence[SampleRequest], on_done: OnDone | None = None
    ) -> list[Completion]:
        """One completion per row, in order; rows of the same prompt share its prefill."""
        if not rows:
            return []
        size = min(len(rows), batch_size(self.policy, prompts, self.settings))
        run = _Run(self.policy, self.settings, prompts, rows, on_done)
        if self.why_unshared:
            for together in run.readable_together():
                for start in range(0, len(together), size):
                    run.copied(together[start : start + size])
        else:
            run.shared(size)
        return run.completions

    def close(self) -> None:
        """Nothing is held that the policy does not hold."""


def batch_size(policy: Policy, prompts: Sequence[Sequence[int]], settings: SamplingConfig) -> int:
    """Rows decoded at once: as set, or those whose cache and logits fit a share of the memory at hand."""
    if settings.batch_size:
        return settings.batch_size
    able = abilities(policy)
    longest = max(map(len, prompts), default=0) + settings.max_new_tokens
    vocabulary = policy.model.config.get_text_config().vocab_size
    bytes_per_row = able.bytes_per_row + able.bytes_per_token * longest + 8 * vocabulary
    on_gpu = policy.device.type == "cuda"
    budget = int(GPU_SHARE * torch.cuda.mem_get_info(policy.device)[0]) if on_gpu else CPU_BUDGET
    return rows_within(budget, bytes_per_row)


def rows_within(budget: int, bytes_per_row: int) -> int:
    """Rows that are decoded at once where so many bytes are for them."""
    return max(LEAST_ROWS, min(1024, budget // bytes_per_row // 16 * 16))


@dataclass(slots=True)
class _Run:
    """One call of the sampler: the rows, by their index, and what has been written so far."""

    policy: Policy
    settings: SamplingConfig
    prompts: Sequence[Sequence[int]]
    rows: Sequence[SampleRequest]
    on_done: OnDone | None
    completions: list[Completion] = field(init=False)
    distribution: Distribution = field(init=False)
    stop_ids: set[int] = field(init=False)
    uniforms: dict[int, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.completions = [Completion() for _ in self.rows]
        self.distribution = Distribution(self.settings)
        self.stop_ids = set(self.policy.stops_at(self.settings))

    # ------------------------------------------------------------------ on shared prefixes

    def shared(self, slots: int) -> None:
        """Rows join as others end, in their order."""
        decoder = shared.Decoder(self.policy, slots, self.settings.max_new_tokens)
        waiting = deque(range(len(self.rows)))
        live: list[int] = []
        loaded: dict[int, tuple[shared.Block, int]] = {}  # by prompt
        while waiting or live:
            changed = False
            while waiting and slots - len(live) >= max(1, REFILL * slots):
                joining = [waiting.popleft() for _ in range(min(len(waiting), slots - len(live)))]
                self._load(decoder, joining, loaded)
                live += self._first_tokens(joining, loaded)
                changed = True
            while live:
                if changed:
                    self._forget(loaded, live, waiting)
                    decoder.place([loaded[self.rows[i].prompt] for i in live])
                written = [self.completions[i].token_ids for i in live]
                logits = decoder.step(
                    tokens=[ids[-1] for ids in written],
                    read=[len(ids) - 1 for ids in written],
                    lengths=[len(self.prompts[self.rows[i].prompt]) for i in live],
                )
                ended = self._write(live, self._draw(live, logits, torch.arange(len(live))))
                changed = bool(ended)
                if ended:
                    live = [live[place] for place in decoder.leave(ended, len(live))]
                if waiting and slots - len(live) >= max(1, REFILL * slots):
                    break

    def _load(
        self, decoder: shared.Decoder, joining: Sequence[int], loaded: dict[int, tuple[shared.Block, int]]
    ) -> None:
        """Read the prompts of `joining` that have not been read."""
        missing = [p for p in dict.fromkeys(self.rows[i].prompt for i in joining) if p not in loaded]
        for run in runs([len(self.prompts[p]) for p in missing]):
            numbers = missing[run.start : run.stop]
            block = decoder.load([self.prompts[p] for p in numbers], numbers)
            loaded.update({p: (block, place) for place, p in enumerate(numbers)})

    def _first_tokens(self, joining: Sequence[int], loaded: dict[int, tuple[shared.Block, int]]) -> list[int]:
        """Draw each row's first token from its prompt's logits; the rows that go on."""
        by_block: dict[int, list[int]] = {}
        for i in joining:
            by_block.setdefault(id(loaded[self.rows[i].prompt][0]), []).append(i)
        going: list[int] = []
        for rows in by_block.values():
            places = [loaded[self.rows[i].prompt] for i in rows]
            drawn = self._draw(rows, places[0][0].logits, torch.tensor([place for _, place in places]))
            ended = set(self._write(rows, drawn))
            going += [i for place, i in enumerate(rows) if place not in ended]
        return going

    def _forget(
        self, loaded: dict[int, tuple[shared.Block, int]], live: Sequence[int], waiting: Sequence[int]
    ) -> None:
        """Drop the prompts of which no row is left, once they are half of their block."""
        used = {self.rows[i].prompt for i in live} | {self.rows[i].prompt for i in [*waiting][:1]}
        for block in {id(block): block for block, _ in loaded.values()}.values():
            stay = [place for place, prompt in enumerate(block.prompts) if prompt in used]
            if 2 * len(stay) <= len(block.prompts):
                for prompt in block.prompts:
                    del loaded[prompt]
                if stay:
                    block.keep(stay)
                    loaded.update({prompt: (block, place) for place, prompt in enumerate(block.prompts)})

    # ------------------------------------------------------------------ with a copy of the prompt in each row

    def readable_together(self) -> list[list[int]]:
        """All rows, or where the model cannot ignore padding, those of each prompt length."""
        if abilities(self.policy).why_unpadded is None:
            return [list(range(len(self.rows)))]
        by_length: dict[int, list[int]] = {}
        for i, row in enumerate(self.rows):
            by_length.setdefault(len(self.prompts[row.prompt]), []).append(i)
        return list(by_length.values())

    def copied(self, rows: Sequence[int]) -> None:
        """For models that cannot share: rows decoded together to the end; those that end leave."""
        live = list(rows)
        distinct = list(dict.fromkeys(self.rows[i].prompt for i in live))
        place = {prompt: i for i, prompt in enumerate(distinct)}
        device = self.policy.device
        prefix = begin(self.policy, [self.prompts[p] for p in distinct])
        prefix.select(torch.tensor([place[self.rows[i].prompt] for i in live], device=device))
        done: set[int] = set()
        while True:
            places = [place for place, i in enumerate(live) if i not in done]
            writing = [live[place] for place in places]
            ended = self._write(writing, self._draw(writing, prefix.logits, torch.tensor(places)))
            done.update(writing[place] for place in ended)
            going = [place for place, i in enumerate(live) if i not in done]
            if not going:
                return
            # dropping rows copies the cache, so it waits until a quarter of them have ended
            if len(going) <= 0.75 * len(live):
                prefix.select(torch.tensor(going, device=device))
                live = [live[place] for place in going]
            tokens = [self.completions[i].token_ids[-1] for i in live]
            advance(self.policy, prefix, torch.tensor(tokens, device=device))

    # ------------------------------------------------------------------ tokens

    def _draw(self, rows: Sequence[int], logits: torch.Tensor, place: torch.Tensor) -> Drawn:
        """The next token of `rows`, which draw from `logits[place]`."""
        signals.check_stop()
        numbers = [self._uniforms(i)[len(self.completions[i].token_ids)] for i in rows]
        uniform = torch.tensor(numbers, dtype=torch.float64, device=logits.device)
        return self.distribution.draw(logits, place.to(logits.device), uniform)

    def _uniforms(self, row: int) -> np.ndarray:
        if row not in self.uniforms:
            generator = np.random.Generator(np.random.Philox(self.rows[row].seed))
            self.uniforms[row] = generator.random(self.settings.max_new_tokens)
        return self.uniforms[row]

    def _write(self, rows: Sequence[int], drawn: Drawn) -> list[int]:
        """Append the drawn tokens; say which of `rows`, by place, have ended by them."""
        nats = torch.stack([drawn.logprobs, drawn.sampling_logprobs, drawn.raw_logprobs])
        values = zip(rows, drawn.tokens.tolist(), *nats.tolist(), strict=True)  # each waits for the device
        ended = []
        for place, (i, token, logprob, sampling_logprob, raw_logprob) in enumerate(values):
            row = self.completions[i]
            row.token_ids.append(token)
            row.logprobs.append(logprob)
            row.sampling_logprobs.append(sampling_logprob)
            row.raw_logprobs.append(raw_logprob)
            row.complete = token in self.stop_ids or self._at_stop_string(row.token_ids)
            if row.complete or len(row.token_ids) == self.settings.max_new_tokens:
                row.text = self.policy.decode(row.token_ids)
                self.uniforms.pop(i)
                ended.append(place)
                if self.on_done:
                    self.on_done(i, row)
        return ended

    def _at_stop_string(self, token_ids: list[int]) -> bool:
        if not self.settings.stop:
            return False
        # a token is at least one byte: characters of several bytes may be written in as many tokens
        longest = max(len(stop.encode(errors="surrogatepass")) for stop in self.settings.stop)
        tail = self.policy.tokenizer.decode(token_ids[-(longest + 4) :], skip_special_tokens=False)
        return any(stop in tail for stop in self.settings.stop)


def runs(lengths: Sequence[int]) -> Iterable[range]:
    """Cut prompts of these lengths into neighbours that are read together: not too many, and of similar length, so
    that at most a fifth of what is read is padding."""
    start, real, longest = 0, 0, 0
    for i, length in enumerate(lengths):
        padded = (i + 1 - start) * max(longest, length)
        too_much = padded > PREFILL_TOKENS or i - start == PREFILL_PROMPTS or padded > 1.25 * (real + length)
        if too_much and i > start:
            yield range(start, i)
            start, real, longest = i, 0, 0
        real, longest = real + length, max(longest, length)
    if lengths:
        yield range(start, len(lengths))
