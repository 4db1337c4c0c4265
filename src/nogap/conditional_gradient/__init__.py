"""Frank-Wolfe (conditional gradient) training: the loss over networks of bounded penalty.

The problem with a constraint in place of the penalty, ``min L(f)`` subject to
``sum_j ||u_j|| ||a_j|| <= delta``.  The oracles are those of the penalised problem; the master is
one step towards the neuron that they find, and the certificate is the Frank-Wolfe gap.
"""

from nogap.conditional_gradient.loop import Iterate
from nogap.conditional_gradient.rate import frank_wolfe_bound
from nogap.conditional_gradient.training import frank_wolfe

__all__ = ["Iterate", "frank_wolfe", "frank_wolfe_bound"]
