"""Where the rows live: in memory, in float32, in a memory map, in a Parquet file."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from nogap import certify, train
from nogap.formulation import formulate
from nogap.rows import MemoryRows, Parquet
from nogap.rows.base import PART_ROWS


@pytest.fixture(scope="module")
def data():
    g = np.random.default_rng(0)
    X = g.standard_normal((2500, 5)).astype(np.float32)
    y = np.maximum(X[:, 0], 0) - np.maximum(X @ [0, 1, 1, 0, 0], 0) + 0.1 * g.standard_normal(2500)
    return X, y


def on_disk(X, kind, folder):
    """The same matrix as a user may keep it."""
    if kind == "float32":
        return X
    if kind == "float64":
        return X.astype(np.float64)
    if kind == "fortran":
        return np.asfortranarray(X, dtype=np.float64)
    if kind == "strided":
        wide = np.zeros((X.shape[0], 2 * X.shape[1]))
        wide[:, ::2] = X
        return wide[:, ::2]
    if kind == "sparse":
        return sp.csr_matrix(X)
    if kind.startswith("memmap"):
        mapped = np.memmap(folder / "X.bin", dtype=kind[7:], mode="w+", shape=X.shape)
        mapped[:] = X
        return mapped
    return parquet(X, folder)


def parquet(X, folder, **more):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {f"x{j}": X[:, j] for j in range(X.shape[1])} | more
    pq.write_table(pa.table(columns), folder / "X.parquet", row_group_size=700)
    return Parquet(folder / "X.parquet", [f"x{j}" for j in range(X.shape[1])])


KINDS = ["float32", "fortran", "strided", "sparse", "memmap float64", "memmap float32", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden_bias", [False, True])
def test_the_operator_is_the_same_wherever_the_rows_live(data, kind, hidden_bias, tmp_path):
    X, _ = data
    dense = X.astype(np.float64)
    dense = np.column_stack([dense, np.ones(len(X))]) if hidden_bias else dense
    rows = MemoryRows(on_disk(X, kind, tmp_path), hidden_bias)
    g = np.random.default_rng(1)
    U, R = g.standard_normal((rows.d, 3)), g.standard_normal((rows.n, 3))
    assert_allclose(rows.forward(U), dense @ U, rtol=0, atol=1e-12)
    assert_allclose(rows.forward(U, out=np.empty((rows.n, 3))), dense @ U, rtol=0, atol=1e-12)
    assert_allclose(rows.adjoint(R), dense.T @ R, rtol=0, atol=1e-9)
    assert_allclose(rows.squared_norms(), np.sum(dense**2, axis=1), rtol=1e-12)
    assert_allclose(rows.take(np.array([5, 2000, 1])), dense[[5, 2000, 1]])
    single = rows.in_single_precision()
    assert single.forward(U.astype(np.float32)).dtype == np.float32
    assert_allclose(single.forward(U.astype(np.float32)), dense @ U, atol=1e-4)
    covered = np.concatenate([np.arange(s.start, s.stop) for s, _ in rows.parts])
    assert np.array_equal(covered, np.arange(rows.n))
    assert all(part.n <= PART_ROWS for _, part in rows.parts)
    assert_allclose(
        np.concatenate([part.forward(U) for _, part in rows.parts]), dense @ U, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("kind", ["memmap float32", "parquet", "sparse"])
def test_training_is_the_same_wherever_the_rows_live(data, kind, tmp_path):
    X, y = data
    keywords = {"beta": 300.0, "hidden_bias": True, "random_state": 0, "tol": 1e-2}
    reference = train(X.astype(np.float64), y, **keywords)
    solution = train(on_disk(X, kind, tmp_path), y, **keywords)
    assert solution.objective == pytest.approx(reference.objective, rel=2e-3)
    source = on_disk(X, kind, tmp_path)
    own = solution.network.objective(source, y, beta=300.0)
    assert own == pytest.approx(solution.objective, rel=1e-9)
    judged = certify(
        solution.network, source, y, beta=300.0, hidden_bias=True, method="search", max_time=1
    )
    assert judged.objective == pytest.approx(solution.objective, rel=1e-9)


def test_targets_come_from_the_file_too(data, tmp_path):
    X, y = data
    source = parquet(X, tmp_path, y=y)
    assert_allclose(source.column("y"), y)
    assert source.shape == X.shape
    assert_allclose(source[650:1500], X[650:1500])  # across row groups


def test_what_a_parquet_file_cannot_give(data, tmp_path):
    X, _ = data
    source = parquet(X, tmp_path, word=np.array(["a"] * len(X)))
    with pytest.raises(ValueError, match="no column 'z'"):
        Parquet(source.path, ["z"])
    with pytest.raises(ValueError, match=r"'word' of X\.parquet is not numeric"):
        Parquet(source.path)
    broken = X.astype(np.float64)
    broken[1999, 3] = np.nan
    with pytest.raises(ValueError, match="nan in row 1999, column 3"):
        train(parquet(broken, tmp_path), np.zeros(len(X)), beta=1.0)


def test_memory_stays_near_the_size_of_the_data():
    """Two hundred neurons of 60,000 rows in float64 would be ten times the data."""
    g = np.random.default_rng(2)
    X = g.standard_normal((60_000, 20)).astype(np.float32)
    y = np.maximum(X[:, 0], 0) + 0.1 * g.standard_normal(len(X))
    tracemalloc.start()
    solution = train(X, y, beta=100.0, random_state=0, max_time=4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert solution.network.n_neurons > 0
    vectors = 8 * len(X) * 20  # a few (n,) arrays in float64
    assert peak < 2 * X.nbytes + 32e6 + vectors, peak


def test_a_problem_is_the_sum_of_its_parts(data):
    X, y = data
    problem = formulate(X, y, beta=1.0, sample_weight=np.linspace(0, 2, len(y)))
    F = np.random.default_rng(3).standard_normal((len(y), 1))
    assert len(problem.parts) == 3
    total = sum(piece.loss_value(F[part]) for part, piece in problem.parts)
    assert total == pytest.approx(problem.loss_value(F), rel=1e-12)
    V = np.concatenate([piece.dual_point(F[part]) for part, piece in problem.parts])
    assert_allclose(V, problem.dual_point(F))
