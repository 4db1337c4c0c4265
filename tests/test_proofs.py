"""Rigorous lower bounds: sound on every instance whose optimum is known, and only growing with time.

What a proof rests on is tested from below: node bounds against what directions attain, bounds of the
dual correlation against enumeration, certificates against the optimum.
"""

import functools
import inspect
import itertools
import os
import textwrap

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from nogap import Network, beta_max, certify, closed_form, train
from nogap.certificate import Correlation, certificate_from_dual
from nogap.formulation import formulate, from_network
from nogap.oracles import BranchAndBound, ExactOracle, boxes, spectral
from nogap.oracles.boxes import TURNS, BoxBound, Boxes
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.outputs import OutputBound
from nogap.oracles.relaxed import RelaxedOracle
from nogap.oracles.row_space import RowSpace
from nogap.oracles.signs import SignSearch
from nogap.oracles.spectral import SpectralBound
from nogap.proofs import Prover
from nogap.proofs.relaxed_dual import RelaxedDual
from nogap.rows import MemoryRows

BOXES = functools.partial(BranchAndBound, boxes=True, signs=False)
SIGNS = functools.partial(BranchAndBound, boxes=False, signs=True)
INSTANCES = int(os.environ.get("NOGAP_SOUNDNESS_INSTANCES", "60"))  # 2000 before a release
LOSSES = ("squared", "huber", "logistic", "hinge", "squared_hinge")


def data(rng, n, d, kind):
    """Rows (n, d); the kinds of degeneracy take turns."""
    X = rng.normal(size=(n, d))
    if kind == 1:
        X[:, -1] = 1.0
    elif kind == 2:
        X = rng.integers(-1, 2, size=(n, d)).astype(float)
    elif kind == 3:
        X[rng.integers(n)] = X[0]
        X[rng.integers(n)] = -2 * X[0]
    elif kind == 4 and d > 1:
        X[:, 0] = X[:, -1]
    elif kind == 5:
        X[rng.integers(n)] = 0.0
    return X


# ---------------------------------------------------------------- node bounds


def check_sign_nodes(seeds):
    """The spectral bound of random nodes is above what directions in them attain."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(2, 12)), int(rng.integers(1, 6))
        space = RowSpace(MemoryRows(data(rng, n, d, seed % 6)))
        if not space.normals.size:
            continue
        side = space.side(rng.normal(size=n))
        if not (side.weights > 0).any():
            continue
        bound = SpectralBound(side)
        u = rng.normal(size=(4000, space.rank))
        u /= np.linalg.norm(u, axis=1)[:, None]
        values = u @ side.base + np.maximum(u @ side.normals.T, 0.0) @ side.weights
        pulling = (u @ side.normals.T)[:, side.weights > 0]
        nodes = bound.root().take(np.zeros(8, dtype=np.intp))
        given = rng.random(nodes.sign.shape) < 0.4
        of = pulling[rng.integers(len(u), size=8)]  # signs of a direction, so that no node is empty
        nodes.sign[:] = np.where(given, np.where(of > 0, 1, -1), 0)
        bounds, _, _ = bound.improve(nodes, 12, -np.inf)
        for sign, upper in zip(nodes.sign, bounds, strict=True):
            inside = np.all(sign * pulling >= 0, axis=1)
            assert upper >= values[inside].max(), (seed, upper, values[inside].max())


def check_boxes(seeds):
    """The bounds of random boxes are above what the directions in them attain."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(2, 12)), int(rng.integers(1, 6))
        space = RowSpace(MemoryRows(data(rng, n, d, seed % 6)))
        if not space.normals.size:
            continue
        side, r = space.side(rng.normal(size=n)), space.rank
        half = 10.0 ** rng.uniform(-2, 0) * rng.uniform(0.5, 1.0, r - 1)
        cut = Boxes(rng.permutation(r), rng.uniform(-1, 1, (3, r - 1)), half)
        found = BoxBound(side, space.scale).bound(cut)
        for k in range(3):
            s = cut.centres[k] + half * rng.uniform(-1, 1, (2000, r - 1))
            s[:200] = cut.centres[k] + half * rng.choice([-1.0, 1.0], (200, r - 1))
            u = Boxes(cut.order, s, half).directions() / space.scale
            u /= np.linalg.norm(u, axis=1)[:, None]
            for j, (one, turn) in enumerate(
                zip((side, side, *2 * [side.flipped()]), TURNS, strict=True)
            ):
                w = turn * u
                values = w @ one.base + np.maximum(w @ one.normals.T, 0.0) @ one.weights
                assert found.upper[k, j] >= values.max(), (seed, j)
                u0 = turn * cut.take(slice(k, k + 1)).directions()[0] / space.scale
                u0 /= np.linalg.norm(u0)
                at = u0 @ one.base + np.maximum(one.normals @ u0, 0.0) @ one.weights
                assert found.centre[k, j] == pytest.approx(at, abs=1e-12)


