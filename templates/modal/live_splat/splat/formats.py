"""Every scene format that is served, in one place."""

from __future__ import annotations

from typing import Literal

from .gaussians import Gaussians
from .ply import encode_ply
from .splat_file import encode_splat
from .spz import encode_spz

Format = Literal["ply", "splat", "spz"]

FORMATS: tuple[Format, ...] = ("ply", "splat", "spz")


def encode(gaussians: Gaussians, format: str, *, antialiased: bool = False) -> bytes:
    """A scene as a file. Every value must be finite (see ``select.finite_gaussians``).

    A scene trained ``antialiased`` says so where the format can. Raises ValueError for any other format.
    """
    if format == "ply":
        return encode_ply(gaussians, antialiased=antialiased)
    if format == "spz":
        return encode_spz(gaussians, antialiased=antialiased)
    if format == "splat":
        return encode_splat(gaussians)
    raise ValueError(f"no scene format is called {format!r}")
