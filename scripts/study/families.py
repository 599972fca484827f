"""Every family of decoders that the installed transformers has: is it sampled from and trained on rightly?

    python scripts/study/families.py llama mamba        # some, printed
    python scripts/study/families.py --write docs/families.md

Each is built small with random weights and the embedded model's tokenizer, in a process of its own, so that a crash
costs one line. Then `rlvr run` evaluates, trains two steps of all weights and evaluates again, `rlvr train` trains
adapters, and the loop of a run samples and reads what it sampled. The truth beside it: each row alone, without
padding or cache, by the plain model as transformers loads it.

A family is *right* where sampler, update and gradient equal the truth, *refused* where the run stops before its first
sample with a sentence (exit code 2), and *wrong* otherwise. Exit code 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: families run beside each other

from small_models import build, families

LOGPROB, GRADIENT = 1e-3, 1e-3
"""What counts as equal in float32: nats of any token, and the relative error of a gradient. Rounding explains 1e-5."""
TIME_LIMIT = 600
"""Seconds for one part of a family."""
OVERRIDES = {"router loss": ["train.trl.router_aux_loss_coef=0.01"]}

ADAPTERS = ["train.adapter.kind=lora", "train.adapter.r=4", "train.steps=1"]

VERIFIER = """def half(problem, response):
    'Solved for half of all texts, so that groups have variance.'
    return float(sum(map(ord, response)) % 2)
"""
CONFIG = """
model: {model}
problems: {{train: {{file: train.jsonl}}, heldout: {{file: heldout.jsonl}}}}
evidence: {{template: plain, question: "{{prompt}}"}}
verifier: ./half.py:half
verification: {{workers: 1}}
sampling: {{samples: 4, max_new_tokens: 12}}
train: {{steps: 2, groups_per_step: 4, group_size: 4, learning_rate: 1e-3, checkpoint_every: 0}}
analysis: {{search_budget: 2, replicates: 100}}
"""


# ------------------------------------------------------------------ what is measured


def truth(folder: Path, rows: Sequence[tuple[list[int], list[int]]]) -> tuple[Any, Any]:
    """Log-probabilities of (prompt, sample) rows, each alone, and the gradient of their weighted sum by name."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
    parts = []
    for prompt, sample in rows:
        logits = model(input_ids=torch.tensor([[*prompt, *sample]]), use_cache=False).logits[0].float()
        logp = logits[len(prompt) - 1 : -1].log_softmax(-1)
        parts.append(logp[range(len(sample)), sample])
    logprobs = torch.cat(parts)
    weighted(logprobs).backward()
    return logprobs.detach(), gradient(model)


def weighted(logprobs: Any) -> Any:
    import torch

    return (logprobs * torch.linspace(-1, 1, len(logprobs))).sum()


def gradient(model: Any) -> dict[str, Any]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def measure(family: str, folder: Path) -> dict[str, Any]:
    """Sampler and update of the loop that a run builds, against the truth."""
    import torch

    from rlvr import config as configuration
    from rlvr.evaluation import Evaluator
    from rlvr.evidence import Evidence
    from rlvr.run import Run
    from rlvr.sampling import SampleRequest
    from rlvr.sampling.abilities import abilities
    from rlvr.terminal import Terminal
    from rlvr.training.build import build as build_loop
    from rlvr.training.checkpoints import Checkpoints
    from rlvr.training.packing import Prompted, Sample
    from rlvr.worlds import carry
    from verifiers.pool import VerifierPool

    config = configuration.load(folder / "run.yaml", overrides(family))
    run = Run(folder / "measured")
    (run.folder / "rollouts").mkdir(parents=True)
    found: dict[str, Any] = {}
    with VerifierPool("math", workers=1) as pool:
        said: list[str] = []

        class Heard(Terminal):
            def say(self, text: str) -> None:
                said.append(text)

        evaluator = Evaluator(config, Evidence(config.evidence), pool, Heard(quiet=True))
        began = time.perf_counter()
        loop = build_loop(
            config,
            carry.problems("train", 40),
            evaluator,
            run,
            Checkpoints(run.checkpoints, 2, evaluator.terminal.say),
            due=lambda step: False,
            evaluate=lambda sampler, step: {},
            advance=lambda *_, **__: None,
        )
        found["build_s"] = round(time.perf_counter() - began, 2)
        found["update"] = loop.forward.kind or "padded"
        found["why_update"] = next((s for s in said if s.startswith("The update runs")), "")
        prompts = [[5, 6, 7, 8], list(range(5, 17)), [9, 8, 7], [12, 11, 10, 9, 8, 7, 6]]
        wanted = [SampleRequest(i, 10 * i + s) for i in range(4) for s in range(4)]
        with loop.collector.current.sampler("policy") as sampler:
            able = abilities(sampler.policy)
            found["sampler"] = (
                "uncached" if able.why_uncached else "copied" if able.why_unshared else "shared"
            )
            found["unpadded"] = able.why_unpadded
            found["why_sampler"] = able.why_uncached or able.why_unshared
            drawn = sampler.generate(prompts, wanted)
        rows = [(prompts[w.prompt], c.token_ids) for w, c in zip(wanted, drawn, strict=True)]
        expected, expected_gradient = truth(folder / "model", rows)
        sampled = torch.tensor([value for c in drawn for value in c.logprobs])
        found["sampler_error"] = float((sampled - expected).abs().max())
        groups = [Prompted(p, [Sample(s, [True] * len(s)) for q, s in rows if q is p]) for p in prompts]
        loop.model.train()
        loop.plain.zero_grad()
        answer, _ = loop.forward(loop.model, groups)
        found["update_error"] = float((answer.logprobs.detach() - expected).abs().max())
        weighted(answer.logprobs).backward()
        ours = gradient(loop.plain)
        names = ours.keys() | expected_gradient.keys()
        zero = torch.zeros(())
        apart = sum(((ours.get(n, zero) - expected_gradient.get(n, zero)) ** 2).sum() for n in names)
        length = sum((g**2).sum() for g in expected_gradient.values())
        found["gradient_error"] = float((apart / length) ** 0.5)
    return found


