"""Networks: figures by hand, fewer neurons with the same outputs, files, other frameworks."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.onnx_runtime import onnx_outputs

from nogap import Network, train
from nogap.losses import Huber
from nogap.networks.pruning import independent_combination

# ---------------------------------------------------------------- figures by hand

X3 = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])
NET = Network([[1.0, 1.0], [-3.0, 4.0]], [[2.0, 0.0], [0.0, -1.0]], [0.5, -1.0], [1.0, -1.0])


def test_features_and_predictions():
    assert_array_equal(NET.features(X3), [[1.5, 0.0], [2.5, 7.0], [0.0, 0.0]])
    expected = [[4.0, -1.0], [6.0, -8.0], [1.0, -1.0]]
    assert_array_equal(NET.predict(X3), expected)
    assert_array_equal(NET.decision(X3), expected)
    assert (NET.n_neurons, NET.n_features_in, NET.n_outputs) == (2, 2, 2)
    assert repr(NET) == "Network(2 inputs, 2 relu neurons, 2 outputs)"
    one = Network([[1.0, 1.0], [-3.0, 4.0]], [2.0, -1.0])
    assert_array_equal(one.predict(X3), [2.0, -4.0, 0.0])
    assert one.decision(X3).shape == (3, 1)
    assert one.output_weights.shape == (2, 1)
    assert_array_equal(one.intercept, [0.0])


def test_linear_and_gated_activations():
    linear = Network([[1.0, 1.0]], [2.0], activation="linear")
    assert_array_equal(linear.predict(X3), [2.0, 4.0, -4.0])
    gated = Network([[1.0, 1.0]], [2.0], activation="gated", gates=[[-1.0, 0.0]])
    assert_array_equal(gated.predict(X3), [0.0, 4.0, -4.0])  # open where -x_1 >= 0, also at zero
    biased = Network(
        [[1.0, 1.0]], [2.0], [10.0], activation="gated", gates=[[-1.0, 0.0]], gate_bias=[-0.5]
    )
    assert_array_equal(biased.predict(X3), [0.0, 0.0, 16.0])


def test_sparse_rows_lists_and_frames_give_the_same():
    pandas = pytest.importorskip("pandas")
    expected = NET.predict(X3)
    assert_allclose(NET.predict(sp.csr_array(X3)), expected, rtol=1e-15)
    assert_allclose(NET.predict(X3.tolist()), expected, rtol=1e-15)
    assert_allclose(NET.predict(pandas.DataFrame(X3, columns=["a", "b"])), expected, rtol=1e-15)
    assert_allclose(NET.predict(np.asfortranarray(X3)[::-1])[::-1], expected, rtol=1e-15)
    assert_allclose(NET.predict(X3.astype(np.float32)), expected, rtol=1e-6)
    assert_allclose(NET.predict(X3.astype(int)), expected, rtol=1e-15)


def test_the_objective():
    # penalty: ||(1, 1, .5)|| * 2 + ||(-3, 4, -1)|| * 1
    penalty = 3.0 + np.sqrt(26)
    assert NET.penalty() == pytest.approx(penalty, rel=1e-15)
    Y = NET.predict(X3) + np.array([[1.0, 0], [0, 2.0], [3.0, 4.0]])
    assert NET.objective(X3, Y, beta=0.1) == pytest.approx(0.1 * penalty + 15.0, rel=1e-14)
    weighted = NET.objective(X3, Y, beta=0.1, sample_weight=[2.0, 0.0, 1.0])
    assert weighted == pytest.approx(0.1 * penalty + 1.0 + 12.5, rel=1e-14)
    huber = NET.objective(X3, Y, beta=0.1, loss=Huber(1.0))
    assert huber == pytest.approx(0.1 * penalty + 0.5 + 1.5 + 2.5 + 3.5, rel=1e-14)
    one = Network([[3.0, 4.0]], [-0.5])
    logistic = np.log1p(np.exp([-1.5, 4.0, 0.0])).sum()
    assert one.objective(X3, [-1, 1, -1], beta=2.0, loss="logistic") == pytest.approx(5 + logistic)
    # it is the value of the best weight decay among equal functions
    U, A = NET.augmented_weights(), NET.output_weights
    s = np.sqrt(np.linalg.norm(A, axis=1) / np.linalg.norm(U, axis=1))[:, None]
    assert 0.5 * (((s * U) ** 2).sum() + ((A / s) ** 2).sum()) == pytest.approx(penalty)


def test_the_empty_network():
    empty = Network(np.zeros((0, 2)), np.zeros((0, 2)), intercept=[1.0, 2.0])
    assert_array_equal(empty.predict(X3), np.tile([1.0, 2.0], (3, 1)))
    assert empty.penalty() == 0.0
    assert empty.prune(X3).n_neurons == 0
    assert_array_equal(Network(np.zeros((0, 2)), np.zeros(0)).predict(X3), np.zeros(3))


def test_a_network_keeps_copies_of_its_weights():
    U, A = np.ones((1, 2)), np.ones(1)
    network = Network(U, A)
    U[:], A[:] = 7.0, 7.0
    assert_array_equal(network.hidden_weights, 1.0)
    assert_array_equal(network.output_weights, 1.0)


# ---------------------------------------------------------------- pruning


def wide(seed, *, n, m, d=3, C=1, activation="relu", bias=False, twins=False):
    """A network much wider than need be, with empty and repeated neurons among the rest."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    U, A = rng.normal(size=(m, d)), rng.normal(size=(m, C))
    c = rng.normal(size=m) if bias else None
    U[0] = 0.0 if not bias else U[0]
    A[1] = 0.0
    if twins:
        U[m // 2 :] = rng.uniform(0.1, 3, size=(m - m // 2, 1)) * U[: m - m // 2]
        A[m // 2 :] = rng.uniform(0.1, 3, size=(m - m // 2, 1)) * A[: m - m // 2]
        if bias:
            c[m // 2 :] = rng.normal(size=m - m // 2)
    gates = rng.normal(size=(4, d))[rng.integers(4, size=m)] if activation == "gated" else None
    gate_bias = (
        rng.normal(size=4)[rng.integers(4, size=m)] if activation == "gated" and bias else None
    )
    b = rng.normal(size=C)
    return X, Network(U, A, c, b, activation=activation, gates=gates, gate_bias=gate_bias)


@pytest.mark.parametrize("activation", ["relu", "linear", "gated"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("C", [1, 3])
@given(seed=st.integers(0, 10**6), twins=st.booleans(), n=st.integers(1, 8))
@example(seed=365904, twins=True, n=8)  # twins whose directions once were rounded apart
@settings(deadline=None, max_examples=15)
def test_pruning_keeps_predictions_and_does_not_raise_the_penalty(
    activation, bias, C, seed, twins, n
):
    X, network = wide(seed, n=n, m=30, C=C, activation=activation, bias=bias, twins=twins)
    pruned = network.prune(X)
    scale = 1 + np.abs(network.predict(X)).max()
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-9 * scale)
    assert pruned.penalty() <= network.penalty() * (1 + 1e-12)
    assert pruned.n_neurons <= n * C
    assert pruned.activation == activation
    assert (pruned.hidden_bias is not None) == bias
    # balanced, and no smaller by pruning again
    if pruned.n_neurons:
        hidden = np.linalg.norm(pruned.augmented_weights(), axis=1)
        assert_allclose(hidden, np.linalg.norm(pruned.output_weights, axis=1), rtol=1e-9)
    assert pruned.prune(X).n_neurons == pruned.n_neurons


def test_split_neurons_are_joined():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    network = Network([[1.0, 2.0], [-1.0, 0.5]], [1.0, -2.0])
    shares = rng.dirichlet(np.ones(5), size=2)
    U = np.concatenate(
        [np.sqrt(s)[:, None] * u for s, u in zip(shares, network.hidden_weights, strict=True)]
    )
    a = np.concatenate(
        [np.sqrt(s) * w for s, w in zip(shares, network.output_weights[:, 0], strict=True)]
    )
    split = Network(U, a)
    assert_allclose(split.predict(X), network.predict(X), atol=1e-12)
    joined = split.prune(X)
    assert joined.n_neurons == 2
    assert joined.penalty() == pytest.approx(network.penalty(), rel=1e-12)
    assert_allclose(joined.predict(X), network.predict(X), atol=1e-12)
    everywhere = rng.normal(size=(500, 2))  # one neuron was split: the function is the same
    assert_allclose(joined.predict(everywhere), network.predict(everywhere), atol=1e-9)


def test_opposite_outputs_are_not_merged_into_one_neuron_unless_they_cancel():
    X = np.array([[1.0], [2.0], [-1.0]])
    network = Network([[1.0], [2.0]], [1.0, -0.25])
    pruned = network.prune(X)
    assert pruned.n_neurons == 1
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-14)
    assert pruned.penalty() == pytest.approx(0.5)
    nothing = Network([[1.0], [2.0]], [1.0, -0.5]).prune(X)
    assert nothing.n_neurons == 0


def test_dead_and_empty_neurons_go():
    X = np.array([[1.0, 1.0], [2.0, 1.0]])
    network = Network([[-1.0, -1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [3.0, 0.0, 1.0, 1.0])
    pruned = network.prune(X)
    assert pruned.n_neurons == 1
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-14)


def test_pruning_an_optimal_network_keeps_the_objective():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(8, 2))
    y = rng.normal(size=8)
    best = train(X, y, beta=0.05, patterns="all", random_state=0)
    network = best.network
    wide = Network(
        np.concatenate(
            [network.hidden_weights * np.sqrt(0.3), network.hidden_weights * np.sqrt(0.7)]
        ),
        np.concatenate(
            [network.output_weights * np.sqrt(0.3), network.output_weights * np.sqrt(0.7)]
        ),
    )
    pruned = wide.prune(X)
    assert pruned.n_neurons <= network.n_neurons
    value = pruned.objective(X, y, beta=0.05)  # lower where training ended within its tolerance
    assert best.certificate.lower_bound * (1 - 1e-10) <= value <= best.objective * (1 + 1e-10)


def test_neurons_of_very_different_sizes():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(6, 2))
    U = rng.normal(size=(40, 2)) * 10.0 ** rng.uniform(-8, 4, size=(40, 1))
    network = Network(U, rng.normal(size=40))
    pruned = network.prune(X)
    assert pruned.n_neurons <= 6
    scale = np.abs(network.predict(X)).max()
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-9 * scale)
    assert pruned.penalty() <= network.penalty() * (1 + 1e-12)


def test_pruning_a_gate_with_a_bias_of_its_own():
    """gate_bias without hidden_bias is a network like any other."""
    X = np.array([[0.2], [1.0]])
    network = Network([[1.0]], [1.0], activation="gated", gates=[[1.0]], gate_bias=[-0.5])
    assert_array_equal(network.predict(X), [0.0, 1.0])
    assert_allclose(network.prune(X).predict(X), [0.0, 1.0], atol=1e-14)


def test_pruning_does_not_need_memory_for_the_square_of_the_rows():
    rng = np.random.default_rng(4)
    X, network = rng.normal(size=(3000, 3)), Network(rng.normal(size=(6, 3)), rng.normal(size=6))
    tracemalloc.start()
    try:
        network.prune(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * X.shape[0] * (6 + 3) * 8


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_independent_combination(seed):
    rng = np.random.default_rng(seed)
    N, m, rank = int(rng.integers(1, 8)), int(rng.integers(1, 15)), int(rng.integers(1, 5))
    features = rng.normal(size=(N, rank)) @ rng.normal(size=(rank, m))
    coefficients = rng.exponential(size=m) * (rng.random(m) < 0.9)
    result = independent_combination(features, coefficients)
    assert result.min() >= 0
    assert result.sum() <= coefficients.sum() * (1 + 1e-12)
    assert_allclose(features @ result, features @ coefficients, atol=1e-9)
    kept = result > 0
    assert kept.sum() == np.linalg.matrix_rank(features[:, kept]) if kept.any() else True
    assert kept.sum() <= min(N, rank)
    assert not np.any(kept & (coefficients == 0))


# ---------------------------------------------------------------- files

NETWORKS = {
    "relu": NET,
    "scalar": Network([[1.0, 2.0]], [0.1], intercept=0.3),
    "empty": Network(np.zeros((0, 2)), np.zeros(0), intercept=2.0),
    "linear": Network([[1.0, 2.0]], [0.1], activation="linear"),
    "gated": Network([[1.0, 2.0]], [0.1], activation="gated", gates=[[0.3, -1.0]]),
    "gated with biases": Network(
        [[1.0, 2.0]], [0.1], [0.7], activation="gated", gates=[[0.3, -1.0]], gate_bias=[0.2]
    ),
    "sign": Network([[1.0, 2.0], [0.3, -1.0]], [0.1, 2.0], [0.7, 0.0], activation="sign"),
    "tanh": Network([[1.0, 2.0]], [0.1], [0.7], activation="tanh", weight_bound=3.0),
}


def assert_equal_networks(first, second):
    for name in (
        "hidden_weights",
        "output_weights",
        "hidden_bias",
        "intercept",
        "gates",
        "gate_bias",
    ):
        one, two = getattr(first, name), getattr(second, name)
        assert (one is None) == (two is None)
        if one is not None:
            assert_array_equal(one, two)
            assert one.dtype == two.dtype
    assert first.activation == second.activation


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("as_text", [False, True])
def test_save_and_load(tmp_path, kind, as_text):
    path = tmp_path / "a model.nogap"
    NETWORKS[kind].save(str(path) if as_text else path)
    assert os.listdir(tmp_path) == ["a model.nogap"]
    assert_equal_networks(Network.load(str(path) if as_text else path), NETWORKS[kind])
    NETWORKS["relu"].save(path)  # over the old file
    assert_equal_networks(Network.load(path), NETWORKS["relu"])
    assert os.listdir(tmp_path) == ["a model.nogap"]


def test_a_relative_path_and_a_shared_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    NET.save("model.nogap")
    assert_equal_networks(Network.load("model.nogap"), NET)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "model.nogap").stat().st_mode & 0o777 == 0o666 & ~mask


def test_no_pickle_in_the_file(tmp_path):
    NET.save(tmp_path / "model.nogap")
    with np.load(tmp_path / "model.nogap", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def rewritten(tmp_path, change):
    """A model file with some of its entries replaced."""
    path = tmp_path / "model.nogap"
    NET.save(path)
    with np.load(path) as archive:
        entries = {name: archive[name] for name in archive.files}
    description = json.loads(str(entries["description"]))
    change(entries, description)
    if "description" in entries:
        entries["description"] = np.array(json.dumps(description))
    with path.open("wb") as file:
        np.savez(file, **entries)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, d: d.update(version=99), r"newer release .*version 99.*upgrade nogap"),
        (
            lambda e, d: d.update(format="nogap-tabular"),
            "holds a nogap-tabular, not a nogap-network",
        ),
        (lambda e, d: d.pop("format"), "not a nogap model file, or it is damaged"),
        (lambda e, d: d.update(version="new"), "not a nogap model file, or it is damaged"),
        (lambda e, d: e.pop("description"), "not a nogap model file, or it is damaged"),
        (lambda e, d: e.pop("hidden_weights"), "does not hold a complete network"),
        (lambda e, d: d.pop("activation"), "does not hold a complete network"),
        (lambda e, d: d.update(activation="swish"), "complete network: unknown activation 'swish'"),
        (lambda e, d: e.update(hidden_bias=np.zeros(5)), "complete network: hidden_bias must have"),
        (lambda e, d: e.update(hidden_bias=np.full(2, np.nan)), "hidden_bias holds NaN"),
        (lambda e, d: e.update(surprise=np.zeros(5)), "does not hold a complete network"),
        (lambda e, d: e.update(output_weights=np.array(["a", "b"])), "model|network"),
    ],
)
def test_files_that_do_not_hold_a_network(tmp_path, change, message):
    path = rewritten(tmp_path, change)
    with pytest.raises(ValueError, match=message) as caught:
        Network.load(path)
    assert "model.nogap" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["5", '"text"', "[1, 2]", "null", "{", ""])
