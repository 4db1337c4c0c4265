"""A network as C99 source for devices without any library: one function, constant arrays, float."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from nogap._typing import Array

if TYPE_CHECKING:
    from nogap.networks.two_layer import Network

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long main register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while
"""


def to_c(network: Network, name: str = "network") -> str:
    """C99 source with a function ``void name(const float x[], float y[])``.

    It needs no header (tanh units: ``math.h``) and no memory beyond its constants and a few floats
    of stack; the numbers are those of the network rounded to float.

    Raises
    ------
    ValueError
        A gated network, a name that is no identifier of C, or a weight beyond the range of float.
    """
    if network.activation == "gated":
        raise ValueError("gated networks are not written as C; train with unit='relu' to export")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in _KEYWORDS.split():
        raise ValueError(f"name must be an identifier of C, got {name!r}")
    m, d, outputs = network.n_neurons, network.n_features_in, network.n_outputs
    bias = np.zeros(m) if network.hidden_bias is None else network.hidden_bias
    arrays = ""
    if m:  # C has no arrays without entries
        arrays = (
            _array(f"{name}_hidden_weights", network.hidden_weights)
            + _array(f"{name}_hidden_bias", bias)
            + _array(f"{name}_output_weights", network.output_weights)
        )
    arrays += _array(f"{name}_intercept", network.intercept)
    tanh = network.activation == "tanh"
    needs = "the mathematics library" if tanh else "no library"
    include = "#include <math.h>\n\n" if tanh else ""
    return f"""/* {network!r}, written by nogap.
 * x holds {d} inputs, y takes {outputs} output{"s" if outputs > 1 else ""}. C99, {needs}. */

{include}{arrays}
void {name}(const float x[{d}], float y[{outputs}]);

void {name}(const float x[{d}], float y[{outputs}])
{{
    int k;
    for (k = 0; k < {outputs}; k++)
        y[k] = {name}_intercept[k];
{_loop(network, name) if m else "    (void)x;"}
}}
"""


def _loop(network: Network, name: str) -> str:
    m, d, outputs = network.n_neurons, network.n_features_in, network.n_outputs
    activate = {
        "relu": "        if (z <= 0.0f)\n            continue;\n",
        "sign": "        z = (float)((z > 0.0f) - (z < 0.0f));\n",
        "tanh": "        z = tanhf(z);\n",
    }
    return f"""    for (int j = 0; j < {m}; j++) {{
        float z = {name}_hidden_bias[j];
        for (k = 0; k < {d}; k++)
            z += {name}_hidden_weights[j * {d} + k] * x[k];
{activate.get(network.activation, "")}\
        for (k = 0; k < {outputs}; k++)
            y[k] += {name}_output_weights[j * {outputs} + k] * z;
    }}"""


def _array(name: str, values: Array) -> str:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32).ravel()
    if not np.all(np.isfinite(single)):
        raise ValueError(
            f"{name} holds a number beyond float, {np.abs(values).max():g}; rescale the data"
        )
    numbers = [_literal(value) for value in single.tolist()]
    lines = [", ".join(numbers[k : k + 6]) for k in range(0, len(numbers), 6)]
    body = ",\n    ".join(lines)
    return f"static const float {name}[{single.size}] = {{\n    {body}\n}};\n"


def _literal(value: float) -> str:
    return f"{value:.9e}f"  # nine digits name a float uniquely
