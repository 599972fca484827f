"""What a report says of little data, and of files that say little: every number on the problems that it names, a
verdict where there is only a score, and nothing of what the samples cannot show."""

import json
import math
import random
import re
from typing import Any

import pytest

from rlvr.analysis import compare
from rlvr.analysis.samples import LogProbs, Samples
from rlvr.report import browser, build, comparable, prose, summary, tiles
from rlvr.report.document import assemble, in_time
from rlvr.report.figures import styles
from rlvr.report.glossary import TERMS, FirstUses
from rlvr.report.inputs import Inputs
from rlvr.report.kinds import told
from rlvr.rollouts.evaluations import read
from tests.conftest import REPO
from tests.report.contracts.simulated import document_of


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(counts, **more):
    """Of {problem: (samples, right ones)}."""
    return [
        {"problem_id": p, "score": float(j < c), **more} for p, (n, c) in counts.items() for j in range(n)
    ]


def pair_of(folder, base, tuned) -> Any:
    files = (write(folder / "base.jsonl", rows_of(base)), write(folder / "tuned.jsonl", rows_of(tuned)))
    return document_of(*files)


def test_a_change_is_between_the_means_of_the_problems_that_both_have(tmp_path):
    """p1 is the base's alone, p4 the tuned policy's; p3 has too few samples for pass@4."""
    base = {"p1": (4, 4), "p2": (4, 0), "p5": (4, 0), "p3": (1, 1)}
    document = pair_of(tmp_path, base, {"p2": (4, 2), "p5": (4, 0), "p3": (4, 4), "p4": (4, 4)})
    one, four = (document["comparison"]["difference"][k] for k in ("1", "4"))
    assert [one[key] for key in ("base", "tuned", "value")] == pytest.approx([1 / 3, 1 / 2, 1 / 6])
    assert [four[key] for key in ("base", "tuned", "value")] == [0.0, 0.5, 0.5]
    assert "pass@1 from 33.3 to 50.0: +16.7 points" in prose.headline(document)[0]
    assert tiles.tiles(document)[0]["value"] == "33.3 → 50.0"
    said = summary.summary(document)
    assert "pass@1    33.3 → 50.0   (+16.7," in said and "pass@4    0.0 → 50.0   (+50.0," in said


def test_an_estimate_of_0_beside_an_exact_value_has_an_interval(tmp_path):
    """0 right of 8 samples on each of 40 problems: no two samples differ, and yet the rate need not be 0."""
    counts = {"base": 0, "tuned": 3}
    base, tuned = (
        write(tmp_path / f"{name}.jsonl", rows_of({f"p{i}": (8, c) for i in range(40)}))
        for name, c in counts.items()
    )
    inputs = Inputs.read(base, tuned, (), {}, None, allow=True)
    settings: Any = {"replicates": 200, "seed": 0, "search_budget": None}
    exact = {"base": {"pass_at_k": {"1": 0.004}}, "tuned": {"pass_at_k": {}}}
    document: Any = assemble(inputs, title="", analysis=settings, exact=exact, notes=())
    (row,) = document["exact"]["rows"]
    rate = document["policies"]["base"]["pass_at_k"]["1"]
    assert (row["estimate"], row["lo"], row["hi"]) == (0.0, rate["lo"], rate["hi"]) and row["hi"] > 0.05
    assert row["inside"] is True


def test_policies_stand_in_the_order_of_time(tmp_path):
    names = ("base", "tuned", "step-100", "step-20", "other")
    files = [write(tmp_path / f"{name}.jsonl", rows_of({"p": (2, 1), "q": (2, 0)})) for name in names]
    found = Inputs.read(files[0], files[1], files[2:], {}, None, allow=True)
    assert [e.name for e in in_time(found.evaluations)] == ["base", "step-20", "step-100", "tuned", "other"]
    alone = Inputs.read(files[0], None, (), {}, None, allow=True)
    assert [e.name for e in in_time(alone.evaluations)] == ["base"]


def test_no_other_policy_has_the_colour_of_the_main_one():
    names = ["base", "tuned", *(f"step-{i}" for i in range(30))]
    found = styles(names)
    assert [n for n in names if found[n]["color"] == found["tuned"]["color"]] == ["tuned"]
    assert len({(found[n]["color"], found[n].get("linestyle")) for n in names[:14]}) == 14


def test_terms_stand_under_sections_of_the_documentation():
    headings = re.findall(r"(?m)^## (.+)$", (REPO / "docs" / "metrics.md").read_text())
    assert TERMS.keys() <= set(headings)
    terms = [term for held in TERMS.values() for term in held]
    assert len(terms) > 25 and len({term.anchor for term in terms}) == len(terms)


