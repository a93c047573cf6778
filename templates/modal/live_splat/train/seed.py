"""New Gaussians for a frame: where the scene does not explain it.

A pixel's chance rises with what is left open there and with the error of the render ("On-the-fly
Reconstruction for Large-Scale Novel View Synthesis", Meuleman et al. 2025, places Gaussians per keyframe in
the same spirit). Where the scene covers the pixel, depth is drawn from the depths that blend there, and size
follows from how densely pixels are drawn; where it does not, any depth in front is as good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_splat.camera import OPENGL_TO_OPENCV
from live_splat.rasterize import View

from .harmonics import SH_C0
from .targets import Target

Doubles = NDArray[np.float64]
Box = tuple[tuple[float, float, float], tuple[float, float, float]]

SEED_SHARE = 0.5
"""First Gaussians, as a share of the cap, are spread over SEED_FRAMES frames."""
SEED_FRAMES = 20
NEAR = 0.4
"""First depths, in units of the scene's depth."""
FAR = 2.5
FAR_CUTOUT = 1.6
"""Behind transparent pixels lies nothing, so what is seen is near the focus."""
MOST_OFF = (0.02, 50.0)
"""Depths beyond these, in the same units, are not taken from what blends."""
LEAST_CHANCE = 0.02
"""Chance of a pixel that is covered: this much at the least, and so much per unit of mean absolute error."""
ERROR_CHANCE = 4
EXPLORE = 0.05
"""Covered pixels get any depth this often all the same: the scene may be wrong."""
SIZE = 0.35
"""Size of a Gaussian in units of the distance to the next drawn pixel, and bounds of that distance (px)."""
SPACING_PX = (1.0, 8.0)
SPREAD = (0.01, 0.5)
"""Depths that blend in a pixel spread at least and at most so far, as a share of their mean."""
FIRST_OPACITY = 0.1
FIRST_SCALE = 0.5
"""First standard deviation, as a share of the distance to the nearest neighbours."""
NEIGHBOURS = 3
MOST_NEIGHBOURS = 4096
"""Neighbours are looked for among so many: a frame may bring fifty thousand, each of which would be compared
with all."""


@dataclass(frozen=True)
class Explained:
    """What the scene shows of a frame, per pixel [H·W]."""

    open: Doubles
    """How much of the pixel is left open, 0…1."""
    chance: Doubles
    """Of a Gaussian, 0…1."""
    depth: Doubles
    """Mean of what blends there (metres), and its standard deviation."""
    spread: Doubles


@dataclass(frozen=True)
class Seeding:
    """What decides where Gaussians go, beside the frame."""

    cap: int
    """Gaussians at most."""
    count: int
    """Gaussians there are."""
    depth: float
    """Distance to what the cameras look at, metres."""
    bounds: Box | None
    random: np.random.Generator
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """What computes it."""


def depth_features(means: Tensor, view: View) -> Tensor:
    """[N,2] depth of each Gaussian and its square, to be blended like colours."""
    depth = means @ view.world_to_camera[2, :3] + view.world_to_camera[2, 3]
    return torch.stack([depth, depth * depth], 1)


def explain(target: Target, image: Tensor, alpha: Tensor, depths: Tensor) -> Explained:
    """Compare a render on black (image [H,W,3], alpha [H,W]) with the picture; ``depths`` [H,W,2] is
    ``depth_features`` blended."""
    covered = alpha.flatten().double().cpu().numpy()
    near, squared = depths.reshape(-1, 2).double().cpu().numpy().T / np.maximum(covered, 1e-6)
    solid = _solid(target)
    wanted = target.on(torch.zeros(3))
    error = (wanted - image.cpu()).abs().mean(2).flatten().double().numpy()
    wrong = np.clip(ERROR_CHANCE * error, LEAST_CHANCE, 1)
    return Explained(
        open=1 - covered,
        chance=solid * (1 - covered + covered * wrong),
        depth=near,
        spread=np.sqrt(np.maximum(squared - near * near, 0)),
    )


def first_gaussians(
    target: Target, explained: Explained | None, seeding: Seeding, sh_count: int
) -> dict[str, Tensor]:
    """Gaussians for a frame, in the trainer's parameters on the CPU; ``explained`` None while there are none
    at all."""
    planned = SEED_SHARE * seeding.cap
    # The first frames bring the planned number whatever they see; later ones, as much as is new to them.
    share = 1.0 if explained is None or seeding.count < planned else float(explained.chance.mean())
    wanted = round(share * planned / SEED_FRAMES)
    positions, colors, sizes = _draw_points(target, explained, wanted, seeding)
    # Few points stand far apart, but are not meant to fill the space between them: the rest is still to come.
    density = min(1.0, (len(sizes) / max(planned, 1)) ** (1 / 3))
    unsized = sizes == 0
    sizes[unsized] = FIRST_SCALE * density * neighbour_spacing(positions[unsized], seeding.device)
    count = len(sizes)
    sh = torch.zeros(count, sh_count, 3)
    sh[:, 0] = torch.from_numpy((colors - 0.5) / SH_C0)
    return {
        "means": torch.from_numpy(positions).float(),
        "log_scales": torch.from_numpy(np.log(sizes)).float()[:, None].repeat(1, 3),
        "quats": torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        "opacities": torch.full((count,), math.log(FIRST_OPACITY / (1 - FIRST_OPACITY))),
        "sh": sh,
    }


