"""A checkpoint as bytes: the trainer whole, the newest joint readings, and the session's own record beside
them. All numbers little-endian::

    0         8 bytes    "LIVESPLT"
    8         uint32     version
    12        uint32     length of the header, H
    16        H bytes    JSON, padded with spaces to a multiple of 8; its ``arrays`` say what follows
    16 + H               the arrays, raw, C order, one after the other
    size - 4  uint32     CRC-32 of all before it

A reader passes over keys that it does not know, so a later release may add some under the same version; the
version rises when an older reader would go wrong.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_splat.training import TrainerState

MAGIC = b"LIVESPLT"
VERSION = 1
LEAD = struct.Struct("<8sII")
CRC = struct.Struct("<I")
ALIGN = 8
SLICE_BYTES = 1 << 20
"""Written and summed at a time, so that threads waiting for this one get their turn."""
TYPES = frozenset(f"{order}{kind}" for order, kind in [("|", "u1"), ("|", "i1"), ("|", "b1")]) | frozenset(
    f"<{kind}" for kind in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")
)
"""Numbers and truth values alone: nothing that could run code when it is read."""


@dataclass(frozen=True)
class Checkpoint:
    """What a session goes on from."""

    state: TrainerState
    session: dict[str, Any]
    """The session's record as it was then."""
    joints: list[Any]
    """Readings of the last seconds, in time order: later frames may fall between them and what comes next."""


class CheckpointError(ValueError):
    """These bytes are no checkpoint that this release can use."""


class NewerCheckpointError(CheckpointError):
    """Nothing is wrong with it but the reader's age."""


def encode_checkpoint(checkpoint: Checkpoint) -> Iterator[bytes | memoryview]:
    """The bytes, in pieces of about 1 MiB."""
    state = checkpoint.state
    arrays = {name: _plain(name, values) for name, values in state.arrays.items()}
    header = {
        "session": checkpoint.session,
        "joints": checkpoint.joints,
        "step": state.step,
        "scalars": dict(state.scalars),
        "arrays": [{"name": n, "type": a.dtype.str, "shape": list(a.shape)} for n, a in arrays.items()],
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGN)
    lead = LEAD.pack(MAGIC, VERSION, len(text)) + text
    total = zlib.crc32(lead)
    yield lead
    for values in arrays.values():
        raw = memoryview(values.reshape(-1).view(np.uint8))
        for at in range(0, len(raw), SLICE_BYTES):
            piece = raw[at : at + SLICE_BYTES]
            total = zlib.crc32(piece, total)
            yield piece
    yield CRC.pack(total)


def decode_checkpoint(file: bytes) -> Checkpoint:
    """Read a checkpoint; its arrays are copies and may be written to.

    Raises CheckpointError for whatever is not one, whole and of a version this release knows.
    """
    end = len(file) - CRC.size
    magic, version, header_bytes = LEAD.unpack_from(file) if end >= LEAD.size else (b"", 0, 0)
    if magic == MAGIC and version > VERSION:
        raise NewerCheckpointError(
            f"it was written by a newer release (format {version}, this one reads up to {VERSION})"
        )
    if magic != MAGIC or zlib.crc32(memoryview(file)[:end]) != CRC.unpack_from(file, end)[0]:
        raise CheckpointError("it is cut short or its checksum is wrong")
    body_at = LEAD.size + header_bytes
    if body_at > end:
        raise CheckpointError("its header is longer than the file")
    try:
        header = json.loads(file[LEAD.size : body_at])
        arrays = _read_arrays(header["arrays"], memoryview(file)[body_at:end])
        state = TrainerState(step=int(header["step"]), arrays=arrays, scalars=dict(header["scalars"]))
        return Checkpoint(state=state, session=dict(header["session"]), joints=list(header["joints"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"its header does not say what this version needs ({error})") from error


def _plain(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Little-endian and contiguous."""
    array = np.asarray(values)
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(array.shape)
    if array.dtype.str not in TYPES:
        raise TypeError(f"array {name} of type {array.dtype} cannot be in a checkpoint")
    return array


def _read_arrays(table: list[dict[str, Any]], body: memoryview) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    at = 0
    for entry in table:
        if entry["type"] not in TYPES or any(int(side) < 0 for side in entry["shape"]):
            raise ValueError("an array of a type or shape that none has")
        dtype = np.dtype(entry["type"])
        shape = tuple(int(side) for side in entry["shape"])
        # A count is believed only when its bytes are there.
        size = prod(shape) * dtype.itemsize
        if at + size > len(body):
            raise ValueError("arrays longer than the file")
        arrays[entry["name"]] = np.frombuffer(body[at : at + size], dtype).reshape(shape).copy()
        at += size
    if at != len(body):
        raise ValueError("arrays shorter than the file")
    return arrays
