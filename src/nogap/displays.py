"""Plots in scikit-learn's manner: ``from_estimator`` or ``from_solution`` draws and returns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix
from nogap.networks.two_layer import Network
from nogap.solution import Record, Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID_POINTS = 201


class _Display:
    """What displays share: after ``plot``, ``ax_`` and ``figure_`` are what was drawn on."""

    ax_: Any
    figure_: Any

    @contextmanager
    def _axes(self, ax: Axes | None, width: float = 6.4, height: float = 4.0) -> Iterator[Axes]:
        """Axes to draw on, in the look of the report."""
        from nogap.exchange.exports import require

        pyplot = require("matplotlib.pyplot", "plots")
        from nogap.report.plots import style

        with style.page_style():
            if ax is None:
                _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
                ax.figure.set_facecolor("white")
            yield ax
            style.screen_colors(ax)
        self.ax_, self.figure_ = ax, ax.figure


class CertificateDisplay(_Display):
    """Objective and lower bound against time; a proved bound and an estimated one look different.

    Parameters
    ----------
    records : list of nogap.Record
        The history of training.
    tol : float, optional
        The relative gap at which training stopped, for ``kind="gap"``.

    Examples
    --------
    >>> import nogap
    >>> solution = nogap.train([[-1.0], [2.0]], [1.0, 3.0], beta=0.1, random_state=0)
    >>> display = CertificateDisplay.from_solution(solution)  # doctest: +SKIP
    """

    def __init__(self, records: Sequence[Record], tol: float = 1e-3) -> None:
        self.records, self.tol = list(records), tol

    @classmethod
    def from_solution(
        cls, solution: Solution, *, kind: str = "bounds", tol: float = 1e-3, ax: Axes | None = None
    ) -> Self:
        """Draw the history of a solution; ``kind`` is "bounds" or "gap"."""
        from nogap.report.plots.convergence import complete_history

        return cls(complete_history(solution), tol).plot(kind, ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, kind: str = "bounds", ax: Axes | None = None
    ) -> Self:
        """Draw how a fitted estimator was trained."""
        return cls(_fitted(estimator).history_, estimator.tol).plot(kind, ax)

    def plot(self, kind: str = "bounds", ax: Axes | None = None) -> Self:
        """Draw, on ``ax`` or on a new figure."""
        from nogap.report.plots import convergence

        if kind not in ("bounds", "gap"):
            raise ValueError(f"kind must be 'bounds' or 'gap', got {kind!r}")
        if not self.records:
            raise ValueError("there is nothing to draw: the history of training is empty")
        with self._axes(ax) as axes:
            if kind == "gap":
                convergence.draw_gap(axes, self.records, self.tol)
            else:
                convergence.draw_bounds(axes, self.records)
        return self


class PathDisplay(_Display):
    """Neurons, and cross-validated scores where there are some, against the penalty.

    Parameters
    ----------
    penalties : array (k,)
        alpha or beta.
    n_neurons : array (k,)
    scores : array (k, folds), optional
        Larger is better.
    chosen : float, optional
        The penalty that was chosen.
    name : str
        Name of the penalty.
    """

    def __init__(
        self,
        penalties: ArrayLike,
        n_neurons: ArrayLike,
        scores: Array | None = None,
        chosen: float | None = None,
        name: str = "alpha",
    ) -> None:
        self.penalties = np.asarray(penalties, dtype=np.float64)
        self.n_neurons = np.asarray(n_neurons, dtype=np.float64)
        self.scores, self.chosen, self.name = scores, chosen, name

    @classmethod
    def from_solution(cls, solutions: Sequence[Solution], *, ax: Axes | None = None) -> Self:
        """Draw what :func:`nogap.path` gave."""
        if isinstance(solutions, Solution) or not solutions:
            raise ValueError("solutions must be the list that nogap.path gives, with one or more")
        betas = [solution.certificate.beta for solution in solutions]
        return cls(betas, [s.network.n_neurons for s in solutions], name="beta").plot(ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw the path of ``ReLURegressorCV`` or ``ReLUClassifierCV``."""
        if not hasattr(_fitted(estimator), "cv_results_"):
            raise ValueError(
                f"{type(estimator).__name__} has one alpha and no path; fit ReLURegressorCV or "
                "ReLUClassifierCV"
            )
        results = estimator.cv_results_
        folds = [name for name in results if name.startswith("split")]
        scores = np.column_stack([results[name] for name in folds])
        return cls(estimator.alphas_, results["mean_n_neurons"], scores, estimator.alpha_).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw, on ``ax`` or on a new figure."""
        from nogap.estimators._selection import standard_error
        from nogap.report.plots import style

        with self._axes(ax) as axes:
            axes.set_xscale("log")
            axes.invert_xaxis()
            style.label(axes, self.name, "neurons")
            if self.scores is None:
                axes.plot(self.penalties, self.n_neurons, "o-", color=style.SERIES[1], markersize=4)
                return self
            mean, error = self.scores.mean(axis=1), standard_error(self.scores)
            line = axes.plot(
                self.penalties, mean, "o-", color=style.OBJECTIVE, markersize=4, label="mean score"
            )
            axes.fill_between(
                self.penalties, mean - error, mean + error, color=style.OBJECTIVE, alpha=0.18, lw=0
            )
            style.label(axes, self.name, "cross-validated score ± one standard error")
            right = axes.twinx()
            right.grid(False)
            line += right.plot(
                self.penalties, self.n_neurons, "s:", color=style.SERIES[1], ms=4, label="neurons"
            )
            right.set_ylabel("neurons (mean over the folds)")
            right.spines["right"].set_visible(True)
            if self.chosen is not None:
                line.append(
                    axes.axvline(self.chosen, color=style.INK, ls="--", lw=1.2, label="chosen")
                )
            axes.legend(handles=line, loc="lower center", ncols=len(line), bbox_to_anchor=(0.5, 1))
            style.screen_colors(right)
        return self


class NeuronDisplay(_Display):
    """What each neuron looks at: its weights on the features, most important first.

    Hidden weights are shown in the scale in which the output weights have norm 1.

    Parameters
    ----------
    network : nogap.Network
    feature_names : sequence of str, optional
    """

    def __init__(self, network: Network, feature_names: Sequence[str] | None = None) -> None:
        d = network.n_features_in
        names = [f"x{k}" for k in range(d)] if feature_names is None else list(feature_names)
        if len(names) != d:
            raise ValueError(f"feature_names must be {d} names, got {len(names)}")
        self.network, self.feature_names = network, names

    @classmethod
    def from_solution(
        cls,
        solution: Solution,
        *,
        feature_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the neurons of a solution."""
        return cls(solution.network, feature_names).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the neurons of a fitted estimator, with the names that it saw in fit."""
        if feature_names is None:
            feature_names = getattr(_fitted(estimator), "feature_names_in_", None)
        return cls(_fitted(estimator).network_, feature_names).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw, on ``ax`` or on a new figure."""
        from nogap.report import insight
        from nogap.report.plots import weights

        if not self.network.n_neurons:
            raise ValueError("the network has no neurons to draw; take a smaller penalty")
        rows = np.zeros((1, self.network.n_features_in))
        neurons = insight.describe_neurons(self.network, rows)
        height = weights.figure_height(neurons, self.feature_names)
        with self._axes(ax, 7.6, height) as axes:
            weights.draw_weights(axes, neurons, self.feature_names)
        return self


