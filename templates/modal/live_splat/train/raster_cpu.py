"""The rasteriser for machines without CUDA; see ``rasterize`` for the convention.

Gaussians are projected with plain torch (autograd differentiates that) and blended pair by pair: a pair is
one splat on one pixel where it is seen. Only as many pairs are looked at as there are, which is what makes it
bearable on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from live_splat.rasterize import BLUR, NEAR, Rendered, Shapes, View

from .harmonics import sh_colors
from .raster_blend import ALPHA_MIN, blend
from .rotations import rotation_matrices

FIELD_MARGIN = 0.3
"""The Jacobian is taken no further out than the image and this many half-views beside it."""


@dataclass(frozen=True)
class Projected:
    """M splats on the image plane, front to back."""

    means: Tensor
    """[2,M] pixels."""
    covariances: Tensor
    """[3,M] xx, xy, yy of the blurred 2D covariance, px²."""
    opacities: Tensor
    """[M]"""

    def conics(self) -> Tensor:
        """[3,M] xx, xy, yy of the covariances' inverses."""
        xx, xy, yy = self.covariances
        return torch.stack([yy, -xy, xx]) / (xx * yy - xy * xy)


def rasterize_cpu(shapes: Shapes, colors: Tensor, view: View, sh_degree: int | None) -> Rendered:
    """Render [N] Gaussians; see ``rasterize.Rasterizer``."""
    rows = _front_to_back(shapes, view)
    means = shapes.means[rows]
    splats = _project(means, shapes, rows, view)
    shown = colors[rows]
    if sh_degree is not None:
        centre = -view.world_to_camera[:3, :3].T @ view.world_to_camera[:3, 3]
        directions = torch.nn.functional.normalize(means - centre, dim=1)
        shown = sh_colors(directions, shown, sh_degree)
    packed = torch.cat([splats.means, splats.conics(), splats.opacities[None], shown.T])
    lens = view.intrinsics
    blended = blend(packed, splats.covariances.detach(), lens.width, lens.height)
    planes = blended.view(-1, lens.height, lens.width)
    return Rendered(planes[:-1].permute(1, 2, 0), planes[-1])


@torch.no_grad()
def _front_to_back(shapes: Shapes, view: View) -> Tensor:
    """[M] indices of the Gaussians that can be drawn, nearest first; those with a number that is not finite
    cannot."""
    rotation, translation = view.world_to_camera[2, :3], view.world_to_camera[2, 3]
    depth = shapes.means @ rotation + translation
    drawn = (depth > NEAR) & (shapes.opacities >= ALPHA_MIN) & torch.isfinite(depth)
    drawn &= torch.isfinite(shapes.scales).all(1) & torch.isfinite(shapes.quats).all(1)
    rows = drawn.nonzero()[:, 0]
    return rows[torch.argsort(depth[rows], stable=True)]


def _project(means: Tensor, shapes: Shapes, rows: Tensor, view: View) -> Projected:
    """EWA: the covariance of each Gaussian through the Jacobian of the pinhole at its mean."""
    lens = view.intrinsics
    rotation, translation = view.world_to_camera[:3, :3], view.world_to_camera[:3, 3]
    x, y, z = (means @ rotation.T + translation).unbind(1)
    # Far outside the image the linear approximation breaks down: it is taken at the margin instead.
    half_x, half_y = 0.5 * lens.width / lens.fx, 0.5 * lens.height / lens.fy
    right = (lens.width - lens.cx) / lens.fx + FIELD_MARGIN * half_x
    bottom = (lens.height - lens.cy) / lens.fy + FIELD_MARGIN * half_y
    u = (x / z).clamp(-(lens.cx / lens.fx + FIELD_MARGIN * half_x), right)
    v = (y / z).clamp(-(lens.cy / lens.fy + FIELD_MARGIN * half_y), bottom)
    # [M,3,3] columns: the Gaussian's axes, in the camera's frame, as long as their standard deviations.
    axes = rotation @ (rotation_matrices(shapes.quats[rows]) * shapes.scales[rows][:, None, :])
    across = (lens.fx / z)[:, None] * (axes[:, 0] - u[:, None] * axes[:, 2])
    down = (lens.fy / z)[:, None] * (axes[:, 1] - v[:, None] * axes[:, 2])
    covariances = [(across * across).sum(1) + BLUR, (across * down).sum(1), (down * down).sum(1) + BLUR]
    centres = [lens.fx * x / z + lens.cx, lens.fy * y / z + lens.cy]
    return Projected(torch.stack(centres), torch.stack(covariances), shapes.opacities[rows])
