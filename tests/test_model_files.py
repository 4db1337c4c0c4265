"""Model files of every release load and predict what they predicted then."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import nogap
from nogap import storage
from nogap.tabular import TabularModel

FOLDER = Path(__file__).parent / "data" / "models"
RELEASES = sorted(folder.name for folder in FOLDER.iterdir())


def test_this_release_has_files():
    assert nogap.__version__ in RELEASES


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["relu", "linear", "gated"])
def test_networks(release, name):
    expected = np.load(FOLDER / release / "predictions.npz", allow_pickle=False)
    network = nogap.Network.load(FOLDER / release / f"{name}.nogap")
    assert network.activation == name
    np.testing.assert_allclose(network.decision(expected["X"]), expected[name], rtol=1e-14)


@pytest.mark.parametrize("release", RELEASES)
def test_models_of_tables(release):
    expected = np.load(FOLDER / release / "predictions.npz", allow_pickle=False)
    model = TabularModel.load(FOLDER / release / "table.nogap")
    table = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "write_model_files.py"))
    np.testing.assert_allclose(model.predict(table["table"]()), expected["table"], rtol=1e-12)
    assert model.certificate.proved


def test_a_newer_file_says_so(tmp_path, monkeypatch):
    network = nogap.Network([[1.0]], [1.0])
    monkeypatch.setattr(storage, "VERSION", storage.VERSION + 1)
    network.save(tmp_path / "new.nogap")
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"written by a newer release of nogap .* upgrade nogap"):
        nogap.Network.load(tmp_path / "new.nogap")
