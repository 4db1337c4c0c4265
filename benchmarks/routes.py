"""``python -m benchmarks.routes``: every route to a two-layer network, on the same data.

Rows of a ten-neuron teacher with 10 % noise. The penalised routes share one beta; Frank-Wolfe has
for delta the penalty of the adaptive network, so that all ReLU routes have the same optimum and
"objective" is loss + beta * penalty for all of them. Gated networks, and networks of sign units,
are other classes with optima of their own. The gap is relative and the route's own: that of
Frank-Wolfe is about the loss of networks of penalty at most delta, that of a sub-sampled program
about all networks. CPU seconds on one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.problems import Array, teacher
from benchmarks.tables import markdown

NEURONS, NOISE, REL = 10, 0.1, 0.05
SAMPLED = (50, 500)
ITERATES = 300
TOLERANCE = 1e-4
VARIANTS = ("standard", "line_search", "away", "pairwise", "fully_corrective")
HEADER = ["route", "objective", "gap", "kind", "CPU seconds", "units", "status"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, line by line; the exit status."""
    import nogap

    parser = argparse.ArgumentParser(prog="python -m benchmarks.routes", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=60)
    add("--columns", type=int, default=3)
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    X, y = teacher(options.rows, options.columns, NEURONS, NOISE, options.seed)
    beta = REL * float(nogap.beta_max(X, y))
    sys.stdout.write(markdown(HEADER, []) + "\n")
    for name, route in routes(X, y, beta, options.seed):
        sys.stdout.write(
            markdown(HEADER, [_cells(name, route, X, y, beta)]).splitlines()[-1] + "\n"
        )
        sys.stdout.flush()
    return 0


def routes(X: Array, y: Array, beta: float, seed: int) -> Iterator[tuple[str, Callable]]:
    """Names of the routes, and what runs them."""
    import nogap

    def train(**options):
        return nogap.train(X, y, beta=beta, tol=TOLERANCE, random_state=seed, **options)

    adaptive = train()  # also takes the cost of first calls
    delta = adaptive.network.penalty()
    yield "adaptive", train
    yield 'exact, patterns="all"', lambda: train(patterns="all")
    for count in SAMPLED:
        yield f"sub-sampled, patterns={count}", lambda count=count: train(patterns=count)
    for variant in VARIANTS:
        yield (
            f"Frank-Wolfe, {variant}",
            lambda variant=variant: nogap.frank_wolfe(
                X, y, delta=delta, variant=variant, max_iter=ITERATES, tol=TOLERANCE
            ),
        )
    yield 'unit="gated"', lambda: train(unit="gated")
    yield 'unit="sign"', lambda: train(unit="sign")


def _cells(name: str, route: Callable, X: Array, y: Array, beta: float) -> list[str]:
    start = time.process_time()
    try:
        solution = route()
    except ValueError as refusal:  # a unit that this version has not, patterns beyond the budget
        return [name, "–", "–", "–", "–", "–", str(refusal)]
    seconds = time.process_time() - start
    network, certificate = solution.network, solution.certificate
    objective = solution.objective
    if certificate.delta is not None:
        objective += beta * network.penalty()
    return [
        name,
        f"{objective:.6f}",
        f"{certificate.relative_gap:.1e}",
        certificate.kind,
        f"{seconds:.2f}",
        str(network.n_neurons),
        str(solution.status),
    ]


if __name__ == "__main__":
    sys.exit(main())
