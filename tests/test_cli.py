"""The command line: what it writes, what it says, and what it refuses."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nogap
from nogap import cli
from nogap.report import terminal
from nogap.solution import Record
from nogap.tabular import TabularModel
from nogap.tabular.table import csv_text, write_text


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def curve(n=40, seed=0):
    x = np.random.default_rng(seed).uniform(-2, 2, n).round(3)
    return [[a, b] for a, b in zip(x.tolist(), np.abs(x).round(3).tolist(), strict=True)]


FIT = ["fit", "data.csv", "--target", "y", "--tol", "0.01", "--max-time", "60"]


@pytest.fixture
def data(folder):
    write_text("data.csv", csv_text(["x", "y"], curve()))
    return folder / "data.csv"


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


# -- the main job ----------------------------------------------------------------------------


def test_fit_predict_certify(data, capsys):
    assert run(*FIT, "--report", "report.html") == 0
    shown = capsys.readouterr()
    assert "task: regression, because the target is numeric" in shown.err
    assert "32 rows to train on, 8 held out" in shown.err
    assert "alpha " in shown.err
    assert "Certificate (a proof)" in shown.out
    assert "global optimum" in shown.out
    assert "Quality on 8 held-out rows" in shown.out
    assert "Model    model.nogap" in shown.out
    assert "Report   report.html" in shown.out
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    model = TabularModel.load("model.nogap")

    assert run("predict", "model.nogap", "data.csv") == 0
    printed = capsys.readouterr().out
    assert run("predict", "model.nogap", "data.csv", "--out", "p.csv") == 0
    assert Path("p.csv").read_text() == printed
    rows = list(csv.reader(io.StringIO(printed)))
    assert rows[0] == ["prediction"]
    column = model.columns[0]
    x = np.array([row[0] for row in curve()])
    f = model.network.predict(((x - column.mean) / column.scale)[:, None])
    expected = f * model.target.scale + model.target.mean
    np.testing.assert_allclose([float(row[0]) for row in rows[1:]], expected, rtol=1e-12)

    assert run("certify", "model.nogap", "data.csv", "--target", "y") == 0
    shown = capsys.readouterr()
    assert "its 32 training rows (8 were held out)" in shown.err
    assert f"The objective {model.certificate.objective:.6g} is at most" in shown.out


def test_classes_come_with_probabilities(folder, capsys):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(45, 2)).round(3)
    labels = np.where(points[:, 0] > 0.4, "right", np.where(points[:, 0] < -0.4, "left", "centre"))
    rows = [[*p, label] for p, label in zip(points.tolist(), labels, strict=True)]
    write_text("data.csv", csv_text(["a", "b", "side"], rows))
    assert run("fit", "data.csv", "--target", "side", "--tol", 0.01, "--max-time", 5) == 0
    shown = capsys.readouterr()
    assert "task: classification, because the target holds text" in shown.err
    assert "accuracy" in shown.out
    assert run("predict", "model.nogap", "data.csv") == 0
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["prediction", "probability_centre", "probability_left", "probability_right"]
    for label, *probabilities in table[1:]:
        p = np.array(probabilities, dtype=float)
        assert p.sum() == pytest.approx(1)
        assert label == ["centre", "left", "right"][int(p.argmax())]


def test_equal_seeds_give_equal_files(data):
    assert run(*FIT, "--quiet", "--out", "a.nogap") == 0
    assert run(*FIT, "--quiet", "--out", "b.nogap") == 0
    assert Path("a.nogap").read_bytes() == Path("b.nogap").read_bytes()
    assert run(*FIT, "--quiet", "--seed", 1, "--out", "c.nogap") == 0
    assert Path("a.nogap").read_bytes() != Path("c.nogap").read_bytes()


def test_quiet_prints_nothing(data, capsys):
    assert run(*FIT, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_an_empty_network_is_pointed_out(data, capsys):
    assert run(*FIT, "--alpha", 100) == 0
    assert "The network is empty: this alpha is so large" in " ".join(
        capsys.readouterr().out.split()
    )


def test_demo(folder, capsys):
    assert run("demo", "--data", "wine", "--out", "demo") == 0
    shown = capsys.readouterr()
    assert "$ nogap fit demo/wine.csv --target cultivar --out demo/model.nogap" in shown.err
    assert "Quality on 36 held-out rows" in shown.out
    assert "accuracy" in shown.out
    files = sorted(path.name for path in Path("demo").iterdir())
    assert files == ["model.nogap", "report.html", "wine.csv"]


def test_demo_tables_are_the_data_sets_of_scikit_learn():
    from sklearn import datasets

    rows = list(csv.reader(io.StringIO(cli._demo_table("diabetes"))))
    serum = ["tc", "ldl", "hdl", "tch", "ltg", "glu"]
    assert rows[0] == ["age", "sex", "bmi", "bp", *serum, "progression"]
    found = np.array(rows[1:], dtype=float)
    original = datasets.load_diabetes(scaled=False)
    np.testing.assert_array_equal(found[:, :-1], original.data)
    np.testing.assert_array_equal(found[:, -1], original.target)


# -- bad input -------------------------------------------------------------------------------

BAD_FIT = [
    (["--target", "z"], "no column 'z'"),
    (["--alpha", "-1"], "alpha must be a positive number, got -1"),
    (["--alpha", "x"], "argument --alpha: invalid float value: 'x'"),
    (["--alpha", "1", "--cv"], "argument --cv: not allowed with argument --alpha"),
    (["--tol", "0"], "tol must be a positive number"),
    (["--max-time", "-3"], "max_time must be a positive number"),
    (["--max-neurons", "0"], "max_neurons must be at least 1"),
    (["--test-fraction", "1.5"], "test_fraction must be at least 0 and less than 1"),
    (["--task", "ranking"], "argument --task: invalid choice: 'ranking'"),
    (["--drop", "q"], "no column 'q', which is to be left out"),
    (["--out", "missing/model.nogap"], "cannot write missing/model.nogap: there is no folder"),
    (["--out", "."], "is a folder; name a file to write to"),
    (["--out", "data.csv"], "writing data.csv would overwrite an input file"),
    (["--report", "data.csv"], "writing data.csv would overwrite an input file"),
    (["--report", "model.nogap"], "the model and the report cannot both be written to model.nogap"),
    (["--report", "missing/report.html"], "there is no folder missing"),
]


@pytest.mark.parametrize(("options", "sentence"), BAD_FIT)
def test_bad_options_leave_everything_as_it_was(data, capsys, options, sentence):
    before = {"data.csv": data.read_bytes(), "model.nogap": b"an older model"}
    Path("model.nogap").write_bytes(before["model.nogap"])
    assert run(*FIT, *options) == 2
    assert_one_sentence(capsys, sentence)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


BAD_DATA = [
    ("", "data.csv is empty"),
    ("x,y\n", "data.csv has a header line but no rows"),
    ("x,y\n1,2\n", "data.csv has one row"),
    ("x,y\n1,2\n3\n", "data.csv, row 2 (line 3): 1 cells"),
    ("x,y\n1,2\n?,3\n", "data.csv, row 2 (line 3), column 'x': the value is missing (?)"),
    ("x,y\n1,2\ninf,3\n", "data.csv, row 2 (line 3), column 'x': inf is not a finite number"),
    ("x,y\n1,2\n" + "9" * 20 + ",3\n", "column 'x': 99999999999999999999 is too large a whole"),
    ("x,y\n1,2\n2,2\n", "data.csv, column 'y': the target is '2' in every row"),
    ("x,x\n1,2\n", "data.csv: the header names the column 'x' twice"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD_DATA)
def test_bad_data_leaves_everything_as_it_was(data, capsys, text, sentence):
    data.write_text(text)
    Path("model.nogap").write_bytes(b"an older model")
    Path("report.html").write_bytes(b"an older report")
    assert run(*FIT, "--report", "report.html") == 2
    assert_one_sentence(capsys, sentence)
    assert Path("model.nogap").read_bytes() == b"an older model"
    assert Path("report.html").read_bytes() == b"an older report"
    assert len(list(Path().iterdir())) == 3


def assert_one_sentence(capsys, sentence):
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert shown.err.startswith(("nogap: error: ", "nogap fit: error: "))
    assert shown.out == ""


@pytest.fixture
def model(data):
    assert run(*FIT, "--quiet") == 0
    return TabularModel.load("model.nogap")


def test_bad_input_to_predict(model, capsys):
    write_text("p.csv", "older predictions")
    cases = {
        "z\n1\n": "new.csv has no column 'x', which the model was trained with",
        "x\n1\nlarge\n": "new.csv, row 2 (line 3), column 'x': 'large' is not a number",
        "x\n1\nnan\n": "new.csv, row 2 (line 3), column 'x': the value is missing (nan)",
    }
    for text, sentence in cases.items():
        write_text("new.csv", text)
        assert run("predict", "model.nogap", "new.csv", "--out", "p.csv") == 2
        assert_one_sentence(capsys, sentence)
        assert Path("p.csv").read_text() == "older predictions"
    assert run("predict", "data.csv", "new.csv") == 2
    assert_one_sentence(capsys, "data.csv is not a nogap model file, or it is damaged")
    assert run("predict", "nothing.nogap", "new.csv") == 2
    assert_one_sentence(capsys, "nothing.nogap: no such file")
    before = Path("model.nogap").read_bytes()
    assert run("predict", "model.nogap", "data.csv", "--out", "model.nogap") == 2
    assert_one_sentence(capsys, "would overwrite an input file")
    assert Path("model.nogap").read_bytes() == before


def test_bad_input_to_certify(model, capsys):
    cases = [
        (["model.nogap", "data.csv", "--target", "x"], "predicts the column 'y', not 'x'"),
        (["net.onnx", "data.csv", "--target", "y"], "pass --alpha"),
        (["net.onnx", "data.csv", "--target", "y", "--alpha", "1"], "there is no file net.onnx"),
        (["data.pt", "data.csv", "--target", "y", "--alpha", "1"], "there is no file data.pt"),
        (["model.nogap", "data.csv", "--target", "y", "--alpha", "0"], "alpha must be a positive"),
        (["model.nogap", "no.csv", "--target", "y"], "no.csv: no such file"),
    ]
    for arguments, sentence in cases:
        assert run("certify", *arguments) == 2
        assert_one_sentence(capsys, sentence)


def test_networks_from_elsewhere_are_certified(data, capsys):
    torch = pytest.importorskip("torch")
    x = np.array([row[0] for row in curve()])[:, None]
    y = np.array([row[1] for row in curve()])
    solution = nogap.train(x, y, beta=0.4, hidden_bias=True, fit_intercept=True, random_state=0)
    solution.network.to_onnx("net.onnx")
    torch.save(solution.network.to_torch().state_dict(), "net.pt")
    for file in ("net.onnx", "net.pt"):
        assert run("certify", file, "data.csv", "--target", "y", "--alpha", "0.01") == 0
        shown = capsys.readouterr()
        assert f"{file}: Network(1 inputs" in shown.err
        assert "columns taken as they are" in shown.err
        assert "kind exact" in " ".join(shown.out.split())
    write_text("wide.csv", csv_text(["a", "b", "y"], [[1, 2, 3.5], [2, 3, 4.5]]))
    assert run("certify", "net.onnx", "wide.csv", "--target", "y", "--alpha", "1") == 2
    assert_one_sentence(capsys, "net.onnx takes 1 columns, wide.csv has 2 beside the target 'y'")
    torch.save({"a": torch.zeros(3)}, "other.pt")
    assert run("certify", "other.pt", "data.csv", "--target", "y", "--alpha", "1") == 2
    assert_one_sentence(capsys, "must hold the weights of Linear-ReLU-Linear")
    Path("broken.pt").write_bytes(b"no")
    assert run("certify", "broken.pt", "data.csv", "--target", "y", "--alpha", "1") == 2
    assert_one_sentence(capsys, "not a PyTorch state file")


def test_demo_refuses_a_file_for_a_folder(data, capsys):
    assert run("demo", "--out", "data.csv") == 2
    assert_one_sentence(capsys, "data.csv is a file; name a folder with --out")


def test_a_write_that_fails_keeps_the_older_file(model, monkeypatch, capsys):
    before = Path("model.nogap").read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert run(*FIT, "--quiet", "--seed", 1) == 2
        assert_one_sentence(capsys, "model.nogap: No space left on device")
        assert run("predict", "model.nogap", "data.csv", "--out", "p.csv") == 2
        assert_one_sentence(capsys, "p.csv: No space left on device")
    assert Path("model.nogap").read_bytes() == before
    assert [path.name for path in Path().glob(".*")] == []
    assert not Path("p.csv").exists()


def test_a_report_without_matplotlib_is_refused_before_training(data, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(*FIT, "--report", "report.html") == 2
    assert_one_sentence(capsys, "pip install 'nogap[report]'")
    assert not Path("model.nogap").exists()


# -- Ctrl-C ----------------------------------------------------------------------------------


def test_ctrl_c_during_training_saves_the_best_so_far(data, monkeypatch, capsys):
    show = terminal.PlainProgress.__call__

    def interrupt(self, record):
        show(self, record)
        if record.n_neurons > 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.PlainProgress, "__call__", interrupt)
    assert run(*FIT, "--tol", 1e-9, "--alpha", 1e-3) == 130
    shown = capsys.readouterr()
    assert "stopped with Ctrl-C: model.nogap holds the best network so far" in shown.err
    assert "Training was interrupted" in shown.out
    model = TabularModel.load("model.nogap")
    assert model.status is nogap.Status.INTERRUPTED
    assert model.network.n_neurons > 0


def test_ctrl_c_before_training_writes_nothing(data, monkeypatch, capsys):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_table", interrupt)
    assert run(*FIT) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not Path("model.nogap").exists()


# -- words and progress ----------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["fit"], ["predict"], ["certify"], ["demo"]])
def test_help_teaches_by_example(command, capsys):
    assert run(*command, "--help") == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"nogap {command[0] if command else 'fit'}" in shown


def test_no_command_is_one_sentence(capsys):
    assert run() == 2
    assert_one_sentence(capsys, "the following arguments are required: COMMAND")


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"nogap {nogap.__version__}\n"


def test_the_module_runs_and_a_closed_pipe_is_no_error(model):
    write_text("long.csv", csv_text(["x"], [[i / 100] for i in range(20_000)]))
    with subprocess.Popen(
        [sys.executable, "-m", "nogap", "predict", "model.nogap", "long.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline().strip() == b"prediction"
        process.stdout.close()
        assert process.stderr.read() == b""


class Terminal(io.StringIO):
    def isatty(self):
        return True


ESTIMATE, PROOF = Record(0.1, 2.0, 1.0, "search", 3), Record(0.2, 2.0, 1.5, "exact", 1)


def test_plain_progress_names_estimates_and_proofs():
    stream = io.StringIO()
    with terminal.progress(stream) as display:
        display.note("42 rows [of data]")
        display(ESTIMATE)
        display(PROOF)
    assert stream.getvalue().splitlines() == [
        "42 rows [of data]",
        "    0.1 s  objective 2  lower bound (estimate) 1  gap 50 %  3 neurons",
        "    0.2 s  objective 2  lower bound (proved) 1.5  gap 25 %  1 neuron",
    ]


def test_live_progress_names_estimates_and_proofs():
    stream = Terminal()
    with terminal.progress(stream) as display:
        display.note("42 rows [of data]")
        display(ESTIMATE)
        display(PROOF)
    assert isinstance(display, terminal.LiveProgress)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "42 rows [of data]"
    rows = [line.split() for line in lines if " s " in line and "%" in line][-2:]
    assert rows[0] == ["0.1", "s", "2", "1", "an", "estimate", "50", "%", "3"]
    assert rows[1] == ["0.2", "s", "2", "1.5", "proved", "25", "%", "1"]


def test_progress_of_nothing_is_nothing():
    stream = Terminal()
    with terminal.progress(stream):
        pass
    assert stream.getvalue() == ""


def test_progress_without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(terminal.progress(Terminal()), terminal.PlainProgress)


def test_gap_of_a_zero_objective():
    assert terminal.relative_gap(Record(0, 0.0, -1.0, "search", 0)) == float("inf")
    assert terminal.relative_gap(Record(0, 0.0, 0.0, "exact", 0)) == 0