def test_node_bounds_hold():
    check_sign_nodes(range(150))
    check_boxes(range(150))


def mutated(function, old, new, module):
    """The function with one piece of its source replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} is not in {function.__qualname__} once"
    scope = dict(vars(module))
    exec(compile(source.replace(old, new), module.__file__, "exec"), scope)
    return scope[function.__name__]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.0).sum(axis=1) / 4 + nu", "0.0).sum(axis=1) / 8 + nu"),  # half of the weights
        ('np.einsum("nr,nr->n", g, g) / 4', 'np.einsum("nr,nr->n", g, g) / 8'),
        ("/ 4 + nu", "/ 4 + nu / 2"),
    ],
)
def test_half_a_term_of_the_spectral_bound_is_found_out(monkeypatch, old, new):
    broken = mutated(SpectralBound._sweep, old, new, spectral)
    monkeypatch.setattr(SpectralBound, "_sweep", broken)
    with pytest.raises(AssertionError):
        check_sign_nodes(range(150))


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("_above", "slope, apart, out=apart", "slope, apart / 2, out=apart"),
        ("_above", "curve *= 2.0", "curve *= 1.0"),
        ("_below", "np.divide(undecided, curve, out=curve)", "curve[:] = 2 * undecided / curve"),
        ("_below", "np.copyto(value, 0.0, where=undecided)", "pass"),
        ("_at_corners", "np.maximum(own, 0.0).sum(axis=1)", "np.maximum(own, 0.0).sum(axis=1) / 2"),
        ("_lengths", "(norms - error)[:, None] + tilt", "2 * (norms - error)[:, None] + tilt"),
    ],
)
def test_half_a_term_of_the_box_bound_is_found_out(monkeypatch, function, old, new):
    owner = boxes if function in ("_above", "_below") else BoxBound
    broken = mutated(getattr(owner, function), old, new, boxes)
    monkeypatch.setattr(owner, function, broken)
    with pytest.raises(AssertionError):
        check_boxes(range(150))


# ---------------------------------------------------------------- the dual correlation


@pytest.mark.parametrize("group", range(4))
@pytest.mark.parametrize("oracle", [BOXES, SIGNS, BranchAndBound])
def test_branch_and_bound_finds_what_enumeration_finds(oracle, group):
    for seed in range(group, 100, 4):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(1, 11)), int(rng.integers(1, 5))
        X, v = data(rng, n, d, seed % 6), rng.normal(size=n) * (rng.random(n) < 0.8)
        v = np.abs(v) if seed % 7 == 0 else v
        rows = MemoryRows(X)
        _, expected = ExactOracle(rows).price(v[:, None], 3)
        found, claim = oracle(rows, 1e-10).price(v[:, None], 3)
        assert claim.kind == "exact", seed
        assert claim.value == pytest.approx(expected.value, rel=1e-8, abs=1e-12), seed
        assert found.best <= claim.value


def test_a_side_on_which_no_row_pulls():
    """Opposite rows leave a linear part on a side whose weights are all negative."""
    X, v = np.array([[1.0, 2.0], [-1.0, -2.0], [0.5, -1.0]]), np.array([-1.0, -3.0, -0.5])
    _, expected = ExactOracle(MemoryRows(X)).price(v[:, None], 1)
    _, claim = SIGNS(MemoryRows(X)).price(v[:, None], 1)
    assert claim.value == pytest.approx(expected.value, rel=1e-9)


def test_a_bound_that_is_stopped_early_is_still_a_bound():
    rng = np.random.default_rng(3)
    X, v = rng.normal(size=(40, 5)), rng.normal(size=40)
    rows = MemoryRows(X)
    found, _ = BranchAndBound(rows, 1e-2).price(v[:, None], 1)
    values = []
    for steps in (0, 1, 4, 1000):
        _, claim = BranchAndBound(rows, 1e-2, max_steps=steps).price(v[:, None], 1)
        assert claim.value >= found.best
        values.append(claim.value)
    assert values == sorted(values, reverse=True)
    assert values[-1] <= 1.0101 * found.best


def test_enough_is_enough():
    rng = np.random.default_rng(4)
    X, v = rng.normal(size=(50, 8)), rng.normal(size=50)
    oracle = BranchAndBound(MemoryRows(X), 1e-6)
    _, tight = BranchAndBound(MemoryRows(X), 1e-3).price(v[:, None], 1)
    oracle.enough = 1.5 * tight.value
    found, claim = oracle.price(v[:, None], 1)
    assert claim.kind == "bound"
    assert found.best <= tight.value <= claim.value <= 1.5 * tight.value


def test_a_full_heap_ends_the_tree(monkeypatch):
    monkeypatch.setattr("nogap.oracles.signs.MOST_OPEN", 3)
    rng = np.random.default_rng(5)
    X, v = rng.normal(size=(40, 8)), rng.normal(size=40)
    v -= v.mean()
    _, claim = BranchAndBound(MemoryRows(X), 1e-6, max_steps=300).price(v[:, None], 1)
    _, tight = BranchAndBound(MemoryRows(X), 1e-3).price(v[:, None], 1)
    assert claim.value >= tight.value / 1.001


@pytest.mark.parametrize("seed", range(6))
def test_several_outputs_are_bounded(seed):
    rng = np.random.default_rng(seed)
    n, d, C = int(rng.integers(2, 20)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
    X, V = data(rng, n, d, seed % 2), rng.normal(size=(n, C))
    found, claim = OutputBound(MemoryRows(X), 2e-2).price(V, 3)
    assert claim.kind == "bound"
    u = rng.normal(size=(20_000, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    sampled = np.linalg.norm(np.maximum(u @ X.T, 0.0) @ V, axis=1).max()
    assert sampled <= claim.value
    assert found.best <= claim.value <= 1.0201 * max(found.best, sampled)


def test_many_outputs_have_the_bound_of_an_orthant():
    rng = np.random.default_rng(8)
    X, V = rng.normal(size=(15, 2)), rng.normal(size=(15, 9))
    found, claim = OutputBound(MemoryRows(X)).price(V, 3)
    assert found.best <= claim.value <= 3 * found.best


# ---------------------------------------------------------------- certificates


def targets(rng, loss, X):
    y = rng.normal(size=len(X)) + X @ rng.normal(size=X.shape[1])
    return y if loss in ("squared", "huber") else np.where(y > np.median(y), 1.0, -1.0)


def instance(seed):
    """A small problem of any loss, with intercept, weights or degenerate rows now and then."""
    rng = np.random.default_rng(seed)
    loss = LOSSES[seed % 5]
    n, d = int(rng.integers(4, 10)), int(rng.integers(1, 4))
    X = data(rng, n, d, (seed // 5) % 6)
    y = targets(rng, loss, X)
    weights = rng.uniform(0.5, 2.0, n) if seed % 3 == 0 else None
    options = {"loss": loss, "sample_weight": weights, "fit_intercept": seed % 4 == 0}
    return rng, X, y, options


@pytest.mark.parametrize("group", range(4))
def test_no_proved_bound_exceeds_the_optimum(group):
    """Five losses, degenerate rows, weights, intercepts; at the optimum's dual point and beside."""
    for seed in range(group, INSTANCES, 4):
        rng, X, y, options = instance(seed)
        beta = float(rng.uniform(0.05, 0.5))
        optimum = train(X, y, beta=beta, patterns="all", **options)
        assert optimum.certificate.relative_gap <= 2e-6, seed
        problem = formulate(X, y, beta=beta, **options)
        dual = optimum.certificate.dual[:, None]
        noise = np.abs(dual) * rng.normal(size=dual.shape)
        points = [dual] + [problem.feasible_direction(dual + s * noise) for s in (0.03, 0.3)]
        for V in points:
            for oracle in (BOXES, SIGNS):
                for precision in (1e-3, 0.3):
                    _, claim = oracle(problem.rows, precision).price(V, 1)
                    found = certificate_from_dual(problem, optimum.objective, V, claim)
                    assert found.kind in ("exact", "bound")
                    allowed = optimum.objective * (1 + 1e-9) + 1e-12
                    assert found.lower_bound <= allowed, (seed, claim)


