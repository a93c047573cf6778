"""Small things that many steps need on the device: each upload would hold a step up."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Uploads:
    """What is there already, and stays."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._colors: dict[str, Tensor] = {}
        self._masks: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def background(self, name: str, random: np.random.Generator | None) -> Tensor:
        """[3] white, black, or drawn from ``random``; without that, black for all but white."""
        if name == "random" and random is not None:
            return torch.tensor(random.random(3), dtype=torch.float32, device=self._device)
        if name not in self._colors:
            self._colors[name] = torch.full((3,), float(name == "white"), device=self._device)
        return self._colors[name]

    def mask(self, mask: Tensor | None) -> Tensor | None:
        """[H,W] there. Frames share theirs as a rule: the last of each size stays."""
        if mask is None or self._device.type == "cpu":
            return mask
        size = tuple(mask.shape)
        held = self._masks.get(size)
        if held is None or held[0] is not mask:
            held = self._masks[size] = (mask, mask.to(self._device))
        return held[1]
