"""Reference for deep networks: multi-start L-BFGS on the weights themselves, by NumPy alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def deep_objective(weights, X, Y, beta, activation):
    """``1/2 ||f(X) - Y||^2 + beta / 2 sum ||W_l||^2`` and its gradient, layer by layer."""
    layers, masks = [X], []
    for k, W in enumerate(weights):
        Z = layers[-1] @ W
        last = k == len(weights) - 1
        masks.append(np.ones_like(Z) if last or activation == "linear" else (Z > 0).astype(float))
        layers.append(Z * masks[-1])
    R = layers[-1] - Y
    value = 0.5 * np.sum(R**2) + 0.5 * beta * sum(np.sum(W**2) for W in weights)
    gradients, G = [], R
    for k in range(len(weights) - 1, -1, -1):
        G = G * masks[k]
        gradients.append(layers[k].T @ G + beta * weights[k])
        G = G @ weights[k].T
    return float(value), gradients[::-1]


def best_of_starts(X, Y, beta, widths, activation, starts, seed=0):
    """The lowest objective that L-BFGS reaches from random weights, and all that it reached."""
    shapes = list(zip((X.shape[1], *widths), (*widths, Y.shape[1]), strict=True))
    rng = np.random.default_rng(seed)

    def unpack(w):
        parts = np.split(w, np.cumsum([a * b for a, b in shapes])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def function(w):
        value, gradients = deep_objective(unpack(w), X, Y, beta, activation)
        return value, np.concatenate([g.ravel() for g in gradients])

    reached = []
    for _ in range(starts):
        start = np.concatenate([rng.normal(size=a * b) / np.sqrt(a) for a, b in shapes])
        options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-16, "gtol": 1e-11}
        reached.append(minimize(function, start, jac=True, method="L-BFGS-B", options=options).fun)
    return min(reached), np.array(reached)
