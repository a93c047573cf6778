"""A small scene that is known exactly: coloured Gaussians, seen by cameras on a ring around them."""

from __future__ import annotations

import numpy as np
import torch

from live_splat.camera import Camera, Intrinsics
from live_splat.rasterize import Shapes, view_of
from live_splat.train.raster_cpu import rasterize_cpu
from live_splat.training import Picture, TrainingFrame


def ring_camera(angle: float, width: int = 48, height: int = 40) -> Camera:
    """Two metres from the origin, looking at it."""
    centre = np.array([2 * np.sin(angle), 0.6, 2 * np.cos(angle)])
    backward = centre / np.linalg.norm(centre)
    right = np.cross([0, 1, 0], backward)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(backward, right), backward], 1)
    pose[:3, 3] = centre
    return Camera(Intrinsics(width, height, width, width, width / 2, height / 2), pose)


def ring_picture(camera: Camera, *, alpha: bool = False, gain: float = 1.0) -> Picture:
    """What the camera sees, on black; with ``alpha``, cut out."""
    random = np.random.default_rng(0)
    count = 40
    shapes = Shapes(
        means=torch.tensor(random.normal(0, 0.3, (count, 3))).float(),
        quats=torch.tensor(random.normal(size=(count, 4))).float(),
        scales=torch.tensor(np.exp(random.normal(-2.2, 0.3, (count, 3)))).float(),
        opacities=torch.full((count,), 0.95),
    )
    colors = torch.tensor(random.random((count, 3))).float()
    rendered = rasterize_cpu(shapes, colors, view_of(camera, torch.device("cpu")), None)
    image, opaque = rendered.image, rendered.alpha
    if alpha:
        image = image / opaque.clamp_min(1e-3)[:, :, None]
    rgb = (gain * image * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return Picture(rgb, (opaque * 255).round().to(torch.uint8).numpy() if alpha else None)


def ring_frames(count: int, *, holdout_every: int = 0, alpha: bool = False) -> list[TrainingFrame]:
    """Frames 1 … count."""
    frames = []
    for index in range(1, count + 1):
        camera = ring_camera(2 * np.pi * index / count)
        is_held_out = holdout_every > 0 and index % holdout_every == 0
        frames.append(TrainingFrame(index, camera, ring_picture(camera, alpha=alpha), is_held_out))
    return frames
