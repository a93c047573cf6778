"""The headerless ``.splat`` file of antimatter15's viewer: 32 bytes a Gaussian, no view-dependent colour.

Little endian: float32 position ×3, float32 standard deviation ×3, RGBA bytes, rotation w x y z as bytes
(128 + 128 q). Gaussians come in falling order of size × opacity, so that any prefix of the file is the best
scene of its length.
"""

from __future__ import annotations

import numpy as np

from .gaussians import Gaussians
from .quantise import SH_C0, log_sigmoid, sigmoid, to_byte, unit_quaternions
from .select import pick

_ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])

_MOST_LOG_SCALE = 80.0
"""Standard deviations are kept between e^±this, where a float32 is exact to the last bit, ln m."""


def encode_splat(gaussians: Gaussians) -> bytes:
    """The file. Every value must be finite; an empty scene is an empty file."""
    ordered = pick(gaussians, _by_importance(gaussians))
    rows = np.zeros(ordered.count, _ROW)
    log_scales = np.clip(ordered.log_scales.astype(np.float64), -_MOST_LOG_SCALE, _MOST_LOG_SCALE)
    rows["mean"] = ordered.means
    rows["scale"] = np.exp(log_scales)
    rows["rgba"][:, :3] = to_byte((0.5 + SH_C0 * ordered.sh[:, 0].astype(np.float64)) * 255)
    rows["rgba"][:, 3] = to_byte(sigmoid(ordered.opacities) * 255)
    rows["quat"] = to_byte(128 + 128 * unit_quaternions(ordered.quats))
    return rows.tobytes()


def _by_importance(gaussians: Gaussians) -> np.ndarray:
    """Indices by falling volume × opacity; equal ones as they came."""
    log_volume = gaussians.log_scales.astype(np.float64).sum(axis=1)
    # In 32 bits, as the TypeScript encoder compares them: the same Gaussians are equal.
    importance = (log_volume + log_sigmoid(gaussians.opacities)).astype(np.float32)
    return np.argsort(-importance, kind="stable")
