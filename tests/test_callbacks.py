"""scikit-learn's callbacks hear of every round, and can stop a fit."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

from nogap import ReLURegressor, Status

X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.abs(X[:, 0])


class Listener:
    """Counts what it hears; asks to stop after so many rounds."""

    def __init__(self, stop_after=None):
        self.heard, self.stop_after = [], stop_after

    def setup(self, estimator, context):
        self.heard.append("setup")

    def on_fit_task_begin(self, estimator, context, **_):
        pass

    def on_fit_task_end(self, estimator, context, **_):
        self.heard.append(context.task_name)
        return self.stop_after is not None and self.heard.count("round") >= self.stop_after

    def teardown(self, estimator, context):
        self.heard.append("teardown")


def test_every_round_is_a_task():
    listener = Listener()
    model = ReLURegressor(0.05).set_callbacks(listener).fit(X, Y)
    assert listener.heard == ["setup", *["round"] * model.n_iter_, "fit", "teardown"]


def test_a_callback_can_stop_the_fit():
    listener = Listener(stop_after=1)
    model = ReLURegressor(0.001).set_callbacks(listener)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit(X, Y)
    assert model.status_ is Status.INTERRUPTED
    assert model.n_iter_ == 1
    assert listener.heard[-1] == "teardown"
