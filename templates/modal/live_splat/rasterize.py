"""Rendering Gaussians: gsplat on CUDA, ``raster_cpu`` everywhere else. Both follow one convention and are
differentiable.

The convention (EWA splatting, Zwicker et al. 2002, as Kerbl et al. 2023 use it): pixel centres at +0.5; 0.3
px² on the diagonal of the 2D covariance; alpha at most 0.999, left out below 1/255; a pixel is closed before
its transmittance would fall to 1e-4; nothing nearer than 0.01 m; colours are sRGB and trained as they are.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .camera import Camera, Intrinsics

NEAR = 0.01
"""Gaussians nearer than this are not drawn, metres."""
BLUR = 0.3
"""Variance added to each splat so that none falls between pixels, px²."""


@dataclass(frozen=True)
class Shapes:
    """N Gaussians without their colours, as rendering takes them."""

    means: Tensor
    """[N,3] metres."""
    quats: Tensor
    """[N,4] w, x, y, z, of any length."""
    scales: Tensor
    """[N,3] standard deviations, metres."""
    opacities: Tensor
    """[N] 0…1."""


@dataclass(frozen=True)
class View:
    """A camera on the device that renders."""

    world_to_camera: Tensor
    """[4,4] float32, OpenCV axes."""
    intrinsics: Intrinsics


@dataclass(frozen=True)
class Rendered:
    """What a camera sees, on black."""

    image: Tensor
    """[H,W,D] colour, times alpha."""
    alpha: Tensor
    """[H,W] 0…1; the rest of each pixel is open."""

    def on(self, background: Tensor) -> Tensor:
        """[H,W,D] in front of the colour ``background`` [D]."""
        return self.image + (1 - self.alpha)[:, :, None] * background


Rasterizer = Callable[[Shapes, Tensor, View, "int | None"], Rendered]
"""(shapes, colours, view, degree): colours are [N,K,3] spherical harmonics used up to the degree, or, where
that is None, [N,D] values that are blended as they are."""


def view_of(camera: Camera, device: torch.device) -> View:
    """The camera there; uploaded once, as each step would wait for it."""
    pose = np.ascontiguousarray(camera.camera_to_world, dtype=np.float64).tobytes()
    return View(_matrix_on(pose, camera.intrinsics, device), camera.intrinsics)


@lru_cache(maxsize=4096)
def _matrix_on(pose: bytes, lens: Intrinsics, device: torch.device) -> Tensor:
    """[4,4] world-to-camera; the pose as the bytes of its matrix, which can be looked up."""
    matrix = Camera(lens, np.frombuffer(pose).reshape(4, 4)).world_to_camera()
    return torch.from_numpy(matrix).to(device=device, dtype=torch.float32)


@lru_cache(maxsize=64)
def _lens_on(lens: Intrinsics, device: torch.device) -> Tensor:
    """[1,3,3]"""
    pinhole = [[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]]
    return torch.tensor([pinhole], dtype=torch.float32, device=device)


def rasterizer_for(device: torch.device) -> Rasterizer:
    """The rasteriser that belongs to a device."""
    if device.type == "cuda":
        return rasterize_gsplat
    from .train.raster_cpu import rasterize_cpu

    return rasterize_cpu


def rasterize_gsplat(shapes: Shapes, colors: Tensor, view: View, sh_degree: int | None) -> Rendered:
    """By gsplat (≥ 1.5), whose kernels keep the convention above by default. One camera a call.

    ``packed=False``: one camera looks at a scene most of which it sees, where the dense layout is the faster
    one. The background is blended in by the caller (``Rendered.on``), so that features and colours go the
    same way.
    """
    gsplat = importlib.import_module("gsplat")
    lens = view.intrinsics
    image, alpha, _ = gsplat.rasterization(
        means=shapes.means,
        quats=shapes.quats,
        scales=shapes.scales,
        opacities=shapes.opacities,
        colors=colors,
        viewmats=view.world_to_camera[None],
        Ks=_lens_on(lens, shapes.means.device),
        width=lens.width,
        height=lens.height,
        near_plane=NEAR,
        eps2d=BLUR,
        sh_degree=sh_degree,
        packed=False,
        render_mode="RGB",
        rasterize_mode="classic",
    )
    return Rendered(image[0], alpha[0, :, :, 0])
