"""One colour and one key for each label, the same in every tool."""

from __future__ import annotations

from gonerd.labels import LabelScheme

COLOURS = ("#0b5c94", "#8a4b00", "#006047", "#8c2f66", "#0d617d", "#9c3200", "#655700", "#4a4d52")
"""Dark enough for white letters, told apart with the usual colour-vision deficiencies; those of our own pages."""
KEYS = "123456789abcdefghijklmnopqrstuvwxyz"


def colours(scheme: LabelScheme) -> dict[str, str]:
    """Return a colour (`#rrggbb`) for each label; beyond eight labels they repeat."""
    return {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(scheme.names)}


def hotkeys(scheme: LabelScheme) -> dict[str, str]:
    """Return a key for each label, in the scheme's order; beyond 35 labels there is none."""
    return dict(zip(scheme.names, KEYS, strict=False))
