"""The rank-constrained method: the lemma, its compact form against the literal one, the experiment."""

from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest

from nogap.lifted import rank_constrained
from nogap.lifted.rank_program import Centre, RankProgram, plane_norm, product_matrix
from nogap.networks.deep import DeepNetwork
from nogap.solution import Status

X = np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
Y = np.abs(X)
ABSOLUTE = DeepNetwork([[[1.0, -1.0]], [[1.0], [1.0]]])


def true_centre(network, inputs):
    H, S, at = [], [], inputs
    for W, b in zip(network.weights[:-1], network.biases[:-1], strict=True):
        Z = at @ W + b
        at = np.maximum(Z, 0.0)
        H.append(at)
        S.append(at - Z)
    return Centre(H, S, network.weights[1:], None)


def solve(inputs, targets, hidden, centre, weights=(1.0, 1.0), output="linear", scale=1.0):
    program = RankProgram(inputs, targets, hidden, output, weights, None)
    point, _ = program.solve(centre, scale)
    return program, point


@pytest.mark.parametrize(
    ("weights", "value"), [((1.0, 1.0), 13.962890), ((2.0, 0.5), 22.452188)], ids=["1:1", "2:0.5"]
)
def test_a1_value_of_the_micro_instance(weights, value):
    centre = Centre(
        [np.full((5, 2), 0.5)], [np.full((5, 2), 0.25)], [np.array([[1.0], [0.5]])], None
    )
    program, point = solve(X, Y, (2,), centre, weights)
    assert program.value(point, centre) == pytest.approx(value, abs=1e-5)
    assert plane_norm(1.0, 2.0, 0.5, 0.25) == pytest.approx(3.0948546, abs=1e-7)


def test_a2_true_centre_is_the_unique_solution():
    centre = true_centre(ABSOLUTE, X)
    program, point = solve(X, Y, (2,), centre)
    assert program.offset == 12.0
    assert program.value(point, centre) == pytest.approx(12.0, abs=1e-5)
    np.testing.assert_allclose(point.W[1], [[1.0], [1.0]], atol=1e-4)
    np.testing.assert_allclose(point.H[0], centre.H[0], atol=1e-4)


def test_a3_rank_lemma():
    """Rank of the lifted matrix = rank P + rank(C - A P B), also for rectangular, singular P."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        m, k, r, n = rng.integers(1, 5, size=4)
        P = rng.normal(size=(k, r))
        if rng.random() < 0.5:
            P[:, -1] = P[:, 0]
        A, B = rng.normal(size=(m, k)), rng.normal(size=(r, n))
        left, right = rng.normal(size=(m, k)), rng.normal(size=(r, n))
        wrong = rng.normal(size=(m, 1)) @ rng.normal(size=(1, n)) if rng.random() < 0.7 else 0.0
        C = A @ P @ B + wrong
        corner = C + A @ P @ right + left @ P @ B + left @ P @ right
        M = np.block([[corner, (A + left) @ P], [P @ (B + right), P]])
        expected = np.linalg.matrix_rank(P) + (0 if np.isscalar(wrong) else 1)
        assert np.linalg.matrix_rank(M, tol=1e-9) == expected
        # the library's matrix is the same with P = I, and with scaled blocks
        H, W, H0, W0 = (rng.normal(size=shape) for shape in [(n, k), (k, m)] * 2)
        for scale in (1.0, 0.3):
            lifted = product_matrix(H @ W, H, W, H0, W0, scale)
            assert np.linalg.matrix_rank(lifted, tol=1e-9) == k


def test_a3_norm_in_the_plane_is_the_nuclear_norm_of_the_block():
    rng = np.random.default_rng(1)
    for _ in range(100):
        h, s, h0, s0 = rng.uniform(0, 2, size=4)
        t = rng.uniform(0.1, 1.0)
        block = [[-t * (s0 * h + h0 * s - h0 * s0), np.sqrt(t) * (h - h0)],
                 [np.sqrt(t) * (s - s0), 1.0]]  # fmt: skip
        assert plane_norm(h, s, h0, s0, t) == pytest.approx(np.linalg.norm(block, "nuc"), abs=1e-12)


def test_a3_compact_program_has_the_value_of_the_literal_one():
    """The literal form: diagonal matrices of all complementary entries, and CVXPY's normNuc."""
    rng = np.random.default_rng(2)
    inputs, targets = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    H0, S0, W0 = rng.uniform(0, 1, (4, 2)), rng.uniform(0, 1, (4, 2)), rng.normal(size=(2, 1))
    centre = Centre([H0], [S0], [W0], None)
    program, point = solve(inputs, targets, (2,), centre, (1.0, 2.0))

    W1, b1, W2, b2 = cp.Variable((2, 2)), cp.Variable(2), cp.Variable((2, 1)), cp.Variable(1)
    H = cp.Variable((4, 2), nonneg=True)
    S = H - (inputs @ W1 + np.ones((4, 1)) @ cp.reshape(b1, (1, 2), order="C"))
    C = targets - np.ones((4, 1)) @ cp.reshape(b2, (1, 1), order="C")
    h, s, h0, s0 = cp.vec(H, order="C"), cp.vec(S, order="C"), H0.ravel(), S0.ravel()
    corner = -cp.multiply(s0, h) - cp.multiply(h0, s) + h0 * s0
    blocks = cp.bmat([[cp.diag(corner), cp.diag(h - h0)], [cp.diag(s - s0), np.eye(8)]])
    product = cp.bmat([[C - H0 @ W2 - H @ W0 + H0 @ W0, H - H0], [W2 - W0, np.eye(2)]])
    literal = cp.Problem(cp.Minimize(cp.normNuc(blocks) + 2 * cp.normNuc(product)), [S >= 0])
    literal.solve(solver=cp.CLARABEL)
    assert program.value(point, centre) == pytest.approx(literal.value, abs=1e-5)
    assert program._problem.value == pytest.approx(literal.value, abs=1e-5)


