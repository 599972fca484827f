"""The page from top to bottom: title, sentences, tiles, notes, sections in the order of the navigation, settings; the
model card; the names of methods."""

import html
import json
import re
from typing import Any

import numpy as np
import pytest
import yaml

from rlvr import __version__
from rlvr import config as configuration
from rlvr.errors import UserError
from rlvr.report import RunFiles, page, prose, tiles
from rlvr.report.card import card, front_matter, on_hub
from rlvr.report.document import jsonable
from rlvr.report.figures import View, passk, scatter, theme
from rlvr.report.runs import variant
from rlvr.text import shareable
from tests.report.test_prose_directions import within


def words(text):
    return html.unescape(re.sub("<[^>]+>", "", text)).strip()


def found(pattern, text):
    return [words(part) for part in re.findall(pattern, text, re.DOTALL)]


def test_the_head_of_the_page(cells_run):
    text, document = cells_run.html.read_text(), cells_run.document
    top = text.partition("<nav")[0]
    assert found("<title>(.*?)</title>", text) == found("<h1>(.*?)</h1>", text) == [document["title"]]
    assert f"rlvr {__version__}" in top
    sentences = [shareable(sentence) for sentence in prose.headline(document) if sentence]
    assert found("<p>(.*?)</p>", top.partition("<dl")[0]) == [*sentences, *prose.folded(document)]
    tile = r"<div><dt>(.*?)</dt><dd>(.*?)</dd><dd class=\"range\">(.*?)</dd></div>"
    shown = [tuple(map(words, parts)) for parts in re.findall(tile, top, re.DOTALL)]
    assert shown == [(t["label"], t["value"], t["range"]) for t in tiles.tiles(document)] and len(shown) == 7
    notes = found("<li>(.*?)</li>", top)
    assert notes == [note.replace("`", "") for note in document["notes"]]
    assert 'http-equiv="refresh"' not in text


def test_every_section_is_in_the_navigation_in_its_order(cells_run):
    text = cells_run.html.read_text()
    nav = re.search("<nav.*?</nav>", text, re.DOTALL)
    assert nav
    links = re.findall('<a href="#(.*?)">(.*?)</a>', nav[0])
    assert links == [
        ("curves", "pass@k"), ("decomposition", "Decomposition"), ("problems", "Problems"), ("frontier", "Frontier"),
        ("readings", "Readings"), ("training", "Training"), ("steps", "Steps"), ("probes", "Further sets"),
        ("exact", "Exact"), ("limits", "Limits"), ("verdicts", "Verdicts"), ("answering", "Format"),
        ("summary", "Summary"), ("controls", "Controls"), ("each", "Table"), ("rollouts", "Rollouts"),
        ("settings", "Settings"), ("terms", "Terms"),
    ]  # fmt: skip
    sections = re.findall('<section id="(.*?)"', text)
    assert [name for name in sections if name != "missing"] == [name for name, _ in links]
    assert sections.index("missing") == sections.index("rollouts") + 1
    for name, title in (
        ("curves", "pass@k, and what training changed of it"),
        ("limits", "Where the gain lies, and where it ends"),
    ):
        assert f'<section id="{name}">\n  <h2>{title}</h2>' in text
    assert "in <code>report.json</code>;" in text


def test_settings_that_differ_stand_apart_from_those_that_do_not(cells_run):
    text = cells_run.html.read_text()
    part = re.search('<section id="settings">.*?</section>', text, re.DOTALL)
    assert part
    first, equal = part[0].split("<details", 1)
    table = page.settings_table(cells_run.document)
    for where, differs in ((first, True), (equal, False)):
        rows = [row for row in table["rows"] if row["differs"] is differs]
        assert found('<th scope="row">(.*?)</th>', where) == [row["key"] for row in rows] and rows
        names = table["names"] if differs else ["all"]
        assert found('<th scope="col">(.*?)</th>', where) == ["What", *names]
        values = [value for row in rows for value in row["values"][: len(names)]]
        assert found("<td>(.*?)</td>", where) == values


