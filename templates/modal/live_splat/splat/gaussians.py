"""A scene: N anisotropic 3D Gaussians as a structure of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians, in the parameters they are trained in and the PLY stores (Kerbl et al. 2023).

    All arrays are float32 and C-contiguous; K = (sh_degree + 1)².
    """

    means: Floats
    """[N,3] centre, metres."""
    log_scales: Floats
    """[N,3] natural logarithm of the standard deviation along each own axis, metres."""
    quats: Floats
    """[N,4] rotation w, x, y, z; need not be normalised."""
    opacities: Floats
    """[N] logit of opacity."""
    sh: Floats
    """[N,K,3] colour coefficients, as gsplat takes them. (A PLY stores channel by channel.)"""

    @property
    def count(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        return {1: 0, 4: 1, 9: 2, 16: 3}[self.sh.shape[1]]
