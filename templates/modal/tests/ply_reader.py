"""Reads a PLY of a scene, for tests: binary little-endian floats, columns found by name."""

from __future__ import annotations

import re

import numpy as np

from live_splat.splat.gaussians import Floats, Gaussians
from live_splat.splat.ply import property_names

_FLOAT = np.dtype("<f4")
_MAX_HEADER_BYTES = 64 * 1024
_DEGREE_OF_REST = {0: 0, 9: 1, 24: 2, 45: 3}


class PlyError(ValueError):
    """Bytes that are no PLY of a scene as ``encode_ply`` writes it."""


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
