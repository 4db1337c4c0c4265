"""Circular convolutions of full length: the penalty is an l1 norm in the Fourier domain.

With ``C(u)[a, b] = u[(a - b) mod d]`` the effective weights of a linear circular layer are
``v = C(u) w``, whose discrete Fourier transforms multiply; over all factors the least penalty is
``sum_k |v^_k| / d`` (v^ the transform without a factor).  Ergen and Pilanci, *Implicit convex
regularizers of CNN architectures*, ICLR 2021, section 4 and theorem 4.1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, BoolArray
from nogap._validation import check_matrix, check_optional_count
from nogap.certificate import Certificate, Correlation, Kind, about, certificate_from_dual
from nogap.formulation import formulate
from nogap.networks.circular import (
    CircularNetwork,
    FilterNorm,
    check_filter_norm,
    filter_radius,
)
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.two_layer import Network
from nogap.patterns import count_patterns, enumerate_patterns, max_pattern_count
from nogap.problem import EPS, Problem
from nogap.solution import Record, Solution, Status
from nogap.units import Convolution

MOST_UNKNOWNS = 20_000  # of the cone program
GHOSTS = 10.0 ** np.arange(-14, -4)  # shares of the penalty below which a block may be rounding
GHOST = 1e-9  # share of the objective that the blocks left out may be worth
CLOSED = 1e-6  # relative gap
PRECISE = 1e-7  # relative gap above which the program is solved again, at its own scale
MOST_SOLVES = 4


def circular_linear(
    X: ArrayLike, y: ArrayLike, *, beta: float, filter_size: int | None = None
) -> Solution:
    """Train a two-layer linear circular convolution with a filter as long as the signal.

    ``min_v 1/2 ||X v - y||^2 + beta / d * sum_k |v^_k|``, v^ the discrete Fourier transform of v:
    the optimum over networks ``f = sum_j X C(u_j) a_j`` with weight decay on filters u_j and
    weights a_j.  One filter suffices.

    Parameters
    ----------
    X : array (n, d)
        Signals.
    y : array (n,)
    beta : float
        Weight of ``sum_j ||u_j||_2 ||a_j||_2``.
    filter_size : int, optional
        d, for which alone the Fourier form is valid.

    Returns
    -------
    Solution
        Its network is a :class:`nogap.ConvolutionalNetwork` with one filter.

    Raises
    ------
    ValueError
        A filter shorter than the signal; several outputs.

    Examples
    --------
    >>> import numpy as np
    >>> g = np.random.default_rng(0)
    >>> solution = circular_linear(g.standard_normal((6, 5)), g.standard_normal(6), beta=0.2)
    >>> solution.network.n_neurons, solution.certificate.kind
    (1, 'exact')
    """
    problem, M = _formulated(X, y, beta)
    d = M.shape[1]
    if (check_optional_count(filter_size, "filter_size") or d) != d:
        raise ValueError(
            f"the Fourier form holds for filters as long as the signal ({d}), not {filter_size}; "
            "for shorter ones the program is a nuclear norm: train(X, y, unit=Convolution("
            f"{filter_size}, padding='circular', pooling=None, activation='linear'))"
        )
    program = _FourierProgram(M, problem, np.ones((1, len(M)), dtype=bool), 1 / d, cones=False)
    V, correlation = program.solve()
    v = program.blocks[0]
    c = np.fft.fft(v)
    root = np.sqrt(np.abs(c))
    filters = np.fft.ifft(root).real[None]
    weights = np.fft.ifft(root * np.exp(1j * np.angle(c))).real
    unit = Convolution(d, padding="circular", pooling=None, activation="linear")
    # what filter u and weights a give is X (C(u) a), and the transform of C(u) a is u^ a^
    keep = int(np.any(v != 0))
    network = ConvolutionalNetwork(filters[:keep], weights[None][:keep], unit, (d,))
    return _solution(problem, network, network.penalty(), V, correlation, M)


def circular_three_layer(
    X: ArrayLike,
    y: ArrayLike,
    *,
    beta: float,
    filter_norm: FilterNorm = "vector",
) -> Solution:
    """Train a three-layer network: circular convolution, linear layer, ReLU, output.

    ``f(X) = sum_j relu(X C(u_j) w_j) a_j`` with penalty ``beta / 2 sum_j (||w_j||^2 + a_j^2)`` and
    filters in the unit ball; the optimum over networks of any width, by the program over all
    activation patterns of X with the norm ``kappa beta / sqrt(d) * sum_k |v^_k|`` on every block.

    Parameters
    ----------
    X : array (n, d)
        Signals.
    y : array (n,)
    beta : float
    filter_norm : {"vector", "matrix"}
        The filters' constraint: ``||u_j||_2 <= 1`` (kappa = 1 / sqrt(d)) or
        ``||C(u_j)||_F <= 1`` (kappa = 1).

    Returns
    -------
    Solution
        Its network is a :class:`nogap.CircularNetwork`.

    Raises
    ------
    ValueError
        Too many activation patterns (the sentence says how many), several outputs, or another
        ``filter_norm``.

    Notes
    -----
    Weight decay on all three layers would be another, non-convex problem; here the filters are
    constrained.

    Examples
    --------
    >>> import numpy as np
    >>> g = np.random.default_rng(0)
    >>> solution = circular_three_layer(g.standard_normal((6, 3)), g.standard_normal(6), beta=0.2)
    >>> solution.certificate.kind, solution.certificate.relative_gap < 1e-6
    ('exact', True)
    """
    filter_norm = check_filter_norm(filter_norm)
    problem, M = _formulated(X, y, beta)
    d = M.shape[1]
    count = max_pattern_count(len(M), d)
    count = count_patterns(M) if count <= MOST_UNKNOWNS else count
    if 2 * count * (d + 1) > MOST_UNKNOWNS:
        raise ValueError(
            f"X has {count:,} activation patterns, more than the {MOST_UNKNOWNS // (2 * d + 2):,} "
            "that the program serves; use fewer signals or shorter ones"
        )
    weight = 1 / (d * filter_radius(filter_norm, d))
    patterns = enumerate_patterns(M)
    program = _FourierProgram(M, problem, np.repeat(patterns, 2, axis=0), weight, cones=True)
    V, correlation = program.solve()
    network = CircularNetwork.of_effective_weights(program.blocks, program.signs, filter_norm)
    return _solution(problem, network, network.penalty(), V, correlation, M)


def certify_circular(
    network: CircularNetwork, X: ArrayLike, y: ArrayLike, *, beta: float
) -> Certificate:
    """Certificate of a circular network among those with its ``filter_norm``."""
    norms = np.linalg.norm(network.filters, axis=1)
    largest = float(norms.max(initial=0.0))
    radius = filter_radius(network.filter_norm, network.n_features_in)
    if largest > radius * (1 + 1e-9):
        raise ValueError(
            f"the filters must have norms of at most {radius:.6g} (filter_norm "
            f"{network.filter_norm!r}), the largest is {largest:.6g}; move the scale to "
            "hidden_weights"
        )
    problem, M = _formulated(X, y, beta)
    best = circular_three_layer(X, y, beta=beta, filter_norm=network.filter_norm)
    value = problem.loss_value(network.predict(M)[:, None]) + problem.beta * network.penalty()
    return about(best.certificate, value)


def _formulated(X: ArrayLike, y: ArrayLike, beta: float) -> tuple[Problem, Array]:
    if sp.issparse(X):
        raise ValueError("circular networks need dense signals; pass X.toarray()")
    M: Array = np.asarray(check_matrix(X))
    problem = formulate(M, y, beta=beta)
    if problem.n_outputs > 1:
        raise ValueError(
            f"circular networks serve one output, y has {problem.n_outputs}; train one a column"
        )
    return problem, M


def _solution(
    problem: Problem,
    network: Network | CircularNetwork,
    penalty: float,
    V: Array,
    correlation: Correlation,
    X: Array,
) -> Solution:
    F = network.predict(X)[:, None]
    value = problem.loss_value(F) + problem.beta * penalty
    certificate = certificate_from_dual(problem, value, V, correlation)
    closed = certificate.relative_gap <= CLOSED
    if closed:  # every pattern is in the program, and what is attained meets the bound
        certificate = replace(certificate, kind="exact")
    status = Status.OPTIMAL if closed else Status.STALLED
    record = Record(0.0, value, certificate.lower_bound, certificate.kind, network.n_neurons)
    return Solution(network, value, certificate, status, [record], 1)  # type: ignore[arg-type]


class _FourierProgram:
    """``min 1/2 ||sum_i s_i D_i X v_i - y||^2 + beta weight sum_ik |v_i^_k|`` by interior points.

    Signs alternate; with ``cones`` also ``(2 D_i - 1) X v_i >= 0``.
    """

    def __init__(
        self, X: Array, problem: Problem, patterns: BoolArray, weight: float, *, cones: bool
    ) -> None:
        self.X, self.problem, self.patterns, self.cones = X, problem, patterns, cones
        self.weight = weight
        d = X.shape[1]
        self.signs = np.where(np.arange(len(patterns)) % 2 == 0, 1.0, -1.0)
        transform = np.fft.fft(np.eye(d), axis=0)[: d // 2 + 1]  # the others are conjugates
        self.transform = np.stack([transform.real, transform.imag], axis=1)  # (k, 2, d)
        twice = np.full(len(transform), 2.0)
        twice[0] = 1.0
        if d % 2 == 0:
            twice[-1] = 1.0
        self.frequency_weights = weight * twice

    def solve(self) -> tuple[Array, Correlation]:
        """The dual point V (n, 1) and its correlation; the weights are in ``blocks``.

        The solver stops at an absolute accuracy, and with a small beta the objective or the
        residual can be smaller than that; so where the gap is not closed the program is solved
        again, scaled by what was found.
        """
        problem, Y = self.problem, self.problem.Y
        self.blocks = np.zeros((len(self.patterns), self.X.shape[1]))
        best = np.zeros_like(Y), Correlation(0.0, self._kind)
        value, bound = problem.loss_value(np.zeros_like(Y)), 0.0
        residual, size = 1.0, 0.5  # of the scaled program, whose targets have norm 1
        for _ in range(MOST_SOLVES):
            if value - bound <= PRECISE * value:
                break
            before = value - bound
            blocks, dual, multipliers = self._solved(residual, size)
            blocks = self._without_ghosts(blocks)
            if self._value(blocks) < value:
                self.blocks, value = blocks, self._value(blocks)
            gap = Y - self._outputs(self.blocks)[:, None]
            for V in (dual, gap):
                correlation = self._correlation(V, multipliers)
                least = problem.lower_bound(V, correlation.value).value
                if least > bound:
                    best, bound = (V, correlation), least
            if value - bound > 0.5 * before:
                break
            squares = float(np.sum(Y * Y))
            residual = float(np.sqrt(np.sum(gap * gap) / squares)) or residual
            size = value / squares
        return best

    @property
    def _kind(self) -> Kind:
        return "bound" if self.cones else "exact"

    def _solved(self, residual: float, size: float) -> tuple[Array, Array, Array | None]:
        """Blocks, dual point and multipliers of the cones.

        ``residual`` and ``size`` are about what the norm of the residual and the objective will
        be, for targets of norm 1.
        """
        import clarabel

        x_scale, y_scale = float(np.abs(self.X).max()) or 1.0, float(np.linalg.norm(self.problem.Y))
        X, y = self.X / x_scale, self.problem.Y[:, 0] / y_scale
        beta = self.problem.beta / x_scale / y_scale
        (n, d), m, k = X.shape, len(self.patterns), len(self.frequency_weights)
        n_var = m * d + m * k + n  # v, moduli t, residual / its scale
        curvature = np.repeat([0.0, residual**2 / size], [m * (d + k), n])
        P = sp.diags_array(curvature, format="csc")
        weights = beta / size * self.frequency_weights
        q = np.concatenate([np.zeros(m * d), np.tile(weights, m), np.zeros(n)])
        blocks = [s * D[:, None] * X for s, D in zip(self.signs, self.patterns, strict=True)]
        fit = sp.hstack(
            [
                sp.csc_array(np.concatenate(blocks, axis=1)),
                sp.csc_array((n, m * k)),
                residual * sp.eye_array(n),
            ]
        )
        parts: list[Any] = [fit]
        cones: list[Any] = [clarabel.ZeroConeT(n)]
        if self.cones:
            sides = [np.where(D, -1.0, 1.0)[:, None] * X for D in self.patterns]
            inside = sp.block_diag([sp.csc_array(side) for side in sides])
            parts.append(sp.hstack([inside, sp.csc_array((m * n, n_var - m * d))]))
            cones.append(clarabel.NonnegativeConeT(m * n))
        # (t, Re v^, Im v^) in the second-order cone, block by block and frequency by frequency
        modulus = np.zeros((3 * k, k))
        modulus[np.arange(0, 3 * k, 3), np.arange(k)] = -1.0
        values = np.zeros((3 * k, d))
        values[np.arange(3 * k) % 3 > 0] = -self.transform.reshape(2 * k, d)
        eye = sp.eye_array(m)
        moduli = sp.hstack(
            [sp.kron(eye, values), sp.kron(eye, modulus), sp.csc_array((3 * k * m, n))]
        )
        parts.append(moduli)
        cones += [clarabel.SecondOrderConeT(3)] * (m * k)
        bounds = np.zeros(sum(part.shape[0] for part in parts))
        bounds[:n] = y
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
        solved: Any = clarabel.DefaultSolver(
            sp.csc_matrix(P), q, sp.csc_matrix(sp.vstack(parts)), bounds, cones, settings
        ).solve()
        x, z = np.array(solved.x), np.array(solved.z)
        if not np.all(np.isfinite(x)):
            raise RuntimeError(f"the interior-point solver failed: {solved.status}")
        dual = -size * y_scale * z[:n, None]  # feasible for the small beta where y - F is not
        multipliers = None
        if self.cones:
            multipliers = size * y_scale * np.maximum(z[n : n + m * n], 0.0).reshape(m, n)
        return x[: m * d].reshape(m, d) * (y_scale / x_scale), dual, multipliers

    def _without_ghosts(self, blocks: Array) -> Array:
        """As few of the blocks as give the lowest objective; the others are rounding."""
        sizes = self._sizes(blocks)
        shares = [*(GHOSTS * sizes.sum()), np.inf]
        choices = [np.where(sizes[:, None] > share, blocks, 0.0) for share in shares]
        values = np.array([self._value(choice) for choice in choices])
        low = np.flatnonzero(values <= values.min() * (1 + GHOST))
        return choices[int(low[-1])]

    def _sizes(self, blocks: Array) -> Array:
        sizes: Array = self.weight * np.abs(np.fft.fft(blocks, axis=1)).sum(axis=1)
        return sizes

    def _value(self, blocks: Array) -> float:
        loss = self.problem.loss_value(self._outputs(blocks)[:, None])
        return loss + self.problem.beta * float(self._sizes(blocks).sum())

    def _outputs(self, blocks: Array) -> Array:
        Z = blocks @ self.X.T
        features = np.maximum(Z, 0.0) if self.cones else Z
        F: Array = self.signs @ features
        return F

    def _correlation(self, V: Array, multipliers: Array | None) -> Correlation:
        """The largest polar of a block, bounded above by the multipliers of its cone.

        For every lam >= 0 ``s v' D X u <= || X' (s D v + (2 D - 1) lam) ||_polar`` on the cone, and
        the polar of ``weight * sum |u^_k|`` is ``max_k |g^_k| / (weight d)``.
        """
        v, d = V[:, 0], self.X.shape[1]
        drive = self.signs[:, None] * self.patterns * v
        if multipliers is not None:
            drive = drive + np.where(self.patterns, 1.0, -1.0) * multipliers
        g = np.fft.fft(drive @ self.X, axis=1)
        largest = float(np.abs(g).max()) / (self.weight * d)
        # sums of n products, then a transform of length d
        figures = float((np.abs(drive) @ np.linalg.norm(self.X, axis=1)).max())
        rounding = (sum(self.X.shape) + 32) * EPS * figures / (self.weight * d**0.5)
        return Correlation(largest + rounding, self._kind)