def test_a_page_that_follows_a_run_says_when_it_loads_itself(cells_run):
    browser: Any = {"problems": [], "policies": [], "statuses": [], "rows": [], "shown": 0, "total": 0}
    for seconds, said in ((30.0, 30), (0.2, 1), (45.6, 46)):
        text = page.render(cells_run.document, [], browser, [], [], reload=seconds)
        assert f'<meta http-equiv="refresh" content="{said}">' in text
        assert f"this page loads itself anew every {said} seconds" in text
    assert "rollout files (JSONL) can be read here" in text


def test_axes_begin_at_0_unless_everything_lies_far_above():
    def floor(*rates):
        policies = {str(i): {"pass_at_k": {"1": within(rate, 0, 1)}} for i, rate in enumerate(rates)}
        view: Any = type("V", (), {"policies": policies})
        return passk._floor(view)

    assert [floor(0.44, 0.9), floor(0.45, 0.9), floor(0.72), floor(0.999)] == [0, 30, 60, 80]


def many(size):
    rates = np.linspace(0.05, 0.95, size)
    return {
        "problem_id": [f"p{i}" for i in range(size)], "n_base": [16] * size, "c_base": [8] * size,
        "n_tuned": [16] * size, "c_tuned": [8] * size, "base": rates.tolist(), "tuned": rates[::-1].tolist(),
        "base_lo": (rates - 0.04).tolist(), "base_hi": (rates + 0.04).tolist(),
        "tuned_lo": (rates[::-1] - 0.03).tolist(),
        "tuned_hi": (rates[::-1] + 0.03).tolist(), "change": ["search"] * size, "median_n_base": 16.0,
        "unseen_bound": 0.17,
    }  # fmt: skip


@pytest.mark.parametrize("size, bars, drawn", [(200, True, 200), (201, False, 201), (3001, False, 3000)])
def test_of_very_many_problems_some_are_drawn_and_the_caption_says_so(cells_run, size, bars, drawn):
    document: Any = cells_run.document | {"problems": many(size)}
    panel = scatter.panel(View(document))
    assert len(panel.rows) == size and len(panel.points) == drawn
    assert panel.drawing and panel.drawing.count("data-problem=") == drawn
    assert ("; bars are left out beyond 200 problems." in panel.caption) is not bars
    assert ("3,000 of 3,001 problems are drawn." in panel.caption) is (drawn < size)


def test_a_drawing_is_fit_for_a_page_and_for_a_file():
    marked = '<svg width="5pt" height="4pt" viewBox="0"><path fill="#060606" stroke="#050505"/></svg>'
    assert theme.for_page(marked, 'a "b" <c> & d') == (
        '<svg viewBox="0" role="img" aria-label="a &quot;b&quot; &lt;c&gt; &amp; d"><path fill="var(--tuned)" '
        'stroke="var(--base)"/></svg>'
    )
    assert theme.for_file(marked) == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        + marked.replace("#060606", "#0072b2").replace("#050505", "#7d838a")
    )
    style = "font: bold 9.5px 'DejaVu Sans'; fill: #010101; text-anchor: middle"
    assert (
        theme._attributes(style) == 'font-weight="bold" font-size="9.5" fill="#010101" text-anchor="middle"'
    )
    assert theme._attributes("font: italic 8px X") == 'font-style="italic" font-size="8"'
    light, dark = theme.variables("light"), theme.variables("dark")
    assert "--tuned:#0072b2;" in light and "--tuned:#56b4e9;" in dark and "--ground:#ffffff;" in light


def test_numbers_become_json():
    given = {1: (float("nan"), float("inf")), "a": [True, 2, "x", None, {"b": -float("inf")}]}
    assert jsonable(given) == {"1": [None, "inf"], "a": [True, 2, "x", None, {"b": "-inf"}]}


def config_of(folder, **more):
    (folder / "rows.jsonl").write_text("{}\n")
    held = {"file": str(folder / "rows.jsonl"), "prompt": "q", "reference": "a"}
    train = {
        "dataset": "openai/gsm8k",
        "subset": "main",
        "split": "train",
        "prompt": "question",
        "reference": "answer",
    }
    probe = train | {"dataset": "HuggingFaceH4/MATH-500", "subset": None, "split": "test"}
    problems = {"train": train, "heldout": held, "probes": {"far": probe}}
    file = folder / "c.yaml"
    file.write_text(json.dumps({"model": "org/base", "problems": problems} | more))
    return configuration.load(file)


