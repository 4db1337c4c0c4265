"""scikit-learn, MLPRegressor with L-BFGS, width 200."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.problems import Problem
from benchmarks.trajectory import Recorder

WIDTH = 200


class SklearnMLP:
    """The problem in scikit-learn's terms.

    MLPRegressor minimises ``1/(2n) ||f - y||^2 + alpha/(2n) (||U||^2 + ||a||^2)``, so alpha = beta
    and n times its loss is the weight-decay form of the problem.  It also has unpenalised biases,
    which the problem does not have: they start at zero and their gradient is set to zero.
    """

    name = "sklearn_mlp"
    needs: tuple[str, ...] = ("sklearn",)

    def refuses(self, problem: Problem) -> str:
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        from sklearn.exceptions import ConvergenceWarning

        model = _regressor(recorder)(
            hidden_layer_sizes=(WIDTH,),
            activation="relu",
            solver="lbfgs",
            alpha=problem.beta,
            max_iter=10**6,
            max_fun=10**9,
            tol=1e-10,
            random_state=recorder.seed,
        )
        recorder.begin("")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(problem.X, problem.y)
            except TimeoutError:
                return ""
        recorder.network(model.coefs_[0].T, model.coefs_[1][:, 0])
        return f"ended by itself after {recorder.elapsed:.2f} s"


def _regressor(recorder: Recorder) -> Any:
    """MLPRegressor without biases that notes its networks and stops in time."""
    from sklearn.neural_network import MLPRegressor

    class Recorded(MLPRegressor):
        def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Any, Any]:
            weights, biases = super()._init_coef(fan_in, fan_out, dtype)
            return weights, np.zeros_like(biases)

        def _compute_loss_grad(self, layer: int, *args: Any, **kwargs: Any) -> None:
            super()._compute_loss_grad(layer, *args, **kwargs)
            intercept_grads = args[-1]
            intercept_grads[layer][:] = 0.0

        def _backprop(self, *args: Any, **kwargs: Any) -> Any:
            result = super()._backprop(*args, **kwargs)
            if recorder.due():
                recorder.network(self.coefs_[0].T, self.coefs_[1][:, 0])
            if recorder.over():
                raise TimeoutError
            return result

    return Recorded
