"""Pictures the trainer compares its renders with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_splat.camera import Camera, Intrinsics
from live_splat.training import Picture

SMALLEST_SIDE = 64
"""A side shorter than this is not halved."""


@dataclass(frozen=True)
class Target:
    """A picture with its camera, in main memory: frames would crowd the Gaussians out of a GPU's."""

    camera: Camera
    rgb: Tensor
    """[H,W,3] uint8 sRGB, straight."""
    alpha: Tensor | None
    """[H,W] uint8; None = opaque."""
    mask: Tensor | None
    """[H,W] bool, True = counts; None = all do."""

    @property
    def has_cutout(self) -> bool:
        """Whether a good part of some pixel is transparent."""
        return self.alpha is not None and bool((self.alpha < 128).any())

    def on(self, background: Tensor) -> Tensor:
        """[H,W,3] 0…1, composited on the colour ``background`` [3], on its device."""
        rgb = self.rgb.to(background.device).float() / 255
        if self.alpha is None:
            return rgb
        alpha = self.alpha.to(background.device)[:, :, None].float() / 255
        return background + (rgb - background) * alpha

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(each.numel() for each in (self.rgb, self.alpha, self.mask) if each is not None)

    def with_camera(self, camera: Camera) -> Target:
        """The same picture taken from elsewhere; the lens is fitted to the picture's size."""
        return replace(self, camera=_fitted(camera, self.rgb))

    def halved(self) -> Target | None:
        """At half size: 2×2 boxes averaged, colour weighted by alpha, the lens to match. None when it is
        small already."""
        camera = halved_camera(self.camera)
        if min(camera.intrinsics.width, camera.intrinsics.height) < SMALLEST_SIDE:
            return None
        rgb = self.rgb.numpy()
        if self.alpha is None:
            return Target(camera, _byte_tensor((_box_sums(rgb) + 2) >> 2), None, _halved_mask(self.mask))
        weights = self.alpha.numpy()[:, :, None]
        total = _box_sums(weights)
        weighted = _box_sums(rgb * weights.astype(np.uint32))
        # Where all is clear, any of the four will do.
        mean = np.where(
            total > 0,
            (weighted + total // 2) // np.maximum(total, 1),
            rgb[: 2 * total.shape[0] : 2, : 2 * total.shape[1] : 2],
        )
        alpha = _byte_tensor((total[:, :, 0] + 2) >> 2)
        return Target(camera, _byte_tensor(mean), alpha, _halved_mask(self.mask))


def halved_camera(camera: Camera) -> Camera:
    """The lens of a picture at half size, an odd last row or column left out."""
    lens = camera.intrinsics
    half = Intrinsics(lens.width // 2, lens.height // 2, lens.fx / 2, lens.fy / 2, lens.cx / 2, lens.cy / 2)
    return replace(camera, intrinsics=half)


class SharedMasks:
    """All frames of a lens come with one mask; here, too, it is there once."""

    def __init__(self) -> None:
        # As many lenses as are remembered where their masks are made.
        self._known: deque[tuple[NDArray[np.bool_], Tensor | None]] = deque(maxlen=4)

    def tensor_of(self, mask: NDArray[np.bool_] | None) -> Tensor | None:
        """None when everything counts."""
        if mask is None:
            return None
        for known, tensor in self._known:
            if known is mask:
                return tensor
        tensor = None if mask.all() else torch.tensor(mask)
        self._known.append((mask, tensor))
        return tensor


def target_of(camera: Camera, picture: Picture, masks: SharedMasks | None = None) -> Target:
    """The picture in the trainer's form; its pixels are not copied."""
    rgb = torch.from_numpy(picture.rgb)
    is_opaque = picture.alpha is None or (picture.alpha == 255).all()
    alpha = None if picture.alpha is None or is_opaque else torch.from_numpy(picture.alpha)
    return Target(_fitted(camera, rgb), rgb, alpha, (masks or SharedMasks()).tensor_of(picture.mask))


class SceneMask:
    """Hides what moves with the camera, at any resolution; sampled once for each size of picture."""

    def __init__(self, values: NDArray[np.bool_] | None) -> None:
        self._values = values
        self._samples: dict[tuple[int, int], Tensor] = {}

    def over(self, target: Target) -> Target:
        """The picture with this mask joined to its own."""
        if self._values is None:
            return target
        height, width = target.rgb.shape[:2]
        if (height, width) not in self._samples:
            rows = ((np.arange(height) + 0.5) * self._values.shape[0] / height).astype(int)
            columns = ((np.arange(width) + 0.5) * self._values.shape[1] / width).astype(int)
            self._samples[height, width] = torch.tensor(self._values[rows][:, columns])
        sample = self._samples[height, width]
        return replace(target, mask=sample if target.mask is None else sample & target.mask)


def _box_sums(values: NDArray[np.uint8] | NDArray[np.uint32]) -> NDArray[Any]:
    """[H,W,C] → [H//2,W//2,C], the sums of 2×2 boxes, in 16 bits for bytes."""
    height, width, channels = values.shape
    rows, columns = 2 * (height // 2), 2 * (width // 2)
    wide = np.uint16 if values.dtype == np.uint8 else values.dtype
    pairs = np.add(values[:rows:2, :columns], values[1:rows:2, :columns], dtype=wide)
    sums = np.empty((rows // 2, columns // 2, channels), wide)
    for channel in range(channels):
        # One after the other: a loop over the few channels of each pixel takes many times as long.
        np.add(pairs[:, ::2, channel], pairs[:, 1::2, channel], out=sums[:, :, channel])
    return sums


def _halved_mask(mask: Tensor | None) -> Tensor | None:
    """A pixel counts when all its sources do."""
    if mask is None:
        return None
    rows, columns = 2 * (mask.shape[0] // 2), 2 * (mask.shape[1] // 2)
    upper, lower = mask[:rows:2, :columns], mask[1:rows:2, :columns]
    both = upper & lower
    return both[:, ::2] & both[:, 1::2]


def _byte_tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.uint8))


def _fitted(camera: Camera, rgb: Tensor) -> Camera:
    height, width = rgb.shape[:2]
    lens = camera.intrinsics
    if (lens.width, lens.height) == (width, height):
        return camera
    return replace(camera, intrinsics=lens.resized(width, height))
