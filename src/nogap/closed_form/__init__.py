"""Networks whose global optimum has a closed form, or comes down to one unknown.

Every function returns a :class:`~nogap.Solution` whose status says what was proved: ``OPTIMAL``
(by a dual point), ``OPTIMAL_BY_REDUCTION`` (by an enclosure of the unknown that is left),
``CONSTRUCTION`` (a construction that is not proved to be global) or ``BOUND``.
"""

from nogap.closed_form.deep_linear import deep_linear
from nogap.closed_form.deep_relu import deep_relu_rank_one, deep_relu_whitened
from nogap.closed_form.linear import linear
from nogap.closed_form.one_dimensional import one_dimensional
from nogap.closed_form.rank_one import rank_one
from nogap.closed_form.results import parallel_penalty, weight_decay
from nogap.closed_form.spike_free import spike_free
from nogap.closed_form.whitened import whitened

__all__ = [
    "deep_linear",
    "deep_relu_rank_one",
    "deep_relu_whitened",
    "linear",
    "one_dimensional",
    "parallel_penalty",
    "rank_one",
    "spike_free",
    "weight_decay",
    "whitened",
]
