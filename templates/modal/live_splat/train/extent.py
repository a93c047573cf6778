"""Where the scene is and how large, read off the cameras alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_splat.camera import Camera

DEFAULT_DEPTH_M = 0.3
"""Depth taken when the cameras do not tell: an arm's reach."""
SAME_PLACE_M = 0.005
"""Cameras closer together than this stand in one place: where their axes meet is chance."""


@dataclass(frozen=True)
class Extent:
    """Metres; what learning rates and first depths are measured in."""

    size: float
    """Of the scene: 1.1 × the largest distance of a camera from their mean, or the depth if larger."""
    depth: float
    """From the cameras to what they look at."""
    is_guess: bool = False
    """The cameras do not tell the depth."""


def scene_extent(cameras: Sequence[Camera]) -> Extent:
    """Extent of the scene seen by ``cameras`` (at least one). The depth is the median distance, along each
    view, to the point nearest to all optical axes; cameras that look apart, or stand in one place, say
    nothing, and the default or three times their spacing is taken, whichever is more."""
    poses = np.stack([camera.camera_to_world for camera in cameras])
    centres, forward = poses[:, :3, 3], -poses[:, :3, 2]
    spread = float(np.linalg.norm(centres - centres.mean(0), axis=1).max())
    focus = _focus(centres, forward)
    depths = np.zeros(0) if focus is None else ((focus - centres) * forward).sum(1)
    in_front = np.sort(depths[depths > 0.1 * spread])
    agreed = len(in_front) > 0.7 * len(cameras) and spread > SAME_PLACE_M
    depth = float(in_front[len(in_front) // 2]) if agreed else max(3 * spread, DEFAULT_DEPTH_M)
    return Extent(max(1.1 * spread, depth), depth, is_guess=not agreed)


def _focus(centres: NDArray[np.float64], forward: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Point with the least squared distance to all optical axes; None when the axes are (nearly) parallel."""
    # Normal equations Σ (I − d dᵀ) p = Σ (I − d dᵀ) c, d the unit view direction, c the centre.
    projections = np.eye(3) - forward[:, :, None] * forward[:, None, :]
    a = projections.mean(0)
    # Parallel axes give 0; axes spread over a few degrees already give more than this.
    if not np.linalg.det(a) > 1e-4:
        return None
    focus: NDArray[np.float64] = np.linalg.solve(a, np.einsum("nij,nj->ni", projections, centres).mean(0))
    return focus
