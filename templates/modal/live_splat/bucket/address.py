"""What a bucket needs to be reached, and the mistakes people make when they copy it from a dashboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

R2_HOST = re.compile(r"(?:^|\.)r2\.cloudflarestorage\.com$")
PUBLIC_HOST = re.compile(r"\.r2\.dev$")
ENDPOINT_EXAMPLE = "It looks like https://ACCOUNT.r2.cloudflarestorage.com, without the bucket."
PUBLIC_EXAMPLE = "It looks like https://pub-….r2.dev or a domain of your own; leave it out if there is none."
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""R2 takes lower case, digits and dashes; other servers dots too."""


class AddressError(ValueError):
    """A setting of the bucket that cannot be one; the message names it, says why, and what to do."""


@dataclass(frozen=True)
class BucketAddress:
    """As the S3 client needs it."""

    endpoint: str
    """No trailing slash."""
    host: str
    """Host and port, for people."""
    bucket: str
    path_style: bool
    """Servers on this machine have no name for each bucket."""
    public_url: str | None
    """No trailing slash; None when browsers cannot read the bucket."""


def check_address(endpoint: str, bucket: str, public_url: str | None) -> BucketAddress:
    """Check what the user gave. Raises AddressError."""
    if not BUCKET_NAME.fullmatch(bucket):
        # What people paste by mistake may be a key.
        raise _wrong(
            "R2_BUCKET_NAME", "it cannot be a bucket's name", "Give the name alone, no URL and no path."
        )
    url = _endpoint(endpoint, bucket)
    return BucketAddress(
        endpoint=_plain(url),
        host=url.netloc,
        bucket=bucket,
        path_style=_is_loopback(url.hostname or ""),
        public_url=None if public_url is None else _public_url(public_url),
    )


def _endpoint(text: str, bucket: str) -> SplitResult:
    url = _url("R2_ENDPOINT_URL", text, ENDPOINT_EXAMPLE)
    host = url.hostname or ""
    path = [part for part in url.path.split("/") if part]
    if PUBLIC_HOST.search(host):
        why, hint = f"{host} is the public address", f"Set it as R2_PUBLIC_URL. {ENDPOINT_EXAMPLE}"
    elif path[-1:] == [bucket] or host.startswith(f"{bucket}."):
        why, hint = f'it names the bucket "{bucket}", which R2_BUCKET_NAME does', ENDPOINT_EXAMPLE
    elif R2_HOST.search(host) and path:
        why, hint = f"it has a path ({url.path})", ENDPOINT_EXAMPLE
    elif R2_HOST.search(host) and url.scheme != "https":
        why, hint = "R2 answers over https only", ENDPOINT_EXAMPLE
    else:
        return url
    raise _wrong("R2_ENDPOINT_URL", why, hint)


def _public_url(text: str) -> str:
    url = _url("R2_PUBLIC_URL", text, PUBLIC_EXAMPLE)
    if R2_HOST.search(url.hostname or ""):
        why = "this is the S3 endpoint, which answers nobody without keys"
        raise _wrong("R2_PUBLIC_URL", why, PUBLIC_EXAMPLE)
    return _plain(url)


def _url(setting: str, text: str, hint: str) -> SplitResult:
    """The text itself is not repeated: what people paste by mistake may be a key."""
    try:
        url = urlsplit(text)
        # Only reading it says whether it is one.
        is_address = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise _wrong(setting, "it is no http or https URL", hint)
    if url.username or url.password or url.query or url.fragment:
        raise _wrong(setting, "it holds more than an address (user, ? or #)", hint)
    return url


def _plain(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}{url.path}".rstrip("/")


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _wrong(setting: str, why: str, hint: str) -> AddressError:
    return AddressError(f"{setting} cannot be used: {why}. {hint}")
