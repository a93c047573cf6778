"""When frames get Gaussians of their own, and what they are told of the scene for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch

from live_splat.camera import Camera
from live_splat.rasterize import Rendered

from .extent import Extent
from .seed import Box, Seeding, explain, first_gaussians
from .splats import Splats
from .strategy import place
from .targets import Target

log = logging.getLogger("live_splat")

MOST_MISPLACED = 2
"""A guessed depth may be off by this factor either way."""


class Seeder:
    """Remembers by what depth the first Gaussians were placed."""

    def __init__(self, draw: Callable[[Camera], Rendered], draw_depths: Callable[[Camera], Rendered]) -> None:
        """``draw`` gives the scene on black, ``draw_depths`` its ``depth_features`` blended."""
        self._draw = draw
        self._draw_depths = draw_depths
        self.guessed_depth: float | None = None
        """Metres; None once the cameras tell it."""

    def is_misplaced(self, extent: Extent) -> bool:
        """Whether what was placed should go. The first frames may stand too close together to tell how far
        away the scene is. Once they do tell, and the guess was far off, it is of no use, and in the way of
        all to come."""
        guess = self.guessed_depth
        if guess is None or extent.is_guess:
            return False
        self.guessed_depth = None
        is_off = not 1 / MOST_MISPLACED <= extent.depth / guess <= MOST_MISPLACED
        if is_off:
            log.info("the scene is %.2g m away, not %.2g m: starting over", extent.depth, guess)
        return is_off

    @torch.no_grad()
    def seed(
        self,
        splats: Splats,
        target: Target,
        extent: Extent,
        *,
        cap: int,
        bounds: Box | None,
        random: np.random.Generator,
    ) -> None:
        """Place Gaussians for a picture that has none of its own yet."""
        explained = None
        if splats.count == 0:
            self.guessed_depth = extent.depth if extent.is_guess and bounds is None else None
        else:
            render, depths = self._draw(target.camera), self._draw_depths(target.camera)
            explained = explain(target, render.image, render.alpha, depths.image)
        seeding = Seeding(cap, splats.count, extent.depth, bounds, random, splats.device)
        place(splats, first_gaussians(target, explained, seeding, splats.values["sh"].shape[1]), cap)
