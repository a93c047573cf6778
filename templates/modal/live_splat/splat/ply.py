"""The PLY every Gaussian-splat viewer reads: Inria's property order, 32-bit floats, little endian
(Kerbl et al. 2023, ``save_ply`` of their reference implementation), byte for byte as splatctl writes it."""

from __future__ import annotations

import numpy as np

from .gaussians import Gaussians

ANTIALIASED_COMMENT = "SplatRenderMode: mip"
"""Tells viewers of training with the antialiasing filter, as PlayCanvas' splat-transform writes it."""

_BEFORE_REST = ("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2")
_AFTER_REST = ("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
_FLOAT = np.dtype("<f4")


def property_names(sh_degree: int) -> list[str]:
    """Columns in file order. Normals are zero and there only because old readers insist on them."""
    rest = [f"f_rest_{i}" for i in range(3 * ((sh_degree + 1) ** 2 - 1))]
    return [*_BEFORE_REST, *rest, *_AFTER_REST]


def encode_ply(gaussians: Gaussians, *, antialiased: bool = False) -> bytes:
    """The file. Every value must be finite (see ``select.finite_gaussians``)."""
    header = _header(gaussians, [ANTIALIASED_COMMENT] if antialiased else [])
    count, k = gaussians.count, gaussians.sh.shape[1]
    rest = 3 * (k - 1)
    columns = len(_BEFORE_REST) + rest + len(_AFTER_REST)
    # Filled in place: copies of the file would take longer than all else.
    whole = bytearray(len(header) + count * columns * _FLOAT.itemsize)
    whole[: len(header)] = header
    rows = np.frombuffer(whole, _FLOAT, offset=len(header)).reshape(count, columns)
    rows[:, 0:3] = gaussians.means
    rows[:, 6:9] = gaussians.sh[:, 0]
    # The file goes channel by channel, each without its first coefficient.
    rows[:, 9 : 9 + rest].reshape(count, 3, k - 1)[...] = gaussians.sh[:, 1:].transpose(0, 2, 1)
    rows[:, -8] = gaussians.opacities
    rows[:, -7:-4] = gaussians.log_scales
    rows[:, -4:] = gaussians.quats
    return bytes(whole)


def _header(gaussians: Gaussians, comments: list[str]) -> bytes:
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment splatctl",
        "comment axes of the world the cameras were posed in: right-handed, metres",
        *(f"comment {comment}" for comment in comments),
        f"element vertex {gaussians.count}",
        *(f"property float {name}" for name in property_names(gaussians.sh_degree)),
        "end_header\n",
    ]
    return "\n".join(lines).encode("ascii")
