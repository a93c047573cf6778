"""What requests may hold: the rules of src/api/schema.ts, as pydantic models.

Requests are strict in value (no string for a number, no NaN, no null for a key that may be left out) and
lenient in extra keys, but for PUT /scene, where an unknown key is a typo that must not be lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


@dataclass(frozen=True)
class Limits:
    """Limits every backend keeps (src/api/limits.ts)."""

    frame_bytes: int = 32 * 1024 * 1024
    json_bytes: int = 64 * 1024
    image_pixels: int = 64_000_000
    image_side: int = 16_384
    frame_id_length: int = 128
    joint_angle_rad: float = 2 * math.pi
    """Joint angles beyond this are surely degrees."""
    joint_history_s: float = 30.0
    gaussians: int = 2_000_000


LIMITS = Limits()

STEPS_PER_FRAME = 30
"""Steps that each trainable frame calls for; ``progress`` is measured against it."""

SCENE_NAME = r"[a-z0-9-]{1,32}"
"""What ?scene= may be, as a regular expression for ``re.fullmatch``."""

_SAFE_INTEGER = 2**53 - 1


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _joint(angle: float) -> float:
    if abs(angle) > LIMITS.joint_angle_rad:
        raise ValueError("joint angle beyond ±2π rad: degrees?")
    return angle


def _rotation(q: list[float]) -> list[float]:
    if math.hypot(*q) <= 1e-6:
        raise ValueError("rotation_wxyz must not be zero")
    return q


def _rigid(rows: list[list[float]]) -> list[list[float]]:
    x, y, z = ([row[i] for row in rows[:3]] for i in range(3))
    axes = (x, y, z)
    orthonormal = all(abs(_dot(axes[i], axes[j]) - (i == j)) < 1e-3 for i in range(3) for j in range(3))
    cross = (y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0])
    ends_well = all(abs(value - want) < 1e-6 for value, want in zip(rows[3], (0, 0, 0, 1), strict=True))
    if not (orthonormal and _dot(x, cross) > 0 and ends_well):
        raise ValueError("camera_to_world must be a rigid transform: rotation, translation, 0 0 0 1")
    return rows


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True, le=_SAFE_INTEGER)]
Flag = Annotated[bool, Field(strict=True)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]
JointAngles = Annotated[list[Annotated[Number, AfterValidator(_joint)]], Field(min_length=6, max_length=6)]
"""[6] rad, in motor order: pan, lift, elbow, wrist flex, wrist roll, gripper."""
JointSample = Annotated[tuple[Number, JointAngles], Field(strict=False)]
"""Time (s) and the angles read then."""
Matrix4 = Annotated[
    list[Annotated[list[Number], Field(min_length=4, max_length=4)]],
    Field(min_length=4, max_length=4),
    AfterValidator(_rigid),
]
"""4×4 row-major, rigid."""
FinishSeconds = Annotated[Number, Field(ge=0, le=3600)]
MaxGaussians = Annotated[Whole, Field(ge=100, le=LIMITS.gaussians)]
ShDegree = Annotated[Whole, Field(ge=0, le=3)]
Background = Literal["black", "white", "random"]
ZeroOffsets = Annotated[list[Number], Field(min_length=5, max_length=5)]
_Side = Annotated[Whole, Field(gt=0, le=LIMITS.image_side)]


class _Form(BaseModel):
    """A JSON object. A key may be left out where it has a default, but null is a value like any other."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _no_stray_null(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in cls.model_fields.keys() - cls.nullable:
                if name in value and value[name] is None:
                    raise ValueError(f"{name} must not be null: leave it out")
        return value


class FrameMeta(_Form):
    """The ``meta`` form field of POST /upload-frame."""

    frame_id: Annotated[str, Field(strict=True, min_length=1, max_length=LIMITS.frame_id_length)] | None = (
        None
    )
    captured_at: Number | None = None
    joint_angles: JointAngles | None = None
    joint_samples: Annotated[list[JointSample], Field(max_length=10_000)] | None = None
    sent_at: Number | None = None
    camera_to_world: Matrix4 | None = None
    holdout: Flag | None = None


class JointUpdate(_Form):
    """POST /update-joint-angles."""

    joint_angles: JointAngles
    captured_at: Number | None = None


class StopRequest(_Form):
    """POST /stop-training."""

    finish_seconds: FinishSeconds | None = None


