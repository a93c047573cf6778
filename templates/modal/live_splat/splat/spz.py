"""Writes SPZ version 3 (Niantic's format; github.com/nianticlabs/spz): gzip is all it needs, and every reader
of versions 3 and 4 takes it. All numbers are little endian; each attribute of all Gaussians lies together."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .gaussians import Floats, Gaussians
from .quantise import rounded, sigmoid, to_byte, unit_quaternions

_MAGIC = 0x5053474E
_VERSION = 3

_COLOR_SCALE = 0.15
"""Colour byte = 127.5 + 255 · this · coefficient: room for what only higher bands bring back to 0…1."""

_QUATERNION_STEP = math.sqrt(0.5) / 511
"""Largest magnitude of a component beside a larger one, in the 9 bits that are kept of it."""

_MOST_FIXED = 2**23 - 1
_USUAL_FRACTIONAL_BITS = 12
_EXTENT_BITS = 16
_STRAYS = 1000
"""Of so many coordinates one may lie beyond what is written exactly: strays must not coarsen the rest."""

# A PLY's world is read as x right, y down, z forward, an SPZ's as x right, y up, z back. What that mirroring
# does to each number: position x, y, z; rotation w, x, y, z; the harmonics, each even or odd in y and z.
_POSITION_SIGNS = np.array([1, -1, -1], np.float64)
_QUAT_SIGNS = np.array([1, 1, -1, -1], np.float64)
_SH_SIGNS = np.array([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float64)

_SH_BUCKETS = np.array([8] * 3 + [16] * 12)
"""What view-dependent colour is rounded to, in 128ths, so that it compresses: degree 1, then the others."""

_SLICE = 32_768
"""Gaussians at a time: bounds the memory for doubles."""

_LEVEL = 4
"""Of gzip: the usual 6 takes four times as long for 2 % less."""


def encode_spz(gaussians: Gaussians, *, antialiased: bool = False) -> bytes:
    """The file. Every value must be finite."""
    gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join([*(gzip.compress(part) for part in _parts(gaussians, antialiased)), gzip.flush()])


def fractional_bits(means: Floats) -> int:
    """Fractional bits of the positions, 0…22: the file's unit is 2^−this metres.

    Never coarser than the reference's 1/4096 while the scene fits, nor than a 65 536th of its extent.
    """
    # |value| < 2^e of every coordinate, from the float's own exponent; e is −126…129.
    bits = np.ascontiguousarray(means, np.float32).view(np.uint32).ravel()
    exponents = np.bincount((bits >> 23) & 0xFF, minlength=256)
    beyond = np.cumsum(exponents[::-1])[::-1]  # how many have this exponent or a larger one
    outside = np.flatnonzero(beyond > means.size / _STRAYS)
    extent = (int(outside[-1]) if len(outside) else 0) - 126
    wanted = max(_USUAL_FRACTIONAL_BITS, _EXTENT_BITS - extent)
    return max(0, min(wanted, 23 - extent, 22))


def _parts(gaussians: Gaussians, antialiased: bool) -> Iterator[bytes]:
    bits = fractional_bits(gaussians.means)
    yield struct.pack(
        "<IIIBBBB", _MAGIC, _VERSION, gaussians.count, gaussians.sh_degree, bits, 1 if antialiased else 0, 0
    )
    slices = [slice(at, at + _SLICE) for at in range(0, gaussians.count, _SLICE)]
    yield from (_positions(gaussians.means[part], bits) for part in slices)
    yield from (to_byte(sigmoid(gaussians.opacities[part]) * 255).tobytes() for part in slices)
    yield from (_colors(gaussians.sh[part, 0]) for part in slices)
    yield from (_scales(gaussians.log_scales[part]) for part in slices)
    yield from (_rotations(gaussians.quats[part]) for part in slices)
    yield from (_view_dependent(gaussians.sh[part, 1:]) for part in slices)


def _positions(means: Floats, bits: int) -> bytes:
    """Three bytes a coordinate, two's complement."""
    fixed = np.clip(rounded(means * _POSITION_SIGNS * 2**bits), -_MOST_FIXED, _MOST_FIXED)
    return fixed.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _colors(base: Floats) -> bytes:
    return to_byte(127.5 + 255 * _COLOR_SCALE * base.astype(np.float64)).tobytes()


def _scales(log_scales: Floats) -> bytes:
    return to_byte((log_scales.astype(np.float64) + 10) * 16).tobytes()


def _rotations(quats: Floats) -> bytes:
    """Two bits say which of x, y, z, w is largest; the others follow, sign and nine bits each."""
    xyzw = np.roll(unit_quaternions(quats) * _QUAT_SIGNS, -1, axis=1)
    rows = np.arange(len(xyzw))
    largest = np.abs(xyzw).argmax(axis=1)
    # q and −q are the same rotation: the one whose largest component is positive is kept.
    xyzw *= np.sign(xyzw[rows, largest])[:, None]
    magnitude = np.minimum(511, rounded(np.abs(xyzw) / _QUATERNION_STEP)).astype(np.uint32)
    entries: NDArray[np.uint32] = magnitude | ((xyzw < 0).astype(np.uint32) << np.uint32(9))
    others = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])[largest]
    packed = largest.astype(np.uint32)
    for column in range(3):
        packed = (packed << np.uint32(10)) | entries[rows, others[:, column]]
    return packed.astype("<u4").tobytes()


def _view_dependent(sh: Floats) -> bytes:
    """``sh`` [n,K−1,3]: a byte each, colour channel innermost, rounded to buckets."""
    rest = sh.shape[1]
    scaled = np.clip(sh * (128 * _SH_SIGNS[1 : rest + 1, None]), -200, 200)
    buckets = _SH_BUCKETS[:rest, None]
    # Buckets are powers of two: the bits below one are dropped, towards −∞.
    values = (128 + rounded(scaled).astype(np.int64) + buckets // 2) & -buckets
    return np.clip(values, 0, 255).astype(np.uint8).tobytes()
