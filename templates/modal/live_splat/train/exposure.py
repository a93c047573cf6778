"""The exposure of every frame: learnt beside the Gaussians, held near none at all, and near it in the mean.

A camera with automatic exposure and white balance takes each frame a little differently. Before the loss the
render is given the frame's own gain and bias per channel, y = gain · x + bias; what is viewed and scored is
the plain render.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

BETA1 = 0.9
BETA2 = 0.99
EPSILON = 1e-12
RATES = np.array([0.02, 0.02, 0.02, 0.005, 0.005, 0.005])
"""Of log gain and of bias at a frame's first step."""
SLOWING = 5
"""Rates fall as 1 / (1 + steps / this) (Robbins & Monro 1951): fifty steps go a quarter of the way to twice
the light, and what is found by then no longer follows the noise of single steps, which would cost the scene a
decibel."""
PRIOR = 0.02
"""λ of λ/2 · (log gain² + bias²): what the Gaussians can explain is theirs."""
MOST = np.array([math.log(4)] * 3 + [0.3] * 3)
"""No frame is further off than two stops either way."""


class Exposures:
    """Frames are known by their index, from their first step on."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._numbers: dict[int, Doubles] = {}
        """[3,6] values (log gain, bias) and Adam's two moments of them."""
        self._sum: Doubles = np.zeros(6)
        """Of all values, kept up: a step would look at every frame for it."""

    def of(self, index: int) -> tuple[Doubles, Doubles]:
        """Gain [3] and bias [3] of a frame. The mean over all frames is taken off: otherwise scene and
        exposures could brighten and darken together, and the plain render would show a light that no frame
        had."""
        if index not in self._numbers:
            return np.ones(3), np.zeros(3)
        relative = self._numbers[index][0] - self._sum / len(self._numbers)
        return np.exp(relative[:3]), relative[3:]

    def learn(self, index: int, gradient: Doubles) -> None:
        """One step of Adam; ``gradient`` [6] is the loss's in the gains and biases that ``of`` gave."""
        values, first, second = self._numbers.get(index, np.zeros((3, 6)))
        steps = self._steps.get(index, 0) + 1
        slope = gradient * np.concatenate([self.of(index)[0], np.ones(3)]) + PRIOR * values
        first = BETA1 * first + (1 - BETA1) * slope
        second = BETA2 * second + (1 - BETA2) * slope * slope
        step = (first / (1 - BETA1**steps)) / (np.sqrt(second / (1 - BETA2**steps)) + EPSILON)
        rate = RATES / (1 + (steps - 1) / SLOWING)
        numbers = np.stack([np.clip(values - rate * step, -MOST, MOST), first, second])
        if np.isfinite(numbers).all():
            self._sum = self._sum + numbers[0] - values
            self._numbers[index], self._steps[index] = numbers, steps

    def save(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Arrays for ``restore``."""
        indices = list(self._numbers)
        return {
            "exposure_index": np.array(indices, dtype=np.int64),
            "exposure_steps": np.array([self._steps[index] for index in indices], dtype=np.int64),
            "exposure_numbers": np.array([self._numbers[index] for index in indices]).reshape(-1, 3, 6),
        }

    def restore(self, arrays: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from what ``save`` gave; frames whose numbers are not finite start anew."""
        self._steps, self._numbers = {}, {}
        names = ("exposure_index", "exposure_steps", "exposure_numbers")
        for index, steps, numbers in zip(*(arrays[name] for name in names), strict=True):
            if np.isfinite(numbers).all():
                self._steps[int(index)], self._numbers[int(index)] = int(steps), np.array(numbers)
        self._sum = sum((numbers[0] for numbers in self._numbers.values()), np.zeros(6))