class CameraModel(_Form):
    """The lens frames are taken through, pixels; OPENCV distortion."""

    model: Literal["PINHOLE", "OPENCV"]
    w: _Side
    h: _Side
    fl_x: Positive
    fl_y: Positive
    cx: Number
    cy: Number
    k1: Number = 0.0
    k2: Number = 0.0
    p1: Number = 0.0
    p2: Number = 0.0


class CameraMount(_Form):
    """``gripper_link`` → camera, OpenCV optical axes; metres."""

    parent: Literal["gripper_link"]
    translation_m: Point
    rotation_wxyz: Annotated[list[Number], Field(min_length=4, max_length=4), AfterValidator(_rotation)]


class Bounds(_Form):
    """A box in the world, metres."""

    min_m: Point
    max_m: Point

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if not all(low < high for low, high in zip(self.min_m, self.max_m, strict=True)):
            raise ValueError("bounds: each min_m must lie below its max_m")
        return self


class Refine(_Form):
    """What is to be solved from the images."""

    poses: Flag = False
    joints: Flag = False
    camera_mount: Flag = False
    intrinsics: Flag = False
    clock: Flag = False
    exposure: Flag = False


_NULLABLE = frozenset({"camera", "bounds", "max_joint_speed_deg_s"})


class SceneSettings(_Form):
    """Every setting of a scene. ``camera`` and ``bounds`` are None while nobody gave them."""

    nullable = _NULLABLE

    camera: CameraModel | None
    camera_mount: CameraMount
    joint_zero_offsets_rad: ZeroOffsets
    clock_offset_s: Number
    refine: Refine
    bounds: Bounds | None
    finish_seconds: FinishSeconds
    max_joint_speed_deg_s: Positive | None
    max_gaussians: MaxGaussians
    sh_degree: ShDegree
    background: Background
    chunk_every: Annotated[Whole, Field(gt=0)]
    holdout_every: Annotated[Whole, Field(ge=0)]

    def patched(self, patch: ScenePatch) -> SceneSettings:
        """These settings with a patch applied; keys that the patch does not name stay."""
        changes = patch.changes()
        refine = {**self.refine.model_dump(), **changes.pop("refine", {})}
        return SceneSettings.model_validate({**self.model_dump(), **changes, "refine": refine})


class ScenePatch(_Form):
    """PUT /scene: any part of the settings; unknown keys are refused so a typo is not silently lost."""

    model_config = ConfigDict(extra="forbid")
    nullable = _NULLABLE

    camera: CameraModel | None = None
    camera_mount: CameraMount | None = None
    joint_zero_offsets_rad: ZeroOffsets | None = None
    clock_offset_s: Number | None = None
    refine: Refine | None = None
    bounds: Bounds | None = None
    finish_seconds: FinishSeconds | None = None
    max_joint_speed_deg_s: Positive | None = None
    max_gaussians: MaxGaussians | None = None
    sh_degree: ShDegree | None = None
    background: Background | None = None
    chunk_every: Annotated[Whole, Field(gt=0)] | None = None
    holdout_every: Annotated[Whole, Field(ge=0)] | None = None

    def changes(self) -> dict[str, Any]:
        """What was given, as JSON values; of ``refine`` only the flags that were."""
        given = self.model_dump(include=self.model_fields_set)
        if self.refine is not None:
            given["refine"] = self.refine.model_dump(exclude_unset=True)
        return given


DEFAULT_CAMERA_MOUNT = CameraMount(
    parent="gripper_link",
    translation_m=[0.002524, -0.069517, -0.001285],
    rotation_wxyz=[0.0, 0.0, math.cos(math.radians(12.5)), math.sin(math.radians(12.5))],
)
"""The mount of src/robot/so101.ts: a 32×32 mm module upside-down at −y, tilted 25° towards the fingers."""


def default_settings(max_gaussians: int) -> SceneSettings:
    """Settings of a scene that nobody configured (src/backend/settings.ts); the cap goes by the device."""
    return SceneSettings(
        camera=None,
        camera_mount=DEFAULT_CAMERA_MOUNT,
        joint_zero_offsets_rad=[0.0] * 5,
        clock_offset_s=0.0,
        refine=Refine(),
        bounds=None,
        finish_seconds=60.0,
        max_joint_speed_deg_s=None,
        max_gaussians=max_gaussians,
        sh_degree=3,
        background="black",
        chunk_every=50,
        holdout_every=0,
    )