def test_a_description_that_is_no_object(tmp_path, text):
    path = tmp_path / "model.nogap"
    with path.open("wb") as file:
        np.savez(file, hidden_weights=np.ones((1, 1)), description=np.array(text))
    with pytest.raises(ValueError, match="not a nogap model file, or it is damaged"):
        Network.load(path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_pickles_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    description = np.array(
        json.dumps({"format": "nogap-network", "version": 1, "activation": "relu"})
    )
    for name, value in [
        ("hidden_weights", np.array([Evil()], dtype=object)),
        ("description", np.array([Evil()], dtype=object)),
    ]:
        with open("model.nogap", "wb") as file:
            np.savez(file, **{"description": description, name: value})
        with pytest.raises(ValueError, match="not a nogap model file, or it is damaged"):
            Network.load("model.nogap")
    import pickle

    with open("model.nogap", "wb") as file:
        pickle.dump(Evil(), file)
    with pytest.raises(ValueError, match="not a nogap model file, or it is damaged"):
        Network.load("model.nogap")
    assert not os.path.exists("pwned")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"a,b\n1,2\n", b"\x80\x04K\x01.", b"\x93NUMPY\x01\x00", b"\x00" * 500],
)
def test_files_of_other_kinds(tmp_path, content):
    path = tmp_path / "model.nogap"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"model.nogap is not a nogap model file, or it is damaged"
    ):
        Network.load(path)


