"""Alarms in words while a run trains: what usually means that its hours are lost, read off the lines of metrics.jsonl.

A kind of alarm looks at one line after the other and says what is wrong while it is wrong. It is raised once, and again
only after `CALM` steps without it. All of it is a function of the lines: a resumed run reads those that are there and
goes on as one that was never stopped.

A change of a mean counts where it is large in itself and beyond noise: `SURE` standard errors of the difference of two
windows, the noise of a step taken from the differences between neighbouring steps of the whole run. Two windows are not
chosen at random (the lowest so far, and now), hence far more than 2.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rlvr.config import TrainConfig
from rlvr.text import number

Line = Mapping[str, Any]
"""One of metrics.jsonl."""

WINDOW = 10
"""Steps of a mean: few enough to be heard of within minutes, enough for their noise to be a third of a step's."""
SURE = 5.0
"""Standard errors. With it, runs in which nothing changes raise no alarm (`tests/training/test_alarms.py`)."""
CALM = 2 * WINDOW
"""Steps without it after which an alarm may be raised again: two windows, so that one that wavers is heard once."""

EQUAL_GROUPS = 150
"""Groups in a row whose rewards are all equal: then at most 2 % of groups have a signal, at 95 % (3 / 150)."""
SHARE, RISE = 0.3, 0.2
"""Of samples that are cut off, or without an answer: from a third of the samples on it decides the reward, and a fifth
more than at its best is no drift."""
LONGER, TOKENS = 2.0, 32
"""Times as long as they were, without a higher reward, and more tokens by at least this: below it costs nothing."""
COLLAPSED, SOLVED = 0.1, 0.7
"""Share of its highest entropy; no alarm where this much is solved, since a policy that knows the answers is sure of
them."""
FALLEN, EVALUATIONS = 0.02, 2
"""A fall of held-out pass@1 that somebody would mind, in as many evaluations in a row."""
MOVED, UPDATES = 0.1, 5
"""Share of the 16-bit weights that an update changes, on average over as many: below it the others are rounded back,
and the learning rate is not what it says. In float32 it is above 0.99."""


class Level(NamedTuple):
    """The mean of a window."""

    step: int
    mean: float
    noise: float
    """Standard error."""


class Window:
    """The last `WINDOW` values of a figure. Lines without it, and those that drew nothing, are passed over."""

    def __init__(self, *keys: str, absent: float | None = None) -> None:
        """The first of `keys` that a line has; `absent` where it has none."""
        self.keys, self.absent = keys, absent
        self.values = deque[float](maxlen=WINDOW)
        self.squares, self.pairs = 0.0, 0

    def add(self, line: Line) -> Level | None:
        """The level with this line's value in it; None before the window is full."""
        found = (line[key] for key in self.keys if line.get(key) is not None)
        value = next(found, self.absent)
        if value is None or not line.get("samples", 1):
            return None
        if self.values:
            self.squares, self.pairs = self.squares + (value - self.values[-1]) ** 2, self.pairs + 1
        self.values.append(value)
        if len(self.values) < WINDOW:
            return None
        variance = self.squares / self.pairs / 2
        return Level(line["step"], sum(self.values) / WINDOW, math.sqrt(variance / WINDOW))


def apart(one: Level, other: Level) -> bool:
    """Beyond noise."""
    return abs(one.mean - other.mean) > SURE * math.hypot(one.noise, other.noise)


Kind = Callable[[Line], str | None]
"""What is wrong after this line, with the key to change; None where nothing is. Lines come in order."""


def equal_rewards(train: TrainConfig) -> Kind:
    """No step has a signal: all rewards of a group, or of a batch where its mean is the baseline, are equal."""
    steps = groups = 0
    most = 0.0, 0
    """Share that was solved, and the step."""

    def look(line: Line) -> str | None:
        nonlocal steps, groups, most
        if not line.get("samples"):
            return None
        solved = line.get("correct_share") or 0.0
        most = max(most, (solved, line["step"]), key=lambda pair: pair[0])
        if train.imitates:
            dead = line.get("correct_share") == 0
        elif train.algorithm == "distill":
            dead = False  # it learns from the teacher, whatever the rewards
        elif train.algorithm in ("grpo", "rloo"):
            dead = line.get("frac_zero_variance") == 1
        else:
            dead = line.get("reward_std") == 0
        steps, groups = (steps + 1, groups + int(line.get("groups/drawn", 1))) if dead else (0, 0)
        if groups < EQUAL_GROUPS or steps < WINDOW:
            return None
        return (
            f"nothing is learnt: in {steps} steps in a row all samples of each group have the same reward "
            f"({number(100 * solved)} % solved). {cure_of_equal(train, line, solved, most)}"
        )

    return look