@pytest.mark.parametrize("seed", range(10))
def test_the_relaxed_problem_is_below_the_optimum(seed):
    """And above the bound that its oracle gives at the optimal network's dual point."""
    rng, X, y, options = instance(seed)
    beta = float(rng.uniform(0.05, 0.5))
    optimum = train(X, y, beta=beta, patterns="all", **options)
    problem = formulate(X, y, beta=beta, **options)
    V = optimum.certificate.dual[:, None]
    first, _ = RelaxedOracle(problem.rows).price(V[:, 0])
    relaxed = RelaxedDual(problem, from_network(problem, optimum.network, False), V)
    rounds = itertools.count()
    relaxed.improve(lambda: next(rounds) >= 12)
    at_optimum = problem.lower_bound(V, first).value
    assert at_optimum - 1e-12 <= relaxed.value <= optimum.objective * (1 + 1e-9) + 1e-12
    assert problem.lower_bound(relaxed.V, relaxed.correlation).value == relaxed.value


def test_relaxed_points_attain_what_is_claimed_of_them():
    rng = np.random.default_rng(6)
    X, V = rng.normal(size=(40, 8)), rng.normal(size=40)
    oracle = RelaxedOracle(MemoryRows(np.vstack([X, -2 * X[:5]])))
    V = np.append(V, rng.normal(size=5))
    for _ in range(3):
        upper, points = oracle.price(V)
    attained = max(V @ points[:, 0], -V @ points[:, 1])
    assert 0.97 * upper <= attained <= 1.03 * upper


