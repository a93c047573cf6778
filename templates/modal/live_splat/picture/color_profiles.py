"""Colours as an image's own profile means them, in sRGB: phones take photographs in wider spaces."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

_MODES = ("RGB", "RGBA", "CMYK")


def to_srgb(image: Image.Image) -> Image.Image:
    """The image in sRGB, with its alpha; itself where it has no profile, or none that fits its channels."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in _MODES:
        return image
    transform = _transform(profile, image.mode)
    return image if transform is None else transform.apply(image)


# Every frame of a camera has the same profile. Few are kept: one may be as large as a frame.
@lru_cache(maxsize=2)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode.startswith("RGB") and "sRGB" in ImageCms.getProfileDescription(source):
            return None  # as most say that say anything
        out = "RGBA" if mode == "RGBA" else "RGB"
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, srgb, mode, out, ImageCms.Intent.PERCEPTUAL)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
