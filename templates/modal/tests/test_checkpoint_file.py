from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from session_folders import SESSION, assert_same, state_of

from live_splat.disk.checkpoint_file import (
    LEAD,
    MAGIC,
    Checkpoint,
    CheckpointError,
    NewerCheckpointError,
    decode_checkpoint,
    encode_checkpoint,
)
from live_splat.training import TrainerState


class TestCheckpointFile:
    def test_gives_back_what_it_was_given_bit_for_bit(self) -> None:
        joints = [[12.5, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]]]
        data = b"".join(encode_checkpoint(Checkpoint(state_of(7), SESSION, joints)))
        checkpoint = decode_checkpoint(data)
        assert_same(checkpoint.state, state_of(7))
        assert checkpoint.session == SESSION
        assert checkpoint.joints == joints

    def test_takes_arrays_as_they_lie_in_memory(self) -> None:
        values = np.arange(24, dtype=">f8").reshape(4, 6)
        state = TrainerState(1, {"swapped": values, "strided": values.T[::2].astype(np.float32)})
        found = decode_checkpoint(b"".join(encode_checkpoint(Checkpoint(state, {}, [])))).state.arrays
        np.testing.assert_array_equal(found["swapped"], values)
        np.testing.assert_array_equal(found["strided"], values.T[::2])

    def test_holds_no_objects(self) -> None:
        state = TrainerState(1, {"code": np.array([print], dtype=object)})
        with pytest.raises(TypeError, match="code"):
            list(encode_checkpoint(Checkpoint(state, {}, [])))

    def test_refuses_every_cut_and_every_changed_byte(self) -> None:
        data = b"".join(encode_checkpoint(Checkpoint(state_of(1, 2), SESSION, [])))
        step = max(1, len(data) // 300)
        for at in range(0, len(data), step):
            with pytest.raises(CheckpointError):
                decode_checkpoint(data[:at])
            changed = bytearray(data)
            changed[at] ^= 0x40
            with pytest.raises(CheckpointError):
                decode_checkpoint(bytes(changed))

    def test_believes_no_length_that_the_file_does_not_have(self) -> None:
        for shape in ([1 << 40], [-1], [3], []):
            header = {"session": {}, "joints": [], "step": 1, "scalars": {}}
            header["arrays"] = [{"name": "means", "type": "<f4", "shape": shape}]
            text = json.dumps(header).encode()
            lead = LEAD.pack(MAGIC, 1, len(text)) + text + bytes(8)
            with pytest.raises(CheckpointError, match="header"):
                decode_checkpoint(lead + zlib.crc32(lead).to_bytes(4, "little"))

    def test_says_that_a_newer_one_is_newer(self) -> None:
        with pytest.raises(NewerCheckpointError, match=r"newer release \(format 2, this one reads up to 1\)"):
            decode_checkpoint(LEAD.pack(MAGIC, 2, 0) + bytes(100))
