"""What a request can be refused with (contract: "Errors")."""

from __future__ import annotations

STATUS_OF = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden_origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "stopped": 409,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media": 415,
    "bad_image": 422,
    "busy": 429,
    "internal": 500,
    "unavailable": 503,
    "storage_full": 507,
}
"""HTTP status of each code."""


class RefusalError(Exception):
    """A request that is refused, in the contract's words; the API turns it into the answer."""

    def __init__(
        self, code: str, message: str, *, hint: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS_OF[self.code]
