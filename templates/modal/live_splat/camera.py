"""Pinhole cameras. Outside (contract, data sets) a pose is camera-to-world with OpenGL axes (x right, y up,
looks along −z); rasterisers want world-to-camera with OpenCV axes (x right, y down, z forward). Pixel centres
lie at +0.5."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole lens for an image of width × height pixels; focal lengths and principal point in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def resized(self, width: int, height: int) -> Intrinsics:
        """The same lens on the image resized."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=self.cx * sx,
            cy=self.cy * sy,
        )


@dataclass(frozen=True)
class Camera:
    """Where a picture was taken from and through which lens."""

    intrinsics: Intrinsics
    camera_to_world: Matrix
    """[4,4] OpenGL axes, metres."""

    def world_to_camera(self) -> Matrix:
        """[4,4] with OpenCV axes; the pose's rotation must be orthonormal."""
        pose = self.camera_to_world @ OPENGL_TO_OPENCV
        rotation, centre = pose[:3, :3], pose[:3, 3]
        view = np.eye(4)
        view[:3, :3] = rotation.T
        view[:3, 3] = -rotation.T @ centre
        return view