class FunctionDisplay(_Display):
    """The function of one or two features, with the points or lines where it bends.

    Parameters
    ----------
    network : nogap.Network
        Takes one or two features.
    X : array (n, 1) or (n, 2)
        Rows that set the range, and are drawn.
    y : array (n,), optional
        Their targets.
    feature_names : sequence of str, optional
    output : int
        Which output of the network.
    """

    classes = False  # whether y is -1 and 1 and the sign of the output is what counts

    def __init__(
        self,
        network: Network,
        X: ArrayLike,
        y: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        output: int = 0,
    ) -> None:
        d = network.n_features_in
        if d not in (1, 2):
            raise ValueError(
                f"the network takes {d} features and only functions of one or two can be drawn; "
                "use sklearn.inspection.PartialDependenceDisplay"
            )
        if not 0 <= output < network.n_outputs:
            raise ValueError(f"output must be 0 to {network.n_outputs - 1}, got {output}")
        self.network, self.output = network, output
        self.X: Array = np.asarray(check_matrix(X, columns=d))
        self.y = None if y is None else np.asarray(y)
        if self.y is not None and self.y.shape != (len(self.X),):
            raise ValueError(f"y must be ({len(self.X)},), one value a row, got {self.y.shape}")
        self.feature_names = [f"x{k}" for k in range(d)] if feature_names is None else feature_names

    @classmethod
    def from_solution(
        cls,
        solution: Solution,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        feature_names: Sequence[str] | None = None,
        output: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the function of a solution over the range of X."""
        return cls(solution.network, X, y, feature_names, output).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        output: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the outputs of a fitted estimator (for classes: its decision function)."""
        names = getattr(_fitted(estimator), "feature_names_in_", None)
        if y is not None and hasattr(estimator, "classes_"):
            y = np.where(estimator.encode_targets(y)[:, output] > 0, 1.0, -1.0)
        display = cls(estimator.network_, X, y, names, output)
        display.classes = hasattr(estimator, "classes_")
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw, on ``ax`` or on a new figure."""
        with self._axes(ax) as axes:
            (self._line if self.network.n_features_in == 1 else self._surface)(axes)
        return self

    def _value(self, X: Array) -> Array:
        column: Array = self.network.decision(X)[:, self.output]
        return column

    def _line(self, axes: Axes) -> None:
        from nogap.report.plots import style
        from nogap.report.plots.function import draw_bends

        x = self.X[:, 0]
        slopes = self.network.hidden_weights[:, 0]
        bias = _bias(self.network)
        bends = np.unique(-bias[slopes != 0] / slopes[slopes != 0])
        bends = bends[(bends > x.min()) & (bends < x.max())]
        grid = np.sort(np.concatenate([np.linspace(x.min(), x.max(), GRID_POINTS), bends]))
        if self.y is not None:
            axes.plot(x, self.y, "o", color=style.MUTED, ms=3.5, alpha=0.55, mew=0, label="rows")
        axes.plot(grid, self._value(grid[:, None]), color=style.SERIES[0], label="network")
        if bends.size:
            draw_bends(axes, bends, self._value(bends[:, None]))
        style.label(axes, str(self.feature_names[0]), "output")
        axes.legend(loc="best")

    def _surface(self, axes: Axes) -> None:
        from nogap.report.plots import style
        from nogap.report.plots.function import class_colors, draw_surface

        low, high = self.X.min(axis=0), self.X.max(axis=0)
        a, b = (np.linspace(low[k], high[k], GRID_POINTS) for k in range(2))
        A, B = np.meshgrid(a, b)
        grid = np.column_stack([A.ravel(), B.ravel()])
        heights = self._value(grid).reshape(A.shape)
        levels: Any = 12
        colors: Any = "viridis"
        if self.classes:  # white where the outputs change sides
            limit = float(np.abs(heights).max()) or 1.0
            levels, colors = np.linspace(-limit, limit, 13), class_colors()
        filled = draw_surface(axes, a, b, heights, levels, colors)
        before = grid @ self.network.hidden_weights.T + _bias(self.network)
        for activation in before.T:
            if activation.min() < 0 < activation.max():  # its line crosses the picture
                axes.contour(
                    a, b, activation.reshape(A.shape), [0.0], colors=style.MUTED, linewidths=1,
                    linestyles="--",
                )  # fmt: skip
        shown: dict[str, Any] = {"c": "white"}
        if self.y is not None:
            values = self.y * levels[-1] if self.classes else self.y
            shown = {"c": values, "cmap": filled.cmap, "norm": filled.norm}
        axes.scatter(
            self.X[:, 0], self.X[:, 1], s=16, edgecolors="white", linewidths=0.6, zorder=3, **shown
        )
        axes.figure.colorbar(filled, ax=axes, label="output", pad=0.02)
        style.label(axes, str(self.feature_names[0]), str(self.feature_names[1]))


def _bias(network: Network) -> Array:
    return np.zeros(network.n_neurons) if network.hidden_bias is None else network.hidden_bias


def _fitted(estimator: Any) -> Any:
    if not hasattr(estimator, "network_"):
        raise ValueError(
            f"{type(estimator).__name__} is no fitted estimator of nogap; call fit first, and take "
            "the last step of a pipeline"
        )
    return estimator
