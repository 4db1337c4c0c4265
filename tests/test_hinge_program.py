"""The linear program of the hinge loss: at a vertex, and by interior points where it is large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import nogap
from nogap.formulation import formulate
from nogap.losses import get_loss
from nogap.solution import Status
from nogap.solvers import hinge_barrier, hinge_program, masters
from nogap.solvers.adaptive import Clock
from nogap.solvers.atoms import RankOne
from nogap.solvers.features import Features
from nogap.solvers.hinge_program import refit_sizes_hinge
from nogap.solvers.neurons import Neurons, objective
from nogap.solvers.refit import refit_sizes
from nogap.units import Convolution, ReLU

RELU = ReLU()


def some_neurons(problem, rng, m):
    C, d = problem.n_outputs, problem.rows.d
    U, A = rng.normal(size=(m, d)), rng.normal(size=(m, C))
    intercept = rng.normal(size=C) if problem.fit_intercept else np.zeros(C)
    gate = np.zeros(m, dtype=np.intp)
    neurons = Neurons.from_factors(U, A, intercept, gate)
    return neurons.with_sizes(rng.exponential(size=m), intercept)


def hinge_problem(seed, C, fit_intercept=False, n=15):
    """Labels of both kinds, weights of which some are zero, and six neurons."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    Y = rng.choice([-1.0, 1.0], size=(n, C))
    Y[:2] = [[1.0], [-1.0]]
    w = rng.choice([0.0, 0.5, 1.0, 2.0], size=n)
    w[:2] = 1.0
    problem = formulate(X, Y, beta=0.4, loss="hinge", fit_intercept=fit_intercept, sample_weight=w)
    return problem, some_neurons(problem, rng, 6)