def teacher(seed, output="linear", widths=(3, 3, 2), n=30):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(a, b)) for a, b in pairwise(widths)]
    biases = [rng.normal(size=b) for b in widths[1:]]
    network = DeepNetwork(weights, biases, "relu", output)
    inputs = rng.normal(size=(n, widths[0]))
    return network, inputs, network.decision(inputs)


def assert_penalty_falls(solution):
    merits = np.array([record.merit for record in solution.history if record.accepted][1:])
    assert np.all(np.diff(merits) <= 1e-4 * merits[:-1] + 1e-6)


def test_a4_from_near_the_truth_the_network_is_found():
    found = 0
    for seed in range(10):
        network, inputs, targets = teacher(seed)  # 3-3-2, 30 rows
        size = np.sum(targets**2)
        solution = rank_constrained(
            inputs, targets, start=network, noise=0.1, random_state=seed, max_iter=50,
            callbacks=[lambda record, size=size: record.objective < 0.4e-6 * size],
        )  # fmt: skip
        F = solution.network.decision(inputs)
        assert solution.n_iter <= 50
        assert solution.forward_error == pytest.approx(np.sqrt(np.sum((F - targets) ** 2) / size))
        found += solution.forward_error < 1e-3
        assert_penalty_falls(solution)
    assert found >= 9


def test_from_afar_the_penalty_still_falls():
    _, inputs, targets = teacher(1, n=15)
    solution = rank_constrained(inputs, targets, max_iter=12, random_state=1)
    assert_penalty_falls(solution)
    losses = [record.objective for record in solution.history]
    assert solution.objective == min(losses)  # the best by its forward pass, not the last
    assert solution.objective < 0.5 * losses[0]


def test_a5_two_hidden_layers_at_the_true_centre():
    network, inputs, targets = teacher(3, widths=(2, 3, 3, 1), n=10)
    centre = true_centre(network, inputs)
    program, point = solve(inputs, targets, (3, 3), centre)
    assert program.value(point, centre) == pytest.approx(program.offset, abs=1e-5)
    solution = rank_constrained(inputs, targets, (3, 3), start=network, max_iter=5)
    assert solution.status is Status.INTERPOLATED
    assert solution.forward_error < 1e-6
    assert all(record.relaxed >= -1e-5 for record in solution.history[1:])  # value >= offset


def test_relu_outputs_and_the_other_centre():
    network, inputs, targets = teacher(1, "relu", n=20)
    for recenter in ("solution", "forward"):
        solution = rank_constrained(
            inputs, targets, output="relu", start=network, noise=0.1, recenter=recenter,
            random_state=0, max_iter=8,
        )  # fmt: skip
        assert solution.network.output_activation == "relu"
        assert solution.forward_error < 1e-4


def test_noisy_targets_are_fitted_by_a_loss():
    network, inputs, targets = teacher(1, n=15)
    noisy = targets + 0.3 * np.random.default_rng(0).normal(size=targets.shape)
    solution = rank_constrained(
        inputs, noisy, start=network, loss_weight=1.0, max_iter=8, random_state=0
    )
    assert_penalty_falls(solution)
    start = 0.5 * np.sum((targets - noisy) ** 2)
    assert solution.objective < start  # better on the noisy data than the teacher is


def test_scaled_blocks_majorise_where_plain_ones_do_not():
    """S = 2, A + X = 1/2, B + Y = -1/2: the lemma's counterexample, and its repair."""
    C, H, W, zero = np.array([[1.75]]), np.array([[0.5]]), np.array([[-0.5]]), np.zeros((1, 1))
    plain = np.linalg.norm(product_matrix(C, H, W, zero, zero), "nuc")
    assert (C - H @ W).item() == pytest.approx(2.0)
    assert plain - 1.0 < 2.0
    scaled = np.linalg.norm(product_matrix(C, H, W, zero, zero, 0.5), "nuc")
    assert (scaled - 1.0) / 0.5 >= 2.0 - 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "tanh"}, "output must be"),
        ({"output": "relu", "Y": -Y}, "needs Y >= 0, but row 0 holds -2"),
        ({"start": "truth"}, "start must be"),
        ({"start": ABSOLUTE, "hidden": (3,)}, "but hidden is"),
        ({"start": DeepNetwork(ABSOLUTE.weights, activation="tanh")}, "activation 'tanh'"),
        ({"noise": -1.0}, "noise must be"),
        ({"weights": 1.0}, "pair of numbers"),
        ({"weights": (1.0, 0.0)}, "weights must be a positive number"),
        ({"recenter": "here"}, "recenter must be"),
        ({"hidden": ()}, "at least one layer"),
        ({"Y": Y[:3]}, "X has 5 rows but y has 3"),
    ],
)
def test_refusals(options, message):
    options = {"hidden": (2,), "Y": Y, **options}
    with pytest.raises(ValueError, match=message) as caught:
        rank_constrained(X, options.pop("Y"), **options)
    assert "\n" not in str(caught.value)


def test_without_cvxpy_it_says_what_is_missing(monkeypatch):
    def missing(module, extra):
        raise ImportError(f"this needs {module}: pip install 'nogap[{extra}]'")

    monkeypatch.setattr("nogap.lifted.rank_program.require", missing)
    with pytest.raises(ImportError, match=r"cvxpy.*nogap\[cvxpy\]"):
        rank_constrained(X, Y)
