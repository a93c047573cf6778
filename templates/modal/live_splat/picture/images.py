"""Bytes somebody sent → an image the trainer can use, or a clear no."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin

from live_splat.camera import Intrinsics
from live_splat.contract import LIMITS, CameraModel
from live_splat.refusal import RefusalError
from live_splat.training import Picture

from .color_profiles import to_srgb
from .undistort import Distortion, undistort

ImageType = Literal["jpeg", "png"]

ASSUMED_FOV_DEG = 60.0
"""Horizontal field of view while nobody gave a camera."""

_ASPECT_TOLERANCE = 0.01
"""How much an image's aspect may differ from its camera's before it is worth a word."""

_OPENERS: dict[ImageType, tuple[bytes, type[Any]]] = {
    "jpeg": (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    "png": (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
}
"""How each type begins and what reads it. Opened so, no other of Pillow's many decoders sees the bytes."""

_DECODE_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Pillow raises for damaged files."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings an EXIF orientation upright."""


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header says; width and height with the EXIF orientation applied, pixels."""

    type: ImageType
    width: int
    height: int


@dataclass(frozen=True)
class Prepared:
    """An image as the trainer takes it, with the lens that fits its size."""

    info: ImageInfo
    intrinsics: Intrinsics
    picture: Picture
    warnings: list[str]


def inspect(data: bytes) -> ImageInfo:
    """Type and size, from the header alone: nothing large is decoded before it is known to be small.

    Raises RefusalError: ``unsupported_media`` for anything but JPEG and PNG, ``bad_image`` when the header is
    damaged or tells of too large an image.
    """
    return _open(data)[0]


def measure(data: bytes, camera: CameraModel | None, max_pixels: int) -> Intrinsics:
    """The lens that ``prepare`` gives with these bytes, from their header alone. Raises as ``inspect``."""
    return _intrinsics(camera, *_fit(inspect(data), max_pixels))


def prepare(data: bytes, camera: CameraModel | None, max_pixels: int) -> Prepared:
    """Decode a frame: EXIF orientation applied, 8 bits, at most ``max_pixels``, lens distortion removed.

    An animated PNG counts as its first picture. Raises as ``inspect``, and ``bad_image`` when the file does
    not decode to its end.
    """
    info, image, orientation = _open(data)
    size = _fit(info, max_pixels)
    try:
        image = _eight_bit(image)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        if image.size != size:
            image = image.resize(size, Image.Resampling.HAMMING)
    except _DECODE_ERRORS as error:
        raise _bad_image(error) from error
    lens = _intrinsics(camera, *size)
    warnings = [] if camera is None else _aspect_warnings(camera, info)
    return Prepared(info, lens, _picture(image, lens, camera), warnings)


def decode_mask(png: bytes, camera: CameraModel | None) -> NDArray[np.bool_]:
    """[h,w] of a mask, white = True = trained and scored.

    Raises RefusalError: ``unsupported_media`` unless it is a PNG, ``bad_image`` when it does not decode,
    ``bad_request`` when it has another aspect than the camera.
    """
    if _type_of(png) != "png":
        raise RefusalError("unsupported_media", "a mask must be a PNG")
    info, image, _ = _open(png)
    if camera is not None and not _same_aspect(info, camera):
        raise RefusalError(
            "bad_request",
            f"the mask is {info.width}×{info.height}, the camera {camera.w}×{camera.h}",
            hint="A mask has the camera's size, or its aspect.",
        )
    try:
        # Transparency says nothing here.
        grey = np.asarray(_eight_bit(image).convert("RGB").convert("L"))
    except _DECODE_ERRORS as error:
        raise _bad_image(error) from error
    return grey >= 128


def _type_of(data: bytes) -> ImageType:
    """What the bytes say they are, whatever their name."""
    for kind, (signature, _) in _OPENERS.items():
        if data.startswith(signature):
            return kind
    raise RefusalError(
        "unsupported_media",
        "the file is neither a JPEG nor a PNG by its bytes",
        hint="Send JPEG or PNG images." if data else "It is empty: was it read while still being written?",
    )


def _open(data: bytes) -> tuple[ImageInfo, Image.Image, int]:
    """Header, the image yet to be decoded, and its EXIF orientation."""
    kind = _type_of(data)
    try:
        image: Image.Image = _OPENERS[kind][1](BytesIO(data))
    except _DECODE_ERRORS as error:
        raise _bad_image(error) from error
    orientation = _orientation(image)
    width, height = reversed(image.size) if orientation >= 5 else image.size
    if width * height > LIMITS.image_pixels or max(width, height) > LIMITS.image_side:
        raise RefusalError(
            "bad_image",
            f"the image is {width}×{height}: too large",
            hint=f"At most {LIMITS.image_pixels / 1e6:g} million pixels and {LIMITS.image_side} on a side.",
        )
    return ImageInfo(kind, width, height), image, orientation


def _orientation(image: Image.Image) -> int:
    """1…8, 1 = upright. From the header: ``getexif`` would decode all of a PNG to look behind it."""
    block = image.info.get("exif")
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        value = exif.get(_ORIENTATION_TAG, 1)
    except _DECODE_ERRORS:
        return 1  # damaged notes about a picture do not make it a bad one
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """Decode to RGB, or to RGBA where there is transparency; sRGB."""
    image.load()
    if image.mode.startswith("I"):  # 16-bit grey
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode == "CMYK":
        return to_srgb(image).convert("RGB")
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return to_srgb(image.convert("RGBA" if has_alpha else "RGB"))


def _picture(image: Image.Image, lens: Intrinsics, camera: CameraModel | None) -> Picture:
    bend = Distortion() if camera is None else Distortion(camera.k1, camera.k2, camera.p1, camera.p2)
    has_alpha = image.mode == "RGBA"
    mask = None
    if bend.bends:
        pixels, mask = undistort(np.asarray(image.convert("RGBA")), lens, bend)
        image = Image.fromarray(pixels)
    # Copies, since what looks at Pillow's own memory cannot be written to, which torch warns of.
    alpha = np.array(image.getchannel("A")) if has_alpha else None
    return Picture(np.array(image.convert("RGB")), alpha, mask)


def _fit(info: ImageInfo, max_pixels: int) -> tuple[int, int]:
    """Largest width and height of the same aspect within ``max_pixels``; never larger than the image."""
    scale = min(1.0, math.sqrt(max_pixels / (info.width * info.height)))
    return max(1, math.floor(info.width * scale)), max(1, math.floor(info.height * scale))


def _intrinsics(camera: CameraModel | None, width: int, height: int) -> Intrinsics:
    if camera is None:
        focal = width / 2 / math.tan(math.radians(ASSUMED_FOV_DEG / 2))
        return Intrinsics(width, height, focal, focal, width / 2, height / 2)
    lens = Intrinsics(camera.w, camera.h, camera.fl_x, camera.fl_y, camera.cx, camera.cy)
    return lens.resized(width, height)


def _same_aspect(info: ImageInfo, camera: CameraModel) -> bool:
    """Whether both show the same field."""
    return abs((info.width * camera.h) / (info.height * camera.w) - 1) <= _ASPECT_TOLERANCE


def _aspect_warnings(camera: CameraModel, info: ImageInfo) -> list[str]:
    if _same_aspect(info, camera):
        return []
    return [
        f"an image of {info.width}×{info.height} came from a camera set to {camera.w}×{camera.h}: "
        "its aspect differs, so its lens is only scaled to fit"
    ]


def _bad_image(error: Exception) -> RefusalError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(": ")
    return RefusalError(
        "bad_image",
        f"the image does not decode: {reason}",
        hint="It is damaged, or was read while still being written.",
    )
