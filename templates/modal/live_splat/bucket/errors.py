"""What a bucket's refusal means, and what to do about it. Codes: R2's S3 API documentation, "Error codes"."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

KEYS = (
    "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: they are those of an R2 API token for this account."
)
_UNKNOWN_KEY = ("does not know the access key", KEYS)
_WRONG_SECRET = (
    "refused the signature: the secret key is wrong",
    f"{KEYS} If they are right, check this machine's clock.",
)
_EXPIRED = ("refused the keys: they have expired", f"Make new ones. {KEYS}")
_CLOCK = (
    "refused the time of the request: this machine's clock is wrong",
    "Set the clock (turn on time synchronisation).",
)
_DENIED = (
    "denied access",
    "The token needs “Object Read & Write” for this bucket; a new one takes up to a minute to work.",
)
_NO_BUCKET = (
    "has no such bucket",
    "Create it, or check R2_BUCKET_NAME; a bucket in a jurisdiction has its own R2_ENDPOINT_URL (….eu.r2…).",
)
_WRONG_PLACE = (
    "says the bucket lies elsewhere",
    "Check R2_ENDPOINT_URL: it is the S3 endpoint that the bucket's settings show.",
)
MEANINGS: dict[str, tuple[str, str]] = {
    "Unauthorized": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _WRONG_SECRET,
    "ExpiredToken": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": _CLOCK,
    "ExpiredRequest": _CLOCK,
    "AccessDenied": _DENIED,
    "NoSuchBucket": _NO_BUCKET,
    "NotEntitled": ("has R2 not turned on", "Turn R2 on for the account in Cloudflare's dashboard."),
    "PermanentRedirect": _WRONG_PLACE,
    "AuthorizationHeaderMalformed": _WRONG_PLACE,
}
"""What only the user can mend: what the server says, what to do."""
MEANINGS_BY_STATUS = {401: _UNKNOWN_KEY, 403: _DENIED, 301: _WRONG_PLACE}
"""Where an answer has no body (HEAD) or another server's body."""

NETWORK_REASONS = {
    "ConnectTimeoutError": "it could not be connected to in time",
    "ReadTimeoutError": "nothing moved on the connection",
    "ConnectionClosedError": "the connection was cut",
    "EndpointConnectionError": "it could not be connected to",
    "SSLError": "its certificate was not accepted, or TLS failed",
    "ProxyConnectionError": "the proxy could not be connected to",
}
"""botocore's errors where there was no answer. Their texts are not passed on; some hold whole requests."""


class BucketError(Exception):
    """A request to the bucket that failed, in words for people; they hold nothing secret."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        is_for_user: bool = False,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.is_for_user = is_for_user
        """Only the user can mend it."""
        self.status = status
        """Of the answer; None when there was none."""
        self.code = code
        """S3's name for what is wrong."""
        self.retry_after_s = retry_after_s


def bucket_error(error: Exception, *, bucket: str, host: str) -> BucketError:
    """What botocore raised, as ours. What the server wrote is not passed on: some servers repeat keys and
    signatures."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and "ResponseMetadata" in response:
        return _refusal(response, bucket=bucket, host=host)
    reason = NETWORK_REASONS.get(type(error).__name__, type(error).__name__)
    return BucketError(
        f"no answer from the bucket's server at {host}: {reason}",
        hint="Check R2_ENDPOINT_URL, and whether this machine is online.",
    )


def _refusal(response: dict[str, Any], *, bucket: str, host: str) -> BucketError:
    metadata = response["ResponseMetadata"]
    status = int(metadata.get("HTTPStatusCode", 0))
    code = _safe_code(response.get("Error", {}).get("Code"))
    retry_after_s = parse_retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"))
    meaning = MEANINGS.get(code) or MEANINGS_BY_STATUS.get(status)
    if meaning is not None:
        says, hint = meaning
        message = f'bucket "{bucket}": {host} {says} ({code}, HTTP {status})'
    else:
        hint = None
        message = f'bucket "{bucket}": {host} answered {code} (HTTP {status})'
    return BucketError(
        message,
        hint=hint,
        is_for_user=meaning is not None,
        status=status,
        code=code,
        retry_after_s=retry_after_s,
    )


def parse_retry_after(text: str | None) -> float | None:
    """Seconds from now that a ``Retry-After`` header asks for; None when it says nothing."""
    if text is None:
        return None
    if re.fullmatch(r"\d+", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _safe_code(code: object) -> str:
    """Codes are words; anything else is the server's own text."""
    text = str(code)
    return text if re.fullmatch(r"[A-Za-z0-9]{1,64}", text) else "unknown"
