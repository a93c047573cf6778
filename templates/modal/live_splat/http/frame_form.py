"""The multipart form that a frame is uploaded in, parsed piece by piece as it comes (RFC 7578)."""

from __future__ import annotations

import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from live_splat.contract import LIMITS
from live_splat.refusal import RefusalError

from .exchange import too_large

FORM_OVERHEAD_BYTES = 1024 * 1024
"""Room in an upload for ``meta`` and the multipart syntax beside the file."""
MAX_PARTS = 64
_MALFORMED = "the multipart form is malformed"


class FrameForm:
    """Keeps the fields ``file`` and ``meta``, the first of each, and nothing else."""

    def __init__(self, content_type: str) -> None:
        """Raises ``bad_request`` for what is no multipart form."""
        if re.match(r"multipart/form-data\b", content_type, re.IGNORECASE) is None:
            raise RefusalError("bad_request", "an upload must be multipart/form-data with a field `file`")
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise RefusalError("bad_request", f"{_MALFORMED}: its boundary is not named")
        self._fields: dict[bytes, bytearray] = {}
        self._file_is_text = False
        self._into: bytearray | None = None
        self._parts = 0
        self._ended = False
        self._fault: FormParserError | None = None
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise RefusalError("bad_request", _MALFORMED) from error

    def write(self, piece: bytes) -> None:
        """The next piece of the body. Raises ``too_large``; what is malformed is told at the end, so that the
        same is said of a body that is too long, whatever it holds."""
        if self._fault is not None:
            return
        try:
            self._parser.write(piece)
        except FormParserError as error:
            self._fault = error
            self._fields.clear()
            self._into = None

    def end(self) -> tuple[bytes, bytes | None]:
        """The file, and ``meta`` where it was given. Raises ``bad_request``."""
        if self._fault is not None:
            raise RefusalError("bad_request", _MALFORMED) from self._fault
        if not self._ended:
            raise RefusalError("bad_request", f"{_MALFORMED}: it breaks off")
        file, meta = self._fields.get(b"file"), self._fields.get(b"meta")
        if file is None:
            raise RefusalError("bad_request", "the form has no field `file`")
        if self._file_is_text:
            raise RefusalError("bad_request", "the field `file` is text, not a file")
        return bytes(file), None if meta is None else bytes(meta)

    def _callbacks(self) -> dict:
        return {
            "on_part_begin": self._begin_part,
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_data,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormParserError(f"more than {MAX_PARTS} fields")
        self._disposition = b""
        self._into = None

    def _begin_header(self) -> None:
        self._header = (bytearray(), bytearray())

    def _end_header(self) -> None:
        name, value = self._header
        if name.strip().lower() == b"content-disposition":
            self._disposition = bytes(value)

    def _begin_data(self) -> None:
        options = parse_options_header(self._disposition)[1]
        name = options.get(b"name", b"")
        if name in {b"file", b"meta"} and name not in self._fields:
            self._into = self._fields[name] = bytearray()
            self._file_is_text |= name == b"file" and b"filename" not in options

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._into is None:
            return
        self._into += memoryview(data)[start:end]
        limit = FORM_OVERHEAD_BYTES if self._into is self._fields.get(b"meta") else LIMITS.frame_bytes
        if len(self._into) > limit:
            raise too_large(limit)

    def _end(self) -> None:
        self._ended = True
