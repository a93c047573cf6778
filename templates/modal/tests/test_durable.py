from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disk import small_disk

from live_splat.disk.durable import remove, set_aside, storage_error, write_durably, write_json
from live_splat.refusal import RefusalError

__all__ = ["small_disk"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_whole_files_and_replaces_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_durably(path, [b"one", memoryview(b" two")]) == 7
    assert path.read_bytes() == b"one two"
    write_durably(path, [b"three"])
    assert path.read_bytes() == b"three"
    assert names(tmp_path) == ["file"]


def test_leaves_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, [b"old"])

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_durably(path, pieces())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_told_as_storage_full_and_nothing_is_left(small_disk: Path) -> None:
    path = small_disk / "file"
    write_durably(path, [b"old"])
    with pytest.raises(RefusalError, match="ENOSPC") as raised:
        write_durably(path, [bytes(1 << 16)] * 8)
    assert raised.value.code == "storage_full"
    assert raised.value.status == 507
    assert raised.value.retry_after_s == 10
    assert path.read_bytes() == b"old"
    assert names(small_disk) == ["file"]
    write_durably(path, [bytes(1 << 16)])
    assert path.stat().st_size == 1 << 16


LIMITED = """
import resource, sys
from pathlib import Path
from live_splat.checkpoint import SessionFolder
from live_splat.refusal import RefusalError
folder = SessionFolder(Path(sys.argv[1]), warn=print)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
record = {"index": 1, "type": "jpeg", "sha256": ""}
folder.write_frame(record, bytes(9_000))
try:
    folder.write_frame({**record, "index": 2}, bytes(11_000))
except RefusalError as error:
    print(error.code, folder.durable_through)
"""


def test_a_process_that_may_write_no_more_is_told_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "main")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert told.stdout == "storage_full 1\n"
    assert names(tmp_path / "main/frames") == ["000001.jpg", "000001.json"]


def test_a_folder_that_is_a_file_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        write_durably(tmp_path / "file" / "below", [b"x"])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_what_means_no_room(code: int) -> None:
    error = storage_error(OSError(code, "told by the system"))
    assert isinstance(error, RefusalError)
    assert error.code == "storage_full"
    assert errno.errorcode[code] in error.message


def test_other_errors_stay_what_they_are() -> None:
    error = OSError(errno.EIO, "broken")
    assert storage_error(error) is error


def test_sets_aside_in_place_of_what_was_set_aside_before(tmp_path: Path) -> None:
    for content in ("first", "second"):
        write_json(tmp_path / "a.json", content)
        assert set_aside(tmp_path / "a.json") == tmp_path / "a.json.damaged"
    set_aside(tmp_path / "a.json")
    assert (tmp_path / "a.json.damaged").read_text() == '"second"\n'
    (tmp_path / "folder" / "in").mkdir(parents=True)
    remove(tmp_path / "folder")
    remove(tmp_path / "never there")
    assert names(tmp_path) == ["a.json.damaged"]