def test_dual_points_between_prove_more_where_trees_are_large():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 12))
    y = np.maximum(X @ rng.normal(size=(12, 6)), 0) @ rng.normal(size=6) + rng.normal(size=80)
    beta = 0.05 * beta_max(X, y, method="search")
    solution = train(X, y, beta=beta, prove=False, random_state=0)
    problem = formulate(X, y, beta=beta)
    V = problem.dual_point(solution.network.predict(X)[:, None])
    first, _ = RelaxedOracle(problem.rows).price(V[:, 0])
    relaxed = RelaxedDual(problem, from_network(problem, solution.network, False), V)
    rounds = itertools.count()
    relaxed.improve(lambda: next(rounds) >= 10)
    gap = solution.objective - problem.lower_bound(V, first).value
    assert solution.objective - relaxed.value <= 0.7 * gap


@pytest.mark.parametrize("seed", range(max(INSTANCES // 10, 6)))
def test_no_proved_bound_of_several_outputs_exceeds_the_optimum(seed):
    rng = np.random.default_rng(seed)
    n, d, C = int(rng.integers(4, 9)), int(rng.integers(1, 3)), int(rng.integers(2, 4))
    loss = ("squared", "huber", "multinomial")[seed % 3]
    X, Y = data(rng, n, d, seed % 6), rng.normal(size=(n, C))
    if loss == "multinomial":
        Y = np.eye(C)[np.arange(n) % C]
    beta = float(rng.uniform(0.1, 0.5))
    optimum = train(X, Y, beta=beta, loss=loss, patterns="all")
    assert optimum.certificate.relative_gap <= 2e-6
    problem = formulate(X, Y, beta=beta, loss=loss)
    dual = optimum.certificate.dual
    for V in (dual, dual + 0.1 * np.abs(dual) * rng.normal(size=dual.shape)):
        _, claim = OutputBound(problem.rows, 2e-2).price(problem.feasible_direction(V), 1)
        found = certificate_from_dual(problem, optimum.objective, V, claim)
        assert found.kind in ("exact", "bound")
        assert found.lower_bound <= optimum.objective * (1 + 1e-9)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_whitened_rows_are_proved_in_any_number(loss):
    rng = np.random.default_rng(9)
    X = 3.0 * np.linalg.qr(rng.normal(size=(80, 40)))[0].T
    y = rng.normal(size=40) if loss == "squared" else np.where(rng.random(40) < 0.5, -1.0, 1.0)
    solution = train(X, y, beta=0.3, loss=loss, random_state=0)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-4
    if loss == "squared":
        closed = closed_form.whitened(X / 3.0, y, beta=0.1)  # the same for rows of length 1
        assert solution.objective == pytest.approx(closed.objective, rel=1e-4)
    tilted = X + 1e-6 * rng.normal(size=X.shape)
    assert certify(solution.network, tilted, y, beta=0.3, loss=loss, max_time=1).kind != "exact"


def test_a_correlation_that_is_too_small_is_found_out():
    """The test above can fail: 1 % less than the dual correlation proves too much."""
    exceeded = 0
    for seed in range(20):
        rng, X, y, options = instance(seed)
        beta = float(rng.uniform(0.05, 0.5))
        optimum = train(X, y, beta=beta, patterns="all", **options)
        problem = formulate(X, y, beta=beta, **options)
        V = optimum.certificate.dual[:, None]
        _, claim = ExactOracle(problem.rows).price(V, 1)
        wrong = Correlation(0.99 * claim.value, "bound")
        found = certificate_from_dual(problem, optimum.objective, V, wrong)
        exceeded += found.lower_bound > optimum.objective * (1 + 1e-9)
    assert exceeded >= 12


@pytest.mark.parametrize("seed", range(2))
def test_bounds_of_several_outputs_stay_below_every_network(seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(8, 2)), rng.normal(size=(8, 2))
    beta = 0.3
    best = train(X, Y, beta=beta, random_state=0, tol=1e-5)
    narrow = train(X, Y, beta=beta, random_state=0, max_neurons=1)
    found = certify(narrow.network, X, Y, beta=beta, method="bound", tol=2e-2, max_time=20)
    assert found.kind == "bound"
    assert found.lower_bound <= best.objective
    assert best.objective <= found.lower_bound * 1.03


@pytest.fixture(scope="module")
def wide():
    """Ten columns, sixty rows, a teacher: too many patterns to list."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 10))
    y = np.maximum(X @ rng.normal(size=(10, 4)), 0.0) @ rng.normal(size=4)
    y += 0.1 * y.std() * rng.normal(size=60)
    beta = 20.0
    return X, y, beta, train(X, y, beta=beta, tol=1e-4, random_state=0)


def test_a_proof_beyond_enumeration(wide):
    X, y, beta, solution = wide
    assert solution.certificate.kind == "search"
    found = certify(solution.network, X, y, beta=beta, tol=1e-2, max_time=60)
    assert found.kind == "bound"
    assert found.relative_gap <= 1e-2
    assert found.proved_lower_bound == found.lower_bound
    assert "proved" in str(found)


def test_a_narrow_network_gets_a_better_one(wide):
    X, y, beta, solution = wide
    narrow = Network(solution.network.hidden_weights[:1], solution.network.output_weights[:1])
    found = certify(narrow, X, y, beta=beta, tol=1e-2, max_time=60)
    better = found.better_network
    assert better is not None
    assert found.better_objective == pytest.approx(better.objective(X, y, beta=beta), rel=1e-9)
    assert found.better_objective <= 1.01 * solution.objective
    assert found.lower_bound <= solution.objective < found.objective
    assert "% above the global optimum: better_network" in str(found)


def test_bounds_grow_with_the_time(wide, monkeypatch):
    """Whoever stops a run at any time has a bound that is valid, and the later the better."""
    X, y, beta, solution = wide
    narrow = Network(solution.network.hidden_weights[:2], solution.network.output_weights[:2])
    bounds, keep = [], Prover._keep

    def recorded(self, proof):
        keep(self, proof)
        bounds.append(self.proof.lower_bound)

    monkeypatch.setattr(Prover, "_keep", recorded)
    last = certify(narrow, X, y, beta=beta, method="bound", tol=1e-3, max_time=4.0)
    assert len(bounds) >= 3
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1] == last.lower_bound <= solution.objective
    bounds.clear()
    first = certify(narrow, X, y, beta=beta, method="bound", tol=1e-3, max_time=0.05)
    assert first.kind == "bound"
    assert first.lower_bound < last.lower_bound


def test_a_weak_proof_stands_beside_the_estimate():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 20)), rng.normal(size=200)
    solution = train(X, y, beta=2.0, random_state=0, max_time=3)
    found = certify(solution.network, X, y, beta=2.0, max_time=1)
    assert found.kind == "search"
    assert -np.inf < found.proved_lower_bound < found.lower_bound
    if found.proved_lower_bound > 0:
        assert "Proved is that" in str(found)
    alone = certify(solution.network, X, y, beta=2.0, max_time=1, method="bound")
    assert alone.kind == "bound"
    assert alone.relative_gap > 0.1


def test_predictions_are_proved_too(wide):
    X, y, beta, solution = wide
    found = certify(
        solution.network.predict(X), X, y, beta=beta, objective=solution.objective, tol=1e-2
    )
    assert found.kind == "bound"
    assert found.lower_bound <= solution.objective


def test_the_sign_search_is_bounded_before_its_first_step():
    space = RowSpace(MemoryRows(np.eye(3)))
    v = np.array([1.0, -1.0, 2.0])
    search = SignSearch(space.side(v), Incumbents(space.Z, v), lambda: False)
    assert search.upper >= np.sqrt(5.0) / space.size - 1e-12


# ---------------------------------------------------------------- networks from elsewhere


@pytest.fixture(scope="module")
def cancer():
    X, labels = load_breast_cancer(return_X_y=True)
    return scale(X)[:150, :4], labels[:150]


def test_a_scikit_learn_regressor(cancer):
    X, _ = cancer
    y = X[:, 0] * X[:, 1]
    model = MLPRegressor(
        hidden_layer_sizes=(5,), alpha=2.0, max_iter=3000, solver="lbfgs", random_state=0
    )
    model.fit(X, y)
    found = certify(model, X, y, beta=2.0, max_time=2)
    weights = sum(float((w**2).sum()) for w in model.coefs_)
    loss = 0.5 * float(((model.predict(X) - y) ** 2).sum())
    biases = float((model.intercepts_[0] ** 2).sum())  # which nogap decays too
    assert found.objective <= loss + 0.5 * 2.0 * (weights + biases) * (1 + 1e-9)
    assert found.lower_bound <= found.objective


def test_a_scikit_learn_classifier_with_labels(cancer):
    X, labels = cancer
    names = np.array(["malignant", "benign"])[labels]
    model = MLPClassifier((4,), alpha=1.0, max_iter=2000, solver="lbfgs", random_state=0)
    model.fit(X, names)
    found = certify(model, X, names, beta=1.0, loss="logistic", max_time=2)
    assert found.lower_bound <= found.objective
    with pytest.raises(ValueError, match=r"trained with the logistic loss.*pass loss='logistic'"):
        certify(model, X, names, beta=1.0)
    with pytest.raises(ValueError, match="'maybe' is not among the classes"):
        certify(model, X, np.where(labels == 1, "maybe", "benign"), beta=1.0, loss="logistic")
    three = np.arange(150) % 3
    model.fit(X, three)
    with pytest.raises(ValueError, match="pass loss='multinomial'"):
        certify(model, X, three, beta=1.0)
    found = certify(model, X, three, beta=1.0, loss="multinomial", method="search", max_time=1)
    assert_allclose(found.dual.sum(axis=1), 0.0, atol=1e-9)


def test_other_scikit_learn_networks_are_refused(cancer):
    X, _ = cancer
    y = X[:, 0]
    with pytest.raises(ValueError, match="not fitted"):
        certify(MLPRegressor(), X, y, beta=1.0)
    two = MLPRegressor(hidden_layer_sizes=(3, 3), max_iter=2000, solver="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match="one hidden layer of ReLU units, it has 2"):
        certify(two, X, y, beta=1.0)
    tanh = MLPRegressor(
        hidden_layer_sizes=(3,), activation="tanh", max_iter=2000, solver="lbfgs"
    ).fit(X, y)
    with pytest.raises(ValueError, match="of 'tanh'"):
        certify(tanh, X, y, beta=1.0)


def test_onnx_files(cancer, tmp_path):
    X, _ = cancer
    y = X[:, 0] * X[:, 1]
    solution = train(X, y, beta=5.0, hidden_bias=True, fit_intercept=True, random_state=0)
    path = tmp_path / "net.onnx"
    solution.network.to_onnx(path)
    found = certify(path, X, y, beta=5.0, method="search", max_time=1)
    assert found.objective == pytest.approx(solution.objective, rel=1e-5)
    assert certify(str(path), X, y, beta=5.0, method="search", max_time=1).kind == "search"
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not an ONNX model"):
        certify(damaged, X, y, beta=5.0)


def test_onnx_files_of_other_libraries(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    rng = np.random.default_rng(0)
    W, b, A, c = (
        rng.normal(size=(3, 4)),
        rng.normal(size=4),
        rng.normal(size=(4, 1)),
        rng.normal(size=1),
    )

    def save(nodes):
        kinds = onnx.TensorProto
        arrays = {"W": W, "b": b, "A": A, "c": c, "AT": A.T.copy()}
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", kinds.FLOAT, [None, 3])],
            [helper.make_tensor_value_info("y", kinds.FLOAT, [None, 1])],
            [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in arrays.items()],
        )
        onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))

    X, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    expected = Network(W.T, A, b, c).objective(X, y, beta=0.5)
    node = helper.make_node
    save(
        [
            node("MatMul", ["x", "W"], ["h"]),
            node("Add", ["b", "h"], ["hb"]),
            node("Relu", ["hb"], ["r"]),
            node("Gemm", ["r", "AT", "c"], ["y"], transB=1),
        ]
    )
    found = certify(tmp_path / "m.onnx", X, y, beta=0.5, method="search", max_time=1)
    assert found.objective == pytest.approx(expected, rel=1e-5)
    save(
        [
            node("MatMul", ["x", "W"], ["h"]),
            node("Tanh", ["h"], ["r"]),
            node("MatMul", ["r", "A"], ["y"]),
        ]
    )
    with pytest.raises(ValueError, match="found Linear-Tanh-Linear"):
        certify(tmp_path / "m.onnx", X, y, beta=0.5)

    def cast(to):
        save(
            [
                node("Gemm", ["x", "W", "b"], ["h"]),
                node("Relu", ["h"], ["r"]),
                node("Cast", ["r"], ["k"], to=to),
                node("Cast", ["k"], ["f"], to=onnx.TensorProto.FLOAT),
                node("Gemm", ["f", "A", "c"], ["y"]),
            ]
        )
        return certify(tmp_path / "m.onnx", X, y, beta=0.5, method="search", max_time=1)

    assert cast(onnx.TensorProto.DOUBLE).objective == pytest.approx(expected, rel=1e-5)
    for kind in ("INT32", "INT64", "BOOL"):
        with pytest.raises(ValueError, match=f"a Cast to {kind} can change the values"):
            cast(getattr(onnx.TensorProto, kind))