def overrides(family: str) -> list[str]:
    return next((keys for form, keys in OVERRIDES.items() if family.endswith(form)), [])


def command(verb: str, family: str, folder: Path, *more: str) -> dict[str, Any]:
    """`rlvr VERB` on the family's config, in this process: its exit code and its last words."""
    from rlvr import cli

    words = folder / f"{verb}{len(more)}.txt"
    with words.open("w") as out:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(out.fileno(), stream.fileno())
    os.chdir(folder)
    keys = [*overrides(family), *more]
    try:
        code = cli.main([verb, "run.yaml", "-q", "--output", f"runs-{verb}-{len(more)}", *keys])
    except BaseException as error:
        return {
            "code": 1,
            "says": f"{type(error).__name__}: {error}"[:300],
            "where": traceback.format_exc()[-1500:],
        }
    finally:
        sys.stderr.flush()
    lines = [line for line in words.read_text().splitlines() if line.startswith("rlvr: ")]
    return {"code": code, "says": lines[-1][6:] if code and lines else ""}


def one(family: str, folder: Path) -> dict[str, Any]:
    """Everything about one family, each part in a process of its own."""
    from rlvr.worlds import carry

    (folder / "half.py").write_text(VERIFIER)
    for split, limit in (("train", 40), ("heldout", 6)):  # as files: exact values would list every trace
        rows = [{"prompt": p.prompt, "reference": p.reference} for p in carry.problems(split, limit)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.yaml").write_text(CONFIG.format(model=folder / "model"))
    found: dict[str, Any] = {"family": family}
    built = apart(lambda: build(family, folder / "model") or {}, folder / "built.json")
    if "crash" in built:
        return found | {"unbuilt": built["crash"]}
    return found | {
        "measured": apart(lambda: measure(family, folder), folder / "measured.json"),
        "full": apart(lambda: command("run", family, folder), folder / "full.json"),
        "lora": apart(lambda: command("train", family, folder, *ADAPTERS), folder / "lora.json"),
    }


# ------------------------------------------------------------------ processes


def apart(work: Callable[[], dict[str, Any]], into: Path) -> dict[str, Any]:
    """The result of `work` in a child of this process; {"crash": …} where it raised, died or took too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            found = work()
        except BaseException as error:
            found = {
                "crash": f"{type(error).__name__}: {error}"[:400],
                "where": traceback.format_exc()[-1500:],
            }
        with suppress(BaseException):
            into.write_text(json.dumps(found))
        os._exit(0)
    deadline = time.monotonic() + TIME_LIMIT
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"crash": f"took longer than {TIME_LIMIT} s"}
        time.sleep(0.05)
    return json.loads(into.read_text()) if into.exists() else {"crash": "the process died"}


def warm() -> None:
    """Import once what every child needs."""
    import peft  # noqa: F401
    import transformers
    import trl  # noqa: F401

    import rlvr.pipeline
    import rlvr.report
    import rlvr.training.build  # noqa: F401

    transformers.logging.set_verbosity_error()


def study(names: Sequence[str], at_once: int, tell: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """All families, `at_once` beside each other, in the order of their names."""
    warm()
    waiting, running, results = list(names), {}, {}
    with tempfile.TemporaryDirectory(prefix="families-") as temporary:
        while waiting or running:
            while waiting and len(running) < at_once:
                name = waiting.pop(0)
                folder = Path(temporary) / re.sub(r"\W+", "-", name)
                folder.mkdir()
                sys.stdout.flush()
                child = os.fork()
                if child == 0:
                    began = time.monotonic()
                    found = one(name, folder)
                    found["seconds"] = round(time.monotonic() - began, 1)
                    (folder / "result.json").write_text(json.dumps(found))
                    os._exit(0)
                running[child] = (name, folder)
            child, _ = os.wait()
            name, folder = running.pop(child)
            results[name] = json.loads((folder / "result.json").read_text())
            shutil.rmtree(folder)
            tell(results[name])
    return [results[name] for name in names]


# ------------------------------------------------------------------ the table


PAGE = """# Families of models

Written by `python scripts/study/families.py --write docs/families.md`: every family of decoders that the installed
transformers has, with 4 layers of width 64 and random weights, in float32 on a CPU; {versions}.

Of {built} forms, {right} are right: sampler, update and gradient equal those of each row read alone by the plain model,
and a run of all weights goes from the evaluation of the base to that of the tuned. {packed} of them take the packed
update. {refused} are refused before the first sample; {wrong} are wrong. Adapters on all linear layers are refused in
{without} of those that are right, with the reason. What is written here of a family need not hold for its published
models, whose sizes and settings differ: the same trial runs at the beginning of every run.

- **update**: the attention of the packed update (`split`, `mask`, `eager`), or padded rows; *own head*: with the
  model's own logits, all of them at once.
- **sampling**: *shared*, a prompt is read once for all its samples; *copied*, once, and each row has a copy;
  *uncached*, the whole text again for every token; *by length*: prompts of one length at a time.
- **Δ sampler**, **Δ update**: the greatest difference of any token's log-probability, in nats. **Δ gradient**: of a
  weighted sum of all tokens, its relative error.
- **full**, **adapters**: `rlvr run` of two steps, `rlvr train` of one: whether it ends well, or the sentence.

| family | update | sampling | Δ sampler | Δ update | Δ gradient | full | adapters |
|---|---|---|---|---|---|---|---|"""


def verdict(found: dict[str, Any]) -> str:
    """right, refused, wrong, or unbuilt."""
    if "unbuilt" in found:
        return "unbuilt"
    full, lora, measured = found["full"], found["lora"], found["measured"]
    if full.get("code") == 2:
        return "refused"
    errors = [measured.get(f"{what}_error", float("inf")) for what in ("sampler", "update")]
    equal = max(errors) <= LOGPROB and measured.get("gradient_error", float("inf")) <= GRADIENT
    return "right" if equal and full.get("code") == 0 and lora.get("code") in (0, 2) else "wrong"


def table(results: Sequence[dict[str, Any]]) -> str:
    """The page, in Markdown."""
    from rlvr.machine import measured_on

    results = sorted(results, key=lambda found: found["family"].lower())
    of = {
        what: [r for r in results if verdict(r) == what] for what in ("right", "refused", "wrong", "unbuilt")
    }
    built = [r for r in results if "unbuilt" not in r]
    packed = sum(r["measured"].get("update", "padded") != "padded" for r in of["right"])
    without = sum(r["lora"].get("code") == 2 for r in of["right"])
    machine = measured_on()
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("torch", "transformers", "peft") if name in machine
    )
    head = PAGE.format(
        versions=versions,
        built=len(built),
        packed=packed,
        without=without,
        **{what: len(rows) for what, rows in of.items()},
    )
    lines = [head]
    notes: list[str] = []
    for found in built:
        measured = found["measured"]
        cells = [found["family"], measured.get("update", ""), measured.get("sampler", "")]
        cells[1] += ", own head" if "own head" in measured.get("why_update", "").partition(":")[0] else ""
        cells[2] += ", by length" if measured.get("unpadded") else ""
        keys = ("sampler_error", "update_error", "gradient_error")
        cells += [f"{measured[key]:.0e}" if key in measured else "" for key in keys]
        for run in ("full", "lora"):
            code = found[run].get("code")
            says = found[run].get("says") or found[run].get("crash") or ""
            cells.append(
                "works" if code == 0 else f"{'refused' if code == 2 else '**fails**'} ({len(notes) + 1})"
            )
            if code != 0:
                notes.append(shown(says, found["family"]))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"{i}. {text}" for i, text in enumerate(notes, 1))]
    if of["unbuilt"]:
        lines += [
            "",
            "Not built, as their configurations do not become small by these sizes, or need what is not installed:",
            "",
        ]
        lines += [f"- {r['family']}: {shown(r['unbuilt'], r['family'])}" for r in of["unbuilt"]]
    return "\n".join(lines) + "\n"


def shown(text: str, family: str) -> str:
    """A message without the folders of this measurement."""
    return textwrap.shorten(re.sub(r"/\S*?/model\b", family, text), 400, placeholder=" …")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("families", nargs="*", help="unset: all")
    parse.add_argument("--write", type=Path, metavar="PAGE", help="write the table there")
    parse.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    parse.add_argument(
        "--measured", type=Path, metavar="FILE", help="measure nothing: read what --json wrote"
    )
    parse.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="families beside each other")
    args = parse.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if args.measured:
        results = json.loads(args.measured.read_text(encoding="utf-8"))
    else:
        results = study(args.families or families(), args.at_once, tell)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = table(results)
    if args.write:
        args.write.write_text(page, encoding="utf-8")
    else:
        print(page)
    sys.exit(any(verdict(found) == "wrong" for found in results))


def tell(found: dict[str, Any]) -> None:
    print(f"{found['family']}: {verdict(found)}, {found['seconds']} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
