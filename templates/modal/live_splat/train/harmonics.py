"""Real spherical harmonics to degree 3, in the sign convention of every splat file (Kerbl et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor

SH_C0 = 0.28209479177387814


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """[M,3] unit vectors → [M,(degree+1)²] values of the basis."""
    x, y, z = directions.unbind(1)
    basis = [torch.full_like(x, SH_C0)]
    if degree >= 1:
        c = 0.4886025119029199
        basis += [-c * y, c * z, -c * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        c0, c1, c2 = 1.0925484305920792, 0.31539156525252005, 0.5462742152960396
        basis += [c0 * x * y, -c0 * y * z, c1 * (2 * zz - xx - yy), -c0 * x * z, c2 * (xx - yy)]
    if degree >= 3:
        c0, c1, c2 = 0.5900435899266435, 2.890611442640554, 0.4570457994644658
        c3, c4 = 0.3731763325901154, 1.445305721320277
        basis += [
            -c0 * y * (3 * xx - yy),
            c1 * x * y * z,
            -c2 * y * (4 * zz - xx - yy),
            c3 * z * (2 * zz - 3 * xx - 3 * yy),
            -c2 * x * (4 * zz - xx - yy),
            c4 * z * (xx - yy),
            -c0 * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, 1)


def sh_colors(directions: Tensor, sh: Tensor, degree: int) -> Tensor:
    """[M,3] colour that Gaussians with coefficients ``sh`` [M,K,3] show in ``directions`` [M,3], not below
    0."""
    basis = sh_basis(directions, degree)
    return ((basis[:, :, None] * sh[:, : basis.shape[1]]).sum(1) + 0.5).clamp_min(0)
