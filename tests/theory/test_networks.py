"""Networks of worlds: fitted to a law, and trained by the project's own loop."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from markupsafe import escape

from rlvr.cli import main
from rlvr.exact.enumerate import law_trees
from rlvr.exact.fit import soft_targets, tokenizer_of
from rlvr.theory import coins, strategies
from rlvr.theory.networks import STRATEGIES_NETWORK, base
from rlvr.theory.strategies import trained
from rlvr.worlds.strategies import Strategies


def test_the_targets_of_a_prefix_are_the_laws_next_tokens():
    world, tokenizer = Strategies(), tokenizer_of(STRATEGIES_NETWORK.words, STRATEGIES_NETWORK.characters)
    problem = world.problems()[39]  # 3+9=
    (tree,) = law_trees(world, [problem], tokenizer)
    law = soft_targets(tree, [t.probability for t in world.support(problem)], len(tokenizer))
    first = dict(
        zip(
            tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))),
            law[tree.prompt_length - 1],
            strict=True,
        )
    )
    assert {k: pytest.approx(v) for k, v in {"copy": 0.9, "sloppy": 0.08, "column": 0.02}.items()} == {
        k: v for k, v in first.items() if v
    }
    assert law[: tree.prompt_length - 1].sum() == 0
    assert set(law.sum(-1).round(9)) == {0.0, 1.0}
    text = world.support(problem)[0].text
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bayes_predicts_the_next_flip():
    """Prior .4, .3, .2, .1 on .1, .3, .7, .95: first flip Σ w θ; after heads, by hand."""
    flips = torch.tensor([[1, 0]])
    first = 0.4 * 0.1 + 0.3 * 0.3 + 0.2 * 0.7 + 0.1 * 0.95
    second = (0.4 * 0.01 + 0.3 * 0.09 + 0.2 * 0.49 + 0.1 * 0.9025) / first
    assert coins.predictive(flips, coins.COINS, coins.PRIOR)[0] == pytest.approx([first, second])


def test_what_a_target_costs_without_tuning_is_its_regret():
    """An untuned network of width 8: gap() against a sum over flips by hand."""
    model, target = coins.network(0, width=8), coins.TARGETS[0]
    drawn = target.draw(512, 5, np.random.default_rng(1))
    q = torch.sigmoid(coins.logits(model, drawn)).detach().numpy()
    p = 0.7
    by_hand = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(0)
    assert coins.gap(model, target, 5) == pytest.approx(by_hand, abs=1e-5)


def test_a_prompt_stands_between_the_start_and_the_first_flip():
    model = coins.network(0, width=8)
    drawn = coins.TARGETS[0].draw(4, 6, np.random.default_rng(0))
    prompt = model.get_input_embeddings()(torch.tensor([1, 0, 1]))
    ids = torch.cat([torch.tensor([[coins.START, 1, 0, 1]]).expand(4, -1), drawn[:, :-1]], dim=1)
    out = model(input_ids=ids).logits[:, 3:]
    expected = out[..., 1] - out[..., 0]
    assert torch.allclose(coins.logits(model, drawn, prompt), expected, atol=1e-5)


def test_an_unknown_world_is_named(capsys):
    assert main(["worlds", "dice"]) == 2
    assert (
        "unknown world 'dice'; expected strategies, boundary, verifier, rules, coins, concepts, induction"
        in capsys.readouterr().err
    )


def test_the_page_and_the_file_have_every_check(tmp_path, capsys):
    folder = tmp_path / "not" / "there"
    assert main(["worlds", "boundary", "--quick", "--output", str(folder)]) == 0
    shown = capsys.readouterr().out
    page = (folder / "worlds.html").read_text()
    lines = json.loads((folder / "worlds.json").read_text())["checks"]
    assert {(line["world"], line["check"]) for line in lines} == {("boundary", "T5")}
    for line in lines:
        assert {"exact", "model", "mark", "met"} <= line.keys() and line["model"]["status"] == "ok"
        assert str(escape(line["claim"])) in page
        assert str(escape(line["what"])) in page and line["what"] in shown
        assert line["mark"] in shown and line["met"] is True
    assert lines[0]["exact"] == lines[0]["model"]["value"] == 0
    assert "<script" not in page


def test_a_world_without_a_quick_check_says_so(tmp_path, capsys):
    assert main(["worlds", "concepts", "--quick", "--output", str(tmp_path / "w")]) == 2
    assert "has no check of concepts" in capsys.readouterr().err


@pytest.mark.slow
def test_the_loop_makes_pass_at_1_of_pass_at_64(tmp_path):
    """T1 and T2, with a base that is fitted for a shorter time."""
    begun = base(Strategies(), tmp_path / "base", network=replace(STRATEGIES_NETWORK, steps=150))
    assert strategies.fitted(begun).passed
    tables = trained(begun, {"steps": 40}, every=40)
    assert strategies.rate(tables[0]) < 0.06
    assert strategies.rate(tables[40]) > 0.9
    assert strategies.identity(begun).passed