def test_the_model_card_says_on_what_it_was_trained_and_measured(cells_run, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = config_of(tmp_path, seed=5, train={"steps": 12, "algorithm": "rloo"}, verifier="math")
    text = card("my-run", config, cells_run.document)
    about = (
        "`org/base` after 12 steps of rloo with verifiable rewards (verifier `math`), seed 5. Written by rlvr "
        f"{__version__}."
    )
    assert (
        f"\n# my-run\n\n{about}\n\n## What training changed\n\n{prose.headline(cells_run.document)[0]}\n\n|"
        in text
    )
    data = text.split("## Data\n\n")[1].split("\n\n## Versions")[0].splitlines()
    unknown = ", licence not known here (its card on the Hub names none, or could not be read)"
    assert data == [
        f"- trained on: `openai/gsm8k/main/train`{unknown}",
        "- held out: `rows`",
        f"- measured apart (far): `HuggingFaceH4/MATH-500/test`{unknown}",
    ]
    front = front_matter(config)
    assert front["datasets"] == ["openai/gsm8k", "HuggingFaceH4/MATH-500"] and front["tags"] == [
        "rlvr",
        "rloo",
    ]
    headings = re.findall("(?m)^## (.*)$", text)
    assert headings == ["What training changed", "Data", "Versions", "Configuration"]
    local = config.model_copy(update={"model": str(tmp_path)})
    assert not on_hub(local) and on_hub(config) and not on_hub(config.model_copy(update={"model": "tiny"}))
    assert f"the local model `{tmp_path.name}` after 12 steps" in card("my-run", local, cells_run.document)
    soft = config_of(tmp_path, train={"adapter": {"kind": "soft_prompt"}})
    assert front_matter(soft)["library_name"] == "peft"
    assert (
        front_matter(config_of(tmp_path, train={"adapter": {"kind": "lora"}}))["library_name"]
        == "transformers"
    )


def folder_of(parent, name, **config):
    (parent / name / "rollouts").mkdir(parents=True)
    for policy in ("base", "tuned"):
        (parent / name / "rollouts" / f"{policy}.jsonl").write_text("")
    (parent / name / "config.yaml").write_text(yaml.safe_dump(config))
    return parent / name


def test_runs_that_differ_in_more_than_their_seed_are_of_other_methods(tmp_path):
    train = {"algorithm": "grpo", "learning_rate": 1e-5}
    folders = [
        folder_of(tmp_path, "a", seed=1, train=train),
        folder_of(tmp_path, "b", seed=2, train=train),
        folder_of(tmp_path, "c", seed=1, train=train | {"learning_rate": 1e-4}),
        folder_of(tmp_path, "d", seed=1, train=train | {"reward": "random"}),
    ]
    runs = RunFiles.of_folders(folders)
    assert [(run.name, run.algorithm, run.seed) for run in runs] == [
        ("a", "grpo, train.learning_rate=1e-05", 1),
        ("b", "grpo, train.learning_rate=1e-05", 2),
        ("c", "grpo, train.learning_rate=0.0001", 1),
        ("d", "grpo, random reward (control), train.learning_rate=1e-05", 1),
    ]
    assert [run.algorithm for run in RunFiles.of_folders(folders[:2])] == ["grpo", "grpo"]
    first = runs[0]
    assert (first.base, first.tuned) == tuple(
        folders[0] / "rollouts" / f"{p}.jsonl" for p in ("base", "tuned")
    )
    assert first.metrics == folders[0] / "metrics.jsonl"
    assert variant({"algorithm": "rloo", "reward": "verdict"}) == "rloo"
    broken = folder_of(tmp_path, "e", train={})
    with pytest.raises(UserError, match=r"e/config\.yaml: train\.algorithm and seed are expected"):
        RunFiles.of_folders([broken])
    (folders[1] / "rollouts" / "tuned.jsonl").unlink()
    with pytest.raises(
        UserError, match=r"b: not the folder of a finished run, it has no rollouts/tuned\.jsonl"
    ):
        RunFiles.of_folders(folders)
