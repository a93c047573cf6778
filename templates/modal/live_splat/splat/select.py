"""Which Gaussians leave the trainer: only sound ones, and when there is a limit, those that matter most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gaussians import Floats, Gaussians
from .quantise import log_sigmoid


def finite_gaussians(gaussians: Gaussians) -> Gaussians:
    """Those whose every value is finite, in their order; the same object when that is all of them.

    Exporters pass through here, so no file ever holds a NaN.
    """
    sound = np.ones(gaussians.count, bool)
    for values in _fields(gaussians).values():
        sound &= np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return gaussians if sound.all() else pick(gaussians, np.flatnonzero(sound))


def select_gaussians(gaussians: Gaussians, most: int) -> Gaussians:
    """The ``most`` Gaussians that matter most, by opacity × area (the product of the two longest axes).

    They stay in their order; the same object when there are no more. Equal ones are kept from the front.
    """
    if gaussians.count <= most:
        return gaussians
    importance = _importance(gaussians)
    threshold = np.partition(importance, gaussians.count - most)[gaussians.count - most]
    kept = importance > threshold
    equal = np.flatnonzero(importance == threshold)
    kept[equal[: most - int(kept.sum())]] = True
    return pick(gaussians, np.flatnonzero(kept))


def pick(gaussians: Gaussians, indices: NDArray[Any]) -> Gaussians:
    """The Gaussians at these indices, in that order."""
    return Gaussians(**{name: values[indices] for name, values in _fields(gaussians).items()})


def _importance(gaussians: Gaussians) -> Floats:
    """[N] logarithm of opacity × area: the same order, and large scales cannot overflow."""
    scales = gaussians.log_scales.astype(np.float64)
    value = log_sigmoid(gaussians.opacities) + scales.sum(axis=1) - scales.min(axis=1)
    return np.where(np.isnan(value), -np.inf, value).astype(np.float32)


def _fields(gaussians: Gaussians) -> dict[str, Floats]:
    return {
        "means": gaussians.means,
        "log_scales": gaussians.log_scales,
        "quats": gaussians.quats,
        "opacities": gaussians.opacities,
        "sh": gaussians.sh,
    }
