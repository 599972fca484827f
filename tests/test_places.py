"""Files as they lie: packed, in a folder, several by a pattern."""

import bz2
import gzip
import json
import lzma

import pyarrow
import pytest

from rlvr.cli import main
from rlvr.errors import UserError
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.importers import Options

ROWS = [{"problem_id": f"p{i}", "score": i % 2, "trace": f"trace {i}"} for i in range(6)]


def text(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def zstd(data):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKING = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("ending", PACKING)
def test_packed_rows_are_those_of_the_file(tmp_path, ending):
    """Recognised by their first bytes; what lies beside is that of the packed file's name."""
    path = tmp_path / f"base.jsonl{ending}"
    path.write_bytes(PACKING[ending](text(ROWS)))
    (tmp_path / "base.settings.json").write_text('{"temperature": 0.7}')
    other = tmp_path / "no-ending"
    other.write_bytes(path.read_bytes())
    for given, settings in ((path, {"temperature": 0.7}), (other, {})):
        (found,) = read(given, "base")
        assert (found.path, found.settings) == (given, settings)
        assert found.samples.c.tolist() == [0, 1] * 3 and found.columns
        assert [row["trace"] for row in found.columns.rows([5, 0])] == ["trace 5", "trace 0"]


def test_a_packed_file_of_another_system_is_reported_and_imported(tmp_path):
    rows = [{"task_id": f"H/{i}", "completion": "x", "result": "passed", "passed": i < 2} for i in range(4)]
    path = tmp_path / "results.jsonl.gz"
    path.write_bytes(gzip.compress(text(rows)))
    (found,) = read(path, "base")
    assert found.samples.c.tolist() == [1, 1, 0, 0]
    assert main(["import", str(path), "--into", str(tmp_path / "ours.jsonl"), "-q"]) == 0
    (ours,) = read(tmp_path / "ours.jsonl", "base")
    assert ours.samples.c.tolist() == [1, 1, 0, 0]


def test_a_packed_file_is_scored(tmp_path):
    path, out = tmp_path / "said.jsonl.gz", tmp_path / "out.jsonl"
    path.write_bytes(gzip.compress(text([{"response": "\\boxed{4}", "reference": "4"}])))
    assert main(["score", str(path), "--verifier", "math", "--output", str(out)]) == 0
    assert json.loads(out.read_text())["score"] == 1.0


def test_a_bad_line_and_a_cut_file_are_named_as_they_were_given(tmp_path):
    path = tmp_path / "base.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"problem_id": "p", "score": 1}\nnot JSON\n'))
    with pytest.raises(UserError, match=f"{path}:2: not a line of JSON"):
        read(path, "base")
    path.write_bytes(gzip.compress(text(ROWS))[:30])
    with pytest.raises(UserError, match=f"{path}: cannot be unpacked"):
        read(path, "base")


def test_a_pattern_names_files_that_make_one_evaluation(tmp_path):
    """NeMo-Skills writes a file for each seed."""
    for seed in range(3):
        row = {"id": "a", "problem": "x", "expected_answer": "4", "predicted_answer": "4", "generation": "4"}
        rows = [row | {"id": name, "symbolic_correct": seed > 0} for name in ("a", "b")]
        (tmp_path / f"output-rs{seed}.jsonl").write_bytes(text(rows))
    (found,) = read(tmp_path / "output-rs*.jsonl", "base", options=Options())
    assert found.samples.n.tolist() == [3, 3] and found.samples.c.tolist() == [2, 2]
    assert found.path.name == "output-rs*.jsonl"
    with pytest.raises(UserError, match="no file has such a name"):
        read(tmp_path / "none-*.jsonl", "base")


def test_a_folder_stands_for_its_file_of_samples(tmp_path, capsys):
    """As evaluation harnesses leave it: samples beside other files, below the folder of the model."""
    for name, right in (("base", 2), ("tuned", 3)):
        folder = tmp_path / name / "model"
        folder.mkdir(parents=True)
        rows = [
            {"task_id": f"H/{i}", "completion": "x", "result": "r", "passed": i < right} for i in range(4)
        ]
        (folder / "samples.jsonl_results.jsonl").write_bytes(text(rows))
        (folder / "results.json").write_text('{"accuracy": 0.5}')
    out = tmp_path / "out"
    asked = ["report", str(tmp_path / "base"), str(tmp_path / "tuned"), "--replicates", "100", "-q"]
    assert main([*asked, "--output", str(out)]) == 0
    gain = json.loads((out / "report.json").read_text())["comparison"]["gain"]
    assert gain["value"] == 0.25
    (tmp_path / "base" / "more.jsonl").write_bytes(text(ROWS))
    capsys.readouterr()
    assert main([*asked, "--output", str(out)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "holds 2 files of samples (model/samples.jsonl_results.jsonl, more.jsonl)" in said
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty")]) == 2
    assert "no file of samples was found in it" in " ".join(capsys.readouterr().err.split())


def test_counts_between_tabs(tmp_path):
    (tmp_path / "counts.tsv").write_text("problem_id\tn\tc\np\t4\t1\n")
    (found,) = read(tmp_path / "counts.tsv", "base")
    assert (found.samples.n.tolist(), found.samples.c.tolist()) == ([4], [1])
