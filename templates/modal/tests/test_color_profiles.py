from __future__ import annotations

import struct

import pytest
from PIL import Image, ImageCms

from live_splat.picture.color_profiles import to_srgb

SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""XYZ of its red, green and blue (ICC's D50)."""


def profile(*primaries: tuple[float, float, float], name: str = "test") -> bytes:
    """An ICC profile (version 2) of three primaries and sRGB's gamma, nearly."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    white = tuple(sum(primary[i] for primary in primaries) for i in range(3))
    said = name.encode() + b"\0"
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(2.2 * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(said)) + said + bytes(78),
        b"cprt": b"text\0\0\0\0-\0\0\0",
    }
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + fixed(*white)
    for letter, primary in zip(b"rgb", primaries, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*primary)
        tags[bytes([letter]) + b"TRC"] = curve
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, at + len(body), len(data))
        body += padded
    header = (
        bytes(8) + b"\x02\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    )
    whole = header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def image(mode: str, color: object, icc: bytes | None) -> Image.Image:
    made = Image.new(mode, (2, 2), color)
    if icc is not None:
        made.info["icc_profile"] = icc
    return made


def test_colours_are_what_the_profile_says() -> None:
    turned = profile(SRGB[1], SRGB[2], SRGB[0])
    # What says red means green, green means blue, and blue means red.
    converted = to_srgb(image("RGB", (200, 140, 90), turned)).getpixel((0, 0))
    assert converted == pytest.approx((90, 200, 140), abs=4)


def test_alpha_stays() -> None:
    turned = profile(SRGB[1], SRGB[2], SRGB[0])
    converted = to_srgb(image("RGBA", (200, 70, 30, 90), turned))
    assert converted.mode == "RGBA"
    assert converted.getpixel((0, 0))[3] == 90


@pytest.mark.parametrize(
    ("mode", "icc"),
    [
        ("RGB", None),
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        ("RGB", profile(*SRGB, name="sRGB IEC61966-2.1")),
        ("RGB", b"no profile at all"),
        ("RGB", profile(*SRGB)[:200]),
        ("CMYK", profile(*SRGB)),
        ("L", profile(*SRGB)),
    ],
    ids=["none", "sRGB by Pillow", "sRGB by name", "rubbish", "cut", "of other channels", "grey"],
)
def test_what_has_nothing_to_convert_is_left_alone(mode: str, icc: bytes | None) -> None:
    given = image(mode, 0, icc)
    assert to_srgb(given) is given