def cure_of_equal(train: TrainConfig, line: Line, solved: float, most: tuple[float, int]) -> str:
    """What to do where all rewards are equal, by what else the line says."""
    cut = line.get("truncated_share") or 0.0
    if train.reward != "verdict":
        return f"The control train.reward={train.reward} has nothing left to tell apart"
    if solved > 0.5:
        return "The problems are too easy. Try: harder ones in problems.train, train.curriculum.kind=adaptive"
    if most[0] > 2 * solved:
        share = number(100 * most[0])
        return f"At step {most[1]} {share} % were solved. Try: a lower train.learning_rate, train.trl.max_grad_norm"
    if cut >= SHARE:
        share = number(100 * cut, ".0f")
        return (
            f"The token limit cuts {share} % of them. Try: a higher sampling.max_new_tokens, evidence.shots"
        )
    if train.adapter.kind == "soft_prompt" and train.adapter.init_text is None:
        return (
            "Tokens drawn from the vocabulary may hide the task from the model. Try: a text in train.adapter.init_text "
            "that does not, a smaller train.adapter.tokens"
        )
    return (
        "Try: easier problems in problems.train, evidence.shots; or the verifier reads another form of answer than "
        "the policy writes (rollouts/train-*.jsonl)"
    )


def rising(what: str, cure: str, *keys: str, absent: float | None = None) -> Kind:
    """A share of the samples that has risen well above its lowest."""
    window = Window(*keys, absent=absent)
    lowest: Level | None = None

    def look(line: Line) -> str | None:
        nonlocal lowest
        now = window.add(line)
        if now is None:
            return None
        lowest = now if lowest is None or now.mean < lowest.mean else lowest
        if now.mean < SHARE or now.mean - lowest.mean < RISE or not apart(now, lowest):
            return None
        return (
            f"{number(100 * now.mean, '.0f')} % of the samples {what}, up from {number(100 * lowest.mean, '.0f')} % "
            f"at step {lowest.step}. Try: {cure}"
        )

    return look


def longer(train: TrainConfig) -> Kind:
    """Responses that grow without a higher reward."""
    lengths, rewards = Window("completion_length"), Window("reward")
    shortest: tuple[Level, Level] | None = None

    def look(line: Line) -> str | None:
        nonlocal shortest
        length, reward = lengths.add(line), rewards.add(line)
        if length is None or reward is None:
            return None
        if shortest is None or length.mean < shortest[0].mean:
            shortest = length, reward
        before, paid = shortest
        grown = length.mean >= LONGER * before.mean and length.mean - before.mean >= TOKENS
        gained = reward.mean - paid.mean > 2 * math.hypot(reward.noise, paid.noise)
        if not grown or gained or not apart(length, before):
            return None
        more = "raise" if train.shaping.overlong else "set"
        return (
            f"responses are {number(length.mean, '.0f')} tokens long, {number(length.mean / before.mean, '.2g')} times "
            f"as long as at step {before.step}, and the reward is not higher. Try: {more} train.shaping.overlong or "
            "train.shaping.per_token, train.trl.loss_type=dr_grpo"
        )

    return look


