"""Rotations of Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_matrices(quats: Tensor) -> Tensor:
    """[N,4] quaternions w, x, y, z of any length → [N,3,3]. The zero quaternion is no rotation."""
    norm = quats.norm(dim=1, keepdim=True)
    # Made where it is used: a tensor of given numbers would have to be uploaded each time.
    identity = quats.new_zeros(4)
    identity[0] = 1
    w, x, y, z = torch.where(norm > 0, quats / norm.clamp_min(1e-30), identity).unbind(1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, 1).view(-1, 3, 3)