def neighbour_spacing(positions: Doubles, device: torch.device) -> Doubles:
    """[N] root-mean-square distance of each point [N,3], in no order, to its three nearest neighbours,
    metres; of many points, estimated from a part of them."""
    points = torch.from_numpy(np.ascontiguousarray(positions)).float().to(device)
    among = points[:MOST_NEIGHBOURS]
    nearest = min(NEIGHBOURS, len(among) - 1)
    if nearest < 1:
        return np.full(len(points), 1e-5)
    squares = []
    for start in range(0, len(points), 512):
        chunk = points[start : start + 512]
        distances = torch.cdist(chunk, among, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(start, start + len(chunk), device=device)
        # No point is its own neighbour.
        distances[torch.arange(len(among), device=device) == own[:, None]] = math.inf
        squares.append((distances.topk(nearest, largest=False).values ** 2).mean(1))
    # They fill a volume: among all, neighbours are nearer by the cube root of how many more there are.
    denser = (len(among) / len(points)) ** (1 / 3)
    spacing: Doubles = (torch.cat(squares).clamp_min(1e-10).sqrt() * denser).double().cpu().numpy()
    return spacing


def clip(origin: Doubles, rays: Doubles, box: Box, near: float) -> tuple[Doubles, Doubles]:
    """Depths [N] at which ``rays`` [N,3] from ``origin`` enter and leave the box, no nearer than ``near`` /
    20; a ray that misses leaves before it enters."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (np.asarray(box[0]) - origin) / rays, (np.asarray(box[1]) - origin) / rays
    enter = np.nanmax(np.minimum(a, b), axis=1)
    return np.maximum(enter, near * 0.05), np.nanmin(np.maximum(a, b), axis=1)


def _solid(target: Target) -> Doubles:
    """[H·W] 0…1: how much of a pixel the picture fills, 0 where it does not count."""
    height, width = target.rgb.shape[:2]
    solid = np.ones((height, width)) if target.alpha is None else target.alpha.numpy() / 255
    return (solid if target.mask is None else solid * target.mask.numpy()).ravel()


def _draw_points(
    target: Target, explained: Explained | None, wanted: int, seeding: Seeding
) -> tuple[Doubles, Doubles, Doubles]:
    """Points of a picture, their pixels drawn by chance: positions [N,3], colours [N,3] and sizes [N], 0 = by
    the distance to the neighbours. Fewer than ``wanted`` where the box leaves no room."""
    random = seeding.random
    chances = _solid(target) if explained is None else explained.chance
    cumulative = np.cumsum(chances)
    total = cumulative[-1]
    if not total > 0:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)
    pixel = np.searchsorted(cumulative, random.random(wanted) * total, side="right").clip(0, len(chances) - 1)
    origin, rays = _rays(target, pixel, random)
    z, is_known = _any_depth(target, origin, rays, seeding), np.zeros(wanted, dtype=bool)
    if explained is not None:
        known, z_known = _known_depth(explained, pixel, random)
        low, high = MOST_OFF[0] * seeding.depth, MOST_OFF[1] * seeding.depth
        # What blends may itself be out of place by far.
        is_known = known & (z_known > low) & (z_known < high)
        z = np.where(is_known, z_known, z)
    spacing = np.sqrt(total / (wanted * chances[pixel])).clip(*SPACING_PX)
    sizes = np.where(is_known, SIZE * spacing * z / target.camera.intrinsics.fx, 0)
    hit = ~np.isnan(z)
    colors = target.rgb.reshape(-1, 3).numpy()[pixel] / 255
    return (origin + z[:, None] * rays)[hit], colors[hit], sizes[hit]


def _rays(target: Target, pixel: NDArray[np.int64], random: np.random.Generator) -> tuple[Doubles, Doubles]:
    """The camera's centre [3], and rays [N,3] in the world through a random place in each pixel; along them,
    depth is the distance along the optical axis."""
    lens = target.camera.intrinsics
    u = (pixel % lens.width + random.random(len(pixel)) - lens.cx) / lens.fx
    v = (pixel // lens.width + random.random(len(pixel)) - lens.cy) / lens.fy
    pose = target.camera.camera_to_world @ OPENGL_TO_OPENCV
    return pose[:3, 3], np.stack([u, v, np.ones(len(pixel))], 1) @ pose[:3, :3].T


def _any_depth(target: Target, origin: Doubles, rays: Doubles, seeding: Seeding) -> Doubles:
    """[N] metres, even in their logarithm over what is in front or in the box; NaN where a ray misses it."""
    near, far = NEAR * seeding.depth, (FAR_CUTOUT if target.has_cutout else FAR) * seeding.depth
    start, end = np.full(len(rays), near), np.full(len(rays), far)
    if seeding.bounds is not None:
        start, end = clip(origin, rays, seeding.bounds, near)
    hits = start < end
    ratio = np.where(hits, end / start, 1)
    return np.where(hits, start * ratio ** seeding.random.random(len(rays)), np.nan)


def _known_depth(
    explained: Explained, pixel: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.bool_], Doubles]:
    """Whether to take the depth of what blends there [N], and a draw from it [N]."""
    known = random.random(len(pixel)) >= np.maximum(EXPLORE, explained.open[pixel])
    depth = np.maximum(explained.depth[pixel], 1e-9)
    share = (explained.spread[pixel] / depth).clip(*SPREAD)
    return known, depth * np.exp(share * random.standard_normal(len(pixel)))
