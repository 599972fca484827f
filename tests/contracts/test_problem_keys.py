"""What each key of a source of problems does, and that each of the three sets reads it."""

import json

import pytest

import verifiers
from rlvr import hub
from rlvr.config import ProblemsConfig, SourceConfig
from rlvr.problems import ProblemError, Problems, load, load_all
from rlvr.source_verifiers import verifiers_of
from rlvr.training.source_mix import SourceMix
from tests.conftest import quickstart_config
from tests.contracts.keys import shows

ROWS = [
    {"q": f"What is {n} + {n}?", "a": 2 * n, "level": n % 3, "name": f"p{n}", "turn": {"q": f"{n} + {n}"}}
    for n in range(30)
]
SUMS = {"generator": "chain_sum", "size": 6}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def source(file, **keys):
    return SourceConfig.model_validate({"file": file, "prompt": "q", "reference": "a"} | keys)


def ids(found):
    return [problem.id for problem in found]


def prompts(found):
    return [problem.prompt for problem in found]


@shows("problems.*.file")
def test_the_file_that_is_named_is_read(file, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"q": "What is 100 + 1?", "a": 101}) + "\n")
    assert prompts(load(source(file))) == [row["q"] for row in ROWS]
    assert prompts(load(source(str(other)))) == ["What is 100 + 1?"]
    assert prompts(load(source([file, str(other)]))) == [*(row["q"] for row in ROWS), "What is 100 + 1?"]


@shows("problems.*.dataset", "problems.*.subset", "problems.*.split", "problems.*.revision")
def test_a_data_set_is_asked_for_as_the_keys_say(monkeypatch):
    """The one call that needs a network: what it is handed."""
    import datasets

    asked: list[dict] = []

    def load_dataset(name, subset=None, *, split=None, revision=None):
        asked.append({"dataset": name, "subset": subset, "split": split, "revision": revision})
        return datasets.Dataset.from_list([{"q": "1 + 1?", "a": 2}])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "missing", lambda *_: None)
    first = {"dataset": "a/b", "subset": "main", "split": "test[:3]", "revision": "v1"}
    for changed in ({}, {"dataset": "a/c"}, {"subset": "socratic"}, {"split": "train"}, {"revision": "v2"}):
        load(SourceConfig.model_validate({**first, **changed, "prompt": "q", "reference": "a"}))
        assert asked.pop() == first | changed


@shows("problems.*.generator", "problems.*.parameters", "problems.*.size", "problems.*.seed")
def test_a_generator_makes_what_the_keys_say():
    found = load(SourceConfig.model_validate(SUMS))
    assert len(found) == 6
    assert len(load(SourceConfig.model_validate(SUMS | {"size": 9}))) == 9
    assert prompts(load(SourceConfig.model_validate(SUMS))) == prompts(found)
    assert not set(prompts(found)) & set(prompts(load(SourceConfig.model_validate(SUMS | {"seed": 1000}))))
    assert (
        load(SourceConfig.model_validate(SUMS | {"generator": "letter_counting"}))[0].prompt
        != found[0].prompt
    )
    eight = load(SourceConfig.model_validate(SUMS | {"parameters": {"min_terms": 8, "max_terms": 8}}))
    assert {problem.meta["num_terms"] for problem in eight} == {8}


@shows("problems.*.world")
def test_a_split_of_the_world_is_what_it_is_called():
    train, heldout = (load(SourceConfig(world=split)) for split in ("train", "heldout"))
    assert train and heldout and not set(prompts(train)) & set(prompts(heldout))


@shows("problems.*.prompt", "problems.*.reference", "problems.*.id")
def test_columns_are_those_that_are_named(file):
    (first, *_) = load(source(file))
    assert (first.prompt, first.reference, first.id) == ("What is 0 + 0?", "0", "rows-0")
    assert load(source(file, prompt="turn.q"))[3].prompt == "3 + 3"
    assert load(source(file, prompt="{turn.q} = ?"))[3].prompt == "3 + 3 = ?"
    assert load(source(file, reference="name"))[3].reference == "p3"
    assert load(source(file, reference={"tests": "a"}))[3].reference == {"tests": 6}
    assert load(source(file, id="name"))[3].id == "p3"