def test_a_plain_array_and_an_empty_archive(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "empty.npz")
    for name in ("array.npy", "empty.npz"):
        with pytest.raises(ValueError, match="not a nogap model file, or it is damaged"):
            Network.load(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.nogap: no such file"):
        Network.load(tmp_path / "nothing.nogap")


def test_truncated_files(tmp_path):
    path = tmp_path / "model.nogap"
    NET.save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="not a nogap model file, or it is damaged"):
            Network.load(path)


def refused_or_whole(path):
    try:
        network = Network.load(path)
    except ValueError as error:
        sentence = str(error)
    else:
        assert_equal_networks(network, NET)
        return
    assert path.name in sentence


def test_damaged_files(tmp_path):
    """A flipped byte anywhere: the network is refused in words, or comes back whole."""
    path = tmp_path / "model.nogap"
    NET.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        refused_or_whole(path)


def test_a_compressed_file_with_a_damaged_stream(tmp_path):
    """Somebody re-packed the archive; zlib then meets the damage before the checksum does."""
    path = tmp_path / "model.nogap"
    NET.save(path)
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    path.write_bytes(packed.getvalue())
    assert_equal_networks(Network.load(path), NET)
    for position in range(40, 400, 7):
        damaged = bytearray(packed.getvalue())
        damaged[position] ^= 0xFF
        path.write_bytes(bytes(damaged))
        refused_or_whole(path)