def test_a_terms_first_use_leads_to_its_sentence_and_later_ones_do_not():
    for held in TERMS.values():
        for term in held:
            linked = FirstUses()
            said = re.search(term.pattern, term.name)
            assert said, f"{term.name} is not found by its name"
            once, again = linked(f"<b> {said[0]} of it"), linked(f"{said[0]} again")
            assert once.startswith("&lt;b&gt; <a") and f'href="#{term.anchor}"' in once and "<a" not in again
    linked = FirstUses()
    assert "term-cot-pass-k" in linked("CoT-pass@8") and "term-pass-k" in linked("pass@8")
    assert "<a" not in FirstUses()("an unpaired test, endpoints, `pass@1`")
    assert FirstUses()("`a<b`") == "<code>a&lt;b</code>"


def test_every_term_that_a_page_links_is_on_it(tmp_path):
    files = [
        write(tmp_path / name, rows_of({f"p{i}": (8, i + more) for i in range(6)}))
        for name, more in (("base.jsonl", 0), ("tuned.jsonl", 2))
    ]
    page = build(*files, output=tmp_path / "out", replicates=100).html.read_text()
    leads = re.findall(r'class="term" href="#([^"]+)"', page)
    assert {"term-pass-k", "term-points", "term-paired"} <= set(leads) and len(set(leads)) == len(leads)
    assert set(leads) <= set(re.findall(r'<div id="(term-[^"]+)">', page))


def test_rows_without_a_status_have_the_verdict_of_their_score(tmp_path):
    path = write(tmp_path / "base.jsonl", [
        {"problem_id": "p", "score": 1}, {"problem_id": "p", "score": 0.5}, {"problem_id": "p", "score": 0},
        {"problem_id": "p", "score": None}, {"problem_id": "p", "score": 0, "status": "timeout"},
    ])  # fmt: skip
    (plain,) = read(path, "base")
    assert plain.samples.statuses == {"correct": 1, "incorrect": 2, "not judged": 1, "timeout": 1}
    path.with_suffix(".settings.json").write_text(json.dumps({"pass_mark": 0.5}))
    (lenient,) = read(path, "base")
    assert lenient.samples.statuses == {"correct": 2, "incorrect": 1, "not judged": 1, "timeout": 1}
    shown = browser.collect([lenient])
    assert [shown["statuses"][row[3]] for row in shown["rows"]] == [
        *("correct", "correct", "incorrect", "not judged", "timeout"),
    ]


def test_parts_of_fewer_problems_than_the_gain_say_of_which(tmp_path):
    """One problem of three has 2 samples of the base, and K is 4: its change is in the gain and in no part of it."""
    document = pair_of(
        tmp_path,
        {"p": (8, 2), "q": (8, 4), "short": (2, 1)},
        {"p": (8, 4), "q": (8, 6), "short": (8, 4)},
    )
    assert document["comparison"]["gain"]["value"] == pytest.approx((0.25 + 0.25 + 0.0) / 3)
    said = " ".join(prose.headline(document))
    assert "On the 2 problems with at least 4 base samples, training gained 25.0 points and lost 0.0." in said
    (line,) = [
        line for line in summary.summary(document).splitlines() if "Of which kind is the change" in line
    ]
    assert "change of +25.0 on the 2 problems with at least 4 base samples (search budget K = 4" in line


def test_without_a_certificate_there_is_no_word_of_expansion(tmp_path):
    """8 samples of a base that solves nothing: K = 4 of them could reach 1 - (α/30)^(4/8), almost everything."""
    ids = [f"p{i}" for i in range(30)]
    document = pair_of(tmp_path, dict.fromkeys(ids, (8, 0)), dict.fromkeys(ids, (8, 8)))
    parts = document["comparison"]["compression"]
    assert parts["alpha"] == 0.05 and parts["reach"] == pytest.approx(1 - (0.05 / 30) ** 0.5)
    assert parts["certified_simultaneous"]["count"] == 0 and parts["expansion"]["value"] > 0
    assert list(told(parts)) == ["within", "beyond", "unresolved"]
    assert told(parts)["unresolved"]["value"] == pytest.approx(1.0)
    assert "expansion" not in " ".join(prose.headline(document))
    (line,) = [line for line in summary.summary(document).splitlines() if "unresolved on" in line]
    assert line.split()[0] == "+100.0" and "expansion is certified on none" in line


def test_one_sample_a_problem_is_told_by_flips(tmp_path):
    """9 of 12 that flip, flip to right: p = 2 · (1 + 12 + 66 + 220)/2¹²."""
    base = {f"p{i}": (1, int(i < 8)) for i in range(30)}
    tuned = {f"p{i}": (1, int(3 <= i < 17)) for i in range(30)}
    document = pair_of(tmp_path, base, tuned)
    flips = document["comparison"]["flips"]
    assert flips["to_right"] == [f"p{i}" for i in range(8, 17)] and flips["to_wrong"] == ["p0", "p1", "p2"]
    assert flips["p_exact"] == pytest.approx(2 * (1 + 12 + 66 + 220) / 4096)
    said = " ".join(prose.headline(document))
    assert (
        "9 problems went from wrong to right and 3 from right to wrong (McNemar's exact test: p = 0.15)"
        in said
    )
    assert "5 are right both times, 13 wrong both times" in said
    for word in ("is worth", "overtake", "expansion, ", "pass@1 →"):
        assert word not in summary.summary(document)
    assert [tile["label"] for tile in tiles.tiles(document)] == [
        *("pass@1", "gain, points", "wrong → right", "right → wrong"),
    ]


