"""What users pass by mistake, and odd data that must work: one clear sentence, or an answer.

Every refusal is a ``ValueError`` of one line that names the argument; NumPy's own words
("inhomogeneous", "could not convert", "broadcast") never reach the user, and no warning leaks
(warnings are errors here).
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from nogap import Network, ReLUClassifier, Status, beta_max, certify, train
from nogap.units import GatedReLU

X = np.array([[1.0, 2.0], [3.0, -1.0], [-1.0, 0.5], [0.3, -2.0], [-2.0, -2.0]])
Y = np.array([1.0, -1.0, 2.0, 0.5, 0.0])
LABELS = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
BETA = 1.0  # about a third of beta_max: small networks, quickly found
NET = Network([[1.0, 1.0], [0.0, -1.0]], [1.0, 0.5])
NOT_OURS = re.compile(
    "inhomogeneous|could not convert|broadcast|reshape array|out of range|must be a string or"
)


def fit(X=X, y=Y, **options):
    return train(X, y, **{"beta": BETA, "random_state": 0, **options})


def judge(X=X, y=Y, model=NET, **options):
    return certify(model, X, y, **{"beta": BETA, **options})


def largest(X=X, y=Y, **options):
    options.pop("beta", None)
    return beta_max(X, y, **options)


def value(X=X, y=Y, **options):
    return NET.objective(X, y, **{"beta": BETA, **options})


ENTRIES = {"train": fit, "certify": judge, "beta_max": largest, "objective": value}
everywhere = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
with_beta = pytest.mark.parametrize(
    "entry", [fit, judge, value], ids=["train", "certify", "objective"]
)


def refused(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert not NOT_OURS.search(sentence), sentence


# ---------------------------------------------------------------- X

WRONG_X = {
    "nan": (np.where(X == 3.0, np.nan, X), r"X holds nan in row 1, column 0; remove or fill"),
    "inf": (np.where(X == 0.5, -np.inf, X), r"X holds -inf in row 2, column 1; remove or fill"),
    "sparse nan": (sp.csr_array(np.where(X == 3.0, np.nan, X)), "X holds nan in row 1, column 0"),
    "None inside": ([[1.0, None]] * 5, "X holds nan in row 0, column 1"),
    "1-d": (np.ones(5), r"X must have two dimensions \(n, d\), got shape \(5,\); reshape"),
    "3-d": (np.ones((5, 2, 2)), r"X must have two dimensions \(n, d\), got shape \(5, 2, 2\)"),
    "scalar": (3.0, r"X must have two dimensions"),
    "None": (None, r"X must have two dimensions|X must be"),
    "no rows": (np.zeros((0, 2)), r"X is empty: its shape is \(0, 2\)"),
    "no columns": (np.zeros((5, 0)), r"X is empty: its shape is \(5, 0\)"),
    "text": ([["a", "b"]] * 5, "X must be numeric; encode text"),
    "objects": (np.array([[{}, 1]] * 5, dtype=object), "X must be numeric"),
    "ragged": ([[1.0, 2.0], [3.0]], "X must"),
    "frame with text": (pd.DataFrame({"a": list("abcde"), "b": range(5)}), "X must be numeric"),
    "complex": (X + 1j, "X .*(real|numeric|complex)"),
    "sparse complex": (sp.csr_array(X * 1j), "X .*(real|numeric|complex)"),
    "dates": (np.full((5, 2), "2020-01-01", dtype="datetime64[D]"), "X must be numeric"),
}


@everywhere
@pytest.mark.parametrize("wrong", WRONG_X)
def test_wrong_data(entry, wrong):
    rows, message = WRONG_X[wrong]
    refused(lambda: entry(X=rows), message)


def test_a_ragged_list_is_not_called_text():
    with pytest.raises(ValueError, match="X") as caught:
        fit(X=[[1.0, 2.0], [3.0]], y=[1.0, 2.0])
    assert "text" not in str(caught.value)


def test_another_number_of_columns():
    for call in (NET.predict, NET.decision, NET.features, NET.prune):
        refused(lambda call=call: call(X[:, :1]), "X has 1 columns where 2 are expected")
        refused(
            lambda call=call: call(np.where(X == 3.0, np.nan, X)), "X holds nan in row 1, column 0"
        )
    refused(lambda: judge(X=np.ones((5, 3))), "X has 3 columns where 2 are expected")
    refused(lambda: fit(warm_start=Network([[1.0]], [1.0])), "network takes 1 columns, X has 2")


# ---------------------------------------------------------------- y

WRONG_Y = {
    "nan": (np.where(Y == 2.0, np.nan, Y), "y holds nan in row 2; remove or fill"),
    "inf": (np.where(Y == 2.0, np.inf, Y), "y holds inf in row 2; remove or fill"),
    "missing": (pd.Series([1, 2, None, 4, 5], dtype="Int64"), "y holds nan in row 2"),
    "short": (Y[:3], "X has 5 rows but y has 3; they must be the same"),
    "a row": (Y[None], "X has 5 rows but y has 1; they must be the same"),
    "empty": ([], r"y must be \(n,\) or \(n, C\) and not empty"),
    "3-d": (np.ones((5, 1, 1)), r"y must be \(n,\) or \(n, C\)"),
    "None": (None, "y must be"),
    "text": (list("abcde"), "y must be numeric; encode text"),
    "ragged": ([[1.0], [1.0, 2.0], [1.0], [1.0], [1.0]], "y|targets"),
    "complex": (Y + 1j, "y|targets"),
}


@everywhere
@pytest.mark.parametrize("wrong", WRONG_Y)
def test_wrong_targets(entry, wrong):
    y, message = WRONG_Y[wrong]
    refused(lambda: entry(y=y), message)


@everywhere
@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
def test_wrong_labels(entry, loss):
    for y in ([0, 1, 0, 1, 1], [1, 2, 1, 2, 1]):
        refused(lambda y=y: entry(y=y, loss=loss), rf"the {loss} loss needs labels -1 and 1, got")


@everywhere
def test_wrong_classes(entry):
    for y, message in [
        ([0, 1, 2, 1, 0.5], "class indices 0, 1, 2"),
        ([0, 1, 2, 1, -1], "class indices 0, 1, 2"),
        ([0, 0, 0, 0, 0], "at least two classes"),
        ([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], "row 2 of y is not one-hot"),
        ([0, 1, 0, 1, 10**7], "class"),
    ]:
        refused(lambda y=y: entry(y=y, loss="multinomial"), message)


def test_one_class_has_no_best_intercept():
    for entry in (fit, largest):
        one = {"y": np.ones(5), "fit_intercept": True, "loss": "logistic"}
        refused(lambda e=entry, o=one: e(**o), "best intercept .* unbounded; drop")
        empty = {"y": [0, 2, 0, 2, 2], "fit_intercept": True, "loss": "multinomial"}
        refused(lambda e=entry, o=empty: e(**o), "class 1 has no samples, .* unbounded; drop")
    weights = [1.0, 0.0, 1.0, 1.0, 0.0]  # the other class has no weight
    refused(
        lambda: fit(y=LABELS, loss="logistic", fit_intercept=True, sample_weight=weights),
        "all labels are the same",
    )
    assert fit(y=np.ones(5), loss="logistic").status.converged  # without an intercept it is fine


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_one_class_has_a_finite_intercept_where_the_loss_ends(loss):
    """The constant 1 (or -1) has loss zero."""
    for sign in (1.0, -1.0):
        one = {"y": np.full(5, sign), "loss": loss, "fit_intercept": True}
        solution = fit(**one)
        assert solution.objective == pytest.approx(0.0, abs=1e-12)
        assert solution.network.intercept == pytest.approx(sign)
        assert judge(model=solution.network, **one).proved
        assert largest(**one) == 0.0


def test_outputs_that_do_not_match():
    two = np.column_stack([Y, Y])
    refused(lambda: judge(y=two), "network has 1 outputs, y has 2")
    refused(lambda: value(y=two), "y has 2 outputs, the network has 1")
    refused(lambda: fit(y=two, patterns=5), "one output, y has 2; use patterns='adaptive'")
    refused(lambda: fit(y=two, patterns=5), "one output, y has 2; use patterns='adaptive'")
    refused(lambda: fit(y=two, warm_start=NET), "network has 1 outputs, y has 2")


# ---------------------------------------------------------------- parameters

WRONG_BETA = [0, 0.0, -1.0, np.nan, np.inf, "1", True, np.bool_(True), None, [1.0], 1j, 10**400]


@with_beta
@pytest.mark.parametrize("beta", WRONG_BETA, ids=lambda value: repr(value)[:20])
def test_wrong_beta(entry, beta):
    refused(lambda: entry(beta=beta), "beta must be (a )?positive")


def test_beta_of_other_number_types():
    expected = fit(beta=0.25, unit="linear").objective
    for beta in (np.float32(0.25), np.float64(0.25), Fraction(1, 4)):
        assert fit(beta=beta, unit="linear").objective == expected
    whole = fit(beta=2.0, unit="linear").objective
    assert fit(beta=np.int64(2), unit="linear").objective == whole


@everywhere
@pytest.mark.parametrize("loss", ["square", None, 3, ["squared"], abs])
def test_unknown_losses(entry, loss):
    refused(lambda: entry(loss=loss), r"unknown loss .*; use one of hinge, huber")


@pytest.mark.parametrize("unit", ["rely", None, 3, object()])
def test_unknown_units(unit):
    refused(lambda: fit(unit=unit), r"unknown unit .*; use one of gated, linear, relu")


WRONG_PATTERNS = {
    "a name": ("some", "patterns must be 'adaptive', 'all', a count or a bool array"),
    "zero": (0, "number of sampled patterns must be at least 1, got 0"),
    "negative": (-3, "number of sampled patterns must be at least 1, got -3"),
    "fraction": (2.5, "patterns must be"),
    "None": (None, "patterns must be"),
    "True": (True, "patterns must be"),
    "1-d": (np.ones(5, bool), r"patterns must be bool with shape \(P, 5\), got bool \(5,\)"),
    "integers": (np.ones((2, 5), int), r"patterns must be bool with shape \(P, 5\), got int64"),
    "other rows": (np.ones((2, 4), bool), r"patterns must be bool with shape \(P, 5\), got bool"),
    "none at all": (np.ones((0, 5), bool), "pattern"),
}


@pytest.mark.parametrize("unit", ["relu", "gated"])
@pytest.mark.parametrize("wrong", WRONG_PATTERNS)
def test_wrong_patterns(unit, wrong):
    patterns, message = WRONG_PATTERNS[wrong]
    refused(lambda: fit(patterns=patterns, unit=unit), message)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tol", [0, -1.0, np.nan, "small", None, 1j, True, [1e-3], 10**400]),
        ("max_time", [0, -1.0, np.nan, "long", 1j, True, [1.0]]),
        ("max_neurons", [0, -1, 1.5, np.nan, "few", True, [3]]),
        ("random_state", [-1, 1.5, "seed", [1, 2]]),
        ("warm_start", ["network.nogap", 3, np.ones((2, 2))]),
        ("callbacks", [3, [3], "print"]),
    ],
)
def test_wrong_options_of_train(name, values):
    for wrong in values:
        refused(lambda wrong=wrong: fit(**{name: wrong}), name)


def test_options_that_are_right():
    for options in (
        {"tol": np.float32(0.01), "max_time": 100, "max_neurons": np.int64(3), "unit": "linear"},
        {"random_state": np.random.default_rng(0)},
        {"random_state": np.random.RandomState(0)},
        {"random_state": np.int64(3), "max_time": np.inf, "unit": "gated"},
        {"random_state": None, "callbacks": (), "unit": "gated"},
        {"callbacks": [lambda record: None], "unit": "linear"},
    ):
        solution = fit(**options)
        assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)


def test_wrong_options_of_certify_and_beta_max():
    for wrong in ("best", None, 3):
        refused(
            lambda wrong=wrong: judge(method=wrong),
            "method must be 'auto', 'exact', 'bound' or 'search'",
        )
        refused(
            lambda wrong=wrong: largest(method=wrong),
            "method must be 'auto', 'exact', 'bound' or 'search'",
        )
    for wrong in (-1, "seed", 1.5):
        refused(lambda wrong=wrong: judge(random_state=wrong), "random_state")
        refused(lambda wrong=wrong: largest(random_state=wrong, method="search"), "random_state")
    for wrong in ("long", -1.0, np.nan):
        refused(lambda wrong=wrong: judge(max_time=wrong), "max_time")


WRONG_WEIGHTS = {
    "negative": ([1, 1, 1, 1, -1], "sample_weight must be finite and non-negative"),
    "nan": ([1, 1, 1, 1, np.nan], "sample_weight must be finite and non-negative"),
    "inf": ([1, 1, 1, 1, np.inf], "sample_weight must be finite and non-negative"),
    "zero": (np.zeros(5), "sample_weight is zero for every sample"),
    "short": (np.ones(4), r"sample_weight must have shape \(5,\), got \(4,\)"),
    "a column": (np.ones((5, 1)), r"sample_weight must have shape \(5,\), got \(5, 1\)"),
    "text": (list("abcde"), "sample_weight"),
    "a word": ("balanced", "sample_weight"),
    "ragged": ([[1], [1, 2]], "sample_weight"),
    "complex": (np.array([1, 1, 1, 1, 1j]), "sample_weight"),
    "scalar": (-2.0, "sample_weight must be finite and non-negative"),
}


@everywhere
@pytest.mark.parametrize("wrong", WRONG_WEIGHTS)
def test_wrong_sample_weights(entry, wrong):
    weights, message = WRONG_WEIGHTS[wrong]
    refused(lambda: entry(sample_weight=weights), message)


# ---------------------------------------------------------------- networks, predictions, gates

WRONG_NETWORKS = {
    "1-d hidden": (([1.0, 2.0], [1.0]), {}, r"hidden_weights must be \(m, d\), got shape \(2,\)"),
    "no inputs": ((np.zeros((1, 0)), [1.0]), {}, "hidden_weights"),
    "outputs of another width": (
        ([[1.0]], [1.0, 2.0]),
        {},
        r"output_weights must be \(m, C\) with m = 1",
    ),
    "no outputs": (([[1.0]], np.zeros((1, 0))), {}, "output_weights must be"),
    "3-d outputs": (([[1.0]], np.zeros((1, 1, 1))), {}, "output_weights must be"),
    "nan": (([[np.nan]], [1.0]), {}, "hidden_weights holds NaN or infinite"),
    "inf": (([[1.0]], [np.inf]), {}, "output_weights holds NaN or infinite"),
    "text": (("a", [1.0]), {}, "hidden_weights"),
    "text outputs": (([[1.0]], ["a"]), {}, "output_weights"),
    "ragged": (([[1.0, 2.0], [1.0]], [1.0, 2.0]), {}, "hidden_weights"),
    "complex": ((np.ones((1, 1)) * 1j, [1.0]), {}, "hidden_weights"),
    "bias": (
        ([[1.0]], [1.0]),
        {"hidden_bias": [1.0, 2.0]},
        r"hidden_bias must have shape \(1,\), got \(2,\)",
    ),
    "scalar bias": (([[1.0]], [1.0]), {"hidden_bias": 1.0}, r"hidden_bias must have shape \(1,\)"),
    "text bias": (([[1.0]], [1.0]), {"hidden_bias": ["a"]}, "hidden_bias"),
    "nan bias": (([[1.0]], [1.0]), {"hidden_bias": [np.nan]}, "hidden_bias holds NaN"),
    "intercept": (([[1.0]], [1.0]), {"intercept": [1.0, 2.0]}, "intercept"),
    "text intercept": (([[1.0]], [1.0]), {"intercept": "a"}, "intercept"),
    "nan intercept": (([[1.0]], [1.0]), {"intercept": np.nan}, "intercept holds NaN"),
    "complex intercept": (([[1.0]], [1.0]), {"intercept": 1j}, "intercept"),
    "activation": (
        ([[1.0]], [1.0]),
        {"activation": "swish"},
        "unknown activation 'swish': use relu",
    ),
    "gated": (([[1.0]], [1.0]), {"activation": "gated"}, "gates belong to the gated activation"),
    "gates": (([[1.0]], [1.0]), {"gates": [[1.0]]}, "gates belong to the gated activation"),
    "gate shape": (
        ([[1.0]], [1.0]),
        {"activation": "gated", "gates": [[1.0, 2.0]]},
        r"gates must have shape \(1, 1\), got \(1, 2\)",
    ),
    "gate bias": (
        ([[1.0]], [1.0]),
        {"activation": "gated", "gates": [[1.0]], "gate_bias": [1.0, 2.0]},
        "gate_bias must have shape",
    ),
    "gate bias without gates": (([[1.0]], [1.0]), {"gate_bias": [1.0]}, "gate"),
}


@pytest.mark.parametrize("wrong", WRONG_NETWORKS)
def test_wrong_networks(wrong):
    arguments, options, message = WRONG_NETWORKS[wrong]
    refused(lambda: Network(*arguments, **options), message)


WRONG_PREDICTIONS = {
    "scalar": (np.array(1.0), "predictions"),
    "empty": ([], "predictions"),
    "short": ([0.0] * 4, r"predictions have shape \(4, 1\), the targets \(5, 1\)"),
    "two outputs": (np.zeros((5, 2)), r"predictions have shape \(5, 2\), the targets \(5, 1\)"),
    "text": (np.array(["a"] * 5), "predictions"),
    "ragged": ([[1.0], [1.0, 2.0], [1.0], [1.0], [1.0]], "predictions"),
    "nan": ([np.nan] * 5, "predictions hold NaN or infinite"),
    "complex": (np.zeros(5) * 1j, "predictions"),
}


@pytest.mark.parametrize("wrong", WRONG_PREDICTIONS)
def test_wrong_predictions(wrong):
    predictions, message = WRONG_PREDICTIONS[wrong]
    refused(lambda: judge(model=predictions, objective=3.0), message)


def test_wrong_gates():
    for gates, message in [
        ([1.0, 2.0], r"gates must be \(P, d\)"),
        ("a", "gates"),
        ([[1.0], [1.0, 2.0]], "gates"),
        ([[np.nan, 1.0]], "gates"),
        (np.zeros((0, 2)), "gates"),
        ([[1.0]], "gates have 1 columns, X has 2"),
        (np.ones((1, 2)) * 1j, "gates"),
    ]:
        refused(lambda gates=gates: fit(unit=GatedReLU(gates)), message)


# ---------------------------------------------------------------- odd data that works


def solved(X, y, **options):
    """A run with a certificate that holds water, whatever the data look like."""
    solution = fit(X, y, **options)
    certificate = solution.certificate
    assert solution.status.converged, str(solution)
    assert certificate.lower_bound <= solution.objective * (1 + 1e-12)
    again = certify(
        solution.network,
        X,
        y,
        beta=BETA,
        **{name: option for name, option in options.items() if name != "patterns"},
    )
    assert again.objective == pytest.approx(solution.objective, rel=1e-9, abs=1e-300)
    return solution


ODD = {
    "one row": (X[:1], Y[:1]),
    "two equal rows": (X[[0, 0]], Y[:2]),
    "equal rows": (np.repeat(X, 3, axis=0), np.repeat(Y, 3)),
    "equal rows, other targets": (np.repeat(X, 2, axis=0), np.arange(10.0)),
    "a ones column": (np.column_stack([X, np.ones(5)]), Y),
    "nothing but constants": (np.ones((5, 3)), Y),
    "equal columns": (np.column_stack([X, X]), Y),
    "dependent columns": (np.column_stack([X, X.sum(axis=1), X @ [2.0, -1.0]]), Y),
    "a zero row": (np.vstack([X, np.zeros((1, 2))]), np.append(Y, 3.0)),
    "a zero column": (np.column_stack([X, np.zeros(5)]), Y),
    "opposite rows": (np.vstack([X, -X]), np.append(Y, Y)),
    "zeros": (np.zeros((5, 2)), Y),
    "zero targets": (X, np.zeros(5)),
    "constant targets": (X, np.full(5, 7.0)),
    "wide": (np.random.default_rng(0).normal(size=(4, 9)), Y[:4]),
    "one column": (X[:, :1], Y),
    "ties": (np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [2.0, 2.0], [0.0, 1.0]]), Y),
}


BIASED_TOO = ["one row", "two equal rows", "a ones column", "zeros", "constant targets", "wide"]


@pytest.mark.parametrize(
    ("odd", "biased"), [*((odd, False) for odd in ODD), *((odd, True) for odd in BIASED_TOO)]
)
def test_odd_data(odd, biased):
    rows, y = ODD[odd]
    one = solved(rows, y, hidden_bias=biased, fit_intercept=biased)
    if not biased:
        two = fit(rows, y, patterns="all")
        assert one.objective == pytest.approx(two.objective, rel=1e-3, abs=1e-10)
        assert two.certificate.kind == "exact"
    largest(rows, y, hidden_bias=biased, fit_intercept=biased)


def answers(X, y, loss="squared"):
    """What every entry makes of the data."""
    return [
        fit(X, y, loss=loss, unit="linear").objective,  # the quickest way through train
        value(X, y, loss=loss),
        judge(X, y, loss=loss).lower_bound,
        largest(X, y, loss=loss),
    ]


def test_containers_do_not_matter():
    frame = pd.DataFrame(X, columns=["a", "b"], index=list("vwxyz"))
    wide = np.zeros((10, 4))
    wide[::2, ::2] = X
    expected = answers(X, Y)
    for rows, y in [
        (X.tolist(), Y.tolist()),
        (frame, pd.Series(Y, index=list("vwxyz"))),
        (frame, pd.DataFrame({"target": Y})),
        (np.asfortranarray(X), Y[:, None]),
        (wide[::2, ::2], Y),
        (X[::-1][::-1], Y[::-1][::-1]),
        (X.astype(object), Y.astype(object)),
        (sp.csr_array(X), Y),
        (sp.coo_matrix(X), Y),
        (X.astype(np.longdouble), Y),
    ]:
        assert answers(rows, y) == pytest.approx(expected, rel=1e-7)


def test_types_of_numbers_do_not_matter():
    rounded = np.round(X)
    expected = answers(rounded, Y)
    for kind in (int, np.int8, np.float32):
        assert answers(rounded.astype(kind), Y) == pytest.approx(expected, rel=1e-7)
    assert answers(X.astype(np.float32), Y) == pytest.approx(answers(X, Y), rel=1e-5)
    assert answers(X > 0, Y) == pytest.approx(answers((X > 0).astype(float), Y), rel=1e-7)
    expected = answers(X, LABELS, "logistic")
    assert answers(X, LABELS.astype(np.int8), "logistic") == pytest.approx(expected, rel=1e-7)


def test_the_data_are_not_touched():
    rows, y, weights = X.copy(), Y.copy(), np.ones(5)
    solution = fit(rows, y, sample_weight=weights, hidden_bias=True, fit_intercept=True)
    certify(solution.network, rows, y, beta=BETA)
    solution.network.prune(rows)
    solution.network.predict(rows)
    beta_max(rows, y)
    assert np.array_equal(rows, X)
    assert np.array_equal(y, Y)
    assert np.array_equal(weights, np.ones(5))
    rows.flags.writeable = y.flags.writeable = False
    assert fit(rows, y).objective == fit().objective


# ---------------------------------------------------------------- huge and tiny figures


@functools.cache
def plain_objective(beta=BETA):
    return fit(beta=beta).objective


@pytest.mark.parametrize("factor", [1e-20, 1e-8, 1e3, 1e12])
@pytest.mark.parametrize("what", ["X", "y", "weights"])
def test_units_of_measurement_do_not_matter(what, factor):
    """Rescaling the data and beta together rescales the objective, and nothing else."""
    expected = plain_objective()
    if what == "X":
        solution, scale = fit(X * factor, beta=BETA * factor), 1.0
    elif what == "y":
        solution, scale = fit(y=Y * factor, beta=BETA * factor), factor**2
    else:
        solution, scale = fit(sample_weight=np.full(5, factor), beta=BETA * factor), factor
    assert solution.objective == pytest.approx(scale * expected, rel=1e-3)
    assert solution.status.converged


@pytest.mark.parametrize("factor", [1e15, 1e30])
@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_large_data(factor, loss):
    y = LABELS if loss == "logistic" else Y
    solution = fit(X=X * factor, y=y, loss=loss, beta=BETA * factor)
    assert np.isfinite(solution.objective)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
    largest(X=X * factor, y=y, loss=loss)


@pytest.mark.parametrize("factor", [1e15, 1e30])
@pytest.mark.parametrize(
    "loss",
    [
        "squared",
        "logistic",
        "huber",
    ],
)
def test_large_data_are_judged(factor, loss):
    y = LABELS if loss == "logistic" else Y
    certificate = judge(X=X * factor, y=y, loss=loss, beta=BETA * factor)
    assert certificate.lower_bound <= certificate.objective


@pytest.mark.parametrize("factor", [1e15, 1e30])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_large_targets(factor, loss):
    solution = fit(y=Y * factor, loss=loss, max_time=1.0)
    assert np.isfinite(solution.objective)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
    judge(y=Y * factor, loss=loss)
    largest(y=Y * factor, loss=loss)


@everywhere
@pytest.mark.parametrize("factor", [1e101, 1e160, 1e300])
def test_data_whose_squares_overflow_are_refused(entry, factor):
    huge = np.where(X == 0.5, factor, X)
    message = r"X holds 1e\+\d+ in row 2, column 1; rescale the data"
    refused(lambda: entry(X=huge), message)
    refused(lambda: entry(X=sp.csr_array(huge)), message)
    refused(lambda: entry(y=np.where(Y == 2.0, -factor, Y)), r"y holds -1e\+\d+ in row 2; rescale")
    heavy = [1.0, 1.0, factor, 1.0, 1.0]
    refused(lambda: entry(sample_weight=heavy), r"sample_weight holds 1e\+\d+; rescale")


@pytest.mark.parametrize("beta", [1e10, 1e20, 1e100, 1e200, 1e300])
def test_a_huge_penalty_gives_the_empty_network_and_its_proof(beta):
    solution = fit(beta=beta)
    assert solution.network.n_neurons == 0
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.relative_gap <= 1e-9


@pytest.mark.parametrize("beta", [1e-6, 1e-20, 1e-300])
def test_a_tiny_penalty_ends_in_time(beta):
    solution = fit(beta=beta, max_time=0.5)
    assert solution.objective <= plain_objective(1e-2)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
    assert solution.history[-1].time < 5


TINY = [1e-30, 1e-100, 1e-160, 1e-200, 1e-300]


@pytest.mark.parametrize(
    ("what", "factor"),
    [pytest.param(what, factor) for what in ("X", "y", "weights") for factor in TINY],
)
def test_tiny_data(factor, what):
    options = {
        "X": {"X": X * factor},
        "y": {"y": Y * factor},
        "weights": {"sample_weight": np.full(5, factor)},
    }[what]
    solution = fit(**options)
    assert solution.network.n_neurons == 0  # beta is far above beta_max
    if solution.objective == 0 or solution.objective > 1e-300:  # denormal numbers have few digits
        assert solution.status is Status.OPTIMAL
    judge(**options)
    largest(**options)


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        ("squared", 1e8),
        ("squared", 1e15),
        ("logistic", 1e8),
        ("logistic", 1e15),
        ("huber", 1e8),
        ("huber", 1e15),
    ],
)
def test_heavy_samples(weight, loss):
    """Large weights beside an ordinary penalty: nearly unpenalised, but no reason to warn."""
    y = LABELS if loss == "logistic" else Y
    solution = fit(y=y, loss=loss, sample_weight=np.full(5, weight), max_time=0.5)
    assert np.isfinite(solution.objective)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)


def test_rows_and_columns_of_very_different_size():
    for rows in (X * [1e6, 1e-6], X * np.array([1e6, 1.0, 1.0, 1.0, 1e-6])[:, None]):
        solution = fit(rows, patterns="all")
        assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
        assert np.isfinite(solution.network.predict(rows)).all()


@pytest.mark.parametrize("other", [None, 1])
def test_labels_without_a_common_order(other):
    y = np.array(["a", other] * 10, dtype=object)
    with pytest.raises(ValueError, match="no common order"):
        ReLUClassifier().fit(np.arange(40.0).reshape(20, 2), y)
