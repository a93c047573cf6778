"""Takes the bend of a lens out of an image, so that the trainer only ever sees pinhole cameras."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_splat.camera import Intrinsics

Bytes = NDArray[np.uint8]

_BLOCK = 16_384
"""Pixels at a time: what is in between stays in the processor's cache, which makes it four times as fast."""


@dataclass(frozen=True)
class Distortion:
    """Radial k1, k2 and tangential p1, p2 (Brown 1966; OpenCV ``calib3d``, first four coefficients)."""

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    @property
    def bends(self) -> bool:
        """Whether there is anything to take out."""
        return any((self.k1, self.k2, self.p1, self.p2))


def undistort(rgba: Bytes, lens: Intrinsics, distortion: Distortion) -> tuple[Bytes, NDArray[np.bool_]]:
    """The image that a pinhole with the same intrinsics would have seen, bilinear, to a 256th.

    ``rgba``: [H,W,4], contiguous. Gives the same shape, and [H,W] False where the lens did not look: that is
    read-only, since all frames of a lens share it.
    """
    source = _source(lens, distortion)
    pixels = rgba.reshape(-1).view(np.uint32)
    mixed = np.empty(len(source.index), np.uint32)
    for start in range(0, len(mixed), _BLOCK):
        part = slice(start, start + _BLOCK)
        mixed[part] = _mix(pixels, source.index[part], source.steps, source.weights[:, part])
    out = np.zeros((lens.height, lens.width), np.uint32)
    out[source.inside] = mixed
    return out.view(np.uint8).reshape(rgba.shape), source.inside


@dataclass(frozen=True)
class _Source:
    """Where the M pixels that have a source come from: four neighbours each."""

    inside: NDArray[np.bool_]
    """[H,W] which they are."""
    index: NDArray[np.intp]
    """[M] the upper left neighbour."""
    steps: tuple[int, int, int, int]
    """From there to each of the four."""
    weights: NDArray[np.uint16]
    """[4,M] 256ths; 256 together."""


_EVEN_BYTES = np.uint32(0x00FF00FF)
_HALF = np.uint32(0x00800080)
_BYTE = np.uint32(8)


def _mix(
    pixels: NDArray[np.uint32], index: NDArray[np.intp], steps: Iterable[int], weights: NDArray[np.uint16]
) -> NDArray[np.uint32]:
    """Weighted means of pixels that are each one number of four bytes.

    Two bytes at a time have room for their sums in 16 bits each: several times as fast as four floats.
    """
    even = np.full(len(index), _HALF)
    odd = even.copy()
    for step, weight in zip(steps, weights, strict=True):
        neighbours = pixels[index + step]
        even += (neighbours & _EVEN_BYTES) * weight
        odd += ((neighbours >> _BYTE) & _EVEN_BYTES) * weight
    return ((even >> _BYTE) & _EVEN_BYTES) | (odd & ~_EVEN_BYTES)


@lru_cache(maxsize=4)
def _source(lens: Intrinsics, distortion: Distortion) -> _Source:
    """Every frame of a camera has the same: about 20 bytes a pixel, kept."""
    width, height = lens.width, lens.height
    x, y = np.meshgrid(
        (np.arange(width) + 0.5 - lens.cx) / lens.fx, (np.arange(height) + 0.5 - lens.cy) / lens.fy
    )
    # Coefficients that no lens has end in infinities, which are outside of any image.
    with np.errstate(over="ignore", invalid="ignore"):
        x, y, has_source = _distorted(x, y, distortion)
        u = lens.fx * x + lens.cx - 0.5
        v = lens.fy * y + lens.cy - 0.5
    # Half a pixel beyond the outermost centres is still inside the sensor.
    inside = has_source & (u >= -0.5) & (v >= -0.5) & (u <= width - 0.5) & (v <= height - 0.5)
    u = np.clip(u[inside], 0, width - 1)
    v = np.clip(v[inside], 0, height - 1)
    column = np.minimum(np.floor(u), max(0, width - 2)).astype(np.intp)
    row = np.minimum(np.floor(v), max(0, height - 2)).astype(np.intp)
    inside.setflags(write=False)
    right, down = min(1, width - 1), width * min(1, height - 1)
    steps = (0, right, down, down + right)
    return _Source(inside, row * width + column, steps, _weights(u - column, v - row))


def _weights(right: NDArray[Any], down: NDArray[Any]) -> NDArray[np.uint16]:
    """[4,M] of the four neighbours, from the shares [M] of the right and of the lower ones."""
    shares = np.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down])
    weights = np.rint(shares * 256)
    # What rounding left over goes to the greatest, so that the sum is exact and a flat area stays flat.
    weights[shares.argmax(axis=0), np.arange(shares.shape[1])] += 256 - weights.sum(axis=0)
    return weights.astype(np.uint16)


def _distorted(
    x: NDArray[Any], y: NDArray[Any], d: Distortion
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Where the lens puts rays of the ideal image plane (z = 1), and whether anywhere.

    Past the turning point of the radial polynomial rays fold back into the image: they have no source.
    """
    r2 = x * x + y * y
    radial = 1 + d.k1 * r2 + d.k2 * r2 * r2
    return (
        x * radial + 2 * d.p1 * x * y + d.p2 * (r2 + 2 * x * x),
        y * radial + d.p1 * (r2 + 2 * y * y) + 2 * d.p2 * x * y,
        1 + 3 * d.k1 * r2 + 5 * d.k2 * r2 * r2 > 0,
    )