@shows("problems.*.format")
def test_a_format_reads_the_columns_of_its_set(tmp_path):
    file = tmp_path / "rows.jsonl"
    row = {"task_id": 3, "text": "Add.", "test_list": ["assert add(1, 2) == 3"], "test_setup_code": ""}
    file.write_text(json.dumps(row) + "\n")
    (plain,) = load(SourceConfig(file=str(file), prompt="text", reference="test_list"))
    (mbpp,) = load(SourceConfig(file=str(file), format="mbpp"))
    assert plain.prompt == "Add." and plain.reference == ["assert add(1, 2) == 3"]
    assert "assert add(1, 2) == 3" in mbpp.prompt and mbpp.reference["entry"] == "add"


@shows("problems.*.bad_rows")
def test_so_large_a_share_of_bad_rows_is_left_out(tmp_path):
    rows = [*ROWS[:9], {"q": "", "a": 1}]  # one of ten
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(load(source(str(file), bad_rows=0.1))) == 9
    for too_few in ({"bad_rows": 0.09}, {}):  # 0.05 where it is not given
        with pytest.raises(ProblemError, match="1 of 10 rows cannot be read"):
            load(source(str(file), **too_few))


@shows("problems.*.where")
def test_where_keeps_the_rows_that_fit(file):
    assert [int(p.id.removeprefix("rows-")) for p in load(source(file, where={"level": 1}))] == list(
        range(1, 30, 3)
    )
    assert ids(load(source(file, where={"level": [0, 1], "name": "p4"}))) == ["rows-4"]


@shows("problems.*.limit")
def test_limit_keeps_the_first_problems(file):
    every = ids(load(source(file)))
    assert ids(load(source(file, limit=7))) == every[:7]
    assert ids(load(source(file, limit=300))) == every


@shows("problems.*.shuffle_seed")
def test_another_shuffle_seed_is_another_order_and_another_subset(file):
    def first(seed, limit=8):
        return ids(load(source(file, shuffle_seed=seed, limit=limit)))

    every = ids(load(source(file)))
    assert first(1) == first(1)
    assert len({tuple(first(seed)) for seed in range(6)}) == 6
    assert len({frozenset(first(seed)) for seed in range(6)}) == 6, "the subset is of the file's first rows"
    assert sorted(first(1, 30)) == sorted(every) and first(1, 30) != every
    assert first(1) == first(1, 30)[:8]


@shows("problems.*.name", "problems.*.verifier", "problems.*.verifier_options")
def test_a_source_has_its_name_and_its_own_judge(file):
    sources = (
        source(file, name="sums", where={"name": "p2"}),
        source(file, name="words", reference="name", verifier="exact", where={"name": "p3"}),
        source(
            file,
            name="loud",
            reference="name",
            verifier="exact",
            verifier_options={"ignore_case": True},
            limit=1,
        ),
    )
    config = quickstart_config(
        problems=ProblemsConfig(heldout=sources), verifier="math", verifier_options={"percent": "free"}
    )
    judges = verifiers_of(config)
    assert {name: (judge.name, judge.options) for name, judge in judges.items()} == {
        "sums": ("math", {"percent": "free"}),  # the config's
        "words": ("exact", {}),  # whose options are not those of `math`
        "loud": ("exact", {"ignore_case": True}),
    }
    said = {}
    for problem in load_all(None, sources).heldout:
        judge = judges[problem.source]
        answers = (r"\boxed{4.0}", problem.reference.upper())
        verifier = verifiers.load(judge.name, **judge.options)
        said[problem.source] = [verifiers.score(verifier, problem, answer).solved for answer in answers]
    assert said == {"sums": [True, True], "words": [False, False], "loud": [False, True]}


