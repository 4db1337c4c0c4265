"""Activation patterns: all of them against brute force, sampled ones, gates, packed storage."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.optimize import linprog

from nogap.patterns import (
    PackedPatterns,
    count_patterns,
    enumerate_patterns,
    find_gates,
    max_pattern_count,
    numerical_rank,
    sample_patterns,
)
from nogap.patterns import _simple as simple
from nogap.patterns._lines import distinct_lines
from nogap.patterns._restriction import restriction_cells

# ---------------------------------------------------------------- the judge


def has_interior(signed_rows):
    """Whether some u has signed_rows @ u > 0, by a linear program: largest t with rows @ u >= t."""
    d = signed_rows.shape[1]
    solution = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([-signed_rows, np.ones(len(signed_rows))]),
        b_ub=np.zeros(len(signed_rows)),
        bounds=[(-1, 1)] * d + [(None, 1)],
        method="highs",
    )
    assert solution.status == 0
    return -solution.fun > 1e-6


def brute_force(X):
    """All patterns by 2^(m-1) linear programs on the m non-zero rows; shares no code with nogap."""
    n = len(X)
    used = [i for i in range(n) if np.abs(X[i]).max() > 0]
    found = set()
    for rest in itertools.product([1.0, -1.0], repeat=max(0, len(used) - 1)):
        signs = np.array([1.0, *rest])[: len(used)]
        if used and not has_interior(signs[:, None] * X[used]):
            continue
        for side in (signs, -signs):
            bits = np.ones(n, dtype=bool)
            bits[used] = side > 0
            found.add(bits.tobytes())
    return found


def as_set(patterns):
    rows = {row.tobytes() for row in patterns}
    assert len(rows) == len(patterns), "a pattern is listed twice"
    return rows


def grid(a, b):
    return np.array([[i, j, 1.0] for i in range(a) for j in range(b)])


def special_cases():
    """Named small data sets, one for each way of being degenerate."""
    rng = np.random.default_rng(7)
    a = rng.standard_normal((4, 3))
    pencil = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0], [0, 0, 1]])
    return {
        "one number": np.array([[2.0]]),
        "one negative number": np.array([[-2.0]]),
        "one sample": np.array([[1.0, -2.0, 0.5]]),
        "one feature": np.array([[1.0], [-1.0], [2.0], [0.0]]),
        "all zero": np.zeros((3, 2)),
        "zero first": np.vstack([np.zeros(3), a]),
        "zero between": np.vstack([a[:2], np.zeros((2, 3)), a[2:]]),
        "duplicates": np.vstack([a, a[1], a[1]]),
        "scaled duplicates": np.vstack([a, 3.0 * a[0], 0.1 * a[2]]),
        "opposites": np.vstack([a, -a[0], -0.3 * a[3]]),
        "sum of rows": np.vstack([a, a[0] + a[1], a[0] - a[1]]),
        "rank two of three": rng.standard_normal((6, 2)) @ rng.standard_normal((2, 3)),
        "rank one of three": np.outer(rng.standard_normal(4), [1.0, 2.0, -1.0]),
        "more features than samples": rng.standard_normal((4, 6)),
        "dependent, more features": np.vstack([np.eye(3, 5), np.ones((1, 3)) @ np.eye(3, 5)]),
        "pencil": pencil,
        "pencil with a line through its axis": np.vstack([pencil, [1.0, 1, 1], [1, 1, -1]]),
        "differences": np.array([np.eye(4)[i] - np.eye(4)[j] for i in range(4) for j in range(i)]),
        "one hot with ones": np.column_stack([np.eye(4)[[0, 1, 2, 3, 0, 1]], np.ones(6)]),
        "two factors": np.array(
            [np.concatenate([np.eye(3)[i], np.eye(2)[j]]) for i in range(3) for j in range(2)]
        ),
        "grid 3 x 3 with ones": grid(3, 3),
        "collinear with ones": np.column_stack([np.arange(6.0), 2 * np.arange(6.0), np.ones(6)]),
        "cube": np.array(list(itertools.product([0.0, 1.0], repeat=3)))[1:],
        "boolean in four dimensions": np.array(list(itertools.product([0.0, 1], repeat=4)))[7:],
        "decimal grid": np.array([[0.1 * i, 0.3 * j, 0.7] for i in range(3) for j in range(3)]),
        "years": np.column_stack([np.arange(1990.0, 1998.0), np.ones(8)]),
        "units": np.column_stack([1e4 * np.arange(1.0, 6.0), 1e-3 * np.array([1, 1, 2, 3, 1])]),
        "constant column after centring": np.column_stack([[1.0, 2, -1], [1e-17, -2e-17, 0]]),
    }


def random_case(seed):
    """Random data in which rows repeat, oppose, vanish and depend on each other."""
    rng = np.random.default_rng([11, seed])
    n, d = int(rng.integers(2, 8)), int(rng.integers(1, 5))
    kind = seed % 4
    if kind == 0:
        X = rng.standard_normal((n, d))
    elif kind == 1:
        X = rng.integers(-1, 2, (n, d)).astype(float)
    elif kind == 2:
        X = np.column_stack([rng.integers(0, 3, (n, d)), np.ones(n)]).astype(float)
    else:
        rank = int(rng.integers(1, d + 1))
        X = rng.standard_normal((n, rank)) @ rng.integers(-2, 3, (rank, d))
    for _ in range(int(rng.integers(0, 3))):
        i, j, k = rng.integers(0, n, 3)
        X[i] = [0.0 * X[j], X[j], -2.5 * X[j], X[j] + X[k], X[j] - 2.0 * X[k]][rng.integers(5)]
    return X


# ---------------------------------------------------------------- all patterns


@pytest.mark.parametrize("name", special_cases())
def test_degenerate_data_against_linear_programs(name):
    X = special_cases()[name]
    if name == "constant column after centring":
        expected = brute_force(X[:, :1])
    else:
        expected = brute_force(X / np.abs(X).max(axis=0).clip(1e-300))
    assert as_set(enumerate_patterns(X)) == expected
    assert count_patterns(X) == len(expected)


@pytest.mark.parametrize("seed", range(64))
def test_random_data_against_linear_programs(seed):
    X = random_case(seed)
    expected = brute_force(X)
    assert as_set(enumerate_patterns(X)) == expected
    assert count_patterns(X) == len(expected)
    lines = distinct_lines(X)
    if len(lines):
        half = np.concatenate(list(restriction_cells(lines.normals)))
        assert len(half) == len(expected)  # one row for each cell, opposites included
        both = np.concatenate([half, ~half])
        assert as_set(np.unique(lines.to_samples(both), axis=0)) == expected


def test_nine_samples_against_linear_programs():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.integers(0, 3, (9, 2)), rng.standard_normal(9).round(1), np.ones(9)])
    X[4] = 0.5 * (X[0] + X[1])
    assert as_set(enumerate_patterns(X)) == brute_force(X)


@pytest.mark.parametrize(
    ("n", "d"),
    [(1, 1), (5, 1), (2, 2), (9, 2), (40, 2), (12, 3), (100, 3), (20, 4), (14, 5), (12, 8), (9, 9)],
)
def test_generic_count_is_the_formula(n, d):
    X = np.random.default_rng([n, d]).standard_normal((n, d))
    X[:, -1] += 3.0
    formula = 2 * sum(math.comb((1 if d == 1 else n) - 1, k) for k in range(d))
    assert max_pattern_count(1 if d == 1 else n, d) == formula
    assert len(as_set(enumerate_patterns(X))) == formula
    assert count_patterns(X) == formula


@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 2), (30, 3), (14, 4), (11, 6), (9, 8), (8, 8)])
def test_both_algorithms_agree_in_general_position(n, d):
    lines = distinct_lines(np.random.default_rng([n, d]).standard_normal((n, d)))
    cells = np.concatenate(list(simple.simple_cells(lines.normals)))
    expected = as_set(np.concatenate([cells, ~cells]))
    half = np.concatenate(list(restriction_cells(lines.normals)))
    assert len(half) == len(expected)
    assert as_set(np.unique(np.concatenate([half, ~half]), axis=0)) == expected


def test_grid_with_ones_has_150_patterns():
    X = grid(5, 3)
    patterns = enumerate_patterns(X)
    assert patterns.shape == (150, 15)
    assert max_pattern_count(15, 3) == 212
    # A fine grid of gates happens to meet every cell.
    slopes = np.meshgrid(
        np.arange(-4.15, 4.2, 0.3), np.arange(-4.25, 4.3, 0.3), np.arange(-12.5, 12.6, 0.2)
    )
    drawn = np.unique(np.packbits(X @ np.reshape(slopes, (3, -1)) > 0, axis=0), axis=1)
    assert_array_equal(np.unpackbits(drawn, axis=0, count=15).T, patterns)


@pytest.mark.parametrize("size", [(7, 3), (4, 4)])
def test_larger_grids_contain_every_sampled_pattern(size):
    X = grid(*size)
    patterns = enumerate_patterns(X)
    assert len(patterns) == count_patterns(X) < max_pattern_count(len(X), 3)
    assert as_set(sample_patterns(X, 10**6, random_state=0)) <= as_set(patterns)


def test_orderings_of_six_numbers():
    """The cells of {u_i = u_j} are the 6! orderings: degenerate in five dimensions."""
    X = np.array([np.eye(6)[i] - np.eye(6)[j] for i in range(6) for j in range(i)])
    assert len(as_set(enumerate_patterns(X))) == math.factorial(6)


def test_bipartite_graph_in_six_dimensions():
    """Acyclic orientations of K_{3,4}: the poly-Bernoulli number B_3^(-4) = 1066."""
    X = np.array(
        [np.concatenate([np.eye(3)[i], -np.eye(4)[j]]) for i in range(3) for j in range(4)]
    )
    assert len(as_set(enumerate_patterns(X))) == 1066


def test_order_is_lexicographic_and_repeatable():
    a = np.random.default_rng(4).standard_normal((12, 3))
    for X in (np.vstack([np.zeros(3), -a[:2], a]), np.vstack([grid(3, 2), -grid(2, 2)])):
        patterns = enumerate_patterns(X)
        rows = [tuple(row) for row in patterns]
        assert rows == sorted(rows)
        assert_array_equal(patterns, enumerate_patterns(X.copy()))
        assert patterns.dtype == bool


@pytest.mark.parametrize("seed", range(6))
def test_patterns_do_not_depend_on_units_or_signs(seed):
    rng = np.random.default_rng(seed)
    X = np.vstack([grid(3, 3), grid(2, 2) @ np.diag([1, -1, 1.0])]) if seed % 2 else grid(4, 2)
    order, flips = rng.permutation(len(X)), rng.choice([-1.0, 1.0], len(X))
    mixing = rng.standard_normal((3, 3)) * 10.0 ** rng.integers(-1, 2, 3)
    changed = (flips * 10.0 ** rng.integers(-30, 30, len(X)))[:, None] * (X @ mixing)[order]
    bits = enumerate_patterns(changed) ^ (flips < 0)
    restored = np.empty_like(bits)
    restored[:, order] = bits
    assert as_set(restored) == as_set(enumerate_patterns(X))


@pytest.mark.parametrize("offset", [(2000, 30000, -500, 0), (10000, 30000, 10000, 0)])
@pytest.mark.parametrize("rotated", [False, True])
def test_large_offsets_hide_no_coincidence(offset, rotated):
    """All rows are nearly parallel then; a rotation spreads the rounding over all columns."""
    X = np.array([[i, j, k, 1.0] for i in range(3) for j in range(2) for k in range(2)])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    shifted = (X + np.array(offset)) @ (rotation if rotated else np.eye(4))
    patterns = enumerate_patterns(shifted)
    assert_array_equal(patterns, enumerate_patterns(X))
    assert_realised(shifted, patterns, find_gates(shifted, patterns))


def test_extreme_magnitudes():
    X = np.random.default_rng(0).standard_normal((7, 3))
    expected = enumerate_patterns(X)
    for scale in (1e-320, 1e-200, 1e200, 1e307):
        with np.errstate(under="ignore"):
            scaled = X * scale
        if scale > 1e-300:
            assert_array_equal(enumerate_patterns(scaled), expected)
        else:
            assert len(enumerate_patterns(scaled)) <= len(expected)
    assert_array_equal(enumerate_patterns(X * [1e-3, 1.0, 1e3]), expected)


def test_nearly_parallel_rows_are_told_apart_above_the_tolerance():
    apart = np.array([[1.0, 0.0], [1.0, 1e-8], [0.0, 1.0]])
    together = np.array([[1.0, 0.0], [1.0, 1e-12], [0.0, 1.0]])
    assert len(enumerate_patterns(apart)) == 6
    assert len(enumerate_patterns(together)) == 4


def test_generic_data_with_one_coincidence_leave_the_fast_path():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((24, 4))
    X[-1] = X[3] + 2 * X[7] - X[11]
    assert not simple.is_simple(distinct_lines(X).normals)
    patterns = as_set(enumerate_patterns(X))
    # Four hyperplanes through one line: one triangle of the arrangement and its opposite vanish.
    assert len(patterns) == max_pattern_count(24, 4) - 2
    assert patterns < as_set(enumerate_patterns(X + 1e-6 * rng.standard_normal(X.shape)))


def test_columns_that_add_nothing_change_nothing():
    X = grid(3, 2)
    expected = enumerate_patterns(X)
    assert_array_equal(
        enumerate_patterns(np.column_stack([X, np.zeros(6), X @ [1, 2, 3]])), expected
    )
    assert_array_equal(enumerate_patterns(sp.csr_array(X)), expected)
    assert_array_equal(enumerate_patterns(X.astype(np.int8).tolist()), expected)


def test_rows_dependent_near_the_tolerance_are_reported(caplog):
    with caplog.at_level("WARNING", logger="nogap"):
        for seed in range(8):
            rng = np.random.default_rng(seed)
            X = np.column_stack([rng.integers(0, 4, (14, 3)), np.ones(14)])
            enumerate_patterns(X)
            assert not caplog.records
            enumerate_patterns(X + 3e-10 * rng.standard_normal(X.shape))
            if caplog.records:
                assert "cannot be told from no cells" in caplog.text
                return
    pytest.fail("no ambiguous data were reported")


# ---------------------------------------------------------------- limits and counts


def test_max_patterns_is_exact_in_general_position():
    X = np.random.default_rng(0).standard_normal((10, 3))
    assert len(enumerate_patterns(X, max_patterns=92)) == 92
    with pytest.raises(ValueError, match=r"max_patterns=91.*between 92 and 92 cells\. Raise"):
        enumerate_patterns(X, max_patterns=91)


def test_parallel_rows_are_one_hyperplane():
    X = np.random.default_rng(0).standard_normal((10, 3))
    X = np.vstack([X, -2.0 * X, 3.0 * X[:4], np.zeros((2, 3))])
    assert len(enumerate_patterns(X, max_patterns=92)) == 92
    with pytest.raises(ValueError, match="its 10 distinct hyperplanes of rank 3 "):
        enumerate_patterns(X, max_patterns=91)


def test_fewest_cells_for_the_rank_are_not_refused():
    """A pencil of planes and one more plane have the fewest cells of all: 2^(r-1) (m - r + 2)."""
    X = np.array([[np.cos(t), np.sin(t), 0.0] for t in range(9)] + [[0.0, 0.0, 1.0]])
    assert len(enumerate_patterns(X, max_patterns=36)) == 36
    with pytest.raises(ValueError, match="max_patterns=35"):
        enumerate_patterns(X, max_patterns=35)


def test_max_patterns_counts_degenerate_data_instead_of_predicting():
    assert len(enumerate_patterns(grid(5, 3), max_patterns=150)) == 150
    with pytest.raises(ValueError, match=r'max_patterns=149.*patterns="adaptive"'):
        enumerate_patterns(grid(5, 3), max_patterns=149)


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).standard_normal((300, 200)),
        np.random.default_rng(0).standard_normal((2000, 6)),
        np.random.default_rng(0).integers(0, 3, (3000, 4)),
        np.random.default_rng(0).integers(-50, 50, (20000, 3)),
        np.random.default_rng(0).standard_normal((50000, 2)),
    ],
    ids=["wide", "generic", "degenerate", "integers", "plane"],
)
def test_max_patterns_refuses_quickly(X):
    start = time.process_time()
    with pytest.raises(ValueError, match="more activation patterns than max_patterns=1,000"):
        enumerate_patterns(X, max_patterns=1000)
    assert time.process_time() - start < 5.0


def test_more_patterns_than_memory_in_many_dimensions_are_refused_quickly():
    start = time.process_time()
    with pytest.raises(ValueError, match="that fit into 16 GiB"):
        enumerate_patterns(np.random.default_rng(0).standard_normal((140, 20)))
    assert time.process_time() - start < 2.0


def test_more_patterns_than_memory_are_refused_by_default():
    X = np.random.default_rng(0).standard_normal((5000, 400))
    with pytest.raises(ValueError, match="16 GiB"):
        enumerate_patterns(X)


def test_max_pattern_count():
    assert [max_pattern_count(n, 3) for n in range(5)] == [1, 2, 4, 8, 14]
    assert max_pattern_count(5, 0) == 1
    assert max_pattern_count(300, 300) == 2**300
    assert max_pattern_count(100, 500) == 2**100
    with pytest.raises(ValueError, match="not be negative"):
        max_pattern_count(-1, 2)


def test_numerical_rank():
    rng = np.random.default_rng(0)
    low = rng.standard_normal((20, 3)) @ rng.standard_normal((3, 7))
    assert numerical_rank(low) == 3
    assert numerical_rank(low * 10.0 ** rng.integers(-20, 20, (20, 1))) == 3
    assert numerical_rank(np.column_stack([np.ones(5), 1e6 * np.arange(5.0)])) == 2
    assert numerical_rank(np.zeros((2, 3))) == 0
    assert numerical_rank([[1.0, 1.0], [1.0, 1.0 + 1e-12]]) == 1


@pytest.mark.parametrize("function", [enumerate_patterns, count_patterns, numerical_rank])
@pytest.mark.parametrize(
    "X", [[1.0, 2.0], np.zeros((0, 3)), np.zeros((3, 0)), [[1.0, np.nan]], [[np.inf]], [["a"]]]
)
def test_bad_data_are_refused(function, X):
    with pytest.raises(ValueError, match="X "):
        function(X)


def test_bad_limits_are_refused():
    with pytest.raises(ValueError, match="max_patterns must be at least 1"):
        enumerate_patterns([[1.0]], max_patterns=0)


# ---------------------------------------------------------------- sampled patterns


@pytest.mark.parametrize("seed", range(12))
def test_sampled_patterns_are_distinct_cells(seed):
    X = random_case(seed)
    patterns, gates = sample_patterns(X, 30, random_state=seed, return_gates=True)
    assert 1 <= len(patterns) <= 30
    assert as_set(patterns) <= as_set(enumerate_patterns(X))
    assert_array_equal(gates @ X.T >= 0, patterns)


def test_all_patterns_of_a_small_arrangement_are_found():
    X = np.random.default_rng(1).standard_normal((6, 2))
    assert as_set(sample_patterns(X, 10**9, random_state=0)) == as_set(enumerate_patterns(X))
    assert len(sample_patterns(np.zeros((4, 2)), 5, random_state=0)) == 1


def test_sampling_stops_when_nothing_new_is_found():
    X = np.array([[1.0, 0.0], [1.0, 1e-9], [0.0, 1.0]])  # the thin cells are never hit
    assert len(sample_patterns(X, 6, random_state=0)) == 4


def test_sampling_is_repeatable_and_extends():
    X = np.random.default_rng(2).standard_normal((40, 5))
    few, many = sample_patterns(X, 10, random_state=3), sample_patterns(X, 500, random_state=3)
    assert many.shape == (500, 40)
    assert_array_equal(few, many[:10])
    assert not np.array_equal(few, sample_patterns(X, 10, random_state=4))
    generator = np.random.default_rng(3)
    assert_array_equal(few, sample_patterns(X, 10, generator))
    assert not np.array_equal(few, sample_patterns(X, 10, generator))
    old = [sample_patterns(X, 10, np.random.RandomState(0)) for _ in range(2)]
    assert_array_equal(*old)
    assert sample_patterns(X, 10).shape == (10, 40)


def test_samples_follow_the_gaussian_gates():
    """A cell is drawn first with the probability of its angle."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [np.cos(0.3), np.sin(0.3)]])
    first = [sample_patterns(X, 1, random_state=seed)[0] @ [4, 2, 1] for seed in range(2000)]
    found = np.bincount(first, minlength=8) / 2000
    wedge, square, rest = 0.3 / (2 * np.pi), 0.25, 0.25 - 0.3 / (2 * np.pi)
    expected = [square, 0, rest, wedge, wedge, rest, 0, square]
    np.testing.assert_allclose(found, expected, atol=0.04)


