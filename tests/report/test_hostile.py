"""Untrusted text stays text: in the JSON, on the terminal, in the template."""

import json
import re

import chromium
import hostile_texts
import pytest
import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr import text
from rlvr.report import build, page

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def write_hostile(folder):
    """A pair whose every text is hostile."""
    base, tuned = simulate.write_pair(folder, problems=len(hostile_texts.ALL), samples=4)
    for path in (base, tuned):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            nasty = hostile_texts.ALL[int(row["problem_id"][-3:])]
            row |= {
                "problem_id": nasty[:200],
                "prompt": nasty,
                "trace": nasty,
                "answer": nasty,
                "detail": nasty,
            }
            row |= {"status": nasty[:60] if row["score"] == 0 else "correct", "reference": nasty}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        settings_file = path.with_suffix(".settings.json")
        held = json.loads(settings_file.read_text())
        nasty_keys = {text[:40]: text for text in hostile_texts.SCRIPTS}
        settings_file.write_text(
            json.dumps(held | {"verifier": hostile_texts.SCRIPTS[1], "note": nasty_keys})
        )
    return base, tuned


@given(st.recursive(st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s), max_leaves=10))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_embedded_json_cannot_end_its_element(data):
    embedded = page.embedded(data)
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", embedded)
    assert json.loads(embedded) == data


@given(st.text(st.characters(codec=None)))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_visible_text_cannot_act(raw):
    assert not ACTS.search(text.visible(raw))
    assert not re.search(r"[\r\n\t]", text.line(raw))


@pytest.mark.parametrize("raw", hostile_texts.TERMINAL)
def test_escapes_are_shown_by_their_code(raw):
    assert "⟨" in text.visible(raw)


def test_the_summary_cannot_steer_a_terminal(tmp_path):
    base, tuned = write_hostile(tmp_path)
    report = build(
        base,
        tuned,
        output=tmp_path / "out",
        title="\x1b[2Jtitle",
        notes=["\x1b]0;note\x07"],
        allow_mismatch=True,
    )
    assert not ACTS.search(report.summary)
    source = report.html.read_text()
    assert source.count("<script") == 2 and source.count("</script") == 2
    for raw in hostile_texts.SCRIPTS:
        if "<" in raw or '"' in raw:
            assert raw not in source, raw
    assert "{{ 7 * 7 }}" in source, "a template in the text is text"
    for drawing in (tmp_path / "out" / "figures").glob("*.svg"):
        assert "<script" not in drawing.read_text().lower()


@pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine")
def test_traces_of_ten_megabytes_break_nothing(tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=4, samples=8)
    rows = [json.loads(line) for line in tuned.read_text().splitlines()]
    for row, unit in zip(
        rows, ("<script>window.pwned = 1</script>\n", "\x1b[31mred\u202e", "x", "\ud800"), strict=False
    ):
        row["trace"] = unit * (10_000_000 // len(unit))
    tuned.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = build(base, tuned, output=tmp_path / "out")
    assert report.html.stat().st_size < 20_000_000, "a page that a browser can hold"
    with chromium.Browser() as browser:
        browser.open(report.html.as_uri())
        browser.run("document.querySelectorAll('#results tbody tr').forEach(row => row.click())")
        assert browser.run("document.getElementById('count').textContent") == "64 of 64"
        assert browser.run("window.pwned === undefined")
        assert browser.errors == []
