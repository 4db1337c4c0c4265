"""Reading tables, encoding columns, and the model file."""

import contextlib
import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nogap import Network, storage
from nogap.tabular import (
    FitOptions,
    InputError,
    TabularModel,
    certify_table,
    fit_table,
    read_table,
)
from nogap.tabular import cross_validation as cross_validation_module
from nogap.tabular.columns import CategoricalColumn, NumericColumn
from nogap.tabular.preparation import prepare
from nogap.tabular.split import hold_out
from nogap.tabular.table import csv_text
from nogap.tabular.target import ClassTarget, choose_task


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def houses(n=60, seed=0):
    """Rows of size, age, kind (three categories) and price."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["flat", "house", "villa"], n)
    size, age = rng.uniform(20, 200, n).round(1), rng.integers(0, 90, n)
    price = 2 * size - age + 50 * (kind == "villa") + rng.normal(0, 5, n)
    return [list(row) for row in zip(size, age, kind, price.round(2), strict=True)]


HEADER = ["size", "age", "kind", "price"]


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    path = tmp_path_factory.mktemp("houses") / "houses.csv"
    write(path, csv_text(HEADER, houses()))
    table = read_table(path)
    return path, table, fit_table(table, FitOptions("price", tol=1e-2, max_time=60))


@pytest.fixture(scope="module")
def classification(tmp_path_factory):
    path = tmp_path_factory.mktemp("houses") / "kinds.csv"
    write(path, csv_text(HEADER, houses()))
    table = read_table(path)
    return path, table, fit_table(table, FitOptions("kind", tol=1e-2, max_time=60))


# -- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; expected a header line and at least one row"),
        (" \n\n", "is empty"),
        ("a,b\n", "has a header line but no rows"),
        ("a,b\n1,2\n3\n", "row 2 (line 3): 1 cells where the header names 2 columns"),
        ("a,b\n1,2,3\n", "row 1 (line 2): 3 cells where the header names 2 columns"),
        ("a,b,a\n1,2,3\n", "the header names the column 'a' twice (columns 1 and 3)"),
        ("a,,b\n1,2,3\n", "column 2 of the header has no name"),
        ('a,b\n1,"2\n', "wrong quoting"),
        ("a,b\n1,\0\n", "is not a CSV file in UTF-8 (it holds zero bytes)"),
        ("a,b\n1," + "x" * 200_000 + "\n", "wrong quoting (field larger than field limit"),
    ],
)
def test_unreadable_tables_are_refused(tmp_path, text, sentence):
    path = write(tmp_path / "data.csv", text)
    with pytest.raises(InputError) as error:
        read_table(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_wrong_encoding_names_line_and_byte(tmp_path):
    path = write(tmp_path / "data.csv", "a,b\n1,2\n3,é\n", "latin-1")
    with pytest.raises(InputError, match="line 3: byte 0xe9 is not UTF-8"):
        read_table(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_byte_order_mark_spaces_and_empty_lines(tmp_path, separator):
    text = "\ufeffa , b\r\n\r\n 1, x y\r\n\r\n2 ,z\r\n".replace(",", separator)
    table = read_table(write(tmp_path / "data.csv", text))
    assert table.names == ("a", "b")
    assert table.cells == (("1", "2"), ("x y", "z"))
    assert table.rows == (1, 2)
    assert table.lines == (3, 5)


def test_places_count_lines_inside_quotes(tmp_path):
    table = read_table(write(tmp_path / "data.csv", 'a,b\n"1\n1",2\n3,4\n'))
    assert table.place(1, "b").endswith("data.csv, row 2 (line 4), column 'b'")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100),
                min_size=1, max_size=20))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_written_floats_read_back_unchanged(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("floats") / "data.csv"
    table = read_table(write(path, csv_text(["a"], [[value] for value in values])))
    np.testing.assert_array_equal(table.numbers("a"), values)


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("inf", "is not a finite number"),
        ("-Infinity", "is not a finite number"),
        ("1e400", "is too large to compute with"),
        ("1" * 25, "is too large a whole number"),
    ],
)
def test_numbers_that_cannot_be_used(tmp_path, cell, sentence):
    table = read_table(write(tmp_path / "data.csv", f"a,b\n1,2\n{cell},3\n"))
    with pytest.raises(InputError, match=r"row 2 \(line 3\), column 'a'") as error:
        table.numbers("a")
    assert sentence in str(error.value)


# -- preparation -----------------------------------------------------------------------------


def table_of(tmp_path, text):
    return read_table(write(tmp_path / "data.csv", text))


UNFIT = [
    ("a,y\n1,2\n", {}, "has one row; training needs two or more"),
    (
        "a,y\n1,2\n2,3\n",
        {"target": "z"},
        "no column 'z', which is to be predicted; its columns are 'a', 'y'",
    ),
    ("a,y\n1,2\n2,3\n", {"drop": ("q",)}, "no column 'q', which is to be left out"),
    ("a,y\n1,2\n2,3\n", {"drop": ("a",)}, "no column left beside the target 'y'"),
    ("a,y\n1,2\n2,3\n", {"drop": ("y",)}, "the target 'y' cannot be left out"),
    ("y\n1\n2\n", {}, "no column left beside the target"),
    ("a,y\n1,2\nNA,3\n", {}, "row 2 (line 3), column 'a': the value is missing (NA)"),
    (
        "a,y\n1,2\n,3\n?,\n",
        {},
        (
            "row 2 (line 3), column 'a': the value is missing (an empty cell); fill it in or "
            "remove the row (2 rows lack a value, in 'a', 'y')"
        ),
    ),
    ("a,y\n1,2\n2,null\n", {}, "column 'y': the value is missing (null)"),
    ("a,y\n1,2\n2,2\n", {}, "column 'y': the target is '2' in every row"),
    ("a,y\n1,u\n2,u\n", {}, "column 'y': the target is 'u' in every row"),
    ("a,b,y\n1,x,2\n1,x,3\n", {}, "every column beside the target is constant"),
    (
        "a,y\n1,2\n2,u\n",
        {"task": "regression"},
        "column 'y': 'u' is not a number, as regression needs",
    ),
    (
        "a,y\n1,1\n2,2\n3,3\n",
        {"task": "classification"},
        "3 classes in 3 rows are too many to learn; use --task regression",
    ),
    (
        "a,y\n" + "".join(f"name {i},{i % 3}.5\n" for i in range(26)),
        {},
        "column 'a': 26 different texts in 26 rows (such as 'name 0') are too many",
    ),
    (
        "a,y\n" + "".join(f"{i},{i}.5\n" for i in range(30)) + "about 7,1\n",
        {},
        "row 31 (line 32), column 'a': 'about 7' is not a number, but 30 of 31 cells",
    ),
    ("a;y\n1,5;1.5\n2,5;3\n", {}, "row 1 (line 2), column 'a': '1,5' has a comma in it"),
]


@pytest.mark.parametrize(("text", "options", "sentence"), UNFIT)
def test_unfit_tables_are_refused(tmp_path, text, options, sentence):
    table = table_of(tmp_path, text)
    with pytest.raises(InputError) as error:
        prepare(table, FitOptions(**{"target": "y", **options}))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "ranking"}, "the task must be"),
        ({"alpha": 0.0}, "alpha must be a positive number, got 0"),
        ({"alpha": float("nan")}, "alpha must be a positive number"),
        ({"alpha": 1.0, "cv": True}, "either an alpha or cv"),
        ({"tol": -1.0}, "tol must be a positive number"),
        ({"max_time": 0.0}, "max_time must be a positive number"),
        ({"max_neurons": 0}, "max_neurons must be at least 1"),
        ({"test_fraction": 1.0}, "test_fraction must be at least 0 and less than 1"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_options_are_checked(options, sentence):
    with pytest.raises(InputError, match=sentence):
        FitOptions("y", **options)


@pytest.mark.parametrize(
    ("column", "task"),
    [
        (["a", "b", "a"], "classification"),
        (["0", "1", "0", "1"], "classification"),
        (["1.0", "2.0", "1.0", "2.0"], "classification"),
        (["1", "2", "3", "4"], "regression"),  # each on one row only
        (["0.5", "1", "0.5", "1"], "regression"),
        ([str(i % 11) for i in range(44)], "regression"),
        ([str(i % 10) for i in range(44)], "classification"),
    ],
)
def test_task_that_a_target_asks_for(tmp_path, column, task):
    table = table_of(tmp_path, csv_text(["a", "y"], [[i, v] for i, v in enumerate(column)]))
    assert choose_task(table, "y")[0] == task


def test_numeric_classes_have_one_spelling(tmp_path):
    table = table_of(tmp_path, "a,y\n1,10\n2,9\n3,9.0\n4,10.00\n")
    data = prepare(table, FitOptions("y"))
    assert isinstance(data.target, ClassTarget)
    assert data.target.classes == ("9", "10")
    np.testing.assert_array_equal(data.y, [1, -1, -1, 1])


def test_notes_on_constant_repeated_and_text_columns(tmp_path):
    rows = [[i, i, 7, "xy"[i % 2], i**2 + 0.5] for i in range(6)] * 2
    data = prepare(
        table_of(tmp_path, csv_text(["a", "b", "c", "d", "y"], rows)),
        FitOptions("y", test_fraction=0),
    )
    notes = "\n".join(data.notes)
    assert "left out, because constant: 'c'" in notes
    assert "column 'b' repeats column 'a'; both are kept" in notes
    assert "6 rows repeat the columns of an earlier row" in notes
    assert "categories: 'd' (2 values)" in notes
    assert "'c'" not in [column.name for column in data.columns]


def test_held_out_rows_are_fair_and_reproducible():
    classes = np.array([0] * 50 + [1] * 10 + [2])
    held = hold_out(classes, 61, 0.2, seed=3)
    assert [int(held[classes == c].sum()) for c in range(3)] == [10, 2, 0]
    np.testing.assert_array_equal(held, hold_out(classes, 61, 0.2, seed=3))
    assert (held != hold_out(classes, 61, 0.2, seed=4)).any()


def test_every_level_is_trained_on(tmp_path):
    rows = [[f"level {i % 25}", i * 1.5] for i in range(75)]
    table = table_of(tmp_path, csv_text(["a", "y"], rows))
    for seed in range(5):
        data = prepare(table, FitOptions("y", test_fraction=0.5, seed=seed))
        seen = {
            cell for cell, held in zip(table.column("a"), data.held_out, strict=True) if not held
        }
        assert len(seen) == 25
        assert data.held_out.any()


def test_scaling_is_learned_on_the_training_rows_alone(regression):
    _, table, result = regression
    training = ~result.data.held_out
    size = table.numbers("size")[training]
    column = result.model.columns[0]
    assert isinstance(column, NumericColumn)
    assert column.mean == pytest.approx(size.mean(), rel=1e-14)
    assert column.scale == pytest.approx(size.std(), rel=1e-14)
    price = table.numbers("price")[training]
    assert result.model.target.scale == pytest.approx(price.std(), rel=1e-14)


@pytest.mark.parametrize("factor", [1e-120, 1e120])
def test_extreme_units_make_no_difference(tmp_path, factor):
    rows = [[x * factor, x, y] for x, y in [(1, 2.5), (2, 1.5), (4, 7.25), (8, 3.5)]]
    data = prepare(
        table_of(tmp_path, csv_text(["a", "b", "y"], rows)), FitOptions("y", test_fraction=0)
    )
    np.testing.assert_allclose(data.X[:, 0], data.X[:, 1], rtol=1e-12)


# -- the model -------------------------------------------------------------------------------


def by_hand(path, result, name):
    """Network inputs computed from the file with nothing of nogap.tabular."""
    with open(path, encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    training = ~result.data.held_out
    parts = []
    for column in HEADER:
        if column == name:
            continue
        values = [record[column] for record in records]
        if column == "kind":
            parts += [[float(v == level) for v in values] for level in sorted(set(values))]
        else:
            x = np.array(values, dtype=float)
            parts.append((x - x[training].mean()) / x[training].std())
    return np.column_stack(parts), records, training


def test_regression_predictions_equal_the_pipeline_by_hand(regression):
    path, table, result = regression
    X, records, training = by_hand(path, result, "price")
    price = np.array([float(record["price"]) for record in records])
    outputs = result.model.network.predict(X)
    expected = outputs * price[training].std() + price[training].mean()
    np.testing.assert_allclose(result.model.predict(table), expected, rtol=1e-12)


def test_class_predictions_equal_the_pipeline_by_hand(classification):
    path, table, result = classification
    X, _, _ = by_hand(path, result, "kind")
    outputs = result.model.network.decision(X)
    expected = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result.model.predict_proba(table), expected, rtol=1e-9)
    labels = np.array(["flat", "house", "villa"])[expected.argmax(axis=1)]
    assert result.model.predict(table) == labels.tolist()


def test_two_classes_use_the_logistic_function(tmp_path):
    rng = np.random.default_rng(0)
    rows = [[x, "yes" if x > 0 else "no"] for x in rng.normal(size=40).round(3)]
    table = table_of(tmp_path, csv_text(["a", "y"], rows))
    model = fit_table(table, FitOptions("y", tol=1e-2, max_time=60)).model
    f = model.network.predict(model.encode(table))
    probabilities = model.predict_proba(table)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-f)), rtol=1e-9)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert model.target.loss == "logistic"


def test_columns_are_found_by_name(regression, tmp_path):
    _, table, result = regression
    shuffled = [[k, c, b, a] for k, (a, b, c, _) in enumerate(houses())]
    other = table_of(tmp_path, csv_text(["number", "kind", "age", "size"], shuffled))
    assert result.model.predict(other) == result.model.predict(table)


def test_bad_rows_at_prediction(regression, tmp_path):
    _, _, result = regression
    cases = {
        "size,age\n1,2\n": "has no column 'kind', which the model was trained with; its columns",
        "size,age,kind\n1,2,flat\n3,4,castle\n": "row 2 (line 3), column 'kind': 'castle' is none "
        "of the values that the model was trained with, 'flat', 'house', 'villa'",
        "size,age,kind\n1,old,flat\n": "row 1 (line 2), column 'age': 'old' is not a number",
        "size,age,kind\n1,,flat\n": "row 1 (line 2), column 'age': the value is missing",
    }
    for text, sentence in cases.items():
        with pytest.raises(InputError) as error:
            result.model.predict(table_of(tmp_path, text))
        assert sentence in str(error.value)


def test_missing_values_in_other_columns_do_not_matter(regression, tmp_path):
    _, _, result = regression
    one = table_of(tmp_path, "size,age,kind,note\n100,20,flat,\n")
    assert len(result.model.predict(one)) == 1


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_model_file_round_trip(kind, request, tmp_path):
    _, table, result = request.getfixturevalue(kind)
    path, again = tmp_path / "a.nogap", tmp_path / "b.nogap"
    result.model.save(path)
    loaded = TabularModel.load(path)
    assert loaded.predictions_csv(table) == result.model.predictions_csv(table)
    assert loaded.columns == result.model.columns
    assert loaded.target == result.model.target
    assert str(loaded.certificate) == str(result.model.certificate)
    assert loaded.status is result.model.status
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    assert list(tmp_path.glob(".*")) == []


def test_damaged_and_foreign_model_files(regression, tmp_path):
    _, _, result = regression
    path = tmp_path / "model.nogap"
    result.model.save(path)
    whole = path.read_bytes()
    cases = {
        b"": "not a nogap model file, or it is damaged",
        b"size,age\n1,2\n": "not a nogap model file, or it is damaged",
        whole[: len(whole) // 2]: "not a nogap model file, or it is damaged",
    }
    for content, sentence in cases.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=sentence):
            TabularModel.load(path)
    with pytest.raises(InputError, match="no such file"):
        TabularModel.load(tmp_path / "nothing.nogap")
    Network([[1.0]], [1.0]).save(path)
    with pytest.raises(InputError, match="holds a bare network without the columns of a table"):
        TabularModel.load(path)


def test_bytes_changed_at_random_never_escape_as_another_error(regression, tmp_path):
    _, _, result = regression
    path = tmp_path / "model.nogap"
    result.model.save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(whole)
        for at in rng.integers(0, len(whole), 8):
            changed[at] = rng.integers(256)
        path.write_bytes(bytes(changed))
        with contextlib.suppress(InputError):
            TabularModel.load(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda arrays, meta: meta.update(version=99), "newer release"),
        (lambda arrays, meta: meta.pop("columns"), "its parts do not fit"),
        (lambda arrays, meta: meta["columns"].pop(), "its parts do not fit"),
        (lambda arrays, meta: meta["certificate"].update(kind="sure"), "its parts do not fit"),
        (lambda arrays, meta: arrays.pop("dual"), "its parts do not fit"),
        (lambda arrays, meta: arrays.pop("network.hidden_weights"), "its parts do not fit"),
    ],
)
def test_incomplete_and_newer_model_files(regression, tmp_path, monkeypatch, change, sentence):
    _, _, result = regression
    path = tmp_path / "model.nogap"
    result.model.save(path)
    arrays, meta = storage.read(path, "nogap-tabular-model")
    change(arrays, meta)
    if "version" in meta:
        monkeypatch.setattr(storage, "VERSION", meta.pop("version"))
    storage.write(path, "nogap-tabular-model", arrays, meta)
    monkeypatch.undo()
    with pytest.raises(InputError, match=sentence):
        TabularModel.load(path)


# -- fitting and certifying ------------------------------------------------------------------


def test_the_same_seed_gives_the_same_model(regression, tmp_path):
    _, table, result = regression
    again = fit_table(table, FitOptions("price", tol=1e-2, max_time=60))
    result.model.save(tmp_path / "a.nogap")
    again.model.save(tmp_path / "b.nogap")
    assert (tmp_path / "a.nogap").read_bytes() == (tmp_path / "b.nogap").read_bytes()


def test_beta_is_alpha_times_the_training_rows(regression):
    _, _, result = regression
    n = int((~result.data.held_out).sum())
    assert result.model.certificate.beta == pytest.approx(result.model.alpha * n)
    assert result.model.alpha == pytest.approx(0.025 * result.largest_alpha)
    network, data = result.model.network, result.data
    X, y = data.X[~data.held_out], data.y[~data.held_out]
    objective = network.objective(X, y, beta=result.model.alpha * n)
    assert objective == pytest.approx(result.solution.objective, rel=1e-12)


def test_quality_beside_the_baselines(regression):
    _, table, result = regression
    held = result.data.held_out
    y = table.numbers("price")
    predicted = np.array(result.model.predict(table))
    r2, rmse = result.quality.scores["network"]
    assert rmse == pytest.approx(np.sqrt(np.mean((y - predicted)[held] ** 2)))
    assert r2 == pytest.approx(1 - rmse**2 / np.var(y[held]))
    mean = np.sqrt(np.mean((y[held] - y[~held].mean()) ** 2))
    assert result.quality.scores["mean of the training rows"][1] == pytest.approx(mean)
    assert r2 > 0.9


def test_class_quality_beside_the_baselines(classification):
    _, table, result = classification
    held = result.data.held_out
    truth = np.array(table.column("kind"))
    predicted = np.array(result.model.predict(table))
    assert result.quality.scores["network"][0] == pytest.approx(np.mean((truth == predicted)[held]))
    names, counts = np.unique(truth[~held], return_counts=True)
    share = np.mean(truth[held] == names[counts.argmax()])
    assert result.quality.scores["commonest class"][0] == pytest.approx(share)


def test_without_held_out_rows_all_are_trained_on(tmp_path):
    table = table_of(tmp_path, csv_text(HEADER, houses(20)))
    result = fit_table(table, FitOptions("price", tol=1e-2, max_time=5, test_fraction=0))
    assert not result.data.held_out.any()
    assert not result.quality.held_out
    assert "none were held out" in str(result.quality)


def test_certifying_recognises_the_training_table(regression, tmp_path):
    _, table, result = regression
    notes = []
    certificate = certify_table(result.model, table, notify=notes.append)
    assert "the data that the model was trained on: its 48 training rows (12 were held" in notes[0]
    assert certificate.objective == pytest.approx(result.solution.objective, rel=1e-12)

    fewer = table.select(np.arange(30))
    certificate = certify_table(result.model, fewer, alpha=1.0, notify=notes.append)
    assert notes[2] == "other data than the model was trained on: 30 rows, all of them used"
    assert certificate.beta == pytest.approx(30.0)
    assert certificate.lower_bound <= certificate.objective


def test_certifying_unknown_classes(classification, tmp_path):
    _, _, result = classification
    table = table_of(tmp_path, "size,age,kind,price\n1,2,castle,3\n")
    with pytest.raises(InputError, match=r"row 1 \(line 2\), column 'kind': 'castle' is none of"):
        certify_table(result.model, table)


def test_columns_that_say_nothing(tmp_path):
    rows = [[a, y] for a in (0, 1) for y in (1.5, 2.5, 4.5)] * 2
    table = table_of(tmp_path, csv_text(["a", "y"], rows))
    with pytest.raises(InputError, match="every alpha gives an empty network"):
        fit_table(table, FitOptions("y", test_fraction=0))


def test_cross_validation_takes_the_smallest_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(cross_validation_module, "N_ALPHAS", 4)
    monkeypatch.setattr(cross_validation_module, "N_FOLDS", 3)
    table = table_of(tmp_path, csv_text(HEADER, houses(40)))
    options = FitOptions("price", cv=True, tol=1e-2, max_time=20)
    result = fit_table(table, options)
    losses = [trial.loss for trial in result.trials]
    shares = [trial.alpha / result.largest_alpha for trial in result.trials]
    assert shares == pytest.approx(np.geomspace(1, 1e-5, 4)[: len(shares)])
    assert result.model.alpha == result.trials[int(np.argmin(losses))].alpha
    assert losses[0] > losses[1]


def test_too_few_rows_of_a_class_to_cross_validate(tmp_path):
    table = table_of(tmp_path, csv_text(["x", "y"], [[1.5, "a"], [2.5, "b"]]))
    options = FitOptions("y", cv=True, task="classification", test_fraction=0)
    with pytest.raises(InputError, match="too few to choose alpha by cross-validation"):
        fit_table(table, options)


def test_interrupted_cross_validation_stops_the_fit(tmp_path, monkeypatch):
    from nogap import Status, regularization_path

    train = regularization_path.train
    monkeypatch.setattr(
        regularization_path,
        "train",
        lambda *args, **kwargs: replace(train(*args, **kwargs), status=Status.INTERRUPTED),
    )
    table = table_of(tmp_path, csv_text(HEADER, houses(20)))
    with pytest.raises(KeyboardInterrupt):
        fit_table(table, FitOptions("price", cv=True, max_time=5))


def test_levels_are_sorted(regression):
    _, _, result = regression
    column = result.model.columns[2]
    assert isinstance(column, CategoricalColumn)
    assert column.feature_names == ["kind=flat", "kind=house", "kind=villa"]