def test_which_of_the_two_pass_at_k_is_the_headline_is_said(tmp_path):
    """A base that answers rightly and is never sound: certified expansion, on problems whose answers it finds."""
    ids = [f"p{i}" for i in range(24)]
    base = [{"problem_id": p, "score": 0.0, "answer_score": float(j < 16)} for p in ids for j in range(64)]
    tuned = [{"problem_id": p, "score": 1.0, "answer_score": 1.0} for p in ids for j in range(64)]
    document: Any = document_of(write(tmp_path / "base.jsonl", base), write(tmp_path / "tuned.jsonl", tuned))
    c = document["comparison"]
    alone = c["answer_pass_at_k"]["1"]
    assert c["answers_differ"] and (alone["base"], alone["tuned"]) == (0.25, 1.0)
    shown = c["compression"]["certified_simultaneous"]
    assert (shown["count"], shown["answered_by_base"]) == (24, 24)
    (said,) = prose.answer_lines(document)
    assert (
        said.startswith("pass@k counts what the verifier accepts as a whole")
        and "that is the headline" in said
    )
    assert (
        "pass@1 goes 25.0 → 100.0: +75.0 points" in said
        and "the base does find the right answer on 24" in said
    )
    same = [{**row, "answer_score": row["score"]} for row in base]
    alike: Any = document_of(write(tmp_path / "base.jsonl", same), tmp_path / "tuned.jsonl")
    assert not list(prose.answer_lines(alike))


def test_no_share_of_a_distance_that_is_noise():
    """Log-probabilities that differ by chance alone: the interval of KL(π‖p0) holds 0, and η would be noise over it."""
    rng = random.Random(2)
    ids, problem = [f"p{i}" for i in range(24)], [i for i in range(24) for _ in range(16)]
    right = [rng.random() < 0.5 for _ in problem]
    c = [sum(r for r, at in zip(right, problem, strict=True) if at == i) for i in range(24)]

    def samples(name: str, shift: float) -> Samples:
        import numpy as np

        own = np.array([-10.0 - rng.random() for _ in problem])
        moved = own + np.array([shift + rng.gauss(0, 0.3) for _ in problem])
        logs = LogProbs(np.array(problem), np.array(right), {"tuned": own, "base": moved})
        return Samples(name, ids, np.full(24, 16), np.array(c), logprobs=logs)

    noise: Any = compare(samples("base", 0.0), samples("tuned", 0.0), replicates=200)
    moved: Any = compare(samples("base", 0.0), samples("tuned", -0.5), replicates=200)
    assert noise["alignment"]["kl_pi_p0"]["lo"] < 0 < noise["alignment"]["kl_pi_p0"]["hi"]
    assert noise["alignment"]["efficiency"]["value"] is None
    assert noise["alignment"]["efficiency"]["status"] == "no_distance"
    assert "went into success" not in prose.distance_moved(noise)
    assert moved["alignment"]["kl_pi_p0"]["lo"] > 0 and moved["alignment"]["efficiency"]["value"] is not None
    for share, words in (
        (0.89, "89 % of that went into success (η);"),
        (1.87, "all, within the error, of that went"),
    ):
        moved["alignment"]["efficiency"]["value"] = share
        assert words in prose.distance_moved(moved)


def test_a_loss_and_its_interval_have_one_sign(tmp_path):
    rng = random.Random(4)
    base = {f"p{i}": (16, rng.randint(2, 14)) for i in range(30)}
    document = pair_of(tmp_path, base, {p: (16, max(0, c - 2)) for p, (_, c) in base.items()})
    (line,) = [line for line in summary.summary(document).splitlines() if "  forgetting (" in line]
    lost = document["comparison"]["compression"]["forgetting"]
    ends = " to ".join(f"−{100 * lost[end]:.1f}" for end in ("hi", "lo"))
    assert line.split()[0] == f"−{100 * lost['value']:.1f}" and f"(95 %: {ends})" in line
    assert math.isclose(document["comparison"]["gain"]["value"], -lost["value"])


def test_what_no_file_says_is_one_note_with_the_cure(tmp_path):
    held = [
        read(write(tmp_path / f"{name}.jsonl", rows_of({"p": (2, i % 3)})), name)[0]
        for i, name in enumerate(("base", "tuned", "step-1", "step-2", "step-3"))
    ]
    notes = comparable.unsaid(held)
    assert sum("No settings beside" in note for note in notes) == 1
    assert "(5 files)" in notes[0] and "base.settings.json" in notes[0] and '"temperature": 1.0' in notes[0]
    assert notes[1:] == ["base.jsonl and step-2.jsonl are the same, byte for byte."]
    assert comparable.unsaid([held[0], held[0]])[1:] == ["base.jsonl is compared with itself."]
    (tmp_path / "base.settings.json").write_text('{"temperature": 1.0}')
    assert not comparable.unsaid([*read(tmp_path / "base.jsonl", "base"), held[1]])