@shows("problems.*.weight")
def test_groups_are_drawn_by_weight(file):
    def share(**weights):
        """Of the groups of 50 steps of 8, how many are of `few`, which has 3 of the 30 problems."""
        sources = [
            source(file, name=name, where={"name": names}, **({"weight": weights[name]} if weights else {}))
            for name, names in (("few", ["p0", "p1", "p2"]), ("many", [f"p{n}" for n in range(3, 30)]))
        ]
        config = quickstart_config(problems=ProblemsConfig(train=tuple(sources), heldout=source(file)))
        problems = load_all(tuple(sources), None).train
        mix = SourceMix.of(config, problems, lambda: 0)
        drawn = [problems[i].source for number in range(50) for i in mix.draw(number, 8)[0]]
        return drawn.count("few") / len(drawn)

    assert share() == pytest.approx(3 / 30, abs=0.01)
    assert share(few=1, many=3) == pytest.approx(1 / 4, abs=0.01)
    assert share(few=8, many=2) == pytest.approx(0.8, abs=0.01)


SAME_IN_EACH_SET = (
    {"limit": 5},
    {"shuffle_seed": 3, "limit": 5},
    {"where": {"level": 2}},
    {"id": "name"},
    {"prompt": "turn.q"},
    {"reference": "name"},
    {"name": "sums"},
)


@pytest.mark.parametrize("keys", SAME_IN_EACH_SET, ids=str)
def test_each_set_reads_its_sources_alike(file, keys):
    """Training, held-out and probe problems; as one source, and as a list of one."""
    alone = load(source(file, **keys))
    sets: list[Problems] = [
        load_all(source(file, **keys), None),
        load_all(None, source(file, **keys)),
        load_all(None, None, {"more": source(file, **keys)}),
        load_all((source(file, **keys),), None),
    ]
    for found in sets:
        (of,) = [*filter(None, [found.train, found.heldout, *found.probes.values()])]
        assert [(p.id, p.prompt, p.reference) for p in of] == [(p.id, p.prompt, p.reference) for p in alone]


def test_training_problems_stand_in_no_evaluated_set(file):
    """Neither the held-out ones nor those of any probe; the set is named."""
    first, second, rest = (
        source(file, where={"name": names})
        for names in (["p0", "p1"], ["p2", "p3"], [f"p{n}" for n in range(4, 30)])
    )
    assert len(load_all(rest, first, {"a": second}).train) == 26
    for heldout, probes, where in (
        (rest, {"a": second}, "problems.heldout"),
        (first, {"a": rest}, r"problems\.probes\.a"),
        (first, {"a": second, "b": source(file, limit=5, where={"level": 1})}, r"problems\.probes\.b"),
        (None, {"a": rest}, r"problems\.probes\.a"),
    ):
        with pytest.raises(ProblemError, match=f"problems.train shares [0-9]+ problems with {where}"):
            load_all(rest, heldout, probes)
    assert len(load_all(None, first, {"a": first}).probes["a"]) == 2  # two evaluated sets may share problems


SAME_BUT_FOR_CASE = [
    ("Wie breit ist die Straße?", "WIE BREIT IST DIE STRASSE?"),
    ("Wie breit ist die Straße?", "wie breit ist die STRAẞE?"),
    ("Πόσο είναι ο λόγος;", "ΠΌΣΟ ΕΊΝΑΙ Ο ΛΌΓΟΣ;"),
    ("the coﬀee", "THE COFFEE"),
    ("ĳssel", "IJSSEL"),
    ("Ὀδυσσεύς?", "ὈΔΥΣΣΕΎΣ?"),
    ("Ångström", "ÅNGSTRÖM"),
    ("ﬁve?", "FIVE?"),
    ("naïve x²", "NAI\u0308VE X2"),  # a combining mark, and a digit that NFKC makes of a superscript
]


@pytest.mark.parametrize(("trained", "heldout"), SAME_BUT_FOR_CASE)
def test_case_is_that_of_unicode_not_of_ascii(tmp_path, trained, heldout):
    """ß is SS in capitals, and ς is the same letter as σ: Unicode's case folding, which `lower()` is not."""
    files = [tmp_path / f"{name}.jsonl" for name in ("train", "heldout")]
    for file, text in zip(files, (trained, heldout), strict=True):
        file.write_text(json.dumps({"q": text, "a": 1}) + "\n")
    with pytest.raises(ProblemError, match=r"shares 1 problems with problems\.heldout"):
        load_all(source(str(files[0])), source(str(files[1])))