def test_bad_sampling_arguments_are_refused():
    with pytest.raises(ValueError, match="count must be at least 1"):
        sample_patterns([[1.0]], 0)
    with pytest.raises(ValueError, match="random_state"):
        sample_patterns([[1.0]], 1, random_state="seed")


# ---------------------------------------------------------------- gates


def assert_realised(X, patterns, gates):
    heights = gates @ X.T
    zero = ~X.any(axis=1)
    assert_array_equal((heights > 0) | zero, patterns)
    assert_array_equal((heights < 0), ~patterns)


@pytest.mark.parametrize("seed", range(0, 40, 3))
def test_gates_realise_all_patterns(seed):
    X = random_case(seed)
    patterns = enumerate_patterns(X)
    gates = find_gates(X, patterns)
    assert_realised(X, patterns, gates)
    norms = np.linalg.norm(gates, axis=1)
    np.testing.assert_allclose(norms, 1.0 if X.any() else 0.0, rtol=1e-12)


def test_gates_of_repeated_patterns_and_thin_cells():
    X = np.array([[1.0, 0.0, 1.0], [1.0, 1e-8, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    patterns = enumerate_patterns(X)[[0, 3, 3, 5, 0]]
    assert_realised(X, patterns, find_gates(X, patterns))
    assert find_gates(X, patterns[:0]).shape == (0, 3)


def test_gates_have_the_largest_margin():
    X = np.random.default_rng(6).standard_normal((8, 3))
    patterns, drawn = sample_patterns(X, 20, random_state=0, return_gates=True)
    lines = distinct_lines(X)

    def margins(gates):
        g = gates @ np.linalg.pinv(lines.lift).T
        return np.abs(g @ lines.normals.T).min(axis=1) / np.abs(g).sum(axis=1)

    best = margins(find_gates(X, patterns))
    assert (best >= margins(drawn) - 1e-12).all()
    rng = np.random.default_rng(0)
    for pattern, margin in zip(patterns, best, strict=True):
        gates = rng.standard_normal((2000, 3))
        inside = ((gates @ X.T > 0) == pattern).all(axis=1)
        assert (margins(gates[inside]) <= margin + 1e-9).all()


@pytest.mark.parametrize(
    ("X", "bits"),
    [
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [True, True, False]),
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], [True, True, True]),
        ([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], [True, False, True]),
    ],
    ids=["empty cone", "opposite rows", "zero row"],
)
def test_patterns_without_gate_are_named(X, bits):
    patterns = np.vstack([enumerate_patterns(X)[:2], bits, bits])
    with pytest.raises(ValueError, match="No gate realises pattern 2:"):
        find_gates(X, patterns)


