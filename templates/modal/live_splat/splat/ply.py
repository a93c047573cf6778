"""The PLY every Gaussian-splat viewer reads: Inria's property order, 32-bit floats, little endian
(Kerbl et al. 2023, ``save_ply`` of their reference implementation), byte for byte as splatctl writes it."""

from __future__ import annotations

import re

import numpy as np

from .gaussians import Floats, Gaussians

ANTIALIASED_COMMENT = "SplatRenderMode: mip"
"""Tells viewers of training with the antialiasing filter, as PlayCanvas' splat-transform writes it."""

_BEFORE_REST = ("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2")
_AFTER_REST = ("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
_FLOAT = np.dtype("<f4")
_MAX_HEADER_BYTES = 64 * 1024
_DEGREE_OF_REST = {0: 0, 9: 1, 24: 2, 45: 3}


class PlyError(ValueError):
    """Bytes that are no PLY of a scene as ``encode_ply`` writes it."""


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


def read_ply(data: bytes) -> Gaussians:
    """The scene of a binary little-endian PLY of floats, columns found by name. Raises PlyError."""
    header, names, count = _parse_header(data)
    if len(data) < header + count * len(names) * _FLOAT.itemsize:
        raise PlyError(
            f"it is cut short: its header promises {count} vertices, and the bytes end before them"
        )
    rows = np.frombuffer(data, _FLOAT, count * len(names), header).reshape(count, len(names))
    rest = sum(name.startswith("f_rest_") for name in names)
    if rest not in _DEGREE_OF_REST:
        raise PlyError(f"it has {rest} f_rest properties, not 0, 9, 24 or 45")
    wanted = property_names(_DEGREE_OF_REST[rest])
    missing = [name for name in wanted if name not in names and not name.startswith("n")]
    if missing:
        raise PlyError(f"its vertices have no {', '.join(missing)}")

    def columns(prefix: str, width: int) -> Floats:
        at = [names.index(f"{prefix}{i}") for i in range(width)]
        return np.ascontiguousarray(rows[:, at], np.float32)

    k = rest // 3 + 1
    sh = np.empty((count, k, 3), np.float32)
    sh[:, 0] = columns("f_dc_", 3)
    sh[:, 1:] = columns("f_rest_", rest).reshape(count, 3, k - 1).transpose(0, 2, 1)
    return Gaussians(
        means=np.ascontiguousarray(rows[:, [names.index(axis) for axis in "xyz"]], np.float32),
        log_scales=columns("scale_", 3),
        quats=columns("rot_", 4),
        opacities=np.ascontiguousarray(rows[:, names.index("opacity")], np.float32),
        sh=sh,
    )


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


def _parse_header(data: bytes) -> tuple[int, list[str], int]:
    """Length in bytes, names of the vertex's columns, and how many vertices."""
    match = re.match(rb"ply\r?\n(.*?)\nend_header\r?\n", data[:_MAX_HEADER_BYTES], re.DOTALL)
    if match is None:
        raise PlyError("it has no header of a PLY")
    names: list[str] = []
    count: int | None = None
    is_binary = False
    for line in match[1].decode("latin-1").splitlines():
        words = line.split()
        if words[:2] == ["format", "binary_little_endian"]:
            is_binary = True
        elif words[:2] == ["element", "vertex"] and count is None and words[-1].isdecimal():
            count = int(words[-1])
        elif words[:2] in (["property", "float"], ["property", "float32"]) and len(words) == 3:
            names.append(words[2])
        elif words and words[0] not in ("comment", "obj_info"):
            raise PlyError(f'only binary little-endian vertices of floats are read, not "{line.strip()}"')
    if count is None or not is_binary:
        raise PlyError("it has no vertices in binary little endian")
    return match.end(), names, count
