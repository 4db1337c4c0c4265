"""Units by name."""

from __future__ import annotations

from nogap.units.activations import GatedReLU, Linear, ReLU, Unit
from nogap.units.saturating import Sign, Tanh

_NAMED: tuple[type[Unit], ...] = (ReLU, GatedReLU, Linear, Sign, Tanh)


def get_unit(unit: str | Unit) -> Unit:
    """The unit of that name, or the object itself."""
    if isinstance(unit, Unit):
        return unit
    known = {kind.name: kind for kind in _NAMED}
    if isinstance(unit, str) and unit in known:
        return known[unit]()
    raise ValueError(
        f"unknown unit {unit!r}; use one of {', '.join(sorted(known))} or a nogap.units object"
    )