def collapsing(train: TrainConfig) -> Kind:
    """A policy that is sure of answers that are wrong: it does not explore any more."""
    entropies, solved = Window("entropy/sampled", "entropy"), Window("correct_share")
    highest: Level | None = None

    def look(line: Line) -> str | None:
        nonlocal highest
        now, share = entropies.add(line), solved.add(line)
        if train.imitates or now is None or share is None:  # its samples are not the policy's
            return None
        highest = now if highest is None or now.mean > highest.mean else highest
        if now.mean > COLLAPSED * highest.mean or share.mean >= SOLVED or not apart(now, highest):
            return None
        return (
            f"the entropy has collapsed: {number(now.mean, '.2g')} nats per token, {number(highest.mean, '.2g')} at "
            f"step {highest.step}, with {number(100 * share.mean, '.0f')} % solved: the policy hardly explores. "
            "Try: a lower train.learning_rate, train.trl.entropy_coef, train.trl.beta, train.trl.epsilon_high"
        )

    return look


def overfitted(train: TrainConfig) -> Kind:
    """Held-out pass@1 falls while the training reward rises."""
    window = Window("reward")
    level: Level | None = None
    best: tuple[float, int, Level | None] | None = None
    below = 0

    def look(line: Line) -> str | None:
        nonlocal level, best, below
        level = window.add(line) or level
        rate = line.get("eval/pass@1")
        if rate is not None:
            if best is None or rate > best[0]:
                best, below = (rate, line["step"], level), 0
            else:  # pass@1 of 0.5 has the most noise; the problems are the same ones, so theirs cancels
                noise = math.sqrt(2 * 0.25 / max(line.get("eval/samples") or 1, 1))
                below = below + 1 if best[0] - rate > max(FALLEN, 3 * noise) else 0
        if best is None or below < EVALUATIONS:
            return None
        _, step, before = best
        risen = before and level and level.mean - before.mean > 2 * math.hypot(level.noise, before.noise)
        if not risen:
            return None
        now = f", now {number(100 * rate, '.1f')}" if rate is not None else ""
        cure = "" if train.keep == "best" else "train.keep=best and "
        return (
            f"held-out pass@1 has fallen (best {number(100 * best[0], '.1f')} at step {step}{now}) while the training "
            f"reward has risen: the policy learns these problems, or a way around the verifier. Try: {cure}"
            "train.stop.patience, train.trl.beta, more problems; read rollouts/train-*.jsonl"
        )

    return look


def stuck(train: TrainConfig) -> Kind:
    """16-bit weights whose updates are rounded away."""
    shares = deque[float](maxlen=UPDATES)

    def look(line: Line) -> str | None:
        if (share := line.get("moved_share")) is not None:
            shares.append(share)
        if len(shares) < UPDATES or (mean := sum(shares) / UPDATES) >= MOVED:
            return None
        return (
            f"an update changes {number(100 * mean, '.2g')} % of the weights: they are kept in 16 bits, where a step "
            f"of learning rate {train.learning_rate:g} is rounded away. Try: dtype=float32, train.adapter.kind=lora or "
            "a higher train.learning_rate"
        )

    return look


def kinds(train: TrainConfig) -> dict[str, Kind]:
    """Every kind of alarm, by name."""
    return {
        "equal rewards": equal_rewards(train),
        "truncation": rising(
            "are cut by the token limit",
            "a higher sampling.max_new_tokens, train.shaping.overlong, train.trl.mask_truncated_completions=true",
            "truncated_share",
        ),
        "no answer": rising(
            "have no answer that the verifier finds",
            "say the form of the answer in evidence.instruction; read rollouts/train-*.jsonl; where samples are cut "
            "off, sampling.max_new_tokens",
            "status/no_answer",
            absent=0.0,
        ),
        "length": longer(train),
        "entropy": collapsing(train),
        "held-out": overfitted(train),
        "weights": stuck(train),
    }


class Alarms:
    """Every kind, with what has been raised."""

    def __init__(self, train: TrainConfig, lines: Iterable[Line] = ()) -> None:
        """`lines`: of the steps before, in a run that goes on."""
        self.kinds = kinds(train)
        self.last: dict[str, int] = {}
        """Kind → the last step at which it was the case, while it counts as raised."""
        for line in lines:
            self.see(line)

    def see(self, line: Line) -> dict[str, str]:
        """The alarms that this line raises, by name, in words."""
        raised, step = {}, line["step"]
        for name, look in self.kinds.items():
            if name in self.last and step - self.last[name] > CALM:
                del self.last[name]
            if words := look(line):
                if name not in self.last:
                    raised[name] = words
                self.last[name] = step
        return raised
