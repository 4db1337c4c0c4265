"""Networks from other frameworks."""

from __future__ import annotations

from typing import Any

from nogap.exports import require
from nogap.network import Network


def from_torch(module: Any) -> Network:
    """A PyTorch module of the form Linear-ReLU-Linear as a :class:`Network`, in float64.

    Raises
    ------
    ValueError
        The module's leaves are not exactly Linear, ReLU, Linear (Identity, Flatten and Dropout are
        passed over; in evaluation they do nothing).
    """
    torch = require("torch", "torch")
    nn = torch.nn
    leaves = [part for part in module.modules() if not list(part.children())]
    leaves = [
        part for part in leaves if not isinstance(part, nn.Identity | nn.Flatten | nn.Dropout)
    ]
    found = [type(part).__name__ for part in leaves]
    shape = [
        isinstance(part, kind)
        for part, kind in zip(leaves, (nn.Linear, nn.ReLU, nn.Linear), strict=False)
    ]
    if len(leaves) != 3 or not all(shape):
        raise ValueError(
            f"the module must be Linear-ReLU-Linear, found {'-'.join(found) or 'nothing'}"
        )
    hidden, _, output = leaves
    if not _is_their_composition(torch, module, hidden, output):
        raise ValueError(
            "the module must be Linear-ReLU-Linear; it has these parts, but computes something "
            "else from them"
        )

    def array(tensor: Any) -> Any:
        return None if tensor is None else tensor.detach().cpu().double().numpy()

    return Network(
        array(hidden.weight), array(output.weight).T, array(hidden.bias), array(output.bias)
    )


def _is_their_composition(torch: Any, module: Any, hidden: Any, output: Any) -> bool:
    """Whether the module, in evaluation, does what its three parts do one after the other."""
    weight = hidden.weight
    start = torch.linspace(-2.0, 2.0, 7 * hidden.in_features, dtype=weight.dtype)
    probe = start.reshape(7, -1).to(weight.device)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            found, expected = module(probe), output(torch.relu(hidden(probe)))
    finally:
        module.train(was_training)
    same_shape = getattr(found, "numel", lambda: -1)() == expected.numel()
    return same_shape and bool(
        torch.allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    )