def test_bad_patterns_are_refused():
    with pytest.raises(ValueError, match="X has 2 rows"):
        find_gates([[1.0], [2.0]], np.ones((1, 3), dtype=bool))
    with pytest.raises(ValueError, match="bool matrix"):
        find_gates([[1.0], [2.0]], np.ones((1, 2)))


# ---------------------------------------------------------------- packed storage

bool_matrices = st.tuples(st.integers(0, 12), st.integers(0, 35)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


@given(bool_matrices)
@settings(max_examples=60, deadline=None)
def test_packed_round_trip(rows):
    packed = PackedPatterns.from_bool(rows)
    assert len(packed) == len(rows)
    assert packed.nbytes == len(rows) * -(-rows.shape[1] // 8)
    assert_array_equal(packed.to_bool(), rows)
    assert_array_equal(packed.to_bool(2, 5), rows[2:5])
    assert_array_equal(packed[1::2].to_bool(), rows[1::2])
    assert_array_equal(packed[rows.any(axis=1)].to_bool(), rows[rows.any(axis=1)])
    for i in range(len(rows)):
        assert_array_equal(packed[i], rows[i])
    assert_array_equal(packed[np.arange(len(rows))[::-1]].to_bool(), rows[::-1])
    assert b"".join(b.tobytes() for b in packed.blocks(5)) == rows.tobytes()


@given(bool_matrices)
@settings(max_examples=60, deadline=None)
def test_packed_unique_sorts_and_drops_repetitions(rows):
    packed = PackedPatterns.from_bool(rows)
    doubled = PackedPatterns.concatenate([packed, packed[::-1]])
    assert_array_equal(doubled.to_bool(), np.vstack([rows, rows[::-1]]))
    distinct = [tuple(row) for row in doubled.unique().to_bool()]
    assert distinct == sorted({tuple(row) for row in rows})


@given(bool_matrices, st.data())
@settings(max_examples=60, deadline=None)
def test_packed_equality(rows, data):
    packed = PackedPatterns.from_bool(rows)
    assert packed == PackedPatterns.from_bool(rows.copy())
    assert packed != rows.tolist()
    if rows.size:
        i = data.draw(st.integers(0, rows.size - 1))
        changed = rows.copy()
        changed.flat[i] = ~changed.flat[i]
        assert packed != PackedPatterns.from_bool(changed)
    assert packed != PackedPatterns.from_bool(np.column_stack([rows, np.zeros(len(rows), bool)]))


def test_packed_storage_is_checked():
    with pytest.raises(ValueError, match="bool matrix"):
        PackedPatterns.from_bool([[1, 0]])
    with pytest.raises(ValueError, match="same samples"):
        PackedPatterns.concatenate([])
    one, two = (PackedPatterns.from_bool(np.ones((1, n), dtype=bool)) for n in (1, 2))
    with pytest.raises(ValueError, match="same samples"):
        PackedPatterns.concatenate([one, two])
    with pytest.raises(ValueError, match="1 columns"):
        PackedPatterns(np.zeros((1, 2), dtype=np.uint8), 3)
    with pytest.raises(ValueError, match="must be 0"):
        PackedPatterns(np.array([[1]], dtype=np.uint8), 3)
    with pytest.raises(ValueError, match="at least one pattern"):
        next(one.blocks(0))
    assert repr(two) == "PackedPatterns(1 patterns of 2 samples)"