@pytest.mark.parametrize("exception", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, exception):
    path = tmp_path / "model.nogap"
    NET.save(path)
    before = path.read_bytes()

    def fails_midway(file, **arrays):
        file.write(b"PK\x03\x04 half of it")
        raise exception

    monkeypatch.setattr(np, "savez", fails_midway)
    for target in (path, tmp_path / "new.nogap"):
        with pytest.raises(type(exception)):
            NETWORKS["gated"].save(target)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.nogap"]
    monkeypatch.undo()
    assert_equal_networks(Network.load(path), NET)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere") as caught:
        NET.save(tmp_path / "nowhere" / "model.nogap")
    assert "unfinished" not in str(caught.value)  # the name of a temporary file helps nobody


def test_saving_to_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        NET.save(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


# ---------------------------------------------------------------- other frameworks

EXPORTED = ["relu", "scalar", "empty", "linear", "sign", "tanh"]


def random_rows():
    return np.random.default_rng(8).normal(size=(50, 2))


@pytest.mark.parametrize("kind", EXPORTED)
def test_to_torch(kind):
    import torch

    network, X = NETWORKS[kind], random_rows()
    module = network.to_torch()
    assert isinstance(module, torch.nn.Sequential)
    with torch.no_grad():
        outputs = module(torch.from_numpy(X)).numpy()
    assert outputs.dtype == np.float64
    assert_allclose(outputs, network.decision(X), atol=1e-12)


def test_there_and_back():
    from nogap.exchange.imports import from_torch

    X = random_rows()
    for kind in ("relu", "scalar"):
        back = from_torch(NETWORKS[kind].to_torch())
        assert_allclose(back.predict(X), NETWORKS[kind].predict(X), atol=1e-14)
        assert back.penalty() == pytest.approx(NETWORKS[kind].penalty(), rel=1e-14)


def test_a_wide_network_in_torch():
    import torch

    rng = np.random.default_rng(9)
    network = Network(
        rng.normal(size=(40, 7)), rng.normal(size=(40, 3)), rng.normal(size=40), [1, 2, 3]
    )
    X = rng.normal(size=(30, 7))
    module = network.to_torch()
    with torch.no_grad():
        assert_allclose(module(torch.from_numpy(X)).numpy(), network.predict(X), atol=1e-12)
        module[0].weight.zero_()
    assert np.all(network.hidden_weights != 0)  # the module has weights of its own


@pytest.mark.parametrize("kind", EXPORTED)
def test_to_onnx(kind, tmp_path):
    network, X = NETWORKS[kind], random_rows()
    network.to_onnx(tmp_path / "model.onnx")
    for rows in (X, X[:1]):
        (outputs,) = onnx_outputs(tmp_path / "model.onnx", rows)
        assert outputs.shape == (len(rows), network.n_outputs)
        assert_allclose(outputs, network.decision(rows), atol=1e-5)


def test_gated_networks_have_no_counterpart(tmp_path):
    for kind in ("gated", "gated with biases"):
        with pytest.raises(
            ValueError, match="gated network has no counterpart among PyTorch layers"
        ):
            NETWORKS[kind].to_torch()
        with pytest.raises(ValueError, match="gated network has no counterpart among ONNX layers"):
            NETWORKS[kind].to_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("library", "extra", "use"),
    [
        ("torch", "torch", lambda path: NET.to_torch()),
        ("onnx", "onnx", lambda path: NET.to_onnx(path / "model.onnx")),
    ],
)
def test_a_missing_library_is_named_with_its_remedy(monkeypatch, tmp_path, library, extra, use):
    monkeypatch.setitem(sys.modules, library, None)  # importing it now raises ImportError
    with pytest.raises(ImportError, match=rf"needs {library}.*pip install 'nogap\[{extra}\]'"):
        use(tmp_path)
    assert os.listdir(tmp_path) == []


def test_importing_nogap_imports_no_optional_library():
    heavy = ["torch", "onnx", "onnxruntime", "cvxpy", "matplotlib", "dask", "pandas"]
    code = f"import sys, nogap; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