@pytest.mark.parametrize("few", [False, True], ids=["interior points", "simplex"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [1, 2])
def test_the_hinge_program_has_a_feasible_dual_and_no_gap(fit_intercept, C, few, monkeypatch):
    monkeypatch.setattr(hinge_program, "at_vertices", lambda _, few=few: few)
    for seed in range(5):
        problem, neurons = hinge_problem(seed, C, fit_intercept)
        features = Features(problem, RELU, neurons)
        fitted, V = refit_sizes_hinge(problem, neurons, features)
        alpha, w = V * problem.Y, problem.weights
        assert alpha.min() >= 0
        assert np.all(alpha <= w[:, None])
        gain = np.einsum("mc,mc->m", features.whole().T @ V, fitted.outputs)
        assert gain.max() <= problem.beta * (1 + 1e-9)
        if fit_intercept:
            assert_allclose(V.sum(axis=0), 0.0, atol=1e-9)
        value = objective(problem, RELU, fitted)
        assert value == pytest.approx(alpha.sum(), abs=1e-8)
        assert value <= objective(problem, RELU, neurons) + 1e-9
        # complementary slackness, said otherwise: V is a subgradient at the outputs
        margin = problem.Y * fitted.outputs_at(features.whole())
        near = 1e-8 if few else 1e-3  # an interior point is as far from zero as from the margin
        assert_allclose(alpha[margin > 1 + near], 0.0, atol=0.0 if few else 1e-6)
        full = np.broadcast_to(w[:, None], V.shape)
        assert_allclose(
            alpha[margin < 1 - near], full[margin < 1 - near], atol=0.0 if few else 1e-6
        )


def test_interior_points_of_the_hinge_program_choose_the_neurons_that_a_vertex_has(monkeypatch):
    """Among many that are not needed, on columns of sizes from 1e-3 to 1e3."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 6)) * 10.0 ** np.arange(-3, 3)
    Y = np.sign(rng.normal(size=(400, 2)) + X[:, 2:4])
    for fit_intercept in (False, True):
        problem = formulate(X, Y, beta=0.05, loss="hinge", fit_intercept=fit_intercept)
        neurons = some_neurons(problem, rng, 60)
        fits = []
        for few in (False, True):
            monkeypatch.setattr(hinge_program, "at_vertices", lambda _, few=few: few)
            fits.append(refit_sizes_hinge(problem, neurons, Features(problem, RELU, neurons))[0])
        inner, vertex = fits
        assert objective(problem, RELU, inner) == pytest.approx(
            objective(problem, RELU, vertex), rel=1e-9
        )
        assert_array_equal(inner.sizes > 0, vertex.sizes > 0)
        assert 0 < vertex.used().count < 60


def test_the_hinge_program_of_neurons_with_weights_for_every_patch(monkeypatch):
    unit = Convolution(2, pooling=None)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 4)), rng.choice([-1.0, 1.0], size=(30, 2))
    bound = unit.for_data(X, False)
    problem = formulate(X, Y, beta=0.2, loss="hinge", unit=bound, hidden_bias=False)
    width = problem.n_outputs * bound.readouts
    assert width > 2
    directions = rng.normal(size=(8, problem.rows.d))
    outputs = rng.normal(size=(8, width))
    neurons = Neurons.from_factors(directions, outputs, np.zeros(2), np.zeros(8, dtype=int))
    values = []
    for few in (False, True):
        monkeypatch.setattr(hinge_program, "at_vertices", lambda _, few=few: few)
        fitted, V = refit_sizes_hinge(problem, neurons, Features(problem, bound, neurons))
        values += [objective(problem, bound, fitted), np.abs(V).sum()]
    assert_allclose(values, values[0], rtol=1e-8)


def after(steps):
    """A function that says to stop from then on."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_a_re_fit_that_is_told_to_stop_is_no_worse_than_where_it_began(loss, monkeypatch):
    monkeypatch.setattr(hinge_program, "at_vertices", lambda problem: False)
    problem, neurons = hinge_problem(0, 2)
    problem = replace(problem, loss=get_loss(loss))
    features = Features(problem, RELU, neurons)
    best = objective(problem, RELU, refit_sizes(problem, neurons, features)[0])
    values = [objective(problem, RELU, neurons)]
    for steps in range(0, 40, 4):
        fitted, V = refit_sizes(problem, neurons, features, should_stop=after(steps))
        values.append(objective(problem, RELU, fitted))
        assert values[-1] <= values[0] * (1 + 1e-12)
        alpha = V * problem.Y  # feasible in the domain of the loss at least
        assert alpha.min() >= 0
        assert np.all(alpha <= problem.weights[:, None])
    assert values[1] > best  # it did stop
    assert values[-1] == pytest.approx(best, rel=1e-8)


def test_training_gives_up_the_program_when_time_is_over(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    Y = np.sign(X[:, :2] * X[:, 2:4])
    systems, gram = [], RankOne.gram

    def counted(self, D):
        systems.append(D.shape)
        return gram(self, D)

    monkeypatch.setattr(RankOne, "gram", counted)
    options = {"beta": 0.5, "loss": "hinge", "tol": 1e-6, "random_state": 0}
    for most in (1, 5, 25):
        systems.clear()
        monkeypatch.setattr(Clock, "_past", lambda self, reserve, most=most: len(systems) >= most)
        stopped = nogap.train(X, Y, max_time=1e6, **options)
        assert stopped.status is Status.TIME_LIMIT
        assert len(systems) == most
        assert stopped.objective <= 400  # of no neurons
        assert stopped.certificate.lower_bound <= stopped.objective


def test_a_vertex_has_as_few_neurons_as_the_margins_of_one_leave_room_for(monkeypatch):
    """Neurons come in three copies: interior points have all three, a vertex one."""
    monkeypatch.setattr(hinge_program, "at_vertices", lambda problem: False)
    problem, neurons = hinge_problem(1, 1, fit_intercept=True, n=60)
    copies = neurons.joined(neurons).joined(neurons)
    features = Features(problem, RELU, copies)
    once, _ = refit_sizes_hinge(problem, neurons, Features(problem, RELU, neurons))
    fitted, _ = refit_sizes_hinge(problem, copies, features)
    used = fitted.used()
    assert used.count == once.used().count < 6
    assert objective(problem, RELU, fitted) == pytest.approx(
        objective(problem, RELU, once), rel=1e-9
    )
    margins = problem.Y * fitted.outputs_at(features.whole())
    assert used.count + 1 <= np.sum(np.abs(margins - 1.0) <= 1e-7)
    # without that step the copies share what one needs
    monkeypatch.setattr(hinge_barrier, "towards_vertex", lambda problem, atoms, t, *rest: t)
    assert refit_sizes_hinge(problem, copies, features)[0].used().count == 3 * used.count


def test_rough_sizes_while_exploring_lead_to_the_same_optimum(monkeypatch):
    """Of the smoothed loss, where margins are many for the neurons."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 6))
    Y = np.sign(X[:, :2] * X[:, 2:4])
    seen, values = [], []

    def recorded(problem, *arguments, **options):
        seen.append(problem.loss.name)
        return refit_sizes(problem, *arguments, **options)

    monkeypatch.setattr(masters, "refit_sizes", recorded)
    for margins in (0, 10**9):
        seen.clear()
        monkeypatch.setattr(masters, "MARGINS_A_NEURON", margins)
        monkeypatch.setattr(masters, "MANY_ENTRIES", 0)
        solution = nogap.train(X, Y, beta=3.0, loss="hinge", tol=1e-2, random_state=0)
        assert solution.status is Status.SEARCH_OPTIMAL
        assert ("smoothed_hinge" in seen) == (margins == 0)
        assert seen[-1] == "hinge"
        values.append(solution.objective)
    assert values[0] == pytest.approx(values[1], rel=1e-2)
