"""Values as bytes, as the packed formats keep them. Rounding is the TypeScript encoder's: halves go up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

SH_C0 = 0.28209479177387814
"""Value of the harmonic of degree 0: colour = 0.5 + SH_C0 · coefficient."""


def rounded(values: Doubles) -> Doubles:
    """To the nearest integer, halves upwards; NumPy's own takes halves to the even one."""
    return np.floor(values + 0.5)


def to_byte(values: Doubles) -> NDArray[np.uint8]:
    """The nearest byte, 0…255."""
    return np.clip(rounded(values), 0, 255).astype(np.uint8)


def sigmoid(logits: NDArray[Any]) -> Doubles:
    """Opacity 0…1 of a logit; exact for any size of it."""
    small = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)


def log_sigmoid(logits: NDArray[Any]) -> Doubles:
    """Logarithm of ``sigmoid``, without underflow."""
    return -np.logaddexp(0.0, -logits.astype(np.float64))


def unit_quaternions(quats: NDArray[Any]) -> Doubles:
    """[N,4] of length 1; one without a direction means no rotation."""
    values = quats.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))
    unturned = ~(norms > 0)
    values[unturned] = (1.0, 0.0, 0.0, 0.0)
    norms[unturned] = 1.0
    return values / norms[:, None]
